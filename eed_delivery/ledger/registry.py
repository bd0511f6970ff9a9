"""The publisher's side of the ledger: jobs are registered, leased and enlisted; what the queue took is marked."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, bindparam, exists, insert, or_, select, update
from sqlalchemy.sql.dml import Insert

from eed_delivery.database import Database, utc_in, utc_now
from eed_delivery.errors import RenderError
from eed_delivery.model import EmailState, Job, JobState, ReadyJob, Ticket
from eed_delivery.schema import DETAIL_LENGTH, RECIPIENT_LENGTH, eed_email, eed_job
from eed_delivery.source import Source


@dataclass(frozen=True, slots=True)
class LeasedJob:
    """A job that this publisher holds; `token` fences every change it makes."""

    job_id: int
    key: str
    name: str
    state: JobState
    token: int
    started: bool
    enlisted: bool


_HAS_PENDING = exists().where(eed_email.c.job_id == eed_job.c.job_id).where(eed_email.c.state == EmailState.PENDING)
# A cancelled job is enlisted to its last email too, so that it balances; only an active one is published.
_NEEDS_WORK = or_(eed_job.c.enlisted_at.is_(None), (eed_job.c.state == JobState.ACTIVE) & _HAS_PENDING)
_LEASE_IS_FREE = or_(eed_job.c.lease_until.is_(None), eed_job.c.lease_until < utc_now())

LEASE = (
    update(eed_job)
    .where(eed_job.c.job_id == bindparam("id"))
    .where(eed_job.c.finished_at.is_(None))
    .where(_LEASE_IS_FREE)
    .values(token=bindparam("new_token"), lease_until=utc_in(bindparam("lease")))
)
_HELD = (
    update(eed_job)
    .where(eed_job.c.job_id == bindparam("id"))
    .where(eed_job.c.token == bindparam("our_token"))
    .where(eed_job.c.lease_until > utc_now())
)
RENEW = _HELD.values(lease_until=utc_in(bindparam("lease")))
LET_GO = _HELD.values(lease_until=None)
ENLISTED = _HELD.values(enlisted_at=utc_now())

MARK_QUEUED = (
    update(eed_email)
    .where(eed_email.c.email_id.in_(bindparam("ids", expanding=True)))
    .where(eed_email.c.gen == bindparam("of_gen"))
    .where(eed_email.c.state == EmailState.PENDING)
    .values(state=EmailState.QUEUED, queued_at=utc_now(), changed_at=utc_now())
)


class RegistryLedger:
    """What a publisher may do to the ledger. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, source: Source) -> None:
        self._database = database
        self._source = source
        ignore = "OR IGNORE" if database.dialect == "sqlite" else "IGNORE"
        # Two publishers may see the same new job at once; the second insert is to be no error and no second row.
        self._insert_job: Insert = insert(eed_job).prefix_with(ignore)
        self._insert_email: Insert = insert(eed_email).prefix_with(ignore)

    def new_jobs(self, limit: int) -> list[ReadyJob]:
        """Jobs that the source has marked ready, whose time has come, and that the ledger doesn't know yet."""
        return self._database.run(lambda c: self._source.ready_jobs(c, eed_job, limit))

    def register(self, jobs: Sequence[ReadyJob]) -> None:
        """Enter new jobs; those whose `expires_at` has passed are entered as cancelled."""
        if jobs:
            self._database.run(lambda c: self._register(c, jobs))

    def _register(self, c: Connection, jobs: Sequence[ReadyJob]) -> None:
        for job in jobs:
            late = job.expires_in_seconds is not None and job.expires_in_seconds <= 0
            values: dict[str, object] = {
                "source_key": str(job.key),
                "name": job.name[:255],
                "state": JobState.CANCELLED if late else JobState.ACTIVE,
                "reason": "expires_at had passed before the job could start" if late else None,
                "expires_at": None if job.expires_in_seconds is None else utc_in(job.expires_in_seconds),
                "created_at": utc_now(),
            }
            if isinstance(job.key, int):
                values["job_id"] = job.key
            c.execute(self._insert_job.values(values))

    def lease(self, token: int, lease_seconds: float, limit: int, beyond: int) -> list[LeasedJob]:
        """Take hold of up to `limit` jobs with work to do, in the order of their ids, starting after `beyond`."""

        def work(c: Connection) -> list[LeasedJob]:
            ids = c.execute(
                select(eed_job.c.job_id)
                .where(eed_job.c.finished_at.is_(None), _LEASE_IS_FREE, _NEEDS_WORK)
                .order_by(eed_job.c.job_id <= beyond, eed_job.c.job_id)
                .limit(limit)
            ).scalars()
            for job_id in ids.all():
                c.execute(LEASE, {"id": job_id, "new_token": token, "lease": lease_seconds})
            return self._leased(c, token)

        return self._database.run(work)

    def _leased(self, c: Connection, token: int) -> list[LeasedJob]:
        rows = c.execute(
            select(eed_job).where(
                eed_job.c.finished_at.is_(None), eed_job.c.token == token, eed_job.c.lease_until > utc_now()
            )
        )
        return [_leased_job(row) for row in rows]

    def renew(self, job: LeasedJob, lease_seconds: float) -> bool:
        """Keep a job's lease; False when another publisher has it by now."""
        values = {"id": job.job_id, "our_token": job.token, "lease": lease_seconds}
        return self._database.run(lambda c: c.execute(RENEW, values).rowcount == 1)

    def let_go(self, job: LeasedJob) -> None:
        """Give a job's lease back, so that another publisher needn't wait for it to run out."""
        self._database.run(lambda c: c.execute(LET_GO, {"id": job.job_id, "our_token": job.token}))

    def content(self, job: LeasedJob) -> Job:
        """The job's own content, to see whether its templates compile. Raises `RenderError` if its row has gone."""
        return self._database.run(lambda c: self._source.job(c, job.job_id, job.key, revision=0))

    def fail(self, job: LeasedJob, error: RenderError) -> None:
        """Nothing of this job can be sent: the sweeper will end its emails as failed, with this reason."""
        statement = (
            update(eed_job)
            .where(eed_job.c.job_id == job.job_id, eed_job.c.token == job.token)
            .where(eed_job.c.state == JobState.ACTIVE)
            .values(state=JobState.FAILED, reason=error.reply[:DETAIL_LENGTH])
        )
        self._database.run(lambda c: c.execute(statement))

    def enlist(self, job: LeasedJob, size: int, lease_seconds: float) -> int:
        """Copy the next `size` unsent emails into the ledger and move the cursor, in one transaction.

        Returns how many rows were read; 0 means that the job is enlisted to its end, or that the lease is lost.
        """
        return self._database.run(lambda c: self._enlist(c, job, size, lease_seconds))

    def _enlist(self, c: Connection, job: LeasedJob, size: int, lease: float) -> int:
        # The row lock this takes makes cursor and emails one step for everybody else.
        held = c.execute(RENEW, {"id": job.job_id, "our_token": job.token, "lease": lease}).rowcount == 1
        if not held:
            return 0
        after = c.execute(select(eed_job.c.enlist_after).where(eed_job.c.job_id == job.job_id)).scalar_one()
        fence = {"id": job.job_id, "our_token": job.token}
        if after is None:
            settled = self._source.already_settled_count(c, job.key)
            c.execute(_HELD.values(not_enlisted=settled), fence)
        rows = self._source.unsent(c, job.key, after, size)
        if not rows:
            c.execute(ENLISTED, fence)
            return 0
        added = c.execute(self._insert_email, [_new_email(job, r.key, r.recipient) for r in rows]).rowcount
        c.execute(_HELD.values(enlist_after=str(rows[-1].key), total=eed_job.c.total + added), fence)
        return len(rows)

    def pending(self, job: LeasedJob, size: int) -> list[Ticket]:
        """The next emails of an active job that have no message yet, by id."""
        statement = (
            select(eed_email.c.email_id, eed_email.c.gen, eed_email.c.attempts)
            .where(eed_email.c.job_id == job.job_id, eed_email.c.state == EmailState.PENDING)
            .where(exists().where(eed_job.c.job_id == job.job_id, eed_job.c.state == JobState.ACTIVE))
            .order_by(eed_email.c.email_id)
            .limit(size)
        )
        return self._database.run(
            lambda c: [Ticket(row.email_id, row.gen, row.attempts, str(job.job_id)) for row in c.execute(statement)]
        )

    def mark_queued(self, tickets: Sequence[Ticket]) -> None:
        """Mark what SQS has named as taken. A worker may have been faster: then the row is past `pending` already."""

        def work(c: Connection) -> None:
            for gen, group in groupby(sorted(tickets, key=lambda t: (t.gen, t.email_id)), lambda t: t.gen):
                c.execute(MARK_QUEUED, {"ids": [ticket.email_id for ticket in group], "of_gen": gen})

        if tickets:
            self._database.run(work)


def _leased_job(row: Row[*tuple[Any, ...]]) -> LeasedJob:
    return LeasedJob(
        job_id=row.job_id,
        key=row.source_key,
        name=row.name,
        state=JobState(row.state),
        token=row.token,
        started=row.enlist_after is not None,
        enlisted=row.enlisted_at is not None,
    )


def _new_email(job: LeasedJob, key: str | int, recipient: str) -> dict[str, object]:
    values: dict[str, object] = {
        "job_id": job.job_id,
        "recipient": recipient[:RECIPIENT_LENGTH],  # too long to be an address either way; it will be refused
        "state": EmailState.PENDING,
    }
    return {**values, "email_id": key} if isinstance(key, int) else {**values, "source_key": key}
