"""From what the endpoint receives to the ledger, opens and clicks in batches and unsubscriptions one by one."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import structlog

from eed_delivery.events import TrackingEvent
from eed_delivery.ledger.suppression.unsubscribing import UnsubscribeLedger
from eed_delivery.ledger.tracking.acceptance import AcceptanceLedger
from eed_delivery.ledger.tracking.ledger import TrackingLedger
from eed_delivery.link_server.endpoint import Unsubscription
from eed_delivery.link_server.machines import hastened

log = structlog.get_logger(__name__)


class UnknownEmail(Exception):
    """The ledger has no such email. Another installation has signed with our secret, or the ledger was replaced."""


class LinkRecorder:
    """What an Intake stores with, and what an Endpoint unsubscribes with. Raises `DatabaseGone`."""

    def __init__(
        self,
        tracking: TrackingLedger,
        acceptance: AcceptanceLedger,
        unsubscribing: UnsubscribeLedger,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`now` is the clock that the events' times are of."""
        self._tracking = tracking
        self._acceptance = acceptance
        self._unsubscribing = unsubscribing
        self._now = now

    def store(self, events: Sequence[TrackingEvent]) -> None:
        """Store opens and clicks. What came too soon after the email to be a person's is marked as a machine's."""
        ages = self._acceptance.ages({(event.email_id or 0, event.gen or 0) for event in events})
        now = self._now()
        taken = self._tracking.take(
            [hastened(event, now - ages.get((event.email_id or 0, event.gen or 0), timedelta(0))) for event in events]
        )
        if taken.unknown:
            log.warning("opens_and_clicks_of_unknown_emails", count=len(taken.unknown))

    def unsubscribe(self, wish: Unsubscription) -> None:
        """Store a wish. Raises `UnknownEmail`, too, because what is not stored must not be confirmed."""
        key = self._unsubscribing.store(wish.email_id, wish.gen, wish.category, str(wish.wish), wish.occurred_at)
        if key is None:
            raise UnknownEmail(f"there is no email {wish.email_id} of generation {wish.gen}")
        log.info(
            "unsubscribed", email=key, email_id=wish.email_id, gen=wish.gen, category=wish.category, wish=str(wish.wish)
        )
