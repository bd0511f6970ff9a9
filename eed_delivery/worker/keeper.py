"""Extends what this process holds, visibility timeouts in the queue and leases in the ledger."""

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from eed_delivery.errors import DatabaseGone, QueueGone
from eed_delivery.ledger.delivering.ledger import DeliveryLedger
from eed_delivery.model import Email
from eed_delivery.queue import Queue, Received

log = structlog.get_logger(__name__)


@dataclass(eq=False)
class Hold:
    """A batch in a thread's hand. `rounds` counts how often the keeper has come by."""

    messages: list[Received]
    emails: Sequence[Email] = ()
    rounds: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def let_go(self, messages: Iterable[Received]) -> None:
        """Extend these no more. Their fate is decided, and a later extension would undo it."""
        gone = {message.receipt for message in messages}
        with self.lock:
            self.messages = [message for message in self.messages if message.receipt not in gone]


class Keeper:
    """Extends every batch that has been held for a full round, a third of the shorter of the two timeouts."""

    def __init__(self, queue: Queue, ledger: DeliveryLedger, visibility_seconds: float, lease_seconds: float) -> None:
        self._queue = queue
        self._ledger = ledger
        self._visibility = visibility_seconds
        self._lease = lease_seconds
        self._holds: set[Hold] = set()
        self._lock = threading.Lock()

    @contextmanager
    def holding(self, messages: Sequence[Received]) -> Iterator[Hold]:
        """While this block runs, `messages`, and the emails set on the hold, are kept."""
        hold = Hold(list(messages))
        with self._lock:
            self._holds.add(hold)
        try:
            yield hold
        finally:
            with self._lock:
                self._holds.discard(hold)
            hold.let_go(messages)

    def step(self) -> float:
        """Extend what is held. A failure is logged, and the next round tries again."""
        began = time.monotonic()
        with self._lock:
            holds = list(self._holds)
        old = [hold for hold in holds if hold.rounds]
        for hold in holds:
            hold.rounds += 1
        for hold in old:  # the queue first for all of them: a database that hangs must not cost the visibility, too
            self._extend(hold)
        self._renew(old)
        # A round that takes long, on a host that is short of CPU, must not put off the next one as well.
        return max(0.0, min(self._visibility, self._lease) / 3 - (time.monotonic() - began))

    def _extend(self, hold: Hold) -> None:
        with hold.lock:
            try:
                self._queue.later(hold.messages, self._visibility)
            except QueueGone as error:
                log.warning("visibility_not_extended", reason=str(error))

    def _renew(self, holds: Sequence[Hold]) -> None:
        try:
            self._ledger.renew([hold.emails for hold in holds], self._lease)
        except DatabaseGone as error:
            log.warning("lease_not_renewed", reason=str(error))
