"""Alerts in the ledger: which process may send one now (`turns`), and what they are about (`facts`)."""
