"""One database, reached the same way by everyone: engines, the database's clock, whole transactions with retries."""

import random
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import structlog
from pymysql.constants import CLIENT
from sqlalchemy import URL, Connection, DateTime, Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from tenacity import RetryCallState, Retrying, retry_if_exception, sleep_using_event, stop_after_attempt

from eed_delivery.errors import DatabaseGone
from eed_delivery.mysql_connection import connect
from eed_delivery.mysql_values import CONVERSIONS

log = structlog.get_logger(__name__)
T = TypeVar("T")

# https://mariadb.com/kb/en/mariadb-error-code-reference/: deadlock, lock wait timeout, record changed since last read
CONTENTION = frozenset({1213, 1205, 1020})
# disk full (twice), Galera node not ready, query killed or timed out (three ways)
UNABLE = frozenset({1021, 1114, 1047, 1317, 1969, 3024})
# too many connections, server shutting down, connection killed, read-only server (twice), lost or refused connections
AWAY = frozenset({1040, 1053, 1152, 1158, 1159, 1160, 1161, 1203, 1290, 1792, 1836, 1927, 2002, 2003, 2006, 2013, 2055})
# access denied: a rotated password heals itself like an outage does, and must not end a worker thread
REFUSED = frozenset({1044, 1045, 1129, 1130, 4151})

# A process that is frozen, or cut off from the network, in the middle of a transaction keeps its row locks for as long
# as the server believes in its connection: eight hours by default. Nobody could claim, settle or finish what it holds.
# MariaDB ends an idle transaction by itself; MySQL, which takes /*M! … */ for a comment, the idle connection.
IDLE_TRANSACTION_SECONDS = 10
IDLE_CONNECTION_SECONDS = 60
LOCK_WAIT_SECONDS = 5
RECYCLE_SECONDS = 45
"""A connection of the pool that is older is replaced, so that none is used that the server has ended for idling."""
HOLD_SECONDS = 5
"""How long a worker's thread keeps its connection: to ask the pool for it each time costs as much as two statements."""
SESSION = (
    f"SET SESSION wait_timeout = {IDLE_CONNECTION_SECONDS}, innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS}, "
    # Without it a CHAR is read without the blanks that fill it up, which neither a key nor a name has.
    "sql_mode = REPLACE(@@sql_mode, 'PAD_CHAR_TO_FULL_LENGTH', '') "
    f"/*M!100300 , idle_transaction_timeout = {IDLE_TRANSACTION_SECONDS} */"
)

CONTENTION_TRIES = 20
CONNECTION_TRIES = 3


class utc_now(FunctionElement[Any]):  # noqa: N801 - named like the SQL functions it stands beside
    """The database's clock in UTC with microseconds. Never the host's clock, and no jump when summer time ends."""

    type = DateTime()
    inherit_cache = True


class utc_in(FunctionElement[Any]):  # noqa: N801 - as above
    """The database's clock plus so many seconds: ``utc_in(30)``; may be negative or fractional."""

    type = DateTime()
    inherit_cache = True


class seconds_until(FunctionElement[Any]):  # noqa: N801 - as above
    """Seconds from the database's now to a column's time; negative when it has passed."""

    inherit_cache = True


@compiles(utc_now)
def _utc_now(element: utc_now, compiler: SQLCompiler, **_: Any) -> str:
    return "UTC_TIMESTAMP(6)"


@compiles(utc_now, "sqlite")
def _utc_now_sqlite(element: utc_now, compiler: SQLCompiler, **_: Any) -> str:
    return "strftime('%Y-%m-%d %H:%M:%f000', 'now')"


@compiles(utc_in)
def _utc_in(element: utc_in, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(UTC_TIMESTAMP(6) + INTERVAL {compiler.process(element.clauses, **kw)} * 1000000 MICROSECOND)"


@compiles(utc_in, "sqlite")
def _utc_in_sqlite(element: utc_in, compiler: SQLCompiler, **kw: Any) -> str:
    seconds = compiler.process(element.clauses, **kw)
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', {seconds} || ' seconds')"


@compiles(seconds_until)
def _seconds_until(element: seconds_until, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), {compiler.process(element.clauses, **kw)}) / 1000000)"


@compiles(seconds_until, "sqlite")
def _seconds_until_sqlite(element: seconds_until, compiler: SQLCompiler, **kw: Any) -> str:
    return f"((julianday({compiler.process(element.clauses, **kw)}) - julianday('now')) * 86400.0)"


def make_engine(url: URL, *, connections: int, volleys: bool = False) -> Engine:
    """An engine for `url` that keeps up to `connections` open: READ COMMITTED, found rows counted as matched.

    `volleys`: whether several statements may come in one request (see `volley`).
    """
    if url.get_backend_name() == "sqlite":
        return _sqlite_engine(url)
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
            "conv": CONVERSIONS,
            # In place of SQLAlchemy's own flags: a row that matched counts, whether or not that changed it.
            "client_flag": CLIENT.FOUND_ROWS | (CLIENT.MULTI_STATEMENTS if volleys else 0),
        },
        hide_parameters=True,  # an error's text must not carry a customer's data into the logs
    )
    event.listen(engine, "do_connect", connect)
    return engine


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": 30}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we begin transactions ourselves, below
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # IMMEDIATE: a reader that turns writer in mid-transaction would be refused without waiting.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _code(error: BaseException) -> int | None:
    original = getattr(error, "orig", None)
    code = original.args[0] if original is not None and original.args else None
    return code if isinstance(code, int) else None


