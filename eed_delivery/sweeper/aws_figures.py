"""Asks SQS how many messages each queue has, and SES what it allows, on one host at a time."""

import time
from collections.abc import Callable, Mapping

import structlog

from eed_delivery.errors import DeliveryFailure, QueueGone
from eed_delivery.ledger.aws_figures import AwsFigureLedger, QueueCounts, SesLimits
from eed_delivery.ledger.duties import DutyLedger
from eed_delivery.queue import Queue

log = structlog.get_logger(__name__)

DUTY = "aws_figures"
EVERY_SECONDS = 15.0
"""Each is some requests, which are paid for."""
LIMITS_SECONDS = 60.0
_EARLY = 1.0
"""A loop that wakes up a little early still has its turn."""


class AwsFigureSweep:
    """One process's turns at it. Hosts take turns."""

    def __init__(
        self,
        ledger: AwsFigureLedger,
        duties: DutyLedger,
        queues: Callable[[], Mapping[str, Queue]],
        limits: Callable[[], SesLimits | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`queues` are those of all channels. `limits` asks SES. None: no channel sends by it."""
        self._ledger = ledger
        self._duties = duties
        self._queues = queues
        self._limits = limits
        self._clock = clock
        self._limits_at = float("-inf")

    def step(self) -> float:
        """Ask, if it is this process's turn. What does not answer keeps its last figures, which get older. Raises
        `DatabaseGone`."""
        if self._duties.take(DUTY, EVERY_SECONDS - _EARLY):
            for channel, queue in self._queues().items():
                self._count(channel, queue)
            if self._clock() - self._limits_at >= LIMITS_SECONDS:
                self._limits_at = self._clock()
                self._ask_ses()
            self._ledger.forget()
        return EVERY_SECONDS

    def _count(self, channel: str, queue: Queue) -> None:
        try:
            alive, dead = queue.depth(), queue.depth(dead=True)
        except QueueGone as gone:
            log.info("queue_not_counted", channel=channel, reason=str(gone))
            return
        if alive is not None:
            self._ledger.note_queue(QueueCounts(channel, alive, dead))

    def _ask_ses(self) -> None:
        try:
            limits = self._limits()
        except DeliveryFailure as failure:
            log.info("ses_limits_unknown", reason=failure.reply)
            return
        if limits is not None:
            self._ledger.note_limits(limits)
