"""The delivery server's own tables: which jobs are ready, what an email contains, and its status written back.

- `access`     the class `Source`: everything the service reads and writes there
- `tables`     the mapping of `[source]` as light SQLAlchemy tables
- `clock`      the source's clock in SQL
- `keys`       string keys in SQL, compared byte for byte
- `live`       what the database really has: columns, indexes, character sets
- `check`      the mapping held against it, for `eed-delivery db check`
- `key_checks` keys that could not be kept, or would not compare alike
- `reference`  the schema for those who have none yet

Nothing here alters a table that exists.
"""

from eed_delivery.source.access import Known, Source

__all__ = ["Known", "Source"]
