"""Which addresses are not mailed again because of what became of the emails to them."""

from collections.abc import Sequence

from sqlalchemy import Connection, insert

from eed_delivery.config import TrackingSettings
from eed_delivery.database.clock import DAY_SECONDS, utc_in, utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.events import DeliveryOutcome, TrackingEvent, weight
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_suppression
from eed_delivery.ledger.suppression import statements as sql
from eed_delivery.ledger.tracking.statements import COUNTED

_WORDS = {
    DeliveryOutcome.HARD_BOUNCED: ("hard bounce", "bounce"),
    DeliveryOutcome.SOFT_BOUNCED: ("soft bounce", "bounce"),
    DeliveryOutcome.COMPLAINED: ("complaint", "complaint"),
}


class Suppressor:
    """Enters addresses into `eed_suppression` by the thresholds of `[tracking]`, in the caller's transaction."""

    def __init__(self, settings: TrackingSettings) -> None:
        self._thresholds = {
            DeliveryOutcome.HARD_BOUNCED: settings.suppress_hard_bounces,
            DeliveryOutcome.SOFT_BOUNCED: settings.suppress_soft_bounces,
            DeliveryOutcome.COMPLAINED: settings.suppress_complaints,
        }
        self._within = settings.suppress_within_days * DAY_SECONDS
        self._lasting = settings.suppression_days * DAY_SECONDS
        self._insert = unless_there(insert(eed_suppression))

    def enter(self, c: Connection, told: Sequence[tuple[TrackingEvent, str | None]]) -> int:
        """Enter what new events, stored already, call for. Each comes with the canonical address that its email went
        to. How many entries are new or last longer than they did."""
        asked = {(address, event.outcome): event for event, address in told if address and counts(event)}
        # One entry an address: who bounces and complains in one batch is entered for the complaint.
        chosen: dict[str, TrackingEvent] = {}
        for (address, _), event in sorted(asked.items(), key=lambda item: (item[0][0], weight(item[1]))):
            if self._is_reached(c, address, event):
                chosen[address] = event
        return sum(self._enter(c, address, event) for address, event in chosen.items())

    def _is_reached(self, c: Connection, address: str, event: TrackingEvent) -> bool:
        outcome = event.outcome or DeliveryOutcome.DELIVERED
        threshold = self._thresholds[outcome]
        if threshold <= 1:
            return threshold == 1  # the event itself is enough
        values = {"address": address, "its_outcome": outcome, "within": self._within, "threshold": threshold}
        return len(c.execute(COUNTED, values).all()) >= threshold

    def _enter(self, c: Connection, address: str, event: TrackingEvent) -> bool:
        what, source = _WORDS[event.outcome or DeliveryOutcome.DELIVERED]
        reason = f"{what}: {event.detail or event.sub_type}".rstrip(": ")[:DETAIL_LENGTH]
        added = c.execute(
            self._insert.values(
                address=address,
                category=sql.EVERY_EMAIL,
                reason=reason,
                source=source,
                created_at=utc_now(),
                expires_at=utc_in(self._lasting) if self._lasting else None,
            )
        )
        return added.rowcount == 1 or self._prolong(c, address, reason, source)

    def _prolong(self, c: Connection, address: str, reason: str, source: str) -> bool:
        values = {"its_address": address, "its_category": sql.EVERY_EMAIL, "why": reason, "by": source}
        sql.mark_wish(c, address, sql.EVERY_EMAIL, reason, source)
        if self._lasting:
            return c.execute(sql.PROLONG, {**values, "lasting": self._lasting}).rowcount == 1
        return c.execute(sql.FOR_EVER, values).rowcount == 1


def counts(event: TrackingEvent) -> bool:
    """Whether an event is one of those that thresholds count."""
    return event.outcome in _WORDS and not event.automatic
