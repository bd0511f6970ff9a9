"""Who may use the pages and the API, as the ledger keeps it.

- `users`           people who log in with a password
- `tokens`          API tokens
- `sessions`        sessions of logged-in users
- `login_attempts`  failed logins, and the wait after them
- `idempotency`     requests that were answered, or are at work
- `housekeeping`    deletes what is over
"""
