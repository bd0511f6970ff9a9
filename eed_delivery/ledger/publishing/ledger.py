"""The publisher's side of the ledger. It registers, leases and enlists jobs, and marks what the queue took."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from functools import lru_cache, partial
from itertools import groupby
from typing import Any

import structlog
from sqlalchemy import Connection, Integer, Row, Select, bindparam, case, exists, func, insert, or_, select, update
from sqlalchemy.sql.dml import Insert
from sqlalchemy.sql.elements import ColumnElement

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.transactions import Database
from eed_delivery.errors import DatabaseGone, LeaseLost, Miscounted, RenderError
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.acts import Act, ActKind, is_noted, new_operation, note
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.domain_paces.backlogs import BacklogCounts
from eed_delivery.ledger.domain_paces.stored import DomainPaceLedger
from eed_delivery.ledger.domain_paces.turns import DestinationTurns
from eed_delivery.ledger.holds.held import DOMAIN_NOT_HELD, MAY_BE_PUBLISHED, UNMARKED, is_held
from eed_delivery.ledger.holds.ledger import HoldLedger
from eed_delivery.ledger.job_facts import with_ledger_facts
from eed_delivery.ledger.operating import WATCHED_ANEW
from eed_delivery.ledger.paces import PaceLedger
from eed_delivery.ledger.publishing.enlisting import Enlisting, LeasedJob, known_emails, new_email, refuse, unusable
from eed_delivery.ledger.publishing.scheduling import NO_LONGER_HELD_BACK
from eed_delivery.ledger.publishing.served_channels import DEFAULT_ALONE, ChangedJob, JobHoldLedger, ServedChannels
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_email, eed_job
from eed_delivery.ledger.webhooks.outbox import SILENT, Outbox, with_reason
from eed_delivery.ledger.windows.is_open import HAS_SPANS, WINDOW_IS_OPEN
from eed_delivery.ledger.windows.marking import WindowMarking, kept_window
from eed_delivery.model import KEY_LENGTH, EmailState, HoldTarget, Job, JobState, ReadyJob, Ticket
from eed_delivery.notices import Notice, NoticeKind
from eed_delivery.source import Source

log = structlog.get_logger(__name__)

ROWS_REFUSED_AT_ONCE = 500
REASONS_LOGGED = 5
JOBS_LOGGED = 10
EXPIRED_BEFORE = "expires_at had passed before the job could start"

_HAS_PENDING = exists().where(eed_email.c.job_id == eed_job.c.job_id).where(eed_email.c.state == EmailState.PENDING)
_LEASE_IS_FREE = or_(eed_job.c.lease_until.is_(None), eed_job.c.lease_until < utc_now(), NO_LONGER_HELD_BACK)

LEASE = (
    update(eed_job)
    .where(eed_job.c.job_id.in_(bindparam("ids", expanding=True)))
    .where(eed_job.c.finished_at.is_(None))
    .where(_LEASE_IS_FREE)
    .values(token=bindparam("new_token"), lease_until=utc_in(bindparam("lease")))
)
LEASED = (
    select(eed_job)
    .where(eed_job.c.finished_at.is_(None))
    .where(eed_job.c.token == bindparam("our_token"))
    .where(eed_job.c.lease_until > utc_now())
    .order_by(eed_job.c.job_id)
)
LET_GO = (
    update(eed_job)
    .where(eed_job.c.job_id.in_(bindparam("ids", expanding=True)))
    .where(eed_job.c.token == bindparam("our_token"))
    .where(eed_job.c.lease_until > utc_now())
    .values(lease_until=None)
)
ENLISTED_ALONE = (
    update(eed_job)
    .where(eed_job.c.job_id.in_(bindparam("ids", expanding=True)))
    .where(eed_job.c.enlisted_at.is_(None))
    .values(enlisted_at=utc_now(), total=1, found=1)
)
_STAYS_CANCELLED = eed_job.c.state == JobState.CANCELLED
# What was cancelled stays cancelled: its new rows are enlisted, and end like it. The order counts: MySQL assigns from
# left to right, and what comes first reads the state as it was.
NEXT_ROUND = (
    update(eed_job)
    .where(eed_job.c.source_key == bindparam("key"))
    .where(eed_job.c.finished_at.is_not(None))
    .ordered_values(
        (eed_job.c.reason, case((_STAYS_CANCELLED, eed_job.c.reason), else_=bindparam("why"))),
        (eed_job.c.state, case((_STAYS_CANCELLED, JobState.CANCELLED), else_=bindparam("to_state"))),
        (eed_job.c.rounds, eed_job.c.rounds + 1),
        (eed_job.c.revision, eed_job.c.revision + 1),
        (eed_job.c.expires_at, utc_in(bindparam("left"))),
        (eed_job.c.deadline, utc_in(bindparam("due_in"))),
        (eed_job.c.channel, bindparam("of_channel")),
        (eed_job.c.enlist_after, None),
        (eed_job.c.rehearsal, None),
        (eed_job.c.enlisted_at, None),
        (eed_job.c.finished_at, None),
        *WATCHED_ANEW.items(),
        *UNMARKED.items(),
        (eed_job.c.send_window, bindparam("own_window")),
        (eed_job.c.window_from, bindparam("spans_end")),
        (eed_job.c.window_until, bindparam("spans_end")),
        (eed_job.c.next_window_from, None),
        (eed_job.c.next_window_until, None),
    )
)

_INSERT_JOB = insert(eed_job).values(
    job_id=bindparam("id"),
    source_key=bindparam("key"),
    name=bindparam("label"),
    category=bindparam("of_category"),
    channel=bindparam("of_channel"),
    send_window=bindparam("own_window"),
    window_from=bindparam("spans_end"),
    window_until=bindparam("spans_end"),
    state=bindparam("new_state"),
    reason=bindparam("why"),
    expires_at=utc_in(bindparam("left")),  # NULL in, NULL out
    deadline=utc_in(bindparam("due_in")),
    created_at=utc_now(),
    token=bindparam("our_token"),  # says which of many rows this statement has inserted
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

_IS_NOT_HELD = ~is_held(eed_job.c.channel, eed_job.c.category) & MAY_BE_PUBLISHED


def publishable(windows_count: bool) -> tuple[ColumnElement[bool], ...]:
    """Of a pending email and its job, whether it may be published, but for the time before which it waits."""
    return (eed_job.c.state == JobState.ACTIVE, _IS_NOT_HELD, _is_open(windows_count), DOMAIN_NOT_HELD)


def _is_open(windows_count: bool) -> ColumnElement[bool]:
    """Whether a job's send window is open. Where windows are configured, a job without spans gets them first."""
    return HAS_SPANS & WINDOW_IS_OPEN if windows_count else WINDOW_IS_OPEN


