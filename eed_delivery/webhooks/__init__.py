"""The role `webhooks` notifies the tenant's own system of jobs and emails.

- `signing`   the headers of Standard Webhooks
- `body`      the message as JSON
- `endpoint`  one POST, bounded in time and size
- `teller`    sends due messages, records the answers, and deletes old ones
"""
