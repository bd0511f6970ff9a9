"""Amazon S3, and stores that speak its protocol: whole objects in one PUT each, of which none replaces another.

- `client`   a client for one bucket
- `bucket`   the bucket: put, ask, and what each object is stored with
- `answers`  what each answer means
"""
