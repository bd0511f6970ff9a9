"""The database as the settings name it. A query of the ledger needs only this. `app` makes everything else."""

import threading

from eed_delivery.config import DatabaseSettings
from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import CONNECTION_TRIES, HOLD_SECONDS, Database


def open_database(
    settings: DatabaseSettings,
    stop: threading.Event | None = None,
    *,
    connections: int = 2,
    multi_statements: bool = False,
    tries: int = CONNECTION_TRIES + 1,
    read_only: bool = False,
) -> Database:
    """The database, over a pool of its own. `stop` ends what waits to try again. `tries` is how often a transaction is
    begun that loses its connection. `read_only`: it refuses writes."""
    url = settings.sqlalchemy_url()
    engine = make_engine(url, connections=connections, multi_statements=multi_statements, read_only=read_only)
    hold = HOLD_SECONDS if multi_statements else 0
    return Database(
        engine, stop or threading.Event(), hold_seconds=hold, most_kept=connections, connection_tries=tries - 1
    )
