"""Pages for people on call. So far: the login, and a start page with the jobs that run.

- `pages`    the pages' routes
- `login`    log in and out with a password
"""
