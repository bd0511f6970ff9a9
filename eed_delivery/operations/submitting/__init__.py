"""Register a job from a file of recipients, templates and attachments, in the reference schema.

- `submission`  the whole: check, preview, register
- `uploading`   the same for a file that a caller sends along
- `s3_recipients` such a file in S3
- `drafts`      the job itself, and what of it cannot be
- `sifting`     which rows of the file are good; all are checked before the first one is written
- `recipients`  the rows of the file, CSV or JSON Lines
- `repeated`    recipients that it has more than once
- `attachments` the files that the emails name
- `registering` the rows that are written
- `by_the_side` jobs with many recipients, which an operation registers
- `expiry`      whether the job will expire before its send window opens
- `incomplete`  jobs whose last row is not in
"""
