"""From a message to a bounce address to the ledger, by any way of receipt."""

from datetime import UTC, datetime

import structlog

from eed_delivery.ledger.tracking.ledger import TrackingLedger
from eed_delivery.tracking.bounces.parsing import BounceReading, BounceVerdict, parse_bounce, parse_complaint
from eed_delivery.tracking.bounces.verp import Verp

log = structlog.get_logger(__name__)


class BounceIntake:
    """Safe for many threads. The caller may acknowledge a message as soon as `take` has returned."""

    def __init__(self, verp: Verp, ledger: TrackingLedger, feedback_address: str | None = None) -> None:
        """`feedback_address` is the one that is registered with mailbox providers for complaints."""
        self._verp = verp
        self._ledger = ledger
        self._feedback_address = feedback_address.lower() if feedback_address else None

    def knows(self, address: str) -> bool:
        """Whether it is the address of one of our emails, or the one for complaints. Never raises."""
        return self._is_for_complaints(address) or self._verp.read(address) is not None

    def take(self, raw: bytes, sent_to: str) -> BounceVerdict:
        """Read the message that came for `sent_to`, the envelope's recipient, and store what it says.

        The same message again changes nothing. Raises `DatabaseGone`, or any other error of the database. Then nothing
        is stored, and it is to be brought again.
        """
        parse = parse_complaint if self._is_for_complaints(sent_to) else parse_bounce
        reading = parse(raw, sent_to, self._verp, datetime.now(UTC))
        suppressed = self._store(reading)
        event = reading.event
        email_id, gen = (event.email_id, event.gen) if event else self._verp.read(sent_to) or (None, None)
        log.info(
            "bounce_taken",
            verdict=str(reading.verdict),
            email=None if email_id is None else self._ledger.email_key(email_id),
            email_id=email_id,
            gen=gen,
            outcome=event.outcome if event else None,
            sub_type=event.sub_type if event else "",
            enhanced=event.enhanced if event else None,
            suppressed=suppressed,
        )
        return reading.verdict

    def _is_for_complaints(self, address: str) -> bool:
        return self._feedback_address is not None and address.strip(" \t\r\n<>").lower() == self._feedback_address

    def _store(self, reading: BounceReading) -> int:
        """Returns how many addresses are newly suppressed."""
        if reading.event is None:
            return 0
        taken = self._ledger.take([reading.event])
        if taken.unknown:
            # Our signature is on it, and an email is in the ledger before it leaves: it is never going to be known.
            log.warning("bounce_of_unknown_email", email_id=reading.event.email_id, gen=reading.event.gen)
        return taken.suppressed
