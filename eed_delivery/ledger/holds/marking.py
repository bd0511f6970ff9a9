"""Copies of the holds in the jobs that they concern, so that a wire grant reads no other table.

A hold comes first, and no publisher publishes what it holds from then on. Then each unfinished job that it concerns
gets its copy. A job that is registered or opened again between the two has no message yet. It is published only with
its copy. Holds change and copies are written under one lock, so that no copy is older than the holds.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection, Row, bindparam, or_, select, update

from eed_delivery.database.clock import utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.duties import in_turn
from eed_delivery.ledger.holds.held import DOMAINS_ARE_HELD, END_OF_DOMAIN, LASTS, is_held
from eed_delivery.ledger.keys import JOBS_A_QUERY
from eed_delivery.ledger.schema import HELD_DOMAINS_LENGTH, eed_hold, eed_job
from eed_delivery.model import HoldScope

log = structlog.get_logger(__name__)

DUTY = "holds"
"""Under this lock holds change, and jobs get their copies."""
FOR_EVER = datetime(9999, 12, 31)  # noqa: DTZ001 - as the ledger keeps times
_h = eed_hold.c
_Row = Row[*tuple[Any, ...]]

MARK = (
    update(eed_job)
    .where(eed_job.c.job_id.in_(bindparam("ids", expanding=True)))
    .where(eed_job.c.channel == bindparam("of_channel"))  # a next round may have another one, and other domains
    .values(held_until=bindparam("until"), held_domains=bindparam("domains"))
)
MAY_BE_MARKED = (
    select(
        eed_job.c.job_id, eed_job.c.channel, eed_job.c.category, eed_job.c.held_until, eed_job.c.held_domains
    )
    .where(eed_job.c.job_id > bindparam("after"))
    .where(eed_job.c.finished_at.is_(None))
    .where(
        or_(
            eed_job.c.held_until.is_not(None),
            eed_job.c.held_domains.is_not(None),
            is_held(eed_job.c.channel, eed_job.c.category),
            DOMAINS_ARE_HELD,
        )
    )
    .order_by(eed_job.c.job_id)
    .limit(JOBS_A_QUERY)
)  # fmt: skip
IN_FORCE = (
    update(eed_hold)
    .where(_h.hold_id.in_(bindparam("ids", expanding=True)))
    .where(_h.in_force_at.is_(None))
    .values(in_force_at=utc_now())
)
"""Every job has its copy. What is let go later was let go by no hold of these."""


@dataclass(frozen=True, slots=True)
class _Copy:
    """What a job has of the holds. `domains`: None while no domain is held anywhere."""

    until: datetime | None
    domains: str | None


def mark(database: Database, file_channels: Collection[str]) -> None:
    """Give each unfinished job its copy of the holds, as far as it has another one. Raises `DatabaseGone`.

    To be called now and then. It makes up for a process that died between a hold and this, and for a finished job that
    was opened again. Jobs of `file_channels` go to no domain. While domains do not fit into a copy, their jobs are
    held as a whole.
    """
    after: int | None = 0
    chunks = []
    while after is not None:
        after, holds = database.run(partial(_mark_from, after, file_channels))
        chunks.append(frozenset(holds))
    in_each = frozenset.intersection(*chunks)
    domains = _domains(in_each)
    if as_copied(domains) is None:
        log.error("held_domains_too_long", domains=len(domains))
    if any(hold.in_force_at is None for hold in in_each):
        database.run(partial(_set_in_force, in_each))


def _mark_from(after: int, file_channels: Collection[str], c: Connection) -> tuple[int | None, Sequence[_Row]]:
    """Mark the next jobs. Returns the last of them, or None at the end, and the holds that they have copies of."""
    in_turn(c, DUTY)
    holds = _lasting(c)
    jobs = c.execute(MAY_BE_MARKED, {"after": after}).all()
    wanted: dict[tuple[_Copy, str], list[int]] = {}
    for job in jobs:
        copy = _copy_for(job, holds, file_channels)
        if copy != _Copy(job.held_until, job.held_domains):
            wanted.setdefault((copy, job.channel), []).append(job.job_id)
    for (copy, channel), ids in wanted.items():
        c.execute(MARK, {"ids": ids, "of_channel": channel, "until": copy.until, "domains": copy.domains})
    return (jobs[-1].job_id if len(jobs) == JOBS_A_QUERY else None), holds


def _set_in_force(marked: Collection[_Row], c: Connection) -> None:
    """Of the holds that every job has a copy of, those that have not changed since are in force."""
    in_turn(c, DUTY)
    c.execute(IN_FORCE, {"ids": [hold.hold_id for hold in _lasting(c) if hold in marked]})


def _lasting(c: Connection) -> Sequence[_Row]:
    columns = (_h.hold_id, _h.scope, _h.subject, _h.held_at, _h.until_at, _h.in_force_at)
    return list(c.execute(select(*columns).where(LASTS).order_by(_h.scope, _h.subject)))


def _copy_for(job: _Row, holds: Collection[_Row], file_channels: Collection[str]) -> _Copy:
    of_job = {(HoldScope.ALL, ""), (HoldScope.CHANNEL, job.channel), (HoldScope.CATEGORY, job.category)}
    ends = [hold.until_at or FOR_EVER for hold in holds if (hold.scope, hold.subject) in of_job]
    domains = _domains(holds)
    if not domains:
        return _Copy(max(ends, default=None), None)
    if job.channel in file_channels:
        return _Copy(max(ends, default=None), "")
    copied = as_copied(domains)
    if copied is None:  # hold more, and not less
        ends += [hold.until_at or FOR_EVER for hold in holds if hold.scope == HoldScope.DOMAIN]
    return _Copy(max(ends, default=None), copied)


def _domains(holds: Collection[_Row]) -> list[str]:
    return [hold.subject for hold in holds if hold.scope == HoldScope.DOMAIN]


def as_copied(domains: Collection[str]) -> str | None:
    """Domains as a job has them. None for too many."""
    text = "".join(f"@{domain}{END_OF_DOMAIN}" for domain in sorted(domains))
    return text if len(text) <= HELD_DOMAINS_LENGTH else None
