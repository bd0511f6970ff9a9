"""A job's report, for auditors and managers.

- `rows`                  the emails as CSV, with the same bytes wherever it is made
- `certificate`           sums that must add up, and the SHA-256 of the rows
- `digest`                all that the page shows, gathered in one pass
- `timeline`, `reasons`   what is counted meanwhile, in bounded memory
- `served`                how many recipients were sent their email
- `tracked`               which outcomes can be known
- `moments`               times for people
- `page`                  the report as one HTML page, with `chart`
"""
