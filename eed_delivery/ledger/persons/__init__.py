"""What the ledger holds about one person, who is an address to it (docs/privacy.md).

- `personal_data`   which columns hold or tell something of a person, and what an erasure makes of each
- `finding`         everything about one address
- `replacing`       emails with all that belongs to them, their addresses replaced by pseudonyms
- `erasing`         the erasure of one address
- `finished_jobs`   the same for jobs that have been finished for long enough
"""
