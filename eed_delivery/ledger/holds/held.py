"""Whether something is held: by the holds themselves, for the publisher; by their copies in the job, for each email."""

from sqlalchemy import ColumnElement, exists, func, or_

from eed_delivery.database.clock import utc_now
from eed_delivery.ledger.address_sql import domain_entry
from eed_delivery.ledger.schema import eed_email, eed_hold, eed_job
from eed_delivery.model import HoldScope

END_OF_DOMAIN = " "
"""Behind each domain in `eed_job.held_domains`, where `domain_entry` stands for one."""

_h = eed_hold.c
LASTS = or_(_h.until_at.is_(None), _h.until_at > utc_now())


def is_held(channel: ColumnElement[str], category: ColumnElement[str] | None = None) -> ColumnElement[bool]:
    """Whether this channel or category, or everything, is held now. Nothing is published then."""
    targets = [_h.scope == HoldScope.ALL, (_h.scope == HoldScope.CHANNEL) & (_h.subject == channel)]
    if category is not None:
        targets.append((_h.scope == HoldScope.CATEGORY) & (_h.subject == category))
    return exists().where(or_(*targets)).where(LASTS)


DOMAINS_ARE_HELD = exists().where(_h.scope == HoldScope.DOMAIN).where(LASTS)
"""Whether any domain is."""
MAY_BE_PUBLISHED = or_(eed_job.c.held_domains.is_not(None), ~DOMAINS_ARE_HELD)
"""Of a job: while a domain is held, a job without a copy waits until it has one."""

UNMARKED = {eed_job.c.held_until: None, eed_job.c.held_domains: None}
"""Of a job that opens again. Its copy is as old as its end, and it has no message. It is published with a new copy."""

JOB_NOT_HELD = or_(eed_job.c.held_until.is_(None), eed_job.c.held_until <= utc_now())
"""Of a job. A second table in the wire grant would cost the database server 70 microseconds an email."""

_PLACE = func.instr(eed_job.c.held_domains, domain_entry(eed_email.c.address) + END_OF_DOMAIN)
DOMAIN_NOT_HELD = or_(eed_job.c.held_domains.is_(None), func.coalesce(_PLACE, 0) == 0)
"""Of an email and its job. What has no address goes to no domain."""
