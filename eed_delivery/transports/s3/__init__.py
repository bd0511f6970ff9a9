"""Amazon S3, and stores that speak its protocol: files into a bucket.

- `settings`    of a channel
- `answers`     what each answer means
- `transport`   one PUT a file, which never replaces
- `kind`        the kind of channel
"""
