"""Tracking: what became of an email after it left. Events and bounces in, delivery outcomes out.

- `ses_events`  SES's notifications, as events (`eed_delivery.events`)
- `collector`   the role that takes them from their queue into the ledger
- `bounces`     what mail servers and mailboxes send back, as events
- `verp`        the envelope sender that tells which email a bounce is about
- `links`       signed addresses: the pixel, the redirect, the unsubscription
- `rewriting`   those put into an email's HTML (`markup` finds the places)
- `machines`    which opens and clicks are no person's, and `all_links` by what else that is known
"""
