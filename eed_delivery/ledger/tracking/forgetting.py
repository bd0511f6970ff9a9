"""Events that are old enough to be forgotten. What became of an email stands on its own row, and stays there."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, DateTime, and_, bindparam, case, delete, literal, or_, select

from eed_delivery.config import TrackingSettings
from eed_delivery.database.clock import DAY_SECONDS, utc_in
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.schema import eed_event

CHUNK = 500
"""Events of one transaction: few enough that no worker waits for its locks."""

_FROM = bindparam("since", type_=DateTime())
_COUNTS = and_(eed_event.c.address.is_not(None), eed_event.c.occurred_at > utc_in(-bindparam("within")))
"""As `tracking_sql.COUNTED` counts towards a threshold: by the sender's time, not by the time of receipt."""

# By `received_at`, which is our own database's clock: what a stranger's server says may lie in any century.
OLDEST = (
    select(eed_event.c.event_id, eed_event.c.received_at, case((_COUNTS, literal(1)), else_=0).label("counts"))
    .where(eed_event.c.received_at < utc_in(-bindparam("lasting")))
    .where(eed_event.c.received_at >= _FROM)
    .where(or_(eed_event.c.received_at > _FROM, eed_event.c.event_id > bindparam("after")))
    .order_by(eed_event.c.received_at, eed_event.c.event_id)
    .limit(bindparam("most"))
)
# Nothing about an event ever changes, so what was read without a lock is still true.
FORGET = delete(eed_event).where(eed_event.c.event_id.in_(bindparam("ids", expanding=True)))


@dataclass(frozen=True, slots=True)
class EventPosition:
    """How far a walk over the old events has come. It is the last one read."""

    received_at: datetime
    event_id: str


BEGINNING = EventPosition(datetime.fromisoformat("1970-01-01"), "")


class ForgettingLedger:
    """Deletes old events, a few at a time. Safe on several hosts at once."""

    def __init__(self, database: Database, settings: TrackingSettings) -> None:
        self._database = database
        self._values = {
            "lasting": settings.event_retention_days * DAY_SECONDS,
            "within": settings.suppress_within_days * DAY_SECONDS,
        }

    def forget(self, beyond: EventPosition, most: int = CHUNK) -> tuple[int, EventPosition | None]:
        """Delete the old ones among the next events after `beyond`, but for those that a threshold still counts.

        Returns how many were deleted, and where to continue. None means that there are no more. Raises `DatabaseGone`.
        """
        return self._database.run(lambda c: self._forget(c, beyond, most))

    def _forget(self, c: Connection, beyond: EventPosition, most: int) -> tuple[int, EventPosition | None]:
        values = {**self._values, "since": beyond.received_at, "after": beyond.event_id, "most": most}
        rows = c.execute(OLDEST, values).all()
        ids = sorted(row.event_id for row in rows if not row.counts)  # one order for all processes' row locks
        deleted = c.execute(FORGET, {"ids": ids}).rowcount if ids else 0
        return deleted, EventPosition(rows[-1].received_at, rows[-1].event_id) if len(rows) == most else None
