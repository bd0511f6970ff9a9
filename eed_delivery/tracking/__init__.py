"""Tracking: what became of an email after it left. Events and bounces in, delivery outcomes out.

- `events`      what one event says, wherever it comes from
- `ses_events`  SES's notifications, as events
- `bounces`     what mail servers and mailboxes send back, as events
- `verp`        the envelope sender that tells which email a bounce is about
- `links`       signed addresses: the pixel, the redirect, the unsubscription
- `rewriting`   those put into an email's HTML (`markup` finds the places)
- `machines`    which opens and clicks are no person's
"""
