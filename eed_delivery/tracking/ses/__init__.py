"""SES's events, from their queue to the ledger.

- `collector`     the role `events`
- `parsing`       notifications, as events
- `fields`        what one field of SES's JSON may hold
- `sns_envelope`  what SNS and EventBridge wrap an event in
"""
