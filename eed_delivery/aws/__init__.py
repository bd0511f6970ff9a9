"""AWS.

- `sessions`  sessions, with the credentials that the settings name
- `calls`     the quick calls of SQS and SES that go with every email
"""
