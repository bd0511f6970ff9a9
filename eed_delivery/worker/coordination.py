"""Whether all that send by a channel share its rate and its breaker in the same way (`worker.coordination`)."""

import time
from collections.abc import Callable

import structlog

from eed_delivery.ledger.workers import Process, WorkerLedger
from eed_delivery.runtime.poll_interval import PollInterval

log = structlog.get_logger(__name__)

LOOK_SECONDS = 30.0
TODO = 'Set worker.coordination = "ledger" on all hosts that share the queue with a function, and restart them.'


class CoordinationWatch:
    """Logs when another process or function of the channel shares the rate in another way. Both sides do."""

    def __init__(self, workers: WorkerLedger, process: Process, clock: Callable[[], float] = time.monotonic) -> None:
        self._workers = workers
        self._process = process
        self._interval = PollInterval(LOOK_SECONDS, clock)
        self._logged: tuple[str, ...] = ()

    def look(self) -> None:
        """Look, twice a minute at most. Raises `DatabaseGone`."""
        if self._interval.wait == 0:
            with self._interval.polling():
                self.agrees()

    def agrees(self) -> bool:
        """Whether all do it as we do. Raises `DatabaseGone`."""
        others = self._workers.coordinated_otherwise(self._process.coordination, self._process.channel)
        found = tuple(sorted({f"{one.role} on {one.host}: {one.coordination}" for one in others}))
        if found != self._logged:
            self._logged = found
            if found:
                ours = self._process.coordination
                log.error("coordination_differs", channel=self._process.channel, ours=ours, others=found, todo=TODO)
            else:
                log.info("coordination_agrees", channel=self._process.channel)
        return not found
