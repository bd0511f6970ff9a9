"""The delivery server's own tables. They say which jobs are ready and what an email contains, and get its status back.

- `access`        the class `Source`: everything that the service reads and writes there
- `mapped_source`, `jobs`, `rows`, `contents`  its parts: the mapped tables, jobs, unsent emails, what emails contain
- `values`        values of its columns, as the ledger keeps them
- `tables`        the mapping of `[source]` as light SQLAlchemy tables
- `files`         the attachments that the source names
- `keys`          string keys in SQL, compared byte for byte
- `clock`         the source's clock in SQL
- `wall_clock`    moments as that clock shows them, in the night when it shows an hour twice
- `comparing`     rows to compare with the ledger
- `following`     jobs that another server takes, and what it says of their emails
- `live`          what the database really has: columns, indexes, character sets
- `column_kinds`  which types of columns templates may have
- `reference`     the schema for a new installation

Nothing here changes the schema of a table that exists.
"""

from eed_delivery.source.access import Source
from eed_delivery.source.rows import Known

__all__ = ["Known", "Source"]