def is_contention(error: BaseException) -> bool:
    """True when another transaction was in the way: the whole transaction may simply be tried again."""
    if isinstance(error, OperationalError) and "database is locked" in str(error.orig):
        return True
    return isinstance(error, DBAPIError) and _code(error) in CONTENTION


def is_away(error: BaseException) -> bool:
    """True when the server cannot be reached, has gone in mid-work, or takes no writes at the moment."""
    if not isinstance(error, DBAPIError):
        return False
    return error.connection_invalidated or isinstance(error, InterfaceError) or _code(error) in AWAY | UNABLE | REFUSED


class Database:
    """Runs whole transactions. A piece of work may run more than once, and must then come to the same end.

    That includes the worst case: the commit went through, but its answer was lost. Work that is not idempotent by
    nature recognises its own earlier run by the fencing token it wrote.
    """

    def __init__(self, engine: Engine, stop: threading.Event | None = None, *, hold_seconds: float = 0) -> None:
        """`hold_seconds`: so long a thread keeps its connection from one transaction to the next, for threads that have
        one all the time. The pool looks at a connection's age whenever it comes by, so this is much less than that."""
        self.engine = engine
        self._hold_seconds = hold_seconds
        self._kept = _Kept()
        self.dialect = engine.dialect.name
        self._retrying = Retrying(
            retry=retry_if_exception(lambda e: is_contention(e) or is_away(e)),
            stop=_enough,
            wait=_pause,
            sleep=sleep_using_event(stop or threading.Event()),
            reraise=True,
        )

    def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction and return what it returns.

        Deadlocks and lock timeouts are tried again, lost connections a few times at once. Raises `DatabaseGone` when
        the database stays away: the caller then knows nothing about whether the last try was committed.
        """
        try:
            return self.once(work)
        except DBAPIError as error:
            if not (is_contention(error) or is_away(error)):
                raise
        return self._again(work)

    def _again(self, work: Callable[[Connection], T]) -> T:
        """After a first try that failed: tenacity takes as long as a statement, so it is not asked before."""
        try:
            done: T = self._retrying(self.once, work)
            return done
        except DBAPIError as error:
            if is_contention(error) or is_away(error):
                raise DatabaseGone(f"the database does not answer: {_brief(error)}") from error
            raise

    def did(self, work: Callable[[Connection], T]) -> T:
        """As `run`, for work that tells what it has done: how many rows, or whether. When the commit went through, its
        answer was lost, and the second run therefore found nothing left to do, the first one's word stands."""
        told: list[T] = []

        def telling(c: Connection) -> T:
            done = work(c)
            if done or not told:
                told[:] = [done]
            return told[0]

        return self.run(telling)

    def once(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction, and not again. Raises what the database says, as SQLAlchemy does: the caller
        then knows nothing about whether it was committed."""
        c = self._take()
        try:
            done = _transaction(c, work)
        except BaseException:
            c.close()
            raise
        self._keep(c)
        return done

    def _take(self) -> Connection:
        kept, self._kept.connection = self._kept.connection, None
        if kept is not None:
            if time.monotonic() < self._kept.until:
                return kept
            kept.close()
        self._kept.until = time.monotonic() + self._hold_seconds
        return self.engine.connect()

    def _keep(self, c: Connection) -> None:
        if self._hold_seconds:
            self._kept.connection = c
        else:
            c.close()

    def ping(self) -> None:
        """Ask the database for a sign of life; raises `DatabaseGone`."""
        self.run(lambda c: c.execute(text("SELECT 1")).scalar())

    def close(self) -> None:
        """Close what nobody uses at the moment."""
        if self._kept.connection is not None:
            self._kept.connection.close()
            self._kept.connection = None
        self.engine.dispose()


class _Kept(threading.local):
    """A thread's connection between two of its transactions."""

    connection: Connection | None = None
    until = 0.0


def _transaction(c: Connection, work: Callable[[Connection], T]) -> T:
    """One transaction. It looks twice whether the connection is safe to go on with: inside, before a ROLLBACK could
    read what was left in the socket, and outside, for a COMMIT that was interrupted."""
    try:
        with c.begin():
            try:
                return work(c)
            except BaseException as error:
                _drop_unless_safe(c, error)
                raise
    except BaseException as error:
        _drop_unless_safe(c, error)
        raise


def _drop_unless_safe(c: Connection, error: BaseException) -> None:
    """A query that was interrupted half-way leaves its answer in the socket; the next query on this connection would
    read it as its own (PyMySQL#724). Only a server's own error is safe to go on after."""
    if not isinstance(error, DBAPIError) or is_away(error):
        c.invalidate()


def _enough(state: RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome else None
    tries = CONTENTION_TRIES if error is not None and is_contention(error) else CONNECTION_TRIES
    return stop_after_attempt(tries)(state)


def _pause(state: RetryCallState) -> float:
    """Full jitter, so that two workers in a deadlock do not meet again; at most half a second."""
    return random.uniform(0, min(0.5, 0.01 * 2**state.attempt_number))  # noqa: S311 - spreads load, guards nothing


def _brief(error: DBAPIError) -> str:
    return str(error.orig).splitlines()[0][:200] if error.orig is not None else type(error).__name__
