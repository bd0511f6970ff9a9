"""Between the endpoint and the database: a queue with a limit, so that no reader waits and no memory fills up."""

import queue
import threading
from collections.abc import Callable, Sequence

import structlog

from eed_delivery.errors import DatabaseGone
from eed_delivery.events import TrackingEvent

log = structlog.get_logger(__name__)

CAPACITY = 50_000
"""Events, about 50 MB: minutes of an outage at the busiest."""
BATCH = 500
PAUSE_SECONDS = 0.5


class Intake:
    """Takes events from many threads at once, and stores them in batches from one: `step` is to be run by a Loop.

    Opens and clicks are statistics: when the queue is full, further ones are dropped, counted and told in the log.
    """

    def __init__(self, store: Callable[[Sequence[TrackingEvent]], None], capacity: int = CAPACITY) -> None:
        self._store = store
        self._queue: queue.Queue[TrackingEvent] = queue.Queue(capacity)
        self._held: list[TrackingEvent] = []
        self._lock = threading.Lock()
        self._dropped = 0
        self._told = 0

    @property
    def dropped(self) -> int:
        """How many events were dropped since the start."""
        return self._dropped

    @property
    def waiting(self) -> int:
        """How many events are not stored yet."""
        return len(self._held) + self._queue.qsize()

    def put(self, event: TrackingEvent) -> None:
        """Take one event. Returns at once, never raises."""
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self._drop(1)

    def step(self) -> float:
        """Store what has come. DatabaseGone: it is kept and stored next time; on any other error it is dropped."""
        self._tell()
        while len(self._held) < BATCH and not self._queue.empty():
            self._held.append(self._queue.get_nowait())
        if not self._held:
            return PAUSE_SECONDS
        try:
            self._store(self._held)
        except DatabaseGone:
            raise
        except Exception:  # the Loop logs it; the batch must not stand in the way for ever
            self._drop(len(self._held))
            self._held = []
            raise
        self._held = []
        return PAUSE_SECONDS if self._queue.empty() else 0.0

    def flush(self) -> None:
        """Store all that is left, at the end, when nothing comes any more. Raises what `step` does."""
        while self._held or not self._queue.empty():
            self.step()

    def _drop(self, count: int) -> None:
        with self._lock:
            self._dropped += count

    def _tell(self) -> None:
        dropped = self._dropped
        if dropped > self._told:
            log.warning("opens_and_clicks_dropped", count=dropped - self._told)
            self._told = dropped
