"""The send rate of one process. It is its share of the rate that all live workers of all hosts divide among them."""

import threading
import time
from collections.abc import Callable

from eed_delivery.errors import Stopping

SLOWEST = 0.05
RECOVERY_PER_SECOND = 0.05
LONGEST_PAUSE_SECONDS = 30.0
SLICE_SECONDS = 0.5
"""Seconds after which a waiting thread checks the stop event and gives a sign of life."""


class SendRate:
    """Spaces sends evenly. `share` is emails a second for this process. None is no limit.

    After a throttling answer nothing is sent for a pause that doubles while throttling continues. Where there is a
    share, the rate is halved too, and recovers by a twentieth each second. Without a share there is only the pause.
    """

    def __init__(self, stop: threading.Event, clock: Callable[[], float] = time.monotonic) -> None:
        self._stop = stop
        self._clock = clock
        self._lock = threading.Lock()
        self._turnstile = threading.Lock()
        self._known = False
        self._share: float | None = None
        self._factor = 1.0
        self._factor_at = clock()
        self._next_at = 0.0
        self._pause = 0.0

    def set_share(self, share: float | None) -> None:
        """A new share of the rate. It counts from the next turn on."""
        with self._lock:
            self._share = share
            self._known = True

    def hold_off(self, seconds: float) -> None:
        """Send nothing for `seconds`, because the others have not lowered their rate yet."""
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
        """The provider took an email, so the pauses may start small again."""
        self._pause = 0.0

    def take(self, beat: Callable[[], None] = lambda: None) -> None:
        """Wait for a share, then for a turn. `beat` is called while waiting. Raises `Stopping` when asked to stop.

        Threads queue for the lock and only the first watches the clock. A turn is taken when it is due and never
        reserved ahead, so that a rate that rises again takes effect at once.
        """
        while not self._turnstile.acquire(timeout=SLICE_SECONDS):
            self._mind(0, beat)
        try:
            while (wait := self.turn()) > 0:
                self._mind(min(wait, SLICE_SECONDS), beat)
        finally:
            self._turnstile.release()

    def _mind(self, seconds: float, beat: Callable[[], None]) -> None:
        beat()
        if self._stop.wait(seconds):
            raise Stopping("the service is stopping")

    def turn(self) -> float:
        """Take a turn if one is due and return 0. Otherwise return how many seconds it is away."""
        with self._lock:
            if not self._known:
                return SLICE_SECONDS
            now = self._clock()
            if now < self._next_at:
                return self._next_at - now
            if self._share is not None:
                self._next_at = now + 1.0 / max(self._share * self._current_factor(now), 1e-3)
            return 0.0

    def _current_factor(self, now: float) -> float:
        return min(1.0, self._factor + (now - self._factor_at) * RECOVERY_PER_SECOND)
