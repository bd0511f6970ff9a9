"""Webhooks in the ledger.

- `outbox`      written in the transaction of the work that is reported
- `ledger`      what is due is leased, and what came of it is recorded
- `endpoint`    the endpoint's health
- `listing`     reads and another try for people
- `statements`  the SQL
"""
