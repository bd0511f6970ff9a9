"""How far unfinished jobs have come, every few seconds. Forecasts are made of it.

One process counts for all hosts, and only what has not ended: that reads entries of one index. The rows of the last
quarter of an hour are kept, and one in five minutes for eight days.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, bindparam, case, delete, func, insert, select

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.forecast.speed import ProgressCount, is_tail
from eed_delivery.ledger.holds.held import JOB_NOT_HELD, is_held
from eed_delivery.ledger.schema import eed_email, eed_job, eed_job_progress
from eed_delivery.ledger.windows.is_open import WINDOW_IS_OPEN
from eed_delivery.model import OPEN_STATES, EmailState, JobState

MOST_JOBS = 200
"""Jobs that are counted, the newest first."""
LEAST_EMAILS = 2
"""Where each row is a job of one email, there is nothing to forecast."""
KEPT_SECONDS = 960.0
KEPT_EVERY = timedelta(minutes=5)
KEPT_DAYS = 8
MOST_GAP_SECONDS = 300.0
"""A longer gap between two counts counts as time in which no email could leave: nobody knows what was in it."""
JUST_NOW_SECONDS = 15.0
RESTING_SECONDS = 55.0
"""A job of which nothing may leave is counted once a minute."""
HISTORY_ROWS = 20_000
RETRIES_LOOKED_AT = 2000
"""Where more emails are left, those that wait for their retry are not what decides the end."""

_BEGINNING = datetime(1970, 1, 1)  # noqa: DTZ001 - as the ledger keeps times

_j, _e, _p = eed_job.c, eed_email.c, eed_job_progress.c
_MAY_LEAVE = (
    (_j.state == JobState.ACTIVE)
    & ~is_held(_j.channel, _j.category)
    & JOB_NOT_HELD
    & WINDOW_IS_OPEN
    & _j.channel.in_(bindparam("sending", expanding=True))
)
_OPEN = (
    select(func.count())
    .where(_e.job_id == _j.job_id, _e.state.in_(sorted(OPEN_STATES)))
    .correlate(eed_job)
    .scalar_subquery()
)
JOBS = (
    select(_j.job_id, case((_MAY_LEAVE, 1), else_=0).label("may_leave"))
    .where(_j.finished_at.is_(None), _j.total >= LEAST_EMAILS)
    .order_by(_j.job_id.desc())
    .limit(MOST_JOBS)
)
COUNT = select(_j.job_id, _j.total, _OPEN.label("open")).where(_j.job_id.in_(bindparam("ids", expanding=True)))
_FORGET = delete(eed_job_progress).where(_p.kept == bindparam("is_kept"), _p.at < utc_in(-bindparam("seconds")))


@dataclass(frozen=True, slots=True)
class JobCount:
    """How far one job had come at its last count. `counts` are those of the last quarter of an hour."""

    total: int
    done: int
    counts: tuple[ProgressCount, ...]

    @property
    def left(self) -> int:
        """Emails that had not ended."""
        return emails_left(self.total, self.done)


@dataclass(frozen=True, slots=True)
class WaitingRetries:
    """Emails of a job that wait for their retry. `last_at` is when the last of them is due."""

    emails: int
    last_at: datetime | None


NO_RETRIES = WaitingRetries(0, None)


def emails_left(total: int, done: int) -> int:
    """Emails of a job that had not ended at a count."""
    return max(0, total - done)


def left_by_job(c: Connection, job_ids: Collection[int]) -> dict[int, int]:
    """Emails that have not ended, of jobs that were counted within the last quarter of a minute.

    Forecasts and the backlog stand on these counts. Where no sweeper counts there are none.
    """
    last = _last_of(c, job_ids, JUST_NOW_SECONDS)
    return {job_id: emails_left(row.total, row.done) for job_id, row in last.items()}


class ProgressLedger:
    """Counts jobs, and reads what was counted. Each call raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def count(self, sending: Collection[str]) -> None:
        """Count all unfinished jobs once. `sending` are the channels that send now."""
        self._database.run(lambda c: self._count(c, sending))

    def _count(self, c: Connection, sending: Collection[str]) -> None:
        now: datetime = c.execute(select(utc_now())).scalar_one()
        may_leave = {row.job_id: bool(row.may_leave) for row in c.execute(JOBS, {"sending": sorted(sending)})}
        before = _last_of(c, list(may_leave))
        due = [job_id for job_id, may in may_leave.items() if _is_due(may, before.get(job_id), now)]
        jobs = c.execute(COUNT, {"ids": due}).all()
        rows = [_row(job, may_leave[job.job_id], now, before.get(job.job_id)) for job in jobs]
        if rows:
            c.execute(insert(eed_job_progress), rows)
        c.execute(_FORGET, {"is_kept": False, "seconds": KEPT_SECONDS})
        c.execute(_FORGET, {"is_kept": True, "seconds": KEPT_DAYS * 86_400.0})

    def of(self, job_ids: Collection[int]) -> dict[int, JobCount]:
        """The counts of jobs within the last quarter of an hour. A job that was not counted is left out."""
        statement = (
            select(_p.job_id, _p.total, _p.at, _p.done, _p.allowed_seconds)
            .where(_p.job_id.in_(job_ids), _p.at > utc_in(-KEPT_SECONDS))
            .order_by(_p.job_id, _p.at)
        )
        rows = self._database.run(lambda c: c.execute(statement).all())
        totals = {row.job_id: row.total for row in rows}
        return {
            job_id: JobCount(totals[job_id], counts[-1].done, tuple(counts)) for job_id, counts in _by_job(rows).items()
        }

    def history(self, channel: str, days: int) -> Mapping[int, Sequence[ProgressCount]]:
        """The counts of a channel's jobs over the last days, the newest 20,000."""
        statement = (
            select(_p.job_id, _p.total, _p.at, _p.done, _p.allowed_seconds)
            .join(eed_job, _j.job_id == _p.job_id)
            .where(_p.kept, _p.at > utc_in(-days * 86_400.0), _j.channel == channel)
            .order_by(_p.at.desc())
            .limit(HISTORY_ROWS)
        )
        return _by_job(self._database.run(lambda c: c.execute(statement).all())[::-1])

    def retries(self, job_id: int) -> WaitingRetries:
        """Emails that wait for their retry, of a job with few left."""
        waiting = (
            select(_e.not_before)
            .where(_e.job_id == job_id, _e.state.in_((EmailState.PENDING, EmailState.QUEUED)))
            .limit(RETRIES_LOOKED_AT)
            .subquery()
        )
        statement = select(func.count(), func.max(waiting.c.not_before)).where(waiting.c.not_before > utc_now())
        return WaitingRetries(*self._database.run(lambda c: tuple(c.execute(statement).one())))


