"""Who wants no more emails, or no more of a category, by the wish of a signed one-click address (RFC 8058)."""

import hashlib
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select

from eed_delivery.database.clock import utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.transactions import Database
from eed_delivery.events import EventKind, in_utc
from eed_delivery.ledger.addresses import of_generations
from eed_delivery.ledger.keys import email_key
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_email, eed_event, eed_suppression
from eed_delivery.ledger.suppression import statements as sql
from eed_delivery.ledger.webhooks.outbox import SILENT, Outbox
from eed_delivery.notices import Notice, NoticeKind

SOURCE = sql.UNSUBSCRIBE
REASON = "unsubscribed"

# A wish of an older generation counts. A generation that never was is not of this ledger.
WHOSE = (
    select(eed_email.c.address, eed_email.c.gen)
    .where(eed_email.c.email_id == bindparam("id"))
    .where(eed_email.c.gen >= bindparam("of_gen"))
)


class UnsubscribeLedger:
    """What an unsubscription may do to the ledger. Safe for many threads. Each call is one transaction."""

    def __init__(self, database: Database, outbox: Outbox = SILENT) -> None:
        """`outbox` receives its notices."""
        self._database = database
        self._outbox = outbox
        self._insert = unless_there(insert(eed_suppression))
        self._insert_event = unless_there(insert(eed_event))

    def store(self, email_id: int, gen: int, category: str, detail: str, occurred_at: datetime) -> str | None:
        """Put the address that this generation of the email went to on the list indefinitely. It is for jobs of
        `category`, or with "" for all.

        The email has the wish among its events, too. `detail` says how it came, and holds no address. The same wish may
        come again. Returns the source's key of the email. None if the ledger has no such email. Then nothing was
        stored. Raises `DatabaseGone`.
        """
        return self._database.run(lambda c: self._store(c, email_id, gen, category, detail, occurred_at))

    def _store(self, c: Connection, email_id: int, gen: int, category: str, detail: str, at: datetime) -> str | None:
        row = c.execute(WHOSE, {"id": email_id, "of_gen": gen}).one_or_none()
        if row is None:
            return None
        earlier = {} if gen == row.gen else of_generations(c, [(email_id, gen)])
        address = earlier.get((email_id, gen), row.address)
        if address is None:  # such a one has never left
            return None
        self._suppress(c, address, category, f"{REASON}: {detail}"[:DETAIL_LENGTH] if detail else REASON)
        event_id, occurred_at = _event_id(email_id, gen, category), in_utc(at)
        new = c.execute(
            self._insert_event.values(
                event_id=event_id,
                email_id=email_id,
                gen=gen,
                kind=EventKind.SUBSCRIPTION,
                sub_type=f"{REASON} {category}".rstrip()[:100],
                detail=detail[:DETAIL_LENGTH],
                automatic=False,
                occurred_at=occurred_at,
                received_at=utc_now(),
            )
        )
        if new.rowcount == 1:
            facts = {"category": category} if category else {}
            told = Notice(NoticeKind.EMAIL_UNSUBSCRIBED, None, email_id, gen, event_id, occurred_at, facts)
            self._outbox.put(c, [told])
        return email_key(c, email_id)

    def _suppress(self, c: Connection, address: str, category: str, reason: str) -> None:
        entry = {"address": address, "category": category, "reason": reason, "source": SOURCE}
        if c.execute(self._insert.values(**entry, created_at=utc_now(), expires_at=None)).rowcount != 1:
            sql.mark_wish(c, address, category, reason, SOURCE)
            values = {"its_address": address, "its_category": category, "why": reason, "by": SOURCE}
            c.execute(sql.FOR_EVER, values)


def _event_id(email_id: int, gen: int, category: str) -> str:
    """The same for the same wish, however often it comes."""
    return "unsubscribe-" + hashlib.blake2b(repr((email_id, gen, category)).encode(), digest_size=16).hexdigest()