def _has_work(channels: ServedChannels, windows_count: bool) -> ColumnElement[bool]:
    """A cancelled job is enlisted to its last email too, so that it balances; only an active one is published. What no
    publisher publishes is enlisted by that of the default channel."""
    its_channel = eed_job.c.channel == channels.published
    enlisted_here = eed_job.c.channel.not_in(channels.others) if channels.others is not None else its_channel
    unenlisted = eed_job.c.enlisted_at.is_(None) & enlisted_here
    may_publish = (eed_job.c.state == JobState.ACTIVE) & its_channel & _IS_NOT_HELD & _is_open(windows_count)
    return or_(unenlisted, may_publish & _HAS_PENDING)


@lru_cache(maxsize=128)
def _free_jobs(channels: ServedChannels, windows_count: bool) -> tuple[Select[Any], Select[Any]]:
    """Jobs that wait for a publisher of these channels, by their ids: those behind `beyond`, and the others. Each is
    read along the index, and not further than needed.

    Kept, because an idle publisher asks four times a second, and to make the statements takes longer than to run them.
    """
    behind, before = (
        select(eed_job.c.job_id)
        .where(eed_job.c.finished_at.is_(None), where, _LEASE_IS_FREE, _has_work(channels, windows_count))
        .order_by(eed_job.c.job_id)
        .limit(bindparam("at_most", type_=Integer))
        # A job whose chunk takes longer than its lease is locked by its publisher, and no other waits for that.
        .with_for_update(skip_locked=True)
        for where in (eed_job.c.job_id > bindparam("beyond"), eed_job.c.job_id <= bindparam("beyond"))
    )
    return behind, before


