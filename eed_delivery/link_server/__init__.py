"""The HTTP endpoint behind the signed addresses: the pixel, the redirect, and one-click unsubscription.

- `endpoint`  from a request to its answer, and to what it says (WSGI)
- `answers`   the answers' headers and bodies, as bytes
- `forms`     what a POST wants
- `intake`    between the endpoint, which must be quick, and the database, which may be away
- `recording` from requests to the ledger
- `machines`  which opens and clicks are no person's, and `all_links` by what else that is known
- `server`    waitress, with limits
- `role`      puts them together

It is to run behind a reverse proxy that ends TLS, and needs no more of it than `/o/`, `/c/` and `/u/` (`/healthz` is
for the load balancer); a path in the links' base URL is the proxy's to strip. Opens and clicks are personal data. No IP
address, user agent or cookie is kept, nor does any get into the log: what stays of a request is which email, when,
which link, and whether a machine sent it.
"""
