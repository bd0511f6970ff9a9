"""What became of an email after it left.

- `ses`      SES's events
- `bounces`  bounces and complaints by mail
- `relay_logs`  logs of mail servers, for emails in doubt
"""
