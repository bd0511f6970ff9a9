"""Which revision of the ledger's tables is there, and which one this release wants.

Read without Alembic, which each start of the service would load for these two words: an eighth of its CPU.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, column, inspect, select, table
from sqlalchemy.exc import DBAPIError

from eed_delivery.ledger.schema import VERSION_TABLE

TABLE_ACCESS_DENIED = 1142
_VERSIONS = Path(__file__).parent / "migrations" / "versions"
_CURRENT: Select[Any] = select(column("version_num")).select_from(table(VERSION_TABLE))


def current(connection: Connection) -> str | None:
    """The revision the database is at. None when the ledger is not there, or is not ours to read."""
    try:
        if not inspect(connection).has_table(VERSION_TABLE):
            return None
        found: str | None = connection.execute(_CURRENT).scalar_one_or_none()
        return found
    except DBAPIError as error:
        if error.orig is not None and error.orig.args[0] == TABLE_ACCESS_DENIED:
            return None  # without a right on it, MariaDB does not even say whether the table is there
        raise


def head() -> str:
    """The revision this release wants: the last of those whose files are here."""
    return max(path.name.partition("_")[0] for path in _VERSIONS.glob("[0-9]*_*.py"))
