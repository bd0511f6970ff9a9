"""What an alert may be about, queried from the ledger. Each query reads a bounded number of rows."""

from math import inf
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Subquery, case, func, or_, select

from eed_delivery.database.clock import seconds_until, utc_in
from eed_delivery.database.transactions import Database
from eed_delivery.forecast.verdicts import ForecastVerdict
from eed_delivery.ledger.forecasts import ForecastLedger
from eed_delivery.ledger.schema import eed_attempt, eed_email, eed_gate, eed_job, eed_manifest
from eed_delivery.ledger.windows.is_open import OPENED_AT, WINDOW_IS_OPEN
from eed_delivery.model import EmailState, JobState, Verdict

ATTEMPTS_LOOKED_AT = 10_000
EMAILS_LOOKED_AT = 5000
JOBS_LOOKED_AT = 10_000
DOUBT_DAYS = 7


class AlertFacts:
    """Reads for alerts. Each raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def silence_seconds(self) -> float:
        """For how long nothing has been sent although something could have been. 0 while nothing waits."""
        return self._database.run(self._silence)

    def _silence(self, c: Connection) -> float:
        waits = max(_scalar(c, _waits(EmailState.QUEUED)), _scalar(c, _waits(EmailState.PENDING)))
        if waits <= 0:
            return 0.0
        since_last = c.execute(_SINCE_LAST_SENT).one()
        # None of these attempts was accepted, so it was before the first of them.
        silent = since_last.a_yes if since_last.a_yes is not None else since_last.the_first
        return waits if silent is None else min(waits, float(silent))

    def oldest_queued_seconds(self) -> float:
        """How long the email that waits longest in the queue has been due. 0 when none is."""
        return self._database.run(lambda c: max(0.0, _scalar(c, _waits(EmailState.QUEUED))))

    def in_doubt(self) -> float:
        """Emails in doubt, of jobs that run or have ended within these seven days. The newest 10,000 jobs count."""
        jobs = _recent_jobs()
        doubtful = (
            select(func.count())
            .select_from(jobs.join(eed_email, eed_email.c.job_id == jobs.c.job_id))
            .where(eed_email.c.state == EmailState.IN_DOUBT)
        )
        return self._database.run(lambda c: _scalar(c, doubtful))

    def deadline_margin_seconds(self) -> float:
        """From the forecast end of a job to its deadline, of the job that is worst. Infinite: no job has a deadline.
        That of a job which ends too late, at a time that nobody knows, is infinitely negative."""
        fresh = ForecastLedger(self._database).fresh()
        margins = [one.margin for one in fresh if one.margin is not None]
        endless = [-inf for one in fresh if one.margin is None and one.verdict is ForecastVerdict.TOO_LATE]
        return min([*margins, *endless], default=inf)

    def source_differences(self) -> float:
        """Rows that differed between source and ledger when their jobs were last compared, in jobs that run or have
        ended within these seven days. The newest 10,000 jobs count."""
        differing = select(func.coalesce(func.sum(_recent_jobs().c.differences), 0))
        return self._database.run(lambda c: _scalar(c, differing))

    def gate_shut_seconds(self) -> float:
        """For how long the gate that was shut first has been shut. 0 when all are open."""
        shut = select(_ago(func.min(eed_gate.c.shut_at))).where(eed_gate.c.reason.is_not(None))
        return self._database.run(lambda c: max(0.0, _scalar(c, shut)))

    def oldest_manifest_seconds(self) -> float:
        """For how long the manifest that waits longest has been outstanding. 0 when none is."""
        waiting = select(_ago(func.min(eed_manifest.c.wanted_at))).where(eed_manifest.c.put_at.is_(None))
        return self._database.run(lambda c: max(0.0, _scalar(c, waiting)))


def _recent_jobs() -> Subquery:
    recent = or_(eed_job.c.finished_at.is_(None), eed_job.c.finished_at > utc_in(-DOUBT_DAYS * 86_400))
    columns = select(eed_job.c.job_id, eed_job.c.differences)
    return columns.where(recent).order_by(eed_job.c.job_id.desc()).limit(JOBS_LOOKED_AT).subquery()


def _waits(state: EmailState) -> Select[tuple[float]]:
    """Seconds since the first of the emails in this state could have gone on. Negative if that is yet to come."""
    since = func.coalesce(eed_email.c.queued_at, eed_email.c.changed_at, eed_job.c.created_at)
    if state is EmailState.PENDING:  # a requeued one has the time of its former message
        since = func.coalesce(eed_email.c.changed_at, eed_job.c.created_at)
    wanted = case((eed_email.c.not_before > since, eed_email.c.not_before), else_=since)
    due = case((wanted < OPENED_AT, OPENED_AT), else_=wanted)
    emails = (
        select(due.label("due"))
        .select_from(eed_job.join(eed_email, eed_email.c.job_id == eed_job.c.job_id))
        .where(eed_job.c.finished_at.is_(None), eed_job.c.state == JobState.ACTIVE, eed_email.c.state == state)
        .where(WINDOW_IS_OPEN)
        .limit(EMAILS_LOOKED_AT)
        .subquery()
    )
    return select(_ago(func.min(emails.c.due)))


def _ago(moment: ColumnElement[object]) -> ColumnElement[float]:
    return -seconds_until(moment)


_LATEST = (
    select(eed_attempt.c.verdict, eed_attempt.c.ended_at)
    .order_by(eed_attempt.c.attempt_id.desc())
    .limit(ATTEMPTS_LOOKED_AT)
    .subquery()
)
_SINCE_LAST_SENT = select(
    _ago(func.max(case((_LATEST.c.verdict == Verdict.SENT, _LATEST.c.ended_at)))).label("a_yes"),
    _ago(func.min(_LATEST.c.ended_at)).label("the_first"),
)


def _scalar(c: Connection, statement: Select[Any]) -> float:
    return float(c.execute(statement).scalar() or 0.0)
