"""Whole transactions, with retries after a deadlock, a lock timeout or a lost connection."""

import math
import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import structlog
from sqlalchemy import Connection, Engine, Transaction, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from tenacity import RetryCallState, Retrying, retry_if_exception, sleep_using_event, stop_after_attempt

from eed_delivery.database.server_words import server_words
from eed_delivery.errors import DatabaseGone
from eed_delivery.metrics import observing

log = structlog.get_logger(__name__)
T = TypeVar("T")

# https://mariadb.com/kb/en/mariadb-error-code-reference/
# https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html (above 3000 they are MySQL's alone)
# deadlock, lock wait timeout, record changed since last read, group replication's "another transaction was first"
CONTENTION = frozenset({1213, 1205, 1020, 3101})
# disk full (twice), Galera node not ready, query killed or timed out (three ways)
UNABLE = frozenset({1021, 1114, 1047, 1317, 1969, 3024})
# too many connections, server shutting down, connection killed, read-only server (twice), lost or refused connections
AWAY = frozenset({1040, 1053, 1152, 1158, 1159, 1160, 1161, 1203, 1290, 1792, 1836, 1927, 2002, 2003, 2006, 2013, 2055})
# the user's limit of connections, offline mode, not available, session killed, disconnected for idling
AWAY |= {1226, 3032, 3168, 3169, 4031}
# access denied, a password that has expired (twice), a locked account (MySQL, MariaDB), one that is blocked for a
# while, no TLS where it is required: a rotated password or certificate heals itself like an outage does, and must not
# end a worker thread
REFUSED = frozenset({1044, 1045, 1129, 1130, 1820, 1862, 2026, 3118, 3955, 4151})

HOLD_SECONDS = 5
"""How long a worker's thread keeps its connection: to ask the pool for it each time costs as much as two statements."""
CONTENTION_TRIES = 20
CONNECTION_TRIES = 3


_Ending = Callable[[Connection, list[Any]], None]
_endings: WeakKeyDictionary[Transaction, dict[_Ending, list[Any]]] = WeakKeyDictionary()


def at_the_end(c: Connection, work: Callable[[Connection, list[T]], None], item: T) -> None:
    """Have `work` do `item` as the last thing of this transaction. It gets all of its items at once.

    It is for rows that every transaction locks. Whoever locks such a row last holds it shortest, and waits for nothing
    while it has it. A transaction that is not run by `Database` calls `end` itself.
    """
    transaction = c.get_transaction()
    if transaction is None:
        raise RuntimeError("there is no transaction")
    _endings.setdefault(transaction, {}).setdefault(work, []).append(item)


def end(c: Connection) -> None:
    """Do what was kept for the end of this transaction."""
    transaction = c.get_transaction()
    if transaction is not None:
        for work, items in _endings.pop(transaction, {}).items():
            work(c, items)


def _code(error: BaseException) -> int | None:
    original = getattr(error, "orig", None)
    code = original.args[0] if original is not None and original.args else None
    return code if isinstance(code, int) else None


