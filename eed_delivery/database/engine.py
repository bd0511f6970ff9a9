"""Engines: how a connection is opened, what its session is set to, and how long the pool keeps it."""

from typing import Any

from pymysql.constants import CLIENT
from sqlalchemy import URL, Connection, Engine, create_engine, event

from eed_delivery.database.mysql_connection import connect

# A process that is frozen, or cut off from the network, in the middle of a transaction keeps its row locks for as long
# as the server believes in its connection: eight hours by default. No other process could claim, settle or finish what
# it holds. MariaDB ends an idle transaction by itself; MySQL, which takes /*M! … */ for a comment, the idle connection.
IDLE_TRANSACTION_SECONDS = 10
IDLE_CONNECTION_SECONDS = 60
LOCK_WAIT_SECONDS = 5
RECYCLE_SECONDS = 45
"""A connection of the pool that is older is replaced, so that none is used that the server has ended for idling."""
_KEPT_MODES = (
    "STRICT_TRANS_TABLES",
    "STRICT_ALL_TABLES",
    "ERROR_FOR_DIVISION_BY_ZERO",
    "NO_ZERO_DATE",
    "NO_ZERO_IN_DATE",
    "ALLOW_INVALID_DATES",
    "NO_ENGINE_SUBSTITUTION",
    "NO_UNSIGNED_SUBTRACTION",
    "TIME_TRUNCATE_FRACTIONAL",
)
"""What a server may ask of the values that are written. Every other mode changes what a statement says, and is off in
our sessions: NO_BACKSLASH_ESCAPES how a text ends, ANSI_QUOTES and PIPES_AS_CONCAT what is a text at all,
EMPTY_STRING_IS_NULL and PAD_CHAR_TO_FULL_LENGTH what a key is, SIMULTANEOUS_ASSIGNMENT what an UPDATE sets.
https://dev.mysql.com/doc/refman/8.4/en/sql-mode.html,
https://mariadb.com/docs/server/server-management/variables-and-modes/sql_mode
"""
_EACH_MODE = ", ".join(f"IF(FIND_IN_SET('{mode}', @@sql_mode), '{mode}', NULL)" for mode in _KEPT_MODES)
SESSION = (
    f"SET SESSION wait_timeout = {IDLE_CONNECTION_SECONDS}, innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS}, "
    f"sql_mode = CONCAT_WS(',', {_EACH_MODE}) "
    f"/*M!100300 , idle_transaction_timeout = {IDLE_TRANSACTION_SECONDS} */"
)


def make_engine(url: URL, *, connections: int, multi_statements: bool = False, read_only: bool = False) -> Engine:
    """An engine for `url` that keeps up to `connections` open. It uses READ COMMITTED and counts found rows as matched.

    `multi_statements` says whether several statements may be sent in one request (`multi_statement`). With `read_only`
    the server refuses every write of its sessions.
    """
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url, read_only)
    engine = create_engine(
        url,
        isolation_level="READ COMMITTED",
        pool_size=connections,
        max_overflow=connections,
        pool_recycle=RECYCLE_SECONDS,
        pool_timeout=30,
        # Every transaction here ends by itself: asking for one more rollback would cost a round trip each.
        pool_reset_on_return=None,
        connect_args={
            "init_command": SESSION,
            # In place of SQLAlchemy's own flags: a row that matched counts, whether or not that changed it.
            "client_flag": CLIENT.FOUND_ROWS | (CLIENT.MULTI_STATEMENTS if multi_statements else 0),
        },
        hide_parameters=True,  # an error's text must not carry a customer's data into the logs
    )
    event.listen(engine, "do_connect", connect)
    if read_only:
        event.listen(engine, "connect", _read_only)
    return engine


def _read_only(connection: Any, _record: Any) -> None:
    """For all transactions to come: https://dev.mysql.com/doc/refman/8.4/en/set-transaction.html"""
    with connection.cursor() as cursor:
        cursor.execute("SET SESSION TRANSACTION READ ONLY")


def _sqlite_engine(url: URL, read_only: bool) -> Engine:
    engine = create_engine(url, connect_args={"timeout": 30}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, below
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        if read_only:
            connection.execute("PRAGMA query_only=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # IMMEDIATE: a reader that turns writer in mid-transaction would be refused without waiting.
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine
