"""The role `events` takes SES's events from their queue into the ledger, and deletes what is committed.

Nothing is lost by a crash anywhere. What was not deleted comes again, and what was taken before changes nothing.
"""

from collections.abc import Sequence
from itertools import groupby

import structlog
from sqlalchemy.exc import DBAPIError

from eed_delivery.errors import DatabaseGone
from eed_delivery.events import TrackingEvent
from eed_delivery.ledger.tracking.ledger import Taken, TrackingLedger
from eed_delivery.queue import MAX_BATCH, MAX_VISIBILITY_SECONDS, Letter, Queue
from eed_delivery.tracking.ses.parsing import parse

log = structlog.get_logger(__name__)

BATCH = 100
"""Messages of one transaction: enough to share a commit's cost, and few enough that no worker waits for its locks."""
VISIBILITY_SECONDS = 120.0
"""Far longer than a batch takes."""
FIRST_WAIT_SECONDS = 60
"""The wait of an event whose email is not known yet; it doubles each time."""
PAUSE_SECONDS = 1.0
"""Seconds between polls of an empty queue, when they are not long polls."""
DOUBTS_SECONDS = 10.0

_Opened = tuple[Letter, list[TrackingEvent]]


class Collector:
    """Safe for many threads. Each runs `step` in a Loop of its own."""

    def __init__(
        self,
        ledger: TrackingLedger,
        queue: Queue,
        wait_seconds: float,
        visibility_seconds: float = VISIBILITY_SECONDS,
    ) -> None:
        self._ledger = ledger
        self._queue = queue
        self._wait_seconds = wait_seconds
        self._visibility_seconds = visibility_seconds
        self._database_away = False
        self._looked_at: int | None = None

    def step(self) -> float:
        """One batch. Raises `DatabaseGone` or `QueueGone`. The messages then come again."""
        if self._database_away:  # nothing is received meanwhile: each receive counts towards the dead-letter queue
            self._ledger.ping()
            self._database_away = False
        letters = self._receive()
        opened = [(letter, events) for letter in letters if (events := _open(letter)) is not None]
        try:
            self._take(opened)
        except DatabaseGone:
            self._database_away = True
            raise
        return 0.0 if letters or self._wait_seconds else PAUSE_SECONDS

    def settle(self) -> float:
        """Settle what came into doubt after its event. One loop is to run it."""
        settled, self._looked_at = self._ledger.settle_late_doubts(self._looked_at)
        _say("doubts_settled_by_events", settled)
        return DOUBTS_SECONDS

    def _receive(self) -> list[Letter]:
        """A long poll, and what is there beside it, as many as one transaction is to have."""
        letters = found = self._queue.letters(MAX_BATCH, self._wait_seconds, self._visibility_seconds)
        while len(found) == MAX_BATCH and len(letters) < BATCH:
            found = self._queue.letters(MAX_BATCH, 0, self._visibility_seconds)
            letters = letters + found
        return letters

    def _take(self, opened: Sequence[_Opened]) -> None:
        if not opened:
            return
        try:
            self._put_away(opened)
        except (DBAPIError, ValueError) as error:
            if len(opened) == 1:
                log.exception("event_cannot_be_taken", sqs_message_id=opened[0][0].sqs_id)
                return
            log.warning("events_taken_singly", reason=type(error).__name__, count=len(opened))
            for one in opened:
                self._take([one])

    def _put_away(self, opened: Sequence[_Opened]) -> None:
        taken = self._ledger.take([event for _, events in opened for event in events])
        _tell(taken)
        unknown = {event.event_id for event in taken.unknown}
        late = [letter for letter, events in opened if any(event.event_id in unknown for event in events)]
        self._queue.ack([letter for letter, _ in opened if letter not in late])
        for seconds, letters in groupby(sorted(late, key=wait_seconds), key=wait_seconds):
            self._queue.later(list(letters), seconds)


def _open(letter: Letter) -> list[TrackingEvent] | None:
    """What a message says. None when it says nothing that we understand. It stays, for the queue's own redrive."""
    try:
        return parse(letter.body)
    except ValueError as error:
        problem = str(error)
    if letter.receive_count == 1:  # once is enough, of the many times that it will come
        log.error("event_not_understood", sqs_message_id=letter.sqs_id, problem=problem)
    return None


def wait_seconds(letter: Letter) -> int:
    """How long a message whose email is not known yet is to be out of sight."""
    return int(min(MAX_VISIBILITY_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(letter.receive_count - 1, 20)))


def _tell(taken: Taken) -> None:
    _say("events_wait_for_their_email", len(taken.unknown))
    _say("doubts_settled_by_events", taken.settled)
    _say("addresses_suppressed", taken.suppressed)
    if taken.unmatched:
        log.warning("events_unmatched", count=taken.unmatched)


def _say(event: str, count: int) -> None:
    if count:
        log.info(event, count=count)
