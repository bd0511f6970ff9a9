"""Defects of ours that come again and again.

Each kind is logged once a minute, with the number that the line stands for.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable

AGAIN_SECONDS = 60.0
MAX_KNOWN = 1000
"""So many kinds are told apart. A defect whose place changes each time is logged each time beyond that."""


class Defects:
    """Counts exceptions by their type and the place that raised them. Safe for many threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told_at: dict[str, float] = {}
        self._untold: Counter[str] = Counter()
        self._lock = threading.Lock()

    def seen(self, error: BaseException) -> int:
        """How many such errors a line about this one stands for. 0 when one was logged less than a minute ago."""
        kind, now = kind_of(error), self._clock()
        with self._lock:
            self._untold[kind] += 1
            if kind in self._told_at and now - self._told_at[kind] < AGAIN_SECONDS:
                return 0
            if len(self._told_at) >= MAX_KNOWN:
                self._told_at.clear()
            self._told_at[kind] = now
            return self._untold.pop(kind)

    def left(self) -> dict[str, int]:
        """How many were counted by kind, and not logged for a minute since. They count as logged now."""
        now = self._clock()
        with self._lock:
            due = [kind for kind in self._untold if now - self._told_at.get(kind, 0.0) >= AGAIN_SECONDS]
            self._told_at |= dict.fromkeys(due, now)
            return {kind: self._untold.pop(kind) for kind in due}


def kind_of(error: BaseException) -> str:
    """Its type and the line of code that raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__} at {where}"
