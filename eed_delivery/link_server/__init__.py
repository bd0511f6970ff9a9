"""The HTTP endpoint behind the signed links: the pixel, the redirect, and one-click unsubscription.

- `endpoint`   from a request to its answer, and to what it means (WSGI)
- `answers`    the answers' headers and bodies, as bytes
- `forms`      what a POST asks for
- `intake`     a bounded queue between the endpoint and the database
- `recording`  from requests to the ledger
- `machines`   which opens and clicks are not a person's
- `all_links`  scanners that follow every link within seconds
- `connections`  closes those that take too long
- `repeats`      how often one email's picture or links count
- `health`       `/healthz` at a port of its own
- `server`     waitress, with limits
- `role`       puts them together

It runs behind a reverse proxy that ends TLS. The proxy forwards `/o/`, `/c/` and `/u/`, and removes a path of the
links' base URL. `/healthz` is for the load balancer. Opens and clicks are personal data. No IP address, user agent or
cookie is stored or logged. What stays of a request is which email, when, which link, and whether a machine sent it.
"""
