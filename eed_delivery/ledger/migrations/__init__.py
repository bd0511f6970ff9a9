"""The ledger's schema, built and upgraded by Alembic. `eed-delivery db init` runs it.

`versions` has one module a revision, and `env` is Alembic's entry.
"""

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine

from eed_delivery.database.transactions import end
from eed_delivery.ledger.revision import current


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
