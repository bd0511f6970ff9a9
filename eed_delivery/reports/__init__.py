"""A job's report, for auditors and managers.

- `rows`        the emails as CSV, byte for byte the same wherever it is made
- `certificate` the sums that must come out even, and the SHA-256 of the rows
- `timeline`, `reasons` what is counted while the rows go by, in bounded memory
- `digest`      all of that for one job
- `page`        the report as one page of HTML, from `page.html`
"""
