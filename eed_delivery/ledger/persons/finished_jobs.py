"""Jobs that have been finished for longer than their recipients are to be known (`privacy.finished_job_days`)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, DateTime, bindparam, or_, select, update

from eed_delivery.database.clock import DAY_SECONDS, utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.persons.replacing import REPLACED, PersonReplacement
from eed_delivery.ledger.schema import eed_email, eed_job
from eed_delivery.model import END_STATES, EmailState
from eed_delivery.pseudonyms import Pseudonyms

CHUNK = 100
"""Emails of one transaction."""

_FROM = bindparam("since", type_=DateTime())
_STILL_KNOWN = or_(eed_job.c.pseudonymised_at.is_(None), eed_job.c.pseudonymised_at < eed_job.c.finished_at)
NEXT_JOB = (
    select(eed_job.c.job_id, eed_job.c.finished_at)
    .where(eed_job.c.finished_at < utc_in(-bindparam("lasting")))
    .where(eed_job.c.finished_at >= _FROM)
    .where(or_(eed_job.c.finished_at > _FROM, eed_job.c.job_id > bindparam("after")))
    .where(_STILL_KNOWN)
    .order_by(eed_job.c.finished_at, eed_job.c.job_id)
    .limit(1)
)
# One state after the other: the index on both gives the emails in the order of their ids, without sorting.
EMAILS = (
    select(eed_email.c.email_id, eed_email.c.job_id, eed_email.c.address)
    .where(eed_email.c.job_id == bindparam("job"))
    .where(eed_email.c.state == bindparam("its_state"))
    .where(eed_email.c.email_id > bindparam("after"))
    .where(eed_email.c.recipient != REPLACED)
    .order_by(eed_email.c.email_id)
    .limit(CHUNK)
    .with_for_update()
)
STATES = tuple(sorted(END_STATES))
_LOCKED = select(eed_job.c.finished_at).where(eed_job.c.job_id == bindparam("job")).with_for_update()
DONE = (
    update(eed_job)
    .where(eed_job.c.job_id == bindparam("job"))
    .where(eed_job.c.finished_at.is_not(None))
    .values(pseudonymised_at=utc_now())
)


@dataclass(frozen=True, slots=True)
class JobPosition:
    """How far a walk over the finished jobs has come: the job, the state and the email read last."""

    finished_at: datetime
    job_id: int
    state: EmailState | None = None
    """None: the job is done."""
    email_id: int = 0


FIRST_JOB = JobPosition(datetime.fromisoformat("1970-01-01"), 0)


class FinishedJobsLedger:
    """Replaces the recipients of jobs that finished more than `days` ago, a few at a time. Safe on several hosts."""

    def __init__(self, database: Database, pseudonyms: Pseudonyms, days: int) -> None:
        self._database = database
        self._replacement = PersonReplacement(pseudonyms)
        self._lasting = days * DAY_SECONDS

    def replace(self, beyond: JobPosition) -> tuple[int, JobPosition | None]:
        """Replace the next recipients behind `beyond`. Returns of how many emails, and where to continue. None: there
        are no more. Raises `DatabaseGone`."""
        return self._database.run(lambda c: self._replace(c, beyond))

    def _replace(self, c: Connection, beyond: JobPosition) -> tuple[int, JobPosition | None]:
        if beyond.state is None:
            values = {"lasting": self._lasting, "since": beyond.finished_at, "after": beyond.job_id}
            job = c.execute(NEXT_JOB, values).one_or_none()
            return 0, None if job is None else JobPosition(job.finished_at, job.job_id, EmailState(STATES[0]))
        if c.execute(_LOCKED, {"job": beyond.job_id}).scalar_one_or_none() is None:
            return 0, JobPosition(beyond.finished_at, beyond.job_id)  # it is open again: its next end begins anew
        emails: list[Any] = list(
            c.execute(EMAILS, {"job": beyond.job_id, "its_state": beyond.state, "after": beyond.email_id})
        )
        self._replacement.replace(c, emails)
        return len(emails), self._next(c, beyond, emails)

    def _next(self, c: Connection, beyond: JobPosition, emails: list[Any]) -> JobPosition:
        if len(emails) == CHUNK:
            return JobPosition(beyond.finished_at, beyond.job_id, beyond.state, emails[-1].email_id)
        later = STATES[STATES.index(str(beyond.state)) + 1 :] if beyond.state else ()
        if later:
            return JobPosition(beyond.finished_at, beyond.job_id, EmailState(later[0]))
        c.execute(DONE, {"job": beyond.job_id})
        return JobPosition(beyond.finished_at, beyond.job_id)
