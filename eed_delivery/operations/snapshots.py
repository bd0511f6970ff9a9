"""Figures that all viewers share, so that ten of them cost one round of queries.

`SharedFigures` are made by the one who asks first, and kept for a moment. `FiguresByTheSide` take longer. A thread
makes them, and who asks gets the last ones. `FiguresInTurn` are those of a function, where no thread may outlive a
request.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

import structlog

from eed_delivery.errors import DatabaseGone, QueueGone
from eed_delivery.runtime.idle_time import IdleTime

log = structlog.get_logger(__name__)

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

SECONDS = 2.0
COST_FACTOR = 20.0
"""Figures are kept for this many times as long as they took, so that they cost a twentieth of a core at most."""
SIDE_SECONDS = 60.0
AWAY = "the database or the queue does not answer"
UNTOLD = "the service's log has the reason, as figures_not_made"
"""For viewers. The error's own words may name hosts, accounts, tables and people."""
KEPT = 200
"""Limit: keys whose figures are kept. The ones that were asked for longest ago go first."""


class SharedFigures(Generic[T]):
    """Figures that are made anew when somebody asks for them, at most every `seconds`.

    An error is kept as long, so that ten viewers of a database that is away do not wait for it one after the other."""

    def __init__(
        self, make: Callable[[], T], seconds: float = SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._make = make
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._until = 0.0
        self._kept: T | None = None
        self._error: Exception | None = None

    def get(self) -> T:
        """The figures. Raises what making them raised."""
        with self._lock:
            if self._clock() >= self._until:
                self._renew()
            if self._error is not None:
                raise self._error
            return self._kept  # type: ignore[return-value]  # it is there when there is no error

    def _renew(self) -> None:
        began = self._clock()
        try:
            self._kept, self._error = self._make(), None
        except Exception as error:  # noqa: BLE001 - each who asks gets it
            self._kept, self._error = None, error
        now = self._clock()
        self._until = now + max(self._seconds, COST_FACTOR * (now - began) if self._error is None else 0.0)


@dataclass(frozen=True, slots=True)
class SideFigures(Generic[T]):
    """`value` is None until they have been made once. `is_running`: newer ones are being made. `problem` says why the
    last ones could not be made."""

    value: T | None
    is_running: bool
    problem: str = ""


class FiguresByTheSide(Generic[K, T]):
    """Figures by key. One thread makes them, one key after the other, at most every `seconds` each."""

    def __init__(self, make: Callable[[K], T], seconds: float = SIDE_SECONDS) -> None:
        self._make = make
        self._seconds = seconds
        self._lock = threading.Condition()
        self._kept: OrderedDict[K, tuple[float, T | None, str]] = OrderedDict()
        self._wanted: OrderedDict[K, None] = OrderedDict()
        self._thread: threading.Thread | None = None

    def get(self, key: K, wait: float = 0.0) -> SideFigures[T]:
        """The last ones. New ones are begun if these are old, and are waited for `wait` seconds."""
        with self._lock:
            at, _, _ = self._kept.get(key, (0.0, None, ""))
            if key not in self._kept or time.monotonic() - at > self._seconds:
                self._wanted[key] = None
                self._start()
            self._lock.wait_for(lambda: key not in self._wanted, wait)
            _, value, problem = self._kept.get(key, (0.0, None, ""))
            return SideFigures(value, key in self._wanted, problem)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="figures", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while (key := self._next()) is not None:
            value, problem = self._made(key)
            with self._lock:
                before = self._kept.pop(key, (0.0, None, ""))
                self._kept[key] = (time.monotonic(), before[1] if problem else value, problem)
                del self._wanted[key]
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
                self._lock.notify_all()

    def _next(self) -> K | None:
        with self._lock:
            key = next(iter(self._wanted), None)
            if key is None:
                self._thread = None
            return key

    def _made(self, key: K) -> tuple[T | None, str]:
        try:
            return self._make(key), ""
        except Exception as error:  # noqa: BLE001 - the thread goes on
            log.warning("figures_not_made", reason=str(error).partition("\n")[0])
            return None, AWAY if isinstance(error, DatabaseGone | QueueGone) else UNTOLD


class FiguresInTurn(FiguresByTheSide[K, T]):
    """The same without a thread: whoever asks first makes them, and waits for them."""

    def __init__(self, make: Callable[[K], T], seconds: float = SIDE_SECONDS) -> None:
        super().__init__(make, seconds)
        self._ages: OrderedDict[K, tuple[IdleTime, SideFigures[T]]] = OrderedDict()

    def get(self, key: K, wait: float = 0.0) -> SideFigures[T]:  # noqa: ARG002 - as the other one
        """New ones if these are old, by both clocks: the process may have been frozen."""
        found = self._ages.pop(key, None)
        if found is None or found[0].exceeds(self._seconds):
            value, problem = self._made(key)
            last = found[1].value if found is not None and problem else value
            found = IdleTime(), SideFigures(last, is_running=False, problem=problem)
        self._ages[key] = found
        while len(self._ages) > KEPT:
            self._ages.popitem(last=False)
        return found[1]
