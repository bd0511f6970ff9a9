"""Group commit: what several threads have ready at the same time goes to the database in one request and one commit.

As MariaDB groups the commits of its connections (https://mariadb.com/kb/en/group-commit-for-the-binary-log/): whoever
finds nobody at work leads. While its request is under way the others gather behind it, and the first of them leads
these. Nobody waits for company: a thread that is alone goes at once.

A group is all or nothing. When one of its shots misses, or an error comes, everybody is told to go alone, so that
nobody's refusal, lock or bad value decides about anybody else. What another may cost is time: rows that somebody has
locked, and a connection that has died unseen, keep those of the group waiting. Who waits behind them goes alone.
"""

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from operator import itemgetter
from queue import Empty, SimpleQueue

import structlog
from sqlalchemy import Connection

from eed_delivery.database.engine import LOCK_WAIT_SECONDS
from eed_delivery.database.multi_statement import Shot, Statement, fire
from eed_delivery.runtime import failpoints

log = structlog.get_logger(__name__)

Shots = Callable[[Connection], Iterable[Shot]]
"""Makes a thread's shots within the transaction that is to fire them."""

MOST = 16
"""So many threads' shots in one request: one that misses sends so many to go alone."""

PATIENCE_SECONDS = LOCK_WAIT_SECONDS + 1.0
"""So long somebody waits behind a request that does not end: on a dead connection it hangs for the read timeout."""


class Word(Enum):
    """What became of a thread's shots."""

    DONE = auto()  # every one has hit, and is committed
    MISSED = auto()  # nothing is written: one of the group's has missed, or it never came to a group
    UNKNOWN = auto()  # an error came in between: they are committed, or they are not


@dataclass(eq=False, slots=True)
class _Entry:
    """One thread's shots, and where it waits: for its word, or for None, which asks it to lead the next group."""

    shots: Shots
    word: SimpleQueue[Word | None] = field(default_factory=SimpleQueue)


class GroupCommit:
    """Fires what threads hand to it, together with what others hand to it meanwhile. Safe for many threads."""

    def __init__(
        self, once: Callable[[Callable[[Connection], bool]], bool], patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        """`once` runs work in one transaction, with one try: an error goes to everybody, to be met alone."""
        self._once = once
        self._patience = patience_seconds
        self._lock = threading.Lock()
        self._waiting = deque[_Entry]()
        self._led = False

    @property
    def waiting(self) -> int:
        """How many threads wait behind the request that is under way."""
        return len(self._waiting)

    def fire(self, shots: Shots) -> Word:
        """Execute these in order, all or nothing, and commit. No error is raised here: that is `UNKNOWN`."""
        mine = _Entry(shots)
        if self._has_to_wait(mine):
            word = self._await_word(mine)
            if word is not None:
                return word
        return self._lead()

    def _has_to_wait(self, mine: _Entry) -> bool:
        with self._lock:
            self._waiting.append(mine)
            led, self._led = self._led, True
            return led

    def _await_word(self, mine: _Entry) -> Word | None:
        try:
            return mine.word.get(timeout=self._patience)
        except Empty:
            with self._lock:
                if mine in self._waiting and mine.word.empty():  # neither in a group yet, nor asked to lead one
                    self._waiting.remove(mine)
                    return Word.MISSED
        return mine.word.get()

    def _lead(self) -> Word:
        """See the next group through: the leader's own entry is its first."""
        group = self._next_group()
        word = Word.UNKNOWN
        try:
            word = self._fire_together(group)
        finally:  # nobody is left waiting, whatever has come to the leader
            self._hand_on()
            for entry in group[1:]:
                entry.word.put(word)
        return word

    def _next_group(self) -> list[_Entry]:
        with self._lock:
            return [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]

    def _fire_together(self, group: Sequence[_Entry]) -> Word:
        try:
            hit = self._once(lambda c: _fired(c, group))
        except Exception as error:  # noqa: BLE001 - each one goes alone now, and meets what is its own
            log.debug("group_goes_alone", threads=len(group), error=type(error).__name__)
            return Word.UNKNOWN
        if not hit:
            log.debug("group_goes_alone", threads=len(group))
            return Word.MISSED
        failpoints.reach("worker.group_committed")
        return Word.DONE

    def _hand_on(self) -> None:
        with self._lock:
            self._led = bool(self._waiting)
            if self._led:
                self._waiting[0].word.put(None)


def _fired(c: Connection, group: Sequence[_Entry]) -> bool:
    hit = fire(c, _in_line(shot for entry in group for shot in entry.shots(c)))
    if not hit:
        c.rollback()
    return hit


def _in_line(shots: Iterable[Shot]) -> list[Shot]:
    """Those of one statement together, so that they can go out as one."""
    alike = defaultdict[tuple[bool, Statement], list[Shot]](list)
    for shot in shots:
        alike[shot.last, shot.statement].append(shot)
    return [shot for key in sorted(alike, key=itemgetter(0)) for shot in alike[key]]
