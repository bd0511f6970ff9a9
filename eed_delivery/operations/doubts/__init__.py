"""Emails in doubt of all jobs.

- `workbench` lists, matches and settles them
- `grouping`  by worker and minute
- `matching`  what a relay's log proves of each
- `plans`     what was proven, to be settled later
"""
