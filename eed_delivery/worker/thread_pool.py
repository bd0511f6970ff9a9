"""The sending threads of one process: as many as are wanted, each ended after what it has in hand."""

import threading
import time
from collections.abc import Callable

import structlog

from eed_delivery.config.threads import MOST_THREADS
from eed_delivery.ledger.workers import ThreadCount
from eed_delivery.worker.thread_control import ThreadLimits, ThreadPlan
from eed_delivery.worker.thread_meter import ThreadMeter, resident_bytes

log = structlog.get_logger(__name__)

LOOK_SECONDS = 0.5
LEAST_SECONDS = 1.5
EACH = 3
ENOUGH = 100
"""An observation lasts until there are `ENOUGH` outcomes, or `EACH` for each thread, but neither shorter nor longer."""
MOST_SECONDS = 20.0
MEMORY_BYTES = 512 * 1024 * 1024
"""Resident memory of a process beyond which no threads are added, and some are ended."""


class ThreadPool:
    """Starts and ends threads. `start` begins one by its number and stop event. One that ends finishes its step."""

    def __init__(self, start: Callable[[int, threading.Event], threading.Thread]) -> None:
        self._start = start
        self._working: dict[int, tuple[threading.Thread, threading.Event]] = {}
        self._ending: dict[int, threading.Thread] = {}
        self._over = False
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """Those that are to work on."""
        return len(self._working)

    @property
    def all(self) -> list[threading.Thread]:
        """Also those that finish what they have in hand."""
        with self._lock:
            return [*(thread for thread, _ in self._working.values()), *self._ending.values()]

    def resize(self, wanted: int) -> None:
        """Start or end threads. A number is given to one thread at a time, also while it ends."""
        with self._lock:
            if not self._over:
                self._resize(wanted)

    def _resize(self, wanted: int) -> None:
        self._ending = {n: thread for n, thread in self._ending.items() if thread.is_alive()}
        free = (n for n in range(MOST_THREADS) if n not in self._working and n not in self._ending)
        while len(self._working) < wanted and (number := next(free, None)) is not None:
            stop = threading.Event()
            self._working[number] = (self._start(number, stop), stop)
        for number in sorted(self._working)[wanted:]:
            thread, stop = self._working.pop(number)
            stop.set()
            self._ending[number] = thread

    def stop(self) -> None:
        """Have all of them end, and begin no more. Returns at once."""
        with self._lock:
            self._over = True
            for _, stop in self._working.values():
                stop.set()


class AutoThreads:
    """Keeps a pool at the number of threads that is worth it. `shut` says whether the breaker is open."""

    def __init__(
        self,
        pool: ThreadPool,
        limits: ThreadLimits,
        meter: ThreadMeter,
        shut: Callable[[], bool],
        memory: Callable[[], float] = resident_bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool = pool
        self._limits = limits
        self._meter = meter
        self._shut = shut
        self._memory = memory
        self._clock = clock
        self._plan = ThreadPlan(limits.first)
        self._changed_at: float | None = None

    @property
    def count(self) -> ThreadCount:
        """For heartbeats."""
        ago = None if self._changed_at is None else self._clock() - self._changed_at
        return ThreadCount(self._plan.wanted, self._limits.least, self._limits.most, self._plan.why, ago)

    def step(self) -> float:
        """Look at what the threads achieve, and start or end some."""
        if not self._is_due():
            return LOOK_SECONDS
        seen = self._meter.take(len(self._pool), shut=self._shut(), memory_bytes=self._memory())
        before, self._plan = self._plan, self._plan.next(seen, self._limits)
        if self._plan.wanted != before.wanted:
            self._changed_at = self._clock()
            log.info(
                "threads_changed",
                threads=self._plan.wanted,
                before=before.wanted,
                why=self._plan.why,
                per_second=round(seen.per_second, 1),
            )
        self._pool.resize(self._plan.wanted)
        return LOOK_SECONDS

    def _is_due(self) -> bool:
        seconds = self._meter.seconds
        if seconds >= MOST_SECONDS or self._meter.refused:
            return True
        return seconds >= LEAST_SECONDS and (
            self._meter.answered >= min(ENOUGH, EACH * len(self._pool)) or self._shut()
        )
