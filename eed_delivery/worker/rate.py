"""The pace of one process: its share of the rate that all live workers of all hosts divide among them."""

import threading
import time
from collections.abc import Callable

from eed_delivery.errors import Stopping

SLOWEST = 0.05
RECOVERY_PER_SECOND = 0.05
LONGEST_PAUSE_SECONDS = 30.0


class Pace:
    """Spaces sends evenly. `share` is emails a second for this process; None is no limit.

    After a throttling answer the pace halves, and the next send waits; it recovers by a twentieth each second.
    """

    def __init__(self, stop: threading.Event, clock: Callable[[], float] = time.monotonic) -> None:
        self._stop = stop
        self._clock = clock
        self._lock = threading.Lock()
        self._known = threading.Event()
        self._share: float | None = None
        self._factor = 1.0
        self._factor_at = clock()
        self._next_at = 0.0
        self._pause = 0.0

    def set_share(self, share: float | None) -> None:
        """A new share of the rate; what is already waiting keeps its place."""
        with self._lock:
            self._share = share
        self._known.set()

    def hold_off(self, seconds: float) -> None:
        """Send nothing for so long: the others have not made room yet."""
        with self._lock:
            self._next_at = max(self._next_at, self._clock() + seconds)

    def slow_down(self) -> None:
        """The provider says we are too fast."""
        with self._lock:
            now = self._clock()
            if now < self._factor_at + 0.5 and self._pause:
                return  # the answers of a crowd that was on its way together count once
            self._factor = max(SLOWEST, self._current_factor(now) / 2)
            self._factor_at = now
            self._pause = min(LONGEST_PAUSE_SECONDS, max(1.0, self._pause * 2))
            self._next_at = max(self._next_at, now + self._pause)

    def accepted(self) -> None:
        """The provider took an email: the pauses may start small again."""
        self._pause = 0.0

    def take(self) -> None:
        """Wait for a turn, and first of all for a share. Raises `Stopping` when asked to stop meanwhile."""
        while not self._known.is_set():
            if self._stop.wait(0.05):
                raise Stopping("the service is stopping")
        wait = self.reserve()
        if wait > 0 and self._stop.wait(wait):
            raise Stopping("the service is stopping")

    def reserve(self) -> float:
        """Take the next turn; return how many seconds it is away."""
        with self._lock:
            now = self._clock()
            at = max(self._next_at, now)
            if self._share is not None:
                self._next_at = at + 1.0 / max(self._share * self._current_factor(now), 1e-3)
            return at - now

    def _current_factor(self, now: float) -> float:
        return min(1.0, self._factor + (now - self._factor_at) * RECOVERY_PER_SECOND)
