"""One channel's queue: emails that dead letters name are ended, and those that the queue lost go back to `pending`."""

import time

import structlog

from eed_delivery.ledger.dead_letters import ForeignLetter
from eed_delivery.ledger.sweeping import SweepLedger
from eed_delivery.queue import MAX_BATCH, DeadLetter, Queue, Received
from eed_delivery.runtime import failpoints

log = structlog.get_logger(__name__)

DEAD_LETTERS_A_STEP = 50
FOREIGN_VISIBILITY_SECONDS = 3600
"""A dead letter that is not ours stays in the dead-letter queue for a person; it is received once an hour."""
RETENTION_MARGIN_SECONDS = 3600


class QueueSweep:
    """One channel's queue. Each call raises `QueueGone` or `DatabaseGone`."""

    def __init__(self, channel: str, queue: Queue, ledger: SweepLedger, patience_seconds: float) -> None:
        """`patience_seconds` is how long the queue must look empty until what is `queued` counts as lost."""
        self.queue = queue
        self._channel = channel
        self._ledger = ledger
        self._patience = patience_seconds
        self._empty_since: float | None = None
        self._retention: float | None = None
        self._outlived_at = float("-inf")

    def put_back_queued(self) -> int:
        """Queued rows whose message cannot exist any more, because the queue is empty or keeps nothing that long."""
        done = self._put_back_outlived()
        depth = self.queue.depth()
        if depth is None or not depth.empty:
            self._empty_since = None
            return done
        now = time.monotonic()
        self._empty_since = self._empty_since or now
        # The counts are approximate and may lag by a minute: they must have said "empty" for the whole patience.
        if now - self._empty_since >= self._patience:
            done += self._ledger.put_back_queued(self._patience, self._channel)
            failpoints.reach("sweeper.put_back")
        return done

    def _put_back_outlived(self) -> int:
        """At long intervals, because this reads every queued email."""
        now = time.monotonic()
        if now - self._outlived_at < RETENTION_MARGIN_SECONDS:
            return 0
        self._outlived_at = now
        return self._ledger.put_back_queued(self._retention_seconds() + RETENTION_MARGIN_SECONDS, self._channel)

    def _retention_seconds(self) -> float:
        if self._retention is None:
            self._retention = float(self.queue.attributes()["MessageRetentionPeriod"])
        return self._retention

    def bury_dead_letters(self) -> None:
        """End the emails of dead letters."""
        for _ in range(0, DEAD_LETTERS_A_STEP, MAX_BATCH):
            letters = self.queue.receive_dead(MAX_BATCH, FOREIGN_VISIBILITY_SECONDS)
            failpoints.reach("sweeper.dead_received")
            if not letters:
                return
            self.queue.ack_dead([letter.message for letter in letters if self._bury(letter)])
            failpoints.reach("sweeper.dead_acked")

    def delete_foreign(self) -> None:
        """Delete the letters that people want deleted."""
        letters = self._ledger.dead_letters.to_delete(self._channel)
        if letters:
            self.queue.ack_dead([Received(letter.sqs_id, letter.receipt, 0, None) for letter in letters])
            self._ledger.dead_letters.asked(letters)

    def _bury(self, letter: DeadLetter) -> bool:
        """End the email of a dead letter. False when the letter is not ours and must stay."""
        message = letter.message
        if message.ticket is None or not self._ledger.knows(message.ticket):
            return self._keep(letter, message.problem or "unknown email")
        if self._ledger.bury(message.ticket):
            ticket = message.ticket
            log.error("buried", email=self._ledger.email_key(ticket.email_id), email_id=ticket.email_id, gen=ticket.gen)
        failpoints.reach("sweeper.buried")
        return True

    def _keep(self, letter: DeadLetter, problem: str) -> bool:
        """Show a letter to people. True when one of them wants it deleted."""
        message = letter.message
        of = (self._channel, message.sqs_id, message.receipt, message.receive_count)
        deleted = self._ledger.dead_letters.saw(ForeignLetter(*of, letter.body, problem, letter.sent_at))
        if not deleted:
            log.error("foreign_dead_letter", sqs_message_id=message.sqs_id, problem=problem)
        return deleted
