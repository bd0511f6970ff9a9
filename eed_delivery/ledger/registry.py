"""The publisher's side of the ledger: jobs are registered, leased and enlisted; what the queue took is marked."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import structlog
from sqlalchemy import Connection, Row, bindparam, exists, func, insert, literal, or_, select, update
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.elements import ColumnElement

from eed_delivery.database import Database, utc_in, utc_now
from eed_delivery.errors import RenderError
from eed_delivery.ledger.outbox import SILENT, Outbox, with_reason
from eed_delivery.model import EmailState, Job, JobState, ReadyJob, Ticket
from eed_delivery.notices import Notice, NoticeKind
from eed_delivery.schema import DETAIL_LENGTH, RECIPIENT_LENGTH, eed_email, eed_job
from eed_delivery.source import Source

log = structlog.get_logger(__name__)

KEY_LENGTH = 191
UNUSABLE_KEY = f"its key cannot be kept: keys are numbers from 1 on, or text of up to {KEY_LENGTH} characters"
SMALL_JOB = 20
"""Up to so many emails, a job is small: its pending emails are read together with those of others."""


@dataclass(frozen=True, slots=True)
class LeasedJob:
    """A job that this publisher holds; `token` fences every change it makes."""

    job_id: int
    key: str
    name: str
    state: JobState
    token: int
    total: int
    started: bool
    enlisted: bool

    @property
    def is_small(self) -> bool:
        """Whether its pending emails may be read together with those of other jobs."""
        return self.enlisted and self.total <= SMALL_JOB


_HAS_PENDING = exists().where(eed_email.c.job_id == eed_job.c.job_id).where(eed_email.c.state == EmailState.PENDING)
# A cancelled job is enlisted to its last email too, so that it balances; only an active one is published.
_NEEDS_WORK = or_(eed_job.c.enlisted_at.is_(None), (eed_job.c.state == JobState.ACTIVE) & _HAS_PENDING)
_LEASE_IS_FREE = or_(eed_job.c.lease_until.is_(None), eed_job.c.lease_until < utc_now())

LEASE = (
    update(eed_job)
    .where(eed_job.c.job_id.in_(bindparam("ids", expanding=True)))
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
LET_GO = (
    update(eed_job)
    .where(eed_job.c.job_id.in_(bindparam("ids", expanding=True)))
    .where(eed_job.c.token == bindparam("our_token"))
    .where(eed_job.c.lease_until > utc_now())
    .values(lease_until=None)
)
ENLISTED = _HELD.values(enlisted_at=utc_now())
ENLISTED_ALONE = (
    update(eed_job)
    .where(eed_job.c.job_id.in_(bindparam("ids", expanding=True)))
    .where(eed_job.c.enlisted_at.is_(None))
    .values(enlisted_at=utc_now(), total=1)
)

_INSERT_JOB = insert(eed_job).values(
    job_id=bindparam("id"),
    source_key=bindparam("key"),
    name=bindparam("label"),
    category=bindparam("of_category"),
    state=bindparam("new_state"),
    reason=bindparam("why"),
    expires_at=utc_in(bindparam("left")),  # NULL in, NULL out
    created_at=utc_now(),
)

MARK_QUEUED = (
    update(eed_email)
    # The numbers are written into the text: as parameters, five hundred cost more than all the rest of the statement.
    .where(eed_email.c.email_id.in_(bindparam("ids", expanding=True, literal_execute=True)))
    .where(eed_email.c.gen == bindparam("of_gen"))
    .where(eed_email.c.state == EmailState.PENDING)
    # Every claim writes a new token. A row that a fast worker had, and put back to `pending`, needs a new message.
    .where(or_(eed_email.c.token.is_(None), eed_email.c.token.in_(bindparam("tokens", expanding=True))))
    .values(state=EmailState.QUEUED, queued_at=utc_now(), changed_at=utc_now())
)


class RegistryLedger:
    """What a publisher may do to the ledger. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, source: Source, outbox: Outbox = SILENT) -> None:
        """`outbox`: takes what is to be told of it."""
        self._database = database
        self._source = source
        self._outbox = outbox
        ignore = "OR IGNORE" if database.dialect == "sqlite" else "IGNORE"
        # Two publishers may see the same new job at once; the second insert is to be no error and no second row.
        self._insert_job: Insert = _INSERT_JOB.prefix_with(ignore)
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
            if not _usable(job.key):
                log.error("unusable_key", job_id=str(job.key)[:KEY_LENGTH], reason=UNUSABLE_KEY)
                self._source.write_job(c, job.key, JobState.FAILED)
        usable = [job for job in jobs if _usable(job.key)]
        if usable:
            c.execute(self._insert_job, [_new_job(job) for job in usable])
        alone = [job for job in usable if job.recipient is not None]
        if alone:
            self._enlist_alone(c, alone)

    def _enlist_alone(self, c: Connection, jobs: Sequence[ReadyJob]) -> None:
        """Jobs whose row is their one email are enlisted with it, many at once."""
        rows = c.execute(
            select(eed_job.c.job_id, eed_job.c.source_key)
            .where(eed_job.c.source_key.in_([str(job.key) for job in jobs]))
            .where(eed_job.c.enlisted_at.is_(None))
            .with_for_update()
        )
        ids = {row.source_key: row.job_id for row in rows}
        new = [(ids[str(job.key)], job) for job in jobs if str(job.key) in ids]
        if new:
            c.execute(self._insert_email, [_new_email(job_id, job.key, job.recipient or "") for job_id, job in new])
            c.execute(ENLISTED_ALONE, {"ids": [job_id for job_id, _ in new]})

    def lease(self, token: int, lease_seconds: float, limit: int, beyond: int) -> list[LeasedJob]:
        """Take hold of up to `limit` jobs with work to do, in the order of their ids, starting after `beyond`."""

        def work(c: Connection) -> list[LeasedJob]:
            free = self._free(c, eed_job.c.job_id > beyond, limit)
            if len(free) < limit:
                free += self._free(c, eed_job.c.job_id <= beyond, limit - len(free))
            if free:
                c.execute(LEASE, {"ids": sorted(free), "new_token": token, "lease": lease_seconds})
            return self._leased(c, token)

        return self._database.run(work)

    def _free(self, c: Connection, where: ColumnElement[bool], limit: int) -> list[int]:
        """Jobs that wait for a publisher, by their ids: read along the index, and not further than needed."""
        statement = select(eed_job.c.job_id).where(eed_job.c.finished_at.is_(None), where, _LEASE_IS_FREE, _NEEDS_WORK)
        return list(c.execute(statement.order_by(eed_job.c.job_id).limit(limit)).scalars())

    def _leased(self, c: Connection, token: int) -> list[LeasedJob]:
        held = (eed_job.c.token == token) & (eed_job.c.lease_until > utc_now())
        statement = select(eed_job).where(eed_job.c.finished_at.is_(None), held).order_by(eed_job.c.job_id)
        return [_leased_job(row) for row in c.execute(statement)]

    def let_go(self, jobs: Sequence[LeasedJob]) -> None:
        """Give leases back, so that another publisher needn't wait for them to run out."""
        if jobs:
            values = {"ids": [job.job_id for job in jobs], "our_token": jobs[0].token}
            self._database.run(lambda c: c.execute(LET_GO, values))

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
        notice = Notice(NoticeKind.JOB_FAILED, job.job_id, facts=with_reason(error.reply))

        def work(c: Connection) -> None:
            if c.execute(statement).rowcount == 1:
                self._outbox.put(c, [notice])

        self._database.run(work)

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
        elif self._source.copies_plainly(c):
            return self._copy(c, job, after, size)
        rows = self._source.unsent(c, job.key, after, size)
        if not rows:
            c.execute(ENLISTED, fence)
            return 0
        usable = [row for row in rows if _usable(row.key)]
        self._source.write_emails(c, [r.key for r in rows if not _usable(r.key)], EmailState.FAILED, UNUSABLE_KEY)
        if usable:  # a key that cannot be kept is no cursor either; its row is failed now, and is not read again
            new = [_new_email(job.job_id, row.key, row.recipient) for row in usable]
            added = c.execute(self._insert_email, new).rowcount
            c.execute(_HELD.values(enlist_after=str(usable[-1].key), total=eed_job.c.total + added), fence)
        return len(rows)

    def _copy(self, c: Connection, job: LeasedJob, after: str, size: int) -> int:
        """As `_enlist`, but inside the database: source and ledger are in one, and nothing here needs to see the rows.

        What lies beyond the cursor is usable: the cursor is a key that was, and keys are numbers.
        """
        fence = {"id": job.job_id, "our_token": job.token}
        rows, last = self._source.unsent_until(c, job.key, after, size)
        if last is None:
            c.execute(ENLISTED, fence)
            return 0
        unsent = self._source.unsent_between(job.key, after, last)
        new = select(
            literal(job.job_id),
            func.substr(unsent.c.recipient, 1, RECIPIENT_LENGTH),
            literal(EmailState.PENDING.value),
            unsent.c.key,
        )
        copied = self._insert_email.from_select(["job_id", "recipient", "state", "email_id"], new)
        added = c.execute(copied).rowcount
        c.execute(_HELD.values(enlist_after=str(last), total=eed_job.c.total + added), fence)
        return rows

    def queued(self, jobs: Sequence[LeasedJob], limit: int) -> int:
        """How many emails of these jobs have a message that a worker may have now, counted up to `limit`.

        What waits for its retry is left out: its message is hidden, and nobody stands behind it.
        """
        waits_for_nothing = or_(eed_email.c.not_before.is_(None), eed_email.c.not_before <= utc_now())
        found = (
            select(eed_email.c.email_id)
            .where(eed_email.c.job_id.in_([job.job_id for job in jobs]))
            .where(eed_email.c.state == EmailState.QUEUED, waits_for_nothing)
            .limit(limit)
        )
        return self._database.run(lambda c: c.execute(select(func.count()).select_from(found.subquery())).scalar_one())

    def pending(self, jobs: Sequence[LeasedJob], size: int) -> list[Ticket]:
        """Emails of active jobs that have no message yet: by id, and up to `size` of each job.

        Small jobs are read together: where each row of the source is a job, they come by the hundred.
        """
        small = [job.job_id for job in jobs if job.is_small]
        groups = [small] if small else []
        groups += [[job.job_id] for job in jobs if not job.is_small]
        if not groups:
            return []
        return self._database.run(lambda c: [ticket for ids in groups for ticket in _pending(c, ids, size)])

    def mark_queued(self, tickets: Sequence[Ticket]) -> None:
        """Mark what SQS has named as taken. A worker may have been faster: then the row is past `pending` already."""

        def work(c: Connection) -> None:
            for gen, group in groupby(sorted(tickets, key=lambda t: (t.gen, t.email_id)), lambda t: t.gen):
                same = list(group)
                tokens = [ticket.token for ticket in same if ticket.token is not None]
                ids = [ticket.email_id for ticket in same]
                c.execute(MARK_QUEUED, {"ids": ids, "of_gen": gen, "tokens": tokens or [0]})

        if tickets:
            self._database.run(work)


