"""Nothing is published that could not be sent: while a channel's gate is shut, its messages would only come again."""

import time
from collections.abc import Callable

import structlog

from eed_delivery.ledger.gates import Gate
from eed_delivery.queue import MAX_BATCH
from eed_delivery.runtime.poll_interval import PollInterval

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0


class GateLimit:
    """Asks the gate of one channel, once a second at most."""

    def __init__(self, gate: Gate, channel: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._gate = gate
        self._channel = channel
        self._interval = PollInterval(LOOK_SECONDS, clock)
        self._most: int | None = None

    def most(self) -> int | None:
        """How many messages may be ahead of the workers. None: as many as are configured. A batch of them while it is
        tried whether the way out works. Raises `DatabaseGone`."""
        if self._interval.wait == 0:
            with self._interval.polling():
                seen = self._gate.look()
            before = self._most
            self._most = None if seen.reason is None else 0 if seen.seconds > 0 else MAX_BATCH
            if before is None and seen.reason is not None:
                log.info("publishing_stopped", channel=self._channel, reason=seen.reason)
            elif before is not None and seen.reason is None:
                log.info("publishing_continued", channel=self._channel)
        return self._most
