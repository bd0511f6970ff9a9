"""Channels in the ledger.

- `listing`  those that were created while the service runs
"""
