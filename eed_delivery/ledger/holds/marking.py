"""Copies of the holds in the jobs that they concern, so that a wire grant reads no other table.

A hold comes first, and no publisher publishes what it holds from then on. Then each unfinished job that it concerns
gets its copy. A job that is registered between the two has no message yet, and is published only with its copy.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, bindparam, or_, select, update

from eed_delivery.database.clock import utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.holds.held import DOMAINS_ARE_HELD, END_OF_DOMAIN, LASTS, is_held
from eed_delivery.ledger.keys import JOBS_A_QUERY
from eed_delivery.ledger.schema import HELD_DOMAINS_LENGTH, eed_hold, eed_job
from eed_delivery.model import HoldScope

FOR_EVER = datetime(9999, 12, 31)  # noqa: DTZ001 - as the ledger keeps times
_h = eed_hold.c
_Row = Row[*tuple[Any, ...]]

MARK = (
    update(eed_job)
    .where(eed_job.c.job_id.in_(bindparam("ids", expanding=True)))
    .values(held_until=bindparam("until"), held_domains=bindparam("domains"))
)
MAY_BE_MARKED = (
    select(
        eed_job.c.job_id, eed_job.c.channel, eed_job.c.category, eed_job.c.held_until, eed_job.c.held_domains
    )
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
    was opened again. Jobs of `file_channels` go to no domain.
    """
    holds, jobs = database.run(lambda c: (_lasting(c), c.execute(MAY_BE_MARKED).all()))
    wanted: dict[_Copy, list[int]] = {}
    for job in jobs:
        copy = _copy_for(job, holds, file_channels)
        if copy != _Copy(job.held_until, job.held_domains):
            wanted.setdefault(copy, []).append(job.job_id)
    for copy, ids in wanted.items():
        for start in range(0, len(ids), JOBS_A_QUERY):
            values = {"ids": ids[start : start + JOBS_A_QUERY], "until": copy.until, "domains": copy.domains}
            database.run(partial(_execute, MARK, values))
    if new := [hold.hold_id for hold in holds if hold.in_force_at is None]:
        database.run(partial(_execute, IN_FORCE, {"ids": new}))


def _lasting(c: Connection) -> Sequence[_Row]:
    columns = (_h.hold_id, _h.scope, _h.subject, _h.until_at, _h.in_force_at)
    return list(c.execute(select(*columns).where(LASTS).order_by(_h.scope, _h.subject)))


def _copy_for(job: _Row, holds: Sequence[_Row], file_channels: Collection[str]) -> _Copy:
    of_job = {(HoldScope.ALL, ""), (HoldScope.CHANNEL, job.channel), (HoldScope.CATEGORY, job.category)}
    ends = [hold.until_at or FOR_EVER for hold in holds if (hold.scope, hold.subject) in of_job]
    domains = [hold.subject for hold in holds if hold.scope == HoldScope.DOMAIN]
    if not domains:
        return _Copy(max(ends, default=None), None)
    return _Copy(max(ends, default=None), "" if job.channel in file_channels else as_copied(domains))


def as_copied(domains: Collection[str]) -> str:
    """Domains as a job has them. Raises ValueError for too many."""
    text = "".join(f"@{domain}{END_OF_DOMAIN}" for domain in sorted(domains))
    if len(text) > HELD_DOMAINS_LENGTH:
        raise ValueError("too many domains are held at once")
    return text


def _execute(statement: Any, values: Mapping[str, object], c: Connection) -> None:
    c.execute(statement, values)
