"""SMTP.

- `transport`  one kept connection, and what each answer means for the email
- `session`    the protocol: bytes, replies and deadlines
- `content`    the message between DATA and the final dot
- `replies`    parses replies
- `answers`    whom a refusal concerns
"""
