"""Bounces, complaints and auto-replies that come back by mail.

- `server`, `session`  receive them by LMTP or SMTP
- `intake`             from a message to the ledger
- `parsing`            from a message to events
- `mime_parts`         takes a message apart
- `delivery_reports`   standard delivery status notifications
- `plain`, `words`     bounces in no standard form, in many languages
- `feedback_reports`   complaints
- `auto_replies`       answers by machines
- `diagnosis`          why an email bounced
- `enhanced_codes`     enhanced status codes
- `verp`               the envelope sender that names the email
"""
