"""What `eed-delivery db check` checks: the mapping, the server, our rights and the plans of our statements.

- `mapping`           the mapped tables and columns, held against the live database
- `expectations`      what the mapping expects of each column
- `keys`              keys that are equal to one side and differ to the other
- `template_columns`  columns that templates read
- `server`            version, durability, read-only
- `ledger_rights`     our rights on the ledger's tables
- `excess_rights`     rights that we have and do not need
- `read_only`         whether a user could write to the source
- `plans`             statements that would read a large table from end to end
- `findings`          what a check reports
"""
