"""Who may use the pages and the API, and what each may do. Nothing here knows HTTP's library or a page.

- `rights`          the rights, and the roles that have them
- `callers`         who asks: by IAM, a token, a session or a proxy's signed header
- `iam_callers`     roles and users of IAM with rights here
- `passwords`       hashes of passwords
- `secrets`         tokens and session ids, and their digests
- `logging_in`      a login with a password, with its counted attempts
- `signed_headers`  the checks of a proxy's signed header, and `signed_persons` whom it names
- `signing_keys`    the public keys of proxies, fetched and kept
- `same_origin`     whether a request comes from our own pages
- `request_rates`   how many requests a minute a token may make
"""
