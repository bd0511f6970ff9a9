"""The worker's side of the ledger.

- `ledger`        claim, wire, record, release
- `claiming`      takes emails for a worker, with all that their sending needs
- `recording`     writes what became of an attempt
- `statements`    the SQL; what each WHERE keeps out is tested term by term
- `group_commit`  commits what several threads have ready in one request
- `claims`        words for claimed emails
- `taken_paths`   paths of files, each taken by one email at a time
- `domain_holds`  destination domains that are held
"""