def _leased_job(row: Row[*tuple[Any, ...]]) -> LeasedJob:
    return LeasedJob(
        job_id=row.job_id,
        key=row.source_key,
        name=row.name,
        state=JobState(row.state),
        token=row.token,
        total=row.total,
        started=row.enlist_after is not None,
        enlisted=row.enlisted_at is not None,
    )


def _usable(key: str | int) -> bool:
    return key > 0 if isinstance(key, int) else 0 < len(key) <= KEY_LENGTH


def _pending(c: Connection, job_ids: Sequence[int], size: int) -> list[Ticket]:
    statement = (
        select(eed_email.c.email_id, eed_email.c.gen, eed_email.c.attempts, eed_email.c.job_id, eed_email.c.token)
        .join(eed_job, eed_job.c.job_id == eed_email.c.job_id)
        .where(eed_email.c.job_id.in_(job_ids), eed_email.c.state == EmailState.PENDING)
        .where(or_(eed_email.c.not_before.is_(None), eed_email.c.not_before <= utc_now()))
        .where(eed_job.c.state == JobState.ACTIVE)
        .order_by(eed_email.c.email_id)
        .limit(size * len(job_ids))
    )
    return [
        Ticket(email_id, gen, attempts, str(job_id), token)
        for email_id, gen, attempts, job_id, token in c.execute(statement)
    ]


def _new_job(job: ReadyJob) -> dict[str, object]:
    values: dict[str, object] = {
        "key": str(job.key),
        "label": job.name[:255],
        "of_category": job.category,
        "new_state": JobState.CANCELLED if job.expired else JobState.ACTIVE,
        "why": "expires_at had passed before the job could start" if job.expired else None,
        "left": job.expires_in_seconds,
    }
    return {**values, "id": job.key if isinstance(job.key, int) else None}  # NULL: the database numbers it


def _new_email(job_id: int, key: str | int, recipient: str) -> dict[str, object]:
    return {
        "job_id": job_id,
        "recipient": recipient[:RECIPIENT_LENGTH],  # too long to be an address either way; it will be refused
        "state": EmailState.PENDING,
        "email_id": key if isinstance(key, int) else None,  # NULL: the database numbers it
        "source_key": None if isinstance(key, int) else key,
    }