def is_contention(error: BaseException) -> bool:
    """True when another transaction was in the way. The whole transaction may simply be tried again."""
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

    That includes the worst case, in which the commit went through but its answer was lost. Work that is not idempotent
    by nature recognises its own earlier run by the fencing token it wrote.
    """

    def __init__(
        self,
        engine: Engine,
        stop: threading.Event | None = None,
        *,
        hold_seconds: float = 0,
        most_kept: float = math.inf,
        connection_tries: int = CONNECTION_TRIES,
    ) -> None:
        """`connection_tries` are those after a first one that has lost its connection.

        `hold_seconds` is how long a thread keeps its connection from one transaction to the next. It is for threads
        that have one all the time, `most_kept` of them at most. The pool looks at a connection's age whenever it
        comes by, so this is much less than that."""
        self.engine = engine
        self._hold_seconds = hold_seconds
        self._most_kept = most_kept
        self._keeping = 0
        self._keeping_lock = threading.Lock()
        self._kept = _Kept()
        self.dialect = engine.dialect.name
        self._retrying = Retrying(
            retry=retry_if_exception(lambda e: is_contention(e) or is_away(e)),
            stop=partial(_enough, connection_tries),
            wait=_pause,
            sleep=sleep_using_event(stop or threading.Event()),
            reraise=True,
        )

    def run(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction and return what it returns.

        Deadlocks and lock timeouts are tried again, lost connections a few times at once. Raises `DatabaseGone` when
        the database stays away. The caller then does not know whether the last try was committed.
        """
        try:
            return self.once(work)
        except DBAPIError as error:
            if not (is_contention(error) or is_away(error)):
                raise
        return self._again(work)

    def _again(self, work: Callable[[Connection], T]) -> T:
        """After a first try that failed. Tenacity takes as long as a statement, so it is not used before."""
        try:
            done: T = self._retrying(self.once, work)
            return done
        except DBAPIError as error:
            if is_contention(error) or is_away(error):
                observing.count("eed_database_gone_total")
                raise _gone(error) from error
            raise

    def did(self, work: Callable[[Connection], T]) -> T:
        """As `run`, for work that returns how many rows it has changed, or whether it has changed any.

        When the commit went through, its answer was lost, and the second run therefore found nothing left to do, the
        first one's word stands."""
        told: list[T] = []

        def telling(c: Connection) -> T:
            done = work(c)
            if done or not told:
                told[:] = [done]
            return told[0]

        return self.run(telling)

    def once(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in one transaction, and not again. Raises what the database says, as SQLAlchemy does. The caller
        then does not know whether it was committed."""
        c = self._take()
        try:
            done = _transaction(c, work)
        except BaseException:
            c.close()
            raise
        self._keep(c)
        return done

    def _take(self) -> Connection:
        kept = self._kept_before()
        if kept is not None:
            if time.monotonic() < self._kept.until:
                return kept
            kept.close()
        self._kept.until = time.monotonic() + self._hold_seconds
        try:
            return self.engine.connect()
        except PoolTimeout as error:
            raise DatabaseGone("no connection of this process was free in time") from error

    def _keep(self, c: Connection) -> None:
        """A thread keeps one. All threads keep `most_kept` at most, so that the others find one in the pool."""
        may = bool(self._hold_seconds) and self._kept.connection is None
        with self._keeping_lock:
            keeps = may and self._keeping < self._most_kept
            self._keeping += keeps
        if keeps:
            self._kept.connection = c
        else:
            c.close()

    def _kept_before(self) -> Connection | None:
        """What the calling thread has kept. It is not kept any more."""
        kept, self._kept.connection = self._kept.connection, None
        if kept is not None:
            with self._keeping_lock:
                self._keeping -= 1
        return kept

    def let_go(self) -> None:
        """Give back the connection that the calling thread has kept."""
        kept = self._kept_before()
        if kept is not None:
            kept.close()

    def ping(self) -> None:
        """Ask the database for a sign of life. Raises `DatabaseGone`."""
        self.run(lambda c: c.execute(text("SELECT 1")).scalar())

    def close(self) -> None:
        """Close connections that are not in use."""
        self.let_go()
        self.engine.dispose()


class _Kept(threading.local):
    """A thread's connection between two of its transactions."""

    connection: Connection | None = None
    until = 0.0


def _transaction(c: Connection, work: Callable[[Connection], T]) -> T:
    """One transaction. It checks twice whether the connection is still safe to use. The inner check comes before a
    ROLLBACK could read what was left in the socket. The outer one is for a COMMIT that was interrupted."""
    try:
        with c.begin():
            try:
                done = work(c)
                if _endings:
                    end(c)
                return done
            except BaseException as error:
                _drop_unless_safe(c, error)
                raise
    except BaseException as error:
        _drop_unless_safe(c, error)
        raise


def _drop_unless_safe(c: Connection, error: BaseException) -> None:
    """A query that was interrupted half-way leaves its answer in the socket. The next query on this connection would
    read it as its own (PyMySQL#724). Only a server's own error is safe to go on after."""
    if not isinstance(error, DBAPIError) or is_away(error):
        c.invalidate()


def _enough(connection_tries: int, state: RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome else None
    tries = CONTENTION_TRIES if error is not None and is_contention(error) else connection_tries
    return stop_after_attempt(tries)(state)


def _pause(state: RetryCallState) -> float:
    """Full jitter, so that two workers in a deadlock do not meet again. At most half a second."""
    return random.uniform(0, min(0.5, 0.01 * 2**state.attempt_number))  # noqa: S311 - spreads load, guards nothing


def _gone(error: DBAPIError) -> DatabaseGone:
    code = _code(error)
    number = f" ({code})" if code is not None else ""
    return DatabaseGone(f"the database does not answer{number}: {server_words(error)}")
