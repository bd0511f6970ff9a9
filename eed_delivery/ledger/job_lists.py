"""Lists of jobs, filtered, and the counts of their emails.

To count a job's emails reads an entry of the index for each of them. So it is apart from the list: what has finished
has its counts stored with it, and a surface counts what still runs for all of its viewers at once.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, or_, select

from eed_delivery.database.clock import utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import shown_name
from eed_delivery.ledger.acts import ActKind, ActReport
from eed_delivery.ledger.reporting import DURATIONS, JobReport, job_report
from eed_delivery.ledger.schema import eed_audit, eed_email, eed_job
from eed_delivery.model import EmailState, JobState

_NOT_SENT = sorted(frozenset(EmailState) - {EmailState.SENT})
STOPS = (ActKind.PAUSE, ActKind.CANCEL, ActKind.HOLD, ActKind.FAIL)


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs. Empty fields do not narrow it. `name` is a part of the name. Times are UTC, as the ledger has them.

    `after` is the id of the last job of the page before.
    """

    states: Collection[JobState] = ()
    unfinished_only: bool = False
    name: str = ""
    created_from: datetime | None = None
    created_before: datetime | None = None
    job_ids: Collection[int] = ()
    after: int | None = None


@dataclass(frozen=True, slots=True)
class ListedJob:
    """A job of a list. `is_counted`: its report has its counts. Else they are all 0."""

    report: JobReport
    is_counted: bool
    expires_at: datetime | None
    is_expired: bool
    category: str
    deadline: datetime | None = None
    send_window: str | None = None
    """Its own windows, in JSON."""


class JobListLedger:
    """Reads lists of jobs. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def jobs(self, wanted: JobFilter, limit: int) -> list[ListedJob]:
        """The newest first."""
        j = eed_job.c
        expired = (j.expires_at <= utc_now()).label("expired")
        statement = select(eed_job, *DURATIONS, expired).where(*_terms(wanted))
        statement = statement.order_by(j.created_at.desc(), j.job_id.desc()).limit(limit)
        return self._database.run(lambda c: [_listed(row) for row in c.execute(statement)])

    def counts(self, jobs: Collection[ListedJob]) -> dict[int, dict[str, int]]:
        """The emails of these jobs by state, counted now.

        Of a job that has finished, those that were sent are what is left of its total, because they are most of it."""
        ended = {job.report.job_id: job.report.total for job in jobs if job.report.finished_at is not None}
        running = [job.report.job_id for job in jobs if job.report.finished_at is None]
        e = eed_email.c
        counted = select(e.job_id, e.state, func.count()).group_by(e.job_id, e.state)
        statements = [counted.where(e.job_id.in_(running))] if running else []
        statements += [counted.where(e.job_id.in_(ended), e.state.in_(_NOT_SENT))] if ended else []
        found: dict[int, dict[str, int]] = {job.report.job_id: {} for job in jobs}

        def read(c: Connection) -> None:
            for statement in statements:
                for job_id, state, count in c.execute(statement):
                    found[job_id][state] = count

        self._database.run(read)
        for job_id, total in ended.items():
            found[job_id][EmailState.SENT] = max(0, total - sum(found[job_id].values()))
        return found

    def last_stops(self, job_ids: Collection[int]) -> dict[int, ActReport]:
        """Who stopped each of these jobs last, when and why."""
        if not job_ids:
            return {}
        a = eed_audit.c
        newest = (
            select(func.max(a.act_id))
            .where(a.job_id.in_(job_ids), a.act.in_(STOPS))
            .group_by(a.job_id)
            .scalar_subquery()
        )
        statement = select(a.job_id, a.at, a.act, a.who, a.sudo_user, a.count, a.reason).where(a.act_id.in_(newest))
        return self._database.run(
            lambda c: {
                job_id: ActReport(at, ActKind(act), shown_name(who, sudo), *rest)
                for job_id, at, act, who, sudo, *rest in c.execute(statement)
            }
        )


def as_counts(counts: Mapping[str, int]) -> str:
    """The counts of a finished job, as they are stored with it."""
    return json.dumps({str(state): count for state, count in counts.items()}, separators=(",", ":"))


def _terms(wanted: JobFilter) -> list[ColumnElement[bool]]:
    j = eed_job.c
    terms: list[tuple[object, ColumnElement[bool]]] = [
        (wanted.states, j.state.in_(wanted.states)),
        (wanted.unfinished_only, j.finished_at.is_(None)),
        (wanted.name, j.name.contains(wanted.name, autoescape=True)),
        (wanted.job_ids, j.job_id.in_(wanted.job_ids)),
    ]
    found = [term for given, term in terms if given]
    if wanted.created_from is not None:
        found.append(j.created_at >= wanted.created_from)
    if wanted.created_before is not None:
        found.append(j.created_at < wanted.created_before)
    return found if wanted.after is None else [*found, _behind(wanted.after)]


def _behind(job_id: int) -> ColumnElement[bool]:
    """Jobs that come behind this one where the newest are first."""
    j = eed_job.c
    created = select(j.created_at).where(j.job_id == job_id).correlate(None).scalar_subquery()
    return or_(j.created_at < created, (j.created_at == created) & (j.job_id < job_id))


def _listed(row: Row[*tuple[Any, ...]]) -> ListedJob:
    counts = _stored(row)
    return ListedJob(
        report=job_report(row, counts or {}),
        is_counted=counts is not None,
        expires_at=row.expires_at,
        is_expired=bool(row.expired),
        category=row.category,
        deadline=row.deadline,
        send_window=row.send_window,
    )


def _stored(row: Row[*tuple[Any, ...]]) -> dict[str, int] | None:
    """The counts of a job that has finished. None if they may have changed: emails in doubt were settled, or a later
    job took some over."""
    if row.finished_at is None or row.final_counts is None:
        return None
    counts: dict[str, int] = json.loads(row.final_counts)
    return counts if sum(counts.values()) == row.total and not counts.get(EmailState.IN_DOUBT) else None
