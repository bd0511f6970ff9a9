"""AWS.

- `sessions`  sessions, with the credentials that the settings name
- `calls`     the quick calls of SQS and SES that go with every email
- `s3`        a bucket, for files and for copies of emails
- `event_source_mapping` turns off and on what invokes a function
- `kept_connections` a limit on idle connections of boto3's clients
- `untraced`  messages without Lambda's trace header
- `unanswered` calls that got no answer
"""
