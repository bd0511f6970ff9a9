"""Source against ledger.

- `comparing`    reads both side by side, a page at a time
- `differences`  what can differ
- `ledger`       writes differences down, and puts right what can be
"""
