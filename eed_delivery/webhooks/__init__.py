"""The role `webhooks`: tells the tenant's own system what became of jobs and emails.

- `signing`    the headers of Standard Webhooks
- `body`       what is said
- `endpoint`   one POST, bounded in every way
- `teller`     takes what is due, tells it, records what came of it; and the housekeeping
"""
