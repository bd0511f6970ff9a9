"""Which jobs a publisher takes, by their channels; and jobs of channels that are not there.

A job whose channel no host knows is held, and its reason says so. It is no person's pause: it goes on by itself once
the channel is there, and a person can pause or cancel it meanwhile as any other.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, exists, or_, select, update

from eed_delivery.database.clock import utc_in
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import SERVICE
from eed_delivery.ledger.acts import Act, ActKind, note
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_job, eed_worker
from eed_delivery.ledger.webhooks.outbox import SILENT, Outbox, with_reason
from eed_delivery.model import DEFAULT_CHANNEL, JobState
from eed_delivery.notices import Notice, NoticeKind

JOBS_AT_ONCE = 500
"""Limit: jobs that one look holds or releases."""


@dataclass(frozen=True, slots=True)
class ServedChannels:
    """One publisher publishes the jobs of one channel, `published`.

    `others`: the channels of all other publishers. What is of none of them is enlisted by this one, too, so that each
    job is enlisted. None: this publisher enlists what it publishes.
    """

    published: str
    others: frozenset[str] | None = None


DEFAULT_ALONE = ServedChannels(DEFAULT_CHANNEL, frozenset())
"""There is one channel."""

HOLD_JOB = (
    update(eed_job)
    .where(eed_job.c.job_id == bindparam("id"))
    .where(eed_job.c.finished_at.is_(None))
    .where(eed_job.c.state == JobState.ACTIVE)
    .where(eed_job.c.channel == bindparam("of_channel"))
    .values(state=JobState.HELD, reason=bindparam("why"))
)
RELEASE_JOB = (
    update(eed_job)
    .where(eed_job.c.job_id == bindparam("id"))
    .where(eed_job.c.finished_at.is_(None))
    .where(eed_job.c.state == JobState.HELD)
    .where(eed_job.c.channel == bindparam("of_channel"))
    .values(state=JobState.ACTIVE, reason=None, revision=eed_job.c.revision + 1)
)
_SERVED_ELSEWHERE = (
    exists()
    .where(eed_worker.c.channel == eed_job.c.channel)
    .where(eed_worker.c.role == "worker")
    .where(eed_worker.c.heartbeat_at > utc_in(-bindparam("alive")))
    .correlate(eed_job)
)
"""Another host has this channel: its files may be newer than ours."""
_IS_WRONG = or_(
    (eed_job.c.state == JobState.ACTIVE)
    & eed_job.c.channel.not_in(bindparam("known", expanding=True))
    & ~_SERVED_ELSEWHERE,
    (eed_job.c.state == JobState.HELD)
    & or_(eed_job.c.channel.in_(bindparam("known", expanding=True)), _SERVED_ELSEWHERE),
)
FOUND = (
    select(eed_job.c.job_id, eed_job.c.source_key, eed_job.c.state, eed_job.c.channel)
    .where(eed_job.c.finished_at.is_(None))
    .where(_IS_WRONG)
    .order_by(eed_job.c.job_id)
    .limit(JOBS_AT_ONCE)
)
"""Read along the index of unfinished jobs: there are few, and a look changes nothing but these."""


_Found = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class ChangedJob:
    """A job that is held now (`reason` says why), or goes on (None)."""

    job_id: int
    key: str
    channel: str
    reason: str | None


class JobHoldLedger:
    """Holds the jobs of unknown channels, and releases them. Each call is one transaction, raises `DatabaseGone`."""

    def __init__(self, database: Database, outbox: Outbox = SILENT) -> None:
        """`outbox`: receives its notices."""
        self._database = database
        self._outbox = outbox

    def look(self, known: Collection[str], alive_seconds: float) -> list[ChangedJob]:
        """Hold the jobs whose channel is not `known` to this host, and not served by a worker of another whose
        heartbeat is younger than `alive_seconds`. Release those that were held and whose channel is there now."""
        values = {"known": sorted(known), "alive": alive_seconds}
        found = self._database.run(lambda c: c.execute(FOUND, values).all())
        return self._database.run(lambda c: self._change(c, found, known)) if found else []

    def _change(self, c: Connection, found: Sequence[_Found], known: Collection[str]) -> list[ChangedJob]:
        changed = [ChangedJob(row.job_id, row.source_key, row.channel, _why(row, known)) for row in found]
        return [job for job in changed if self._is_changed(c, job)]

    def _is_changed(self, c: Connection, job: ChangedJob) -> bool:
        values = {"id": job.job_id, "of_channel": job.channel}
        if job.reason is None:
            done = c.execute(RELEASE_JOB, values).rowcount == 1
            act, notice = _released(job)
        else:
            done = c.execute(HOLD_JOB, {**values, "why": job.reason[:DETAIL_LENGTH]}).rowcount == 1
            act, notice = _held(job)
        if done:
            note(c, SERVICE, act)
            self._outbox.put(c, [notice])
        return done


def _why(found: _Found, known: Collection[str]) -> str | None:
    if found.state == JobState.HELD:
        return None
    return f"there is no channel {found.channel}. The channels are {', '.join(sorted(known))}"


def _held(job: ChangedJob) -> tuple[Act, Notice]:
    reason = job.reason or ""
    before, after = {"state": JobState.ACTIVE}, {"state": JobState.HELD, "channel": job.channel}
    act = Act(ActKind.HOLD, job.job_id, reason=reason, before=before, after=after)
    return act, Notice(NoticeKind.JOB_HELD, job.job_id, facts=with_reason(reason, channel=job.channel))


def _released(job: ChangedJob) -> tuple[Act, Notice]:
    before, after = {"state": JobState.HELD}, {"state": JobState.ACTIVE, "channel": job.channel}
    why = f"the channel {job.channel} is there"
    act = Act(ActKind.RELEASE, job.job_id, reason=why, before=before, after=after)
    return act, Notice(NoticeKind.JOB_RELEASED, job.job_id, facts={"channel": job.channel})
