"""Between the endpoint and the database is a queue with a limit, so that no reader waits and no memory fills up."""

import queue
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import structlog

from eed_delivery.errors import DatabaseGone
from eed_delivery.events import TrackingEvent
from eed_delivery.link_server.all_links import WITHIN, LinkWatch
from eed_delivery.link_server.repeats import RepeatLimit

log = structlog.get_logger(__name__)

CAPACITY = 50_000
"""Events, about 50 MB: minutes of an outage at the busiest."""
BATCH = 500
PAUSE_SECONDS = 0.5


class Intake:
    """Takes events from many threads at once, and stores them in batches from one. `step` is to be run by a Loop.

    Opens and clicks are statistics. When the queue is full, further ones are dropped, counted and logged. So
    are those of one email beyond what `limit` allows.
    With a `watch` an event waits until it can be known whether it was one of many.
    """

    def __init__(
        self,
        store: Callable[[Sequence[TrackingEvent]], None],
        capacity: int = CAPACITY,
        watch: LinkWatch | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        limit: RepeatLimit | None = None,
    ) -> None:
        """`now` is the clock that the events' times are of."""
        self._store = store
        self._watch = watch
        self._limit = limit
        self._now = now
        self._young: TrackingEvent | None = None
        self._ending = False
        self._queue: queue.Queue[TrackingEvent] = queue.Queue(capacity)
        self._held: list[TrackingEvent] = []
        self._lock = threading.Lock()
        self._dropped = 0
        self._told = 0

    @property
    def dropped(self) -> int:
        """How many events were dropped in this process's life."""
        return self._dropped

    @property
    def waiting(self) -> int:
        """How many events are not stored yet."""
        return len(self._held) + (self._young is not None) + self._queue.qsize()

    def put(self, event: TrackingEvent) -> None:
        """Take one event. Returns at once, never raises."""
        if self._watch is not None:
            self._watch.see(event)
        if self._limit is not None and not self._limit.allows(event):
            self._drop(1)
            return
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self._drop(1)

    def step(self) -> float:
        """Store what has come. On DatabaseGone it is kept and stored next time. On any other error it is dropped."""
        self._tell()
        while len(self._held) < BATCH and (event := self._next()) is not None:
            self._held.append(event)
        if not self._held:
            return PAUSE_SECONDS
        try:
            self._store(self._held)
        except DatabaseGone:
            raise
        except Exception:  # the Loop logs it; the batch must not block the queue indefinitely
            self._drop(len(self._held))
            self._held = []
            raise
        self._held = []
        return PAUSE_SECONDS if self._young is not None or self._queue.empty() else 0.0

    def flush(self) -> None:
        """Store all that is left, at the end, when nothing comes any more. Raises what `step` does."""
        self._ending = True
        while self.waiting:
            self.step()

    def _next(self) -> TrackingEvent | None:
        """The next event that can be judged. None while there is none. They come in the order of their times."""
        if self._young is None:
            if self._queue.empty():
                return None
            self._young = self._queue.get_nowait()
        event = self._young
        if self._watch is None:
            self._young = None
            return event
        if not self._ending and self._now() - event.occurred_at < WITHIN:
            return None
        self._young = None
        return self._watch.judged(event)

    def _drop(self, count: int) -> None:
        with self._lock:
            self._dropped += count

    def _tell(self) -> None:
        dropped = self._dropped
        if dropped > self._told:
            log.warning("opens_and_clicks_dropped", count=dropped - self._told)
            self._told = dropped
