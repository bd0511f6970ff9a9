"""How many emails wait and may go, by channel. What is read for it is bounded, whatever the ledger holds.

Jobs of few emails are counted, many at once. Of the largest, the sweeper has counted what is left of most a moment ago,
for forecasts. The others are sampled along their index (`index_sampling`). Of what is beyond that, each job counts with
all its emails, so nothing is left out.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, exists, func, select

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.holds.held import JOB_NOT_HELD, is_held
from eed_delivery.ledger.index_sampling import WAITING, IndexSampling
from eed_delivery.ledger.progress import left_by_job
from eed_delivery.ledger.schema import eed_email, eed_gate, eed_job
from eed_delivery.ledger.windows.is_open import WINDOW_IS_OPEN
from eed_delivery.model import JobState

OPENS_SOON_SECONDS = 300.0
"""A job whose window opens within this time counts: a new host needs as long."""
SHUT_FOR_SECONDS = 120.0
"""What waits for a gate that is shut for longer does not count: more hosts would not help."""
FEW = 500
"""Emails of a job that is counted together with others."""
JOBS_AT_ONCE, EMAILS_AT_ONCE = 500, 50_000

_j, _e, _g = eed_job.c, eed_email.c, eed_gate.c
_SOON = utc_in(OPENS_SOON_SECONDS)
_OPEN_SOON = (
    WINDOW_IS_OPEN
    | ((_j.window_from <= _SOON) & (_j.window_until > utc_now()))
    | ((_j.next_window_from <= _SOON) & (_j.next_window_until > utc_now()))
)
_IS_SHUT = exists().where(_g.channel == _j.channel, _g.reason.is_not(None), _g.shut_at <= utc_in(-SHUT_FOR_SECONDS))
_MAY_GO = (
    _j.finished_at.is_(None)
    & (_j.state == JobState.ACTIVE)
    & (_j.total > 0)
    & ~is_held(_j.channel, _j.category)
    & JOB_NOT_HELD
    & _OPEN_SOON
    & ~_IS_SHUT
)
"""Of a job: not paused, not held, within its send window now or soon, and its channel's way out works."""
LARGEST = (
    select(_j.job_id, _j.channel, _j.total)
    .where(_MAY_GO)
    .order_by(_j.total.desc(), _j.job_id)
    .limit(bindparam("at_most"))
)
ALL_TOTALS = select(_j.channel, func.sum(_j.total)).where(_MAY_GO).group_by(_j.channel)
OF_SMALL = (
    select(func.count())
    .select_from(eed_email)
    .where(_e.job_id.in_(bindparam("ids", expanding=True)), _e.state.in_(WAITING))
)
_Job = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class BacklogLimits:
    """How much is read at most. `jobs` are listed, the largest first, and `large` of them are looked into. Then there
    are `looks` into what is left of those. Each reads `sample` entries of the index."""

    jobs: int = 10_000
    large: int = 200
    looks: int = 250
    sample: int = 500


class BacklogLedger:
    """Reads it. Raises `DatabaseGone`."""

    def __init__(self, database: Database, limits: BacklogLimits = BacklogLimits()) -> None:
        self._database = database
        self._limits = limits

    def by_channel(self) -> dict[str, int]:
        """Pending and queued emails of the jobs that may go, by channel, in one transaction. Of large jobs that were
        just counted, those on their way count, too."""
        return self._database.run(self._by_channel)

    def _by_channel(self, c: Connection) -> dict[str, int]:
        limits = self._limits
        jobs = c.execute(LARGEST, {"at_most": limits.jobs}).all()
        found: defaultdict[str, float] = defaultdict(float)
        if len(jobs) == limits.jobs:
            _add(found, _not_listed(c, jobs))
        large = [job for job in jobs if job.total > FEW]
        for job in large[limits.large :]:
            found[job.channel] += job.total
        for some in _groups([job for job in jobs if job.total <= FEW]):
            found[some[0].channel] += int(c.execute(OF_SMALL, {"ids": [job.job_id for job in some]}).scalar_one())
        left = left_by_job(c, [job.job_id for job in large[: limits.large]])
        for job in large[: limits.large]:
            found[job.channel] += left.get(job.job_id, 0)
        others = [job for job in large[: limits.large] if job.job_id not in left]
        _add(found, IndexSampling(c, limits.sample, limits.looks).waiting(others, beside=sum(found.values())))
        return {channel: round(emails) for channel, emails in found.items() if round(emails)}


def _not_listed(c: Connection, listed: Sequence[_Job]) -> dict[str, float]:
    """All emails of the jobs that are too many to be listed. They are the smallest."""
    seen: Counter[str] = Counter()
    for job in listed:
        seen[job.channel] += job.total
    return {channel: float(total) - seen[channel] for channel, total in c.execute(ALL_TOTALS)}


def _groups(jobs: Sequence[_Job]) -> Iterator[list[_Job]]:
    """Jobs of one channel that are counted by one statement."""
    group: list[_Job] = []
    emails = 0
    for job in sorted(jobs, key=lambda job: str(job.channel)):
        full = len(group) == JOBS_AT_ONCE or emails + job.total > EMAILS_AT_ONCE
        if group and (full or group[0].channel != job.channel):
            yield group
            group, emails = [], 0
        group.append(job)
        emails += job.total
    if group:
        yield group


def _add(found: defaultdict[str, float], more: dict[str, float]) -> None:
    for channel, emails in more.items():
        found[channel] += emails
