"""The ledger's schema, built and upgraded by Alembic. `eed-delivery db init` runs it.

`versions` has one module a revision, and `env` is Alembic's entry.
"""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from eed_delivery.database.transactions import end
from eed_delivery.ledger.schema import VERSION_TABLE

TABLE_ACCESS_DENIED = 1142


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def upgrade(engine: Engine, made: Callable[[Connection, str | None], None] | None = None) -> None:
    """Bring the ledger to this release's schema. Does nothing where it is there already.

    `made` is called with the revision before, in the transaction of the last migration. Should it fail, that migration
    counts as not done, and is run again.
    """
    config = _config()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        before = current(connection)
        command.upgrade(config, "head")
        if made is not None:
            made(connection, before)
        end(connection)


def current(connection: Connection) -> str | None:
    """The revision the database is at. None when the ledger is not there, or is not ours to read."""
    try:
        return _revision(connection)
    except DBAPIError as error:
        if error.orig is not None and error.orig.args[0] == TABLE_ACCESS_DENIED:
            return None  # without a right on it, MariaDB does not even say whether the table is there
        raise


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def head() -> str | None:
    """The revision this release wants."""
    return ScriptDirectory.from_config(_config()).get_current_head()
