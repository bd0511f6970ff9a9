"""What each process of a host measures of itself, for Prometheus (docs/metrics.md).

- `families`    the metrics by name, with their help texts and labels
- `observing`   counts and observes. It does nothing in a process that keeps no metrics
- `recording`   keeps them, in files that all processes of the host share
- `directory`   these files: wiped at the service's start, and merged when their process has died

What is counted in the ledger is in `operations/figures.py`.
"""