def _is_due(may_leave: bool, before: Row[*tuple[Any, ...]] | None, now: datetime) -> bool:
    """Whether a job is to be counted. One of which nothing may leave changes little."""
    if before is not None and before.at >= now:
        return False
    return before is None or may_leave or before.may_leave or (now - before.at).total_seconds() >= RESTING_SECONDS


def _last_of(
    c: Connection, job_ids: Collection[int], seconds: float = MOST_GAP_SECONDS
) -> dict[int, Row[*tuple[Any, ...]]]:
    last = (
        select(_p.job_id, func.max(_p.at).label("at"))
        .where(_p.job_id.in_(job_ids), _p.at > utc_in(-seconds))
        .group_by(_p.job_id)
        .subquery()
    )
    statement = select(eed_job_progress).join(last, (last.c.job_id == _p.job_id) & (last.c.at == _p.at))
    return {row.job_id: row for row in c.execute(statement)}


def _row(
    job: Row[*tuple[Any, ...]], may_leave: bool, now: datetime, before: Row[*tuple[Any, ...]] | None
) -> dict[str, object]:
    """The row of a count. One that begins a piece of five minutes is kept, and so is the first one of a tail."""
    allowed, done = 0.0, max(0, job.total - job.open)
    if before is not None:
        allowed = before.allowed_seconds
        allowed += (now - before.at).total_seconds() if may_leave and before.may_leave else 0.0
    kept = before is None or _piece(before.at) != _piece(now)
    if before is not None:
        kept = kept or is_tail(done, job.total) != is_tail(before.done, before.total)
    return {
        "job_id": job.job_id,
        "at": now,
        "total": job.total,
        "done": done,
        "may_leave": may_leave,
        "allowed_seconds": allowed,
        "kept": kept,
    }


def _piece(moment: datetime) -> int:
    return (moment - _BEGINNING) // KEPT_EVERY


def _by_job(rows: Iterable[Row[*tuple[Any, ...]]]) -> dict[int, list[ProgressCount]]:
    found: defaultdict[int, list[ProgressCount]] = defaultdict(list)
    for row in rows:
        found[row.job_id].append(ProgressCount(row.at, row.done, row.allowed_seconds, is_tail(row.done, row.total)))
    return dict(found)
