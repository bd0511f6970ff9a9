"""What the threads of one process achieve between two looks, for `thread_control`."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from eed_delivery.model import Concerns, Outcome, Verdict
from eed_delivery.worker.thread_control import ThreadsObserved

TOO_MANY = 421
"""The reply of a mail server that closes connections, such as those beyond its limit (RFC 5321, section 3.8)."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class ThreadMeter:
    """Counts outcomes, and adds up the time for which threads have emails in hand. Safe for many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._answered = self._refused = self._in_hand = 0
        self._busy_seconds = 0.0
        self._at = self._begun = clock()

    @property
    def seconds(self) -> float:
        """Since the last `take`."""
        return self._clock() - self._begun

    @property
    def answered(self) -> int:
        """Outcomes since the last `take`."""
        return self._answered

    @property
    def refused(self) -> int:
        """Replies since the last `take` that mean too much at once."""
        return self._refused

    def outcome(self, outcome: Outcome) -> None:
        """An email came to this."""
        with self._lock:
            self._answered += outcome.verdict is not Verdict.INFRASTRUCTURE
            self._refused += _is_too_much(outcome)

    @contextmanager
    def in_hand(self) -> Iterator[None]:
        """A thread has emails in hand until the end of the block."""
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, by: int) -> None:
        with self._lock:
            self._catch_up()
            self._in_hand += by

    def _catch_up(self) -> None:
        now = self._clock()
        self._busy_seconds += self._in_hand * (now - self._at)
        self._at = now

    def take(self, threads: int, *, shut: bool, memory_bytes: float) -> ThreadsObserved:
        """The figures of these threads, and begin anew."""
        with self._lock:
            self._catch_up()
            seconds = max(self._at - self._begun, 1e-6)
            busy = min(1.0, self._busy_seconds / (seconds * max(1, threads)))
            seen = ThreadsObserved(seconds, self._answered, busy, self._refused, shut, memory_bytes)
            self._answered = self._refused = 0
            self._busy_seconds, self._begun = 0.0, self._at
        return seen


def resident_bytes() -> float:
    """The resident memory of this process, of proc_pid_statm(5). 0 where there is no /proc."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * float(_PAGE_BYTES)
    except OSError:
        return 0.0


def _is_too_much(outcome: Outcome) -> bool:
    if outcome.verdict is Verdict.THROTTLED or outcome.code == TOO_MANY:
        return True
    return outcome.verdict is Verdict.INFRASTRUCTURE and outcome.concerns is Concerns.EVERYBODY and bool(outcome.code)
