"""What is on the wire, and when the last email was let go, by the database's clock."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from eed_delivery.ledger.address_sql import domain_entry
from eed_delivery.ledger.keys import JOBS_A_QUERY
from eed_delivery.ledger.schema import eed_attempt, eed_email, eed_job
from eed_delivery.model import EmailState, HoldScope, HoldTarget

NEWEST_TRIES = 1000
"""Limit: tries among which the last email is looked for. There are more than threads, so it is among them."""


@dataclass(frozen=True, slots=True)
class LastWire:
    """When the last email left by a channel, in UTC. `worker` None: it is on the wire, and has no answer yet."""

    channel: str
    worker: str | None
    at: datetime


@dataclass(frozen=True, slots=True)
class OnWire:
    """How many emails are on the wire now, and when the last one had its answer, in UTC. None: none had one of late.

    `last` has the last email of each worker that sent of late, and of each channel what is on the wire.
    """

    emails: int
    last_at: datetime | None
    last: tuple[LastWire, ...] = ()

    @property
    def last_wire_at(self) -> datetime | None:
        """When the last email was let go. None: none was of late."""
        return max((one.at for one in self.last), default=None)


def on_wire(c: Connection, target: HoldTarget) -> OnWire:
    """What is on the wire of a target."""
    open_now = list(_open(c, target))
    answered = [row for row in _newest(c) if _is_of(row, target)]
    last = _last_of(
        [
            *(LastWire(row.channel, None, row.wire_at) for row in open_now if row.wire_at is not None),
            *(LastWire(row.channel, row.worker, _left(row)) for row in answered if row.took_ms is not None),
        ]
    )
    ended = max((row.ended_at for row in answered), default=None)
    return OnWire(sum(row.emails for row in open_now), ended, last)


def _open(c: Connection, target: HoldTarget) -> Iterator[Row[Any]]:
    """By channel: how many have no answer yet, and when the last of them was let go."""
    terms: dict[HoldScope, tuple[ColumnElement[bool], ...]] = {
        HoldScope.CHANNEL: (eed_job.c.channel == target.subject,),
        HoldScope.CATEGORY: (eed_job.c.category == target.subject,),
    }
    unfinished = select(eed_job.c.job_id).where(eed_job.c.finished_at.is_(None), *terms.get(target.scope, ()))
    jobs = list(c.execute(unfinished).scalars())
    to_domain = (domain_entry(eed_email.c.address) == f"@{target.subject}",) if _is_domain(target) else ()
    statement = (
        select(eed_job.c.channel, func.count().label("emails"), func.max(eed_email.c.wire_at).label("wire_at"))
        .join(eed_job, eed_job.c.job_id == eed_email.c.job_id)
        .where(eed_email.c.state == EmailState.SENDING, eed_email.c.wire_at.is_not(None), *to_domain)
        .group_by(eed_job.c.channel)
    )
    for start in range(0, len(jobs), JOBS_A_QUERY):
        yield from c.execute(statement.where(eed_email.c.job_id.in_(jobs[start : start + JOBS_A_QUERY])))


def _newest(c: Connection) -> Iterable[Row[Any]]:
    a = eed_attempt.c
    names = (a.attempt_id, a.email_id, a.attempt, a.worker, a.ended_at, a.took_ms)
    tries = select(*names).order_by(a.attempt_id.desc()).limit(NEWEST_TRIES).subquery()
    return c.execute(
        select(
            tries, eed_email.c.attempts, eed_email.c.wire_at, domain_entry(eed_email.c.address).label("domain"),
            eed_job.c.channel, eed_job.c.category,
        )
        .join(eed_email, eed_email.c.email_id == tries.c.email_id)
        .join(eed_job, eed_job.c.job_id == eed_email.c.job_id)
    ).all()  # fmt: skip


def _is_of(row: Row[Any], target: HoldTarget) -> bool:
    of = {HoldScope.CHANNEL: row.channel, HoldScope.CATEGORY: row.category, HoldScope.DOMAIN: (row.domain or "")[1:]}
    return target.scope is HoldScope.ALL or of[target.scope] == target.subject


def _is_domain(target: HoldTarget) -> bool:
    return target.scope is HoldScope.DOMAIN


def _left(row: Row[Any]) -> datetime:
    """When a try was let go. An email that waits for its next try has no such time: it is reckoned from the answer."""
    if row.wire_at is not None and row.attempt == row.attempts:
        return row.wire_at  # type: ignore[no-any-return]
    return row.ended_at - timedelta(milliseconds=row.took_ms)  # type: ignore[no-any-return]


def _last_of(all_: Iterable[LastWire]) -> tuple[LastWire, ...]:
    newest: dict[tuple[str, str | None], LastWire] = {}
    for one in all_:
        place = (one.channel, one.worker)
        if place not in newest or newest[place].at < one.at:
            newest[place] = one
    return tuple(sorted(newest.values(), key=lambda one: one.at, reverse=True))
