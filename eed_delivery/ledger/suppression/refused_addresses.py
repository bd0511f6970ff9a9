"""Addresses that a mail server calls dead when it is asked. `550 5.1.1` at RCPT is what a bounce says later."""

from sqlalchemy import Connection, insert, select

from eed_delivery.addresses import canonical
from eed_delivery.config import TrackingSettings
from eed_delivery.database.clock import utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.transactions import Database
from eed_delivery.events import DeliveryOutcome, EventKind, TrackingEvent
from eed_delivery.ledger.schema import eed_event
from eed_delivery.ledger.suppression.thresholds import Suppressor
from eed_delivery.ledger.tracking.ledger import event_row
from eed_delivery.model import Email, Outcome


class RefusedAddresses:
    """Enters them into the suppression list by the threshold of hard bounces. Safe for many threads."""

    def __init__(self, database: Database, settings: TrackingSettings) -> None:
        self._database = database
        self._suppressor = Suppressor(settings)
        self._insert = unless_there(insert(eed_event))

    def enter(self, email: Email, outcome: Outcome, sub_type: str, detail: str) -> bool:
        """Keep the refusal as an event of this generation, and suppress the address if the threshold is reached.

        `sub_type` says why, as a bounce's does. `detail` holds no address. True if it is on the list now, or stays
        there longer. The same refusal may come again. Raises `DatabaseGone`.
        """
        address = canonical(email.recipient)
        if address is None:
            return False
        return self._database.did(lambda c: self._enter(c, email, outcome, sub_type, detail, address))

    def _enter(self, c: Connection, email: Email, outcome: Outcome, sub_type: str, detail: str, address: str) -> bool:
        now = c.execute(select(utc_now())).scalar_one()
        event = TrackingEvent(
            event_id=f"refused-{email.email_id}-{email.gen}",
            kind=EventKind.REJECT,
            occurred_at=now,
            email_id=email.email_id,
            gen=email.gen,
            outcome=DeliveryOutcome.HARD_BOUNCED,
            sub_type=sub_type,
            code=outcome.code,
            enhanced=outcome.enhanced,
            detail=detail,
        )
        row = event_row(event, now, email.email_id, email.gen, address)
        if c.execute(self._insert, row).rowcount != 1:
            return False  # it is known
        return self._suppressor.enter(c, [(event, address)]) > 0
