"""How many requests a minute a token may make: a bucket for each, which fills evenly."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

MOST_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class RateState:
    """What is left of a minute's requests, and the seconds until the bucket is full. `wait`: until the next request."""

    left: int
    full_in: float
    wait: float


class RequestRates:
    """Counts requests by token. One process answers for a host, so the counts are in memory."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_minute = per_minute
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}
        self._lock = threading.Lock()

    def count(self, name: str) -> RateState:
        """Count a request. With a `wait` it is one too many, and must not be answered."""
        each = 60 / self.per_minute
        with self._lock:
            now = self._clock()
            left, at = self._buckets.pop(name, (float(self.per_minute), now))
            left = min(self.per_minute, left + (now - at) / each)
            wait = 0.0 if left >= 1 else (1 - left) * each
            left -= 0 if wait else 1
            self._buckets[name] = left, now
            if len(self._buckets) > MOST_BUCKETS:
                self._buckets.pop(next(iter(self._buckets)))
        return RateState(int(left), (self.per_minute - left) * each, wait)
