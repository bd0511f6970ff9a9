"""From a message that came to a bounce address to the ledger, whatever way it came."""

from datetime import UTC, datetime

import structlog

from eed_delivery.ledger.tracking import TrackingLedger
from eed_delivery.tracking.bounces import BounceReading, BounceVerdict, parse_bounce
from eed_delivery.tracking.verp import Verp

log = structlog.get_logger(__name__)


class BounceIntake:
    """Safe for many threads. Whoever hands a message in may acknowledge it as soon as `take` has returned."""

    def __init__(self, verp: Verp, ledger: TrackingLedger) -> None:
        self._verp = verp
        self._ledger = ledger

    def knows(self, address: str) -> bool:
        """Whether it is the address of one of our emails. Never raises."""
        return self._verp.read(address) is not None

    def take(self, raw: bytes, sent_to: str) -> BounceVerdict:
        """Read the message that came for `sent_to`, the envelope's recipient, and store what it says.

        The same message again changes nothing. Raises `DatabaseGone`, or what else the database has against it: then
        nothing is stored, and it is to be brought again.
        """
        reading = parse_bounce(raw, sent_to, self._verp, datetime.now(UTC))
        suppressed = self._store(reading)
        email_id, gen = self._verp.read(sent_to) or (None, None)
        event = reading.event
        log.info(
            "bounce_taken",
            verdict=str(reading.verdict),
            email_id=email_id,
            gen=gen,
            outcome=event.outcome if event else None,
            sub_type=event.sub_type if event else "",
            enhanced=event.enhanced if event else None,
            suppressed=suppressed,
        )
        return reading.verdict

    def _store(self, reading: BounceReading) -> int:
        """Returns how many addresses are newly suppressed."""
        if reading.event is None:
            return 0
        taken = self._ledger.take([reading.event])
        if taken.unknown:
            # Our signature is on it, and an email is in the ledger before it leaves: it is never going to be known.
            log.warning("bounce_of_unknown_email", email_id=reading.event.email_id, gen=reading.event.gen)
        return taken.suppressed
