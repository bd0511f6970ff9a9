"""A process that makes samples, kept for a while: whoever looks at one email soon looks at another."""

from collections.abc import Callable
from threading import Lock, Timer

from eed_delivery.errors import InfrastructureFailure
from eed_delivery.rehearsal.asked import SampleToMake
from eed_delivery.rehearsal.lookers import Lookers


class LookersBusy(InfrastructureFailure):
    """Another sample is being made, and took too long to wait for."""


PATIENCE_SECONDS = 10.0


class KeptLookers:
    """Makes one sample at a time. Any thread may ask."""

    def __init__(self, start: Callable[[], Lookers], keep_seconds: float) -> None:
        """`start` gives lookers of one process. With 0 `keep_seconds` they end with each sample."""
        self._start = start
        self._keep_seconds = keep_seconds
        self._lock = Lock()
        self._lookers: Lookers | None = None
        self._timer: Timer | None = None

    def make(self, sample: SampleToMake) -> bytes:
        """The message of one email. Raises as `Lookers.make` does, and `LookersBusy`."""
        if not self._lock.acquire(timeout=PATIENCE_SECONDS):
            raise LookersBusy("another sample is being rendered")
        try:
            if self._timer is not None:
                self._timer.cancel()
            self._lookers = self._lookers or self._start()
            return self._lookers.make(sample)
        finally:
            self._end_later()
            self._lock.release()

    def close(self) -> None:
        """End the process, if one is kept."""
        with self._lock:
            self._end()

    def _end_later(self) -> None:
        if not self._keep_seconds:
            self._end()
            return
        self._timer = Timer(self._keep_seconds, self.close)
        self._timer.daemon = True
        self._timer.start()

    def _end(self) -> None:
        lookers, self._lookers = self._lookers, None
        if lookers is not None:
            lookers.close()
