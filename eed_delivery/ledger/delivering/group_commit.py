"""Group commit. What several threads have ready at the same time goes to the database in one request and one commit.

As MariaDB groups the commits of its connections (https://mariadb.com/kb/en/group-commit-for-the-binary-log/), a thread
that finds no other at work leads. While its request is under way the others gather behind it, and the first of them
leads these. No thread waits for others. A thread that is alone goes at once.

A group is all or nothing. When one of its statements misses, or an error comes, every thread goes alone. So no thread's
refusal, lock or bad value decides about another. What another may cost is time. Locked rows, and a connection that has
died unseen, keep the threads of the group waiting. A thread that waits too long behind them goes alone.
"""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from operator import itemgetter
from queue import Empty, SimpleQueue

import structlog
from sqlalchemy import Connection

from eed_delivery.database.engine import LOCK_WAIT_SECONDS
from eed_delivery.database.multi_statement import BoundStatement, Statement, execute
from eed_delivery.metrics import observing
from eed_delivery.runtime import failpoints

log = structlog.get_logger(__name__)

Statements = Callable[[Connection], Iterable[BoundStatement]]
"""Makes a thread's statements within the transaction that is to execute them."""

MOST = 16
"""Limit: the threads of one request. One that misses sends all of them to go alone."""

PATIENCE_SECONDS = LOCK_WAIT_SECONDS + 1.0
"""How long a thread waits behind a request that does not end. On a dead connection that is the read timeout."""


class GroupResult(Enum):
    """What became of a thread's statements."""

    DONE = auto()  # each has matched its rows, and is committed
    MISSED = auto()  # nothing is written: one of the group's has missed, or it never came to a group
    UNKNOWN = auto()  # an error came in between: they are committed, or they are not


@dataclass(eq=False, slots=True)
class _Entry:
    """One thread's statements, and where it waits for its result. None asks it to lead the next group."""

    statements: Statements
    result: SimpleQueue[GroupResult | None] = field(default_factory=SimpleQueue)


class GroupCommit:
    """Commits what a thread hands to it, together with what others hand to it meanwhile. Safe for many threads."""

    def __init__(
        self, once: Callable[[Callable[[Connection], bool]], bool], patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        """`once` runs work in one transaction, with one try. An error goes to every thread of the group, and each then
        tries alone."""
        self._once = once
        self._patience = patience_seconds
        self._lock = threading.Lock()
        self._waiting = deque[_Entry]()
        self._led = False

    @property
    def waiting(self) -> int:
        """How many threads wait behind the request that is under way."""
        return len(self._waiting)

    def commit(self, statements: Statements) -> GroupResult:
        """Execute these in order, all or nothing, and commit. An error is not raised but becomes `UNKNOWN`."""
        mine = _Entry(statements)
        if self._has_to_wait(mine):
            result = self._await_result(mine)
            if result is not None:
                return result
        return self._lead()

    def _has_to_wait(self, mine: _Entry) -> bool:
        with self._lock:
            self._waiting.append(mine)
            led, self._led = self._led, True
            return led

    def _await_result(self, mine: _Entry) -> GroupResult | None:
        try:
            return mine.result.get(timeout=self._patience)
        except Empty:
            with self._lock:
                if mine in self._waiting and mine.result.empty():  # neither in a group yet, nor asked to lead one
                    self._waiting.remove(mine)
                    return GroupResult.MISSED
        return mine.result.get()

    def _lead(self) -> GroupResult:
        """See the next group through. The leader's own entry is its first."""
        group = self._next_group()
        result = GroupResult.UNKNOWN
        try:
            result = self._execute_together(group)
        finally:  # no thread is left waiting, whatever error the leader met
            self._hand_on()
            for entry in group[1:]:
                entry.result.put(result)
        return result

    def _next_group(self) -> list[_Entry]:
        with self._lock:
            return [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]

    def _execute_together(self, group: Sequence[_Entry]) -> GroupResult:
        try:
            began = time.perf_counter()
            matched = self._once(lambda c: _executed(c, group))
            observing.observe_later("eed_database_seconds", time.perf_counter() - began, "wire_and_record")
        except Exception as error:  # noqa: BLE001 - each one goes alone now, and meets what is its own
            log.debug("group_goes_alone", threads=len(group), error=type(error).__name__)
            return GroupResult.UNKNOWN
        if not matched:
            log.debug("group_goes_alone", threads=len(group))
            return GroupResult.MISSED
        failpoints.reach("worker.group_committed")
        return GroupResult.DONE

    def _hand_on(self) -> None:
        with self._lock:
            self._led = bool(self._waiting)
            if self._led:
                self._waiting[0].result.put(None)


def _executed(c: Connection, group: Sequence[_Entry]) -> bool:
    """Whether each statement has matched its rows. If not, nothing is written."""
    results = execute(c, _in_line(one for entry in group for one in entry.statements(c)))
    missed = any(result.missed for result in results)
    if missed:
        c.rollback()
    return not missed


def _in_line(statements: Iterable[BoundStatement]) -> list[BoundStatement]:
    """Equal statements next to each other, so that they can be merged."""
    alike = defaultdict[tuple[bool, Statement], list[BoundStatement]](list)
    for one in statements:
        alike[one.last, one.statement].append(one)
    return [one for key in sorted(alike, key=itemgetter(0)) for one in alike[key]]
