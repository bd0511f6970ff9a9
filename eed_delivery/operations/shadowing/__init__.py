"""Shadow mode: another server is followed for days, and its emails are compared with ours. Nothing is sent.

- `orders`      what can be ordered, and what is refused
- `work`        follows jobs, and compares them page by page behind what a killed process has done
- `pages`       the emails of a job in pages, with their copies and what the relay's log says
- `scanning`    new copies, entered in the ledger
- `results`     what comparisons came to
- `accepting`   differences that people accept
"""