class PublishingLedger:
    """What a publisher may do to the ledger. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(
        self,
        database: Database,
        source: Source,
        outbox: Outbox = SILENT,
        nudged_by: Actor | None = None,
        windows: WindowMarking | None = None,
    ) -> None:
        """`outbox` receives its notices. `nudged_by` has jobs registered out of turn, which is in the audit. `windows`
        says when registered jobs may leave. None: at any time."""
        self._nudged_by = nudged_by
        self._windows = windows
        self._windows_count = windows is not None and windows.is_configured
        self._database = database
        self._source = source
        self._outbox = outbox
        self._enlisting = Enlisting(source)
        self._holds = JobHoldLedger(database, outbox)
        # Two publishers may see the same new job at once; the second insert is to be no error and no second row. What
        # else it could hide is looked for after it.
        self._insert_job: Insert = unless_there(_INSERT_JOB)

    def new_jobs(self, limit: int) -> list[ReadyJob]:
        """Jobs that the source has marked ready, whose time has come, and that the ledger doesn't know yet or has
        finished."""
        return self._database.run(lambda c: self._source.ready_jobs(c, eed_job, limit))

    def register(self, jobs: Sequence[ReadyJob]) -> list[ReadyJob]:
        """Enter new jobs. Those whose `expires_at` has passed are entered as cancelled. A finished job that is ready
        again begins its next round. One whose key cannot be kept is refused, with all its emails.

        Returns those that the database refused, as the log says. The others continue. Raises `DatabaseGone`.
        """
        new = [job for job in jobs if not job.again and unusable(job.key) is None]
        others = [job for job in jobs if job not in new]
        one_by_one = [] if not new or self._is_done(new, self._register_all) else new
        return [
            *(job for job in one_by_one if not self._is_done([job], self._register_all)),
            *(job for job in others if not self._is_done([job], self._register_other)),
        ]

    def register_one(self, job: ReadyJob) -> None:
        """As `register`, for one job. What the database refuses is raised."""
        registers = self._register_other if job.again or unusable(job.key) is not None else self._register_all
        registers([job])

    def _is_done(self, jobs: Sequence[ReadyJob], work: Callable[[Sequence[ReadyJob]], None]) -> bool:
        try:
            work(jobs)
        except DatabaseGone:
            raise
        except Exception:  # a trigger of the source's, a key that no rule of ours foresaw: these jobs' affair
            log.exception("registration_failed", jobs=[str(job.key) for job in jobs[:JOBS_LOGGED]], count=len(jobs))
            return False
        return True

    def _register_all(self, jobs: Sequence[ReadyJob]) -> None:
        operation, spans_end = new_operation(), self._end_of_spans()

        def work(c: Connection) -> dict[str, int]:
            ids = self._register(c, jobs, spans_end)
            for job_id in ids.values():
                self._note_nudge(c, job_id, operation)
            return ids

        ids = self._database.run(work)
        for job in jobs:
            log.info("job_registered", job=str(job.key), job_id=ids[str(job.key)], **_name_of(job))
        self._mark_windows(ids.values())

    def _register_other(self, jobs: Sequence[ReadyJob]) -> None:
        for job in jobs:
            if (why := unusable(job.key)) is not None:
                self._refuse_job(job, why)
            else:
                self._begin_next_round(job)

    def _note_nudge(self, c: Connection, job_id: int, operation: str) -> None:
        if self._nudged_by is not None and not is_noted(c, operation):
            note(c, self._nudged_by, Act(ActKind.NUDGE, job_id, after={"state": "registered"}, operation=operation))

    def _register(self, c: Connection, jobs: Sequence[ReadyJob], spans_end: datetime | None) -> dict[str, int]:
        """The ledger's ids by the source's keys."""
        ours = new_token()
        c.execute(self._insert_job, [{**_new_job(job), "our_token": ours, "spans_end": spans_end} for job in jobs])
        keys = [str(job.key) for job in jobs]
        columns = (eed_job.c.source_key, eed_job.c.job_id, eed_job.c.token, eed_job.c.state, eed_job.c.reason)
        found = c.execute(select(*columns).where(eed_job.c.source_key.in_(keys))).all()
        there = {row.source_key: int(row.job_id) for row in found}
        if lost := [key for key in keys if key not in there]:
            raise Miscounted(f"{len(lost)} of {len(keys)} jobs were not entered, {lost[0]!r} for one")
        # Others' rows are there where another publisher was faster, or the answer to an earlier run's commit was lost.
        self._outbox.put(c, (_registered(row) for row in found if row.token == ours))
        alone = [job for job in jobs if job.recipient is not None]
        if alone:
            self._enlist_alone(c, alone)
        return there

    def _enlist_alone(self, c: Connection, jobs: Sequence[ReadyJob]) -> None:
        """Jobs whose row is their one email are enlisted with it, many at once. A key that is known as another job's
        email is left to `enlist`, as every other job is."""
        rows = c.execute(
            select(eed_job.c.job_id, eed_job.c.source_key)
            .where(eed_job.c.source_key.in_([str(job.key) for job in jobs]))
            .where(eed_job.c.enlisted_at.is_(None))
            .with_for_update()
        )
        ids = {row.source_key: row.job_id for row in rows}
        known = known_emails(c, [job.key for job in jobs])
        new = [(ids[str(job.key)], job) for job in jobs if str(job.key) in ids and job.key not in known]
        if not new:
            return
        emails = [new_email(job_id, job.key, job.recipient or "") for job_id, job in new]
        added = c.execute(insert(eed_email), emails).rowcount
        enlisted = c.execute(ENLISTED_ALONE, {"ids": [job_id for job_id, _ in new]}).rowcount
        if (added, enlisted) != (len(new), len(new)):
            raise Miscounted(f"{added} emails and {enlisted} jobs of {len(new)} were entered")

    def _begin_next_round(self, job: ReadyJob) -> None:
        values = {
            "key": str(job.key),
            "to_state": JobState.CANCELLED if job.expired else JobState.ACTIVE,
            "why": EXPIRED_BEFORE if job.expired else None,
            "left": job.expires_in_seconds,
            "due_in": job.due_in_seconds,
            "of_channel": job.channel,
            "own_window": kept_window(job.send_window),
            "spans_end": self._end_of_spans(),
        }

        operation = new_operation()

        def work(c: Connection) -> int | None:
            if c.execute(NEXT_ROUND, values).rowcount != 1:
                return None
            job_id: int = c.execute(select(eed_job.c.job_id).where(eed_job.c.source_key == str(job.key))).scalar_one()
            self._outbox.put(c, [Notice(NoticeKind.JOB_REOPENED, job_id)])
            self._note_nudge(c, job_id, operation)
            return job_id

        if (job_id := self._database.did(work)) is not None:
            log.info("job_ready_again", job=str(job.key), job_id=job_id, **_name_of(job))
            self._mark_windows([job_id])

    def _refuse_job(self, job: ReadyJob, why: str) -> None:
        """A job whose key cannot be kept. Its unsent emails are refused, and then the job itself."""
        log.error("unusable_key", job=str(job.key)[:KEY_LENGTH], reason=why)
        after: str | int | None = None
        while keys := self._database.run(partial(self._refuse_rows, job, after, f"its job's key: {why}")):
            after = keys[-1]

        def end(c: Connection) -> None:
            refuse(c, None, job.key, [(None, why)])
            self._source.write_job(c, job.key, JobState.FAILED)

        self._database.run(end)

    def _refuse_rows(self, job: ReadyJob, after: str | int | None, why: str, c: Connection) -> list[str | int]:
        keys = [row.key for row in self._source.unsent(c, job.key, after, ROWS_REFUSED_AT_ONCE)]
        refused = [(key, why) for key in keys]
        refuse(c, None, job.key, refused)
        self._enlisting.write_refused(c, refused)
        return keys

    def compare_channels(self, known: Collection[str], alive_seconds: float) -> list[ChangedJob]:
        """As `JobHoldLedger.look`."""
        return self._holds.look(known, alive_seconds)

    def look_at_holds(self, file_channels: Callable[[], Collection[str]] = tuple) -> list[HoldTarget]:
        """As `HoldLedger.end_expired` and `mark`."""
        holds = HoldLedger(self._database, file_channels=file_channels)
        ended = holds.end_expired()
        holds.mark()
        return ended

    def _mark_windows(self, job_ids: Collection[int]) -> None:
        if self._windows is not None:
            self._windows.mark_jobs(job_ids)

    def _end_of_spans(self) -> datetime | None:
        """What a job is entered with. Where windows count, it waits until it has others.

        Asked before the transaction: the channels' windows are read on a connection of their own, and SQLite lets one
        write at a time.
        """
        return None if self._windows is None else self._windows.until_of_new()

    def look_at_windows(self) -> None:
        """As `WindowMarking.mark_due`."""
        if self._windows is not None:
            self._windows.mark_due()

    def end_paces(self) -> list[str]:
        """As `PaceLedger.end_expired`."""
        return PaceLedger(self._database).end_expired()

    def end_domain_paces(self) -> list[str]:
        """As `DomainPaceLedger.end_expired`."""
        return DomainPaceLedger(self._database).end_expired()

    def forget_destinations(self) -> None:
        """Delete what destinations have not used for a day."""
        DestinationTurns(self._database).forget()
        BacklogCounts(self._database).forget()

    def lease(
        self, token: int, lease_seconds: float, limit: int, beyond: int, channels: ServedChannels = DEFAULT_ALONE
    ) -> list[LeasedJob]:
        """Take hold of up to `limit` jobs of these channels with work to do, in the order of their ids, starting after
        `beyond`."""
        behind, before = _free_jobs(channels, self._windows_count)

        def work(c: Connection) -> list[LeasedJob]:
            free = list(c.execute(behind, {"beyond": beyond, "at_most": limit}).scalars())
            if len(free) < limit:
                free += c.execute(before, {"beyond": beyond, "at_most": limit - len(free)}).scalars()
            if free:
                c.execute(LEASE, {"ids": sorted(free), "new_token": token, "lease": lease_seconds})
            return self._leased(c, token)

        return self._database.run(work)

    def _leased(self, c: Connection, token: int) -> list[LeasedJob]:
        return [_leased_job(row) for row in c.execute(LEASED, {"our_token": token})]

    def let_go(self, jobs: Sequence[LeasedJob]) -> None:
        """Give leases back, so that another publisher needn't wait for them to run out."""
        if jobs:
            values = {"ids": [job.job_id for job in jobs], "our_token": jobs[0].token}
            self._database.run(lambda c: c.execute(LET_GO, values))

    def content(self, job: LeasedJob) -> Job:
        """The job's own content, to see whether its templates compile. Raises `RenderError` if its row has gone."""
        return self._database.run(lambda c: with_ledger_facts(c, self._source.job(c, job.job_id, job.key, revision=0)))

    def fail(self, job: LeasedJob, error: RenderError) -> None:
        """Nothing of this job can be sent. The sweeper will end its emails as failed, with this reason."""
        statement = (
            update(eed_job)
            .where(eed_job.c.job_id == job.job_id, eed_job.c.token == job.token)
            .where(eed_job.c.state.in_([JobState.ACTIVE, JobState.HELD]))
            .values(state=JobState.FAILED, reason=error.reply[:DETAIL_LENGTH])
        )
        notice = Notice(NoticeKind.JOB_FAILED, job.job_id, facts=with_reason(error.reply))

        def work(c: Connection) -> None:
            if c.execute(statement).rowcount == 1:
                note(c, SERVICE, Act(ActKind.FAIL, job.job_id, reason=error.reply))
                self._outbox.put(c, [notice])

        self._database.run(work)

    def enlist(self, job: LeasedJob, size: int, lease_seconds: float) -> int:
        """Take the next `size` unsent emails into the ledger and move the cursor, in one transaction.

        Returns how many rows were read. 0 means that the job is enlisted to its end, or that the lease is lost.
        """
        try:
            chunk = self._database.run(lambda c: self._enlisting.chunk(c, job, size, lease_seconds))
        except LeaseLost as lost:
            log.info("enlisting_left_to_another", **job.log_facts(), reason=str(lost))
            return 0
        if chunk.refused:
            reasons = [why for why, _ in chunk.refused.most_common(REASONS_LOGGED)]
            log.warning("rows_refused", **job.log_facts(), count=chunk.refused.total(), reasons=reasons)
        if chunk.regenerated:
            log.info("known_rows_sent_again", **job.log_facts(), count=chunk.regenerated)
        return chunk.rows

    def queued(self, jobs: Sequence[LeasedJob], limit: int) -> int:
        """How many emails of these jobs have a message that a worker may have now, counted up to `limit`.

        What waits for its retry is left out. Its message is hidden, and no other message waits behind it.
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
        """Emails of active jobs that have no message yet, by id, and up to `size` of each job.

        Small jobs are read together. Where each row of the source is a job, they come by the hundred.
        """
        small = [job.job_id for job in jobs if job.is_small]
        groups = [small] if small else []
        groups += [[job.job_id] for job in jobs if not job.is_small]
        if not groups:
            return []
        may_go = publishable(self._windows_count)
        return self._database.run(lambda c: [one for ids in groups for one in _pending(c, ids, size, may_go)])

    def mark_queued(self, tickets: Sequence[Ticket]) -> None:
        """Mark what SQS has named as taken. A worker may have been faster. Then the row is past `pending` already."""

        def work(c: Connection) -> None:
            for gen, group in groupby(sorted(tickets, key=lambda t: (t.gen, t.email_id)), lambda t: t.gen):
                same = list(group)
                tokens = [ticket.token for ticket in same if ticket.token is not None]
                ids = [ticket.email_id for ticket in same]
                c.execute(MARK_QUEUED, {"ids": ids, "of_gen": gen, "tokens": tokens or [0]})

        if tickets:
            self._database.run(work)


def _registered(row: Row[*tuple[Any, ...]]) -> Notice:
    return Notice(NoticeKind.JOB_REGISTERED, row.job_id, facts=with_reason(row.reason, state=row.state))


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
        channel=row.channel,
        rehearsal=row.rehearsal,
    )


def _pending(c: Connection, job_ids: Sequence[int], size: int, may_go: Sequence[ColumnElement[bool]]) -> list[Ticket]:
    statement = (
        select(eed_email.c.email_id, eed_email.c.gen, eed_email.c.attempts, eed_email.c.job_id, eed_email.c.token)
        .join(eed_job, eed_job.c.job_id == eed_email.c.job_id)
        .where(eed_email.c.job_id.in_(job_ids), eed_email.c.state == EmailState.PENDING)
        .where(or_(eed_email.c.not_before.is_(None), eed_email.c.not_before <= utc_now()))
        .where(*may_go)
        .order_by(eed_email.c.email_id)
        .limit(size * len(job_ids))
    )
    return [
        Ticket(email_id, gen, attempts, str(job_id), token)
        for email_id, gen, attempts, job_id, token in c.execute(statement)
    ]


def _name_of(job: ReadyJob) -> dict[str, str]:
    """A job's name for the log. Where a job is one email's row, its name is a customer's letter, and is not logged."""
    return {"name": job.name} if job.recipient is None else {}


def _new_job(job: ReadyJob) -> dict[str, object]:
    values: dict[str, object] = {
        "key": str(job.key),
        "label": job.name[:255],
        "of_category": job.category,
        "of_channel": job.channel,
        "own_window": kept_window(job.send_window),
        "new_state": JobState.CANCELLED if job.expired else JobState.ACTIVE,
        "why": EXPIRED_BEFORE if job.expired else None,
        "left": job.expires_in_seconds,
        "due_in": job.due_in_seconds,
    }
    return {**values, "id": job.key if isinstance(job.key, int) else None}  # NULL: the database numbers it
