"""The delivery server's own tables: which jobs are ready, what an email contains, and its status written back.

- `access`           the class `Source`: everything the service reads and writes there
- `tables`           the mapping of `[source]` as light SQLAlchemy tables
- `clock`            the source's clock in SQL
- `wall_clock`       moments as that clock shows them, in the night when it shows an hour twice
- `keys`             string keys in SQL, compared byte for byte
- `comparing`        its rows, for those who hold them against the ledger
- `live`             what the database really has: columns, indexes, character sets
- `column_kinds`     which types of columns templates may have
- `check`            the mapping held against the database, for `eed-delivery db check`
- `key_checks`       keys that could not be kept, or would not compare alike
- `template_columns` columns that would fail the emails whose templates print them
- `plans`            what the database would read from end to end, again and again
- `reference`        the schema for those who have none yet

Nothing here alters a table that exists.
"""

from eed_delivery.source.access import Known, Source

__all__ = ["Known", "Source"]
