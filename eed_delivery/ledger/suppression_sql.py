"""The statements about `eed_suppression`: who is on the list, and how long. Each WHERE is tested term by term."""

from typing import Any

from sqlalchemy import DateTime, and_, bindparam, exists, func, literal, or_, update

from eed_delivery.database import utc_in, utc_now
from eed_delivery.schema import eed_email, eed_job, eed_suppression

EVERY_EMAIL = ""
"""The category of an entry that keeps every email back, whatever its job's category."""

ADDRESS = func.lower(func.trim(eed_email.c.recipient))
"""An email's recipient as it stands on the list. Always made by the database: what is lower case beyond ASCII is its
own to say. Without the spaces around it, which rendering takes away, too."""

IN_FORCE = or_(eed_suppression.c.expires_at.is_(None), eed_suppression.c.expires_at > utc_now())

_SPEAKS_OF_IT = (
    eed_suppression.c.address == ADDRESS,
    eed_suppression.c.category.in_([literal(EVERY_EMAIL), eed_job.c.category]),
    IN_FORCE,
)
# To be asked within a query about emails and their jobs.
SUPPRESSED = exists().where(*_SPEAKS_OF_IT)
# The same for a join, where those that no entry speaks of are wanted: MariaDB makes a table of its own to remember what
# EXISTS has answered, which costs as much as the rest of such a query.
ENTRY_OF_EMAIL = and_(*_SPEAKS_OF_IT)

_ONE = (
    update(eed_suppression)
    .where(eed_suppression.c.address == bindparam("its_address"))
    .where(eed_suppression.c.category == bindparam("its_category"))
)
_WHY: dict[str, Any] = {"reason": bindparam("why"), "source": bindparam("by")}
_UNTIL = bindparam("until", type_=DateTime())

# Never shortens: what stands for ever stays, and what ends later stays.
PROLONG = _ONE.where(eed_suppression.c.expires_at < utc_in(bindparam("lasting"))).values(
    **_WHY, expires_at=utc_in(bindparam("lasting"))
)
PROLONG_UNTIL = _ONE.where(eed_suppression.c.expires_at < _UNTIL).values(**_WHY, expires_at=_UNTIL)
FOR_EVER = _ONE.where(eed_suppression.c.expires_at.is_not(None)).values(**_WHY, expires_at=None)
