"""Amazon S3, and stores that speak its protocol: files into a bucket.

- `settings`    of a channel
- `kind`        the kind of channel

How a bucket is used is in `aws.s3`, which archives share.
"""
