"""The statements about `eed_suppression`, on who is on the list, and how long. Each WHERE is tested term by term."""

from typing import Any

from sqlalchemy import Connection, DateTime, and_, bindparam, case, exists, literal, or_, update
from sqlalchemy.sql.elements import ColumnElement

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.ledger.address_sql import domain_entry
from eed_delivery.ledger.schema import eed_email, eed_job, eed_suppression

EVERY_EMAIL = ""
"""The category of an entry that suppresses every email, in any category."""

OF_DOMAIN = eed_suppression.alias("eed_suppression_of_domain")
"""The list once more, for the entries that keep back every address of a domain."""


def in_force(entry: Any = eed_suppression) -> ColumnElement[bool]:
    """Whether an entry's time is not over."""
    return or_(entry.c.expires_at.is_(None), entry.c.expires_at > utc_now())


def _speaks_of_it(entry: Any, address: Any) -> tuple[ColumnElement[bool], ...]:
    return (
        entry.c.address == address,
        entry.c.category.in_([literal(EVERY_EMAIL), eed_job.c.category]),
        in_force(entry),
        eed_email.c.despite_list.is_(False),
    )


# Both kinds each by the list's key: as one question with OR, the database would look at all of the list.
_OF_ITS_ADDRESS = _speaks_of_it(eed_suppression, eed_email.c.address)
_OF_ITS_DOMAIN = _speaks_of_it(OF_DOMAIN, domain_entry(eed_email.c.address))
# To be asked within a query about emails and their jobs.
SUPPRESSED = or_(exists().where(*_OF_ITS_ADDRESS), exists().where(*_OF_ITS_DOMAIN))
# The same for joins, where those that no entry speaks of are wanted: MariaDB makes a table of its own to remember what
# EXISTS has answered, which costs as much as the rest of such a query.
ENTRY_OF_EMAIL = and_(*_OF_ITS_ADDRESS)
ENTRY_OF_DOMAIN = and_(*_OF_ITS_DOMAIN)

_ONE = (
    update(eed_suppression)
    .where(eed_suppression.c.address == bindparam("its_address"))
    .where(eed_suppression.c.category == bindparam("its_category"))
)
COMPLAINT = "complaint"
"""The source of an entry whose person has complained. No other source replaces it."""
UNSUBSCRIBE = "unsubscribe"
"""The source of an entry whose person has unsubscribed. None but a complaint replaces it."""
ASKED_FOR = frozenset({COMPLAINT, UNSUBSCRIBE})
"""Entries that their own recipients asked for. They go only with evidence that these want emails again."""
_IS_WEAKER = or_(
    eed_suppression.c.source.not_in(sorted(ASKED_FOR)),
    and_(eed_suppression.c.source == UNSUBSCRIBE, bindparam("by") == COMPLAINT),
)
_SOURCE = case((_IS_WEAKER, bindparam("by")), else_=eed_suppression.c.source)
_WHY: dict[str, Any] = {"reason": bindparam("why"), "source": _SOURCE}
_UNTIL = bindparam("until", type_=DateTime())

# Never shortens: what stands for ever stays, and what ends later stays.
PROLONG = _ONE.where(eed_suppression.c.expires_at < utc_in(bindparam("lasting"))).values(
    **_WHY, expires_at=utc_in(bindparam("lasting"))
)
PROLONG_UNTIL = _ONE.where(eed_suppression.c.expires_at < _UNTIL).values(**_WHY, expires_at=_UNTIL)
FOR_EVER = _ONE.where(eed_suppression.c.expires_at.is_not(None)).values(**_WHY, expires_at=None)
# A recipient's wish marks what stands there already, however long that lasts.
WISHED = _ONE.where(_IS_WEAKER).values(reason=bindparam("why"), source=bindparam("by"))


def mark_wish(c: Connection, address: str, category: str, reason: str, source: str) -> bool:
    """Let the entry that stands there be one of a complaint or of an unsubscription. False if it is one of as much, or
    if `source` is neither."""
    if source not in ASKED_FOR:
        return False
    values = {"its_address": address, "its_category": category, "why": reason, "by": source}
    return c.execute(WISHED, values).rowcount == 1
