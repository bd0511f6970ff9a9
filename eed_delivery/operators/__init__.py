"""What the pages and the API have in common: the HTTP server of the role `operators`, and who may ask for what.

- `parts`     what the composition root hands in
- `shell`     the Flask application: who asks, whether they may, and the headers of each answer
- `routes`    the right that each route declares
- `peers`     which hosts may connect, and who asks behind a proxy
- `cookies`   the cookie of a session
- `one_time_login`  the demo's link
- `asking`    who asks for a long act, and whether they may
- `problems`  errors as answers (RFC 9457)
- `sealing`  facts that a caller carries for us, encrypted
- `server`    waitress, with limits of its own
"""
