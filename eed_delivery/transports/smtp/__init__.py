"""SMTP.

- `transport`  one kept connection, and what each answer means for the email
- `session`    the protocol: bytes, replies and deadlines
- `content`    the message between DATA and the final dot
- `replies`    parses replies
- `kind`       a mail server of a channel's own
- `answers`    whom a refusal concerns
"""
