"""Which database servers there are for the tests, and one of them by its name."""

from typing import Any

from tests.servers.database_server import DatabaseServer
from tests.servers.mariadb import MariaDb
from tests.servers.mysql import MySql

RUNNING: dict[str, DatabaseServer] = {}
"""Servers that whoever runs pytest in this process has started: the session takes them, and leaves them alone."""
_CLASSES: dict[str, type[DatabaseServer]] = {server.kind: server for server in (MariaDb, MySql)}
KINDS = tuple(_CLASSES)
"""What `--database` takes."""


def new_database(kind: str, *options: Any, **more: Any) -> DatabaseServer:
    """A server of this kind; it takes what `DatabaseServer` takes. Raises RuntimeError at its start where it cannot be
    had."""
    return _CLASSES[kind](*options, **more)
