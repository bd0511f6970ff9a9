"""Reads for people what became of a job, where an email stands, and what the mail server said."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, case, func, select, union_all

from eed_delivery.addresses import NotAnAddress, canonical, wire_form
from eed_delivery.database.clock import seconds_until, utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.errors import NotPossible
from eed_delivery.events import DeliveryOutcome
from eed_delivery.ledger.publishing.enlisting import SHOWN_LENGTH
from eed_delivery.ledger.resends import resends_of
from eed_delivery.ledger.schema import eed_attempt, eed_email, eed_job, eed_refusal
from eed_delivery.ledger.windows.reading import AS_OF, JobWindow, window_of
from eed_delivery.model import DEFAULT_CHANNEL, END_STATES, LARGEST_KEY, OPEN_STATES, EmailState, JobState, content_key
from eed_delivery.source.keys import same_bytes

REASONS_A_PAGE = 5000
NOT_SENT = (EmailState.FAILED, EmailState.IN_DOUBT, EmailState.SUPPRESSED, EmailState.CANCELLED)
"""How an email ends that its recipient did not get, as far as we know."""
NO_WORD_YET = "no_word_yet"
"""Sent, without a delivery event so far."""
_BY_STATE, _BY_OUTCOME = "eed_email_by_job_state", "eed_email_by_job_outcome"
RECENT_SECONDS = 60.0
TRIES_LOOKED_AT = 20_000
_RUNNING = -seconds_until(eed_job.c.created_at)
DURATIONS = (_RUNNING.label("running"), (seconds_until(eed_job.c.finished_at) + _RUNNING).label("took"), AS_OF)
"""How long a job has been running, how long it took, and the time now, as `job_report` reads them."""


@dataclass(frozen=True, slots=True)
class JobReport:
    """One job as an operator sees it. `counts` has every state. Times are UTC.

    `found`, `refused`, `regenerated` and `moved` are the sums of enlisting over all `rounds`, as in `eed_job`.
    """

    job_id: int
    key: str
    name: str
    state: JobState
    reason: str | None
    total: int
    not_enlisted: int
    enlisted: bool
    counts: dict[EmailState, int]
    created_at: datetime
    finished_at: datetime | None
    running_seconds: float
    watched: bool
    found: int = 0
    refused: int = 0
    regenerated: int = 0
    moved: int = 0
    rounds: int = 0
    resent: int = 0
    reconciled_at: datetime | None = None
    differences: int | None = None
    archive: bool = False
    """Whether copies of its emails are wanted."""
    channel: str = DEFAULT_CHANNEL
    window: JobWindow | None = None
    """When it may leave. None: at any time, or it has finished."""

    @property
    def done(self) -> int:
        """Emails in an end state."""
        return sum(n for state, n in self.counts.items() if state not in OPEN_STATES)

    @property
    def balanced(self) -> bool:
        """total = sent + failed + suppressed + cancelled + in_doubt, and nothing still to enlist."""
        return self.enlisted and self.done == self.total

    @property
    def accounted(self) -> bool:
        """By G1, every row of the source that was found is an email, went to a later job, is a new generation of an
        email, or was refused. A resend is an email, and no row."""
        return self.found == self.total + self.moved + self.regenerated + self.refused - self.resent

    @property
    def rate(self) -> float:
        """Emails ended a second on average, over the whole life of the job."""
        return self.done / self.running_seconds if self.running_seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class RecentRate:
    """How many emails of a job have ended after a try, within the last `seconds`."""

    ended: int
    seconds: float

    @property
    def per_second(self) -> float:
        return self.ended / self.seconds if self.seconds > 0 else 0.0


@dataclass(frozen=True, slots=True)
class EmailReport:
    """One email as an operator sees it. Times are UTC. `outcome` is None as long as there was no word.

    `wire_at` is the hand-over of the last try to the mail server or SES, kept once it has ended. `lease_until`, while a
    worker holds the email, is when the sweeper takes it from one that has died. `resend_of` is the key of the email
    that an operator had sent once more.
    """

    email_id: int
    key: str
    job_id: int
    recipient: str
    state: EmailState
    gen: int
    attempts: int
    detail: str | None
    message_id: str | None
    not_before: datetime | None
    changed_at: datetime | None
    outcome: DeliveryOutcome | None
    outcome_at: datetime | None
    resend_of: str | None = None
    wire_at: datetime | None = None
    lease_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefusedJob:
    """A job whose key cannot be kept. It says why and when it was refused, and how many unsent emails with it."""

    reason: str
    refused_at: datetime
    emails: int


@dataclass(frozen=True, slots=True)
class RefusalReport:
    """A row of the source that was refused, with its key, as far as it can be shown, and why."""

    key: str
    reason: str
    round: int
    refused_at: datetime


@dataclass(frozen=True, slots=True)
class AttemptReport:
    """One try against the mail server or SES, or an operator's word on it. `recipient` is where the try went, or was to
    go. `sha256`, in hexadecimal, is of the bytes that were handed to the transport. None: there was no wire."""

    gen: int
    attempt: int
    verdict: str
    counted: bool
    code: int | None
    enhanced: str | None
    reply: str | None
    message_id: str | None
    worker: str | None
    took_ms: int | None
    ended_at: datetime
    recipient: str | None
    sha256: str | None = None


class ReportingLedger:
    """Read-only questions to the ledger. Each raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def now(self) -> datetime:
        """The database's clock, in UTC and without a zone, as the ledger keeps its times."""
        moment: datetime = self._database.run(lambda c: c.execute(select(utc_now())).scalar_one())
        return moment

    def job_id(self, key: str) -> int | None:
        """The id of the job that the source calls `key`."""
        statement = select(eed_job.c.job_id).where(eed_job.c.source_key == key)
        return self._database.run(lambda c: c.execute(statement).scalar_one_or_none())

    def email_id(self, key: str) -> int | None:
        """The id of the email that the source calls `key`.

        It is its own number, or the row that holds its string key.
        """
        by_key = select(eed_email.c.email_id).where(eed_email.c.source_key == key)
        found = self._database.run(lambda c: c.execute(by_key).scalar_one_or_none())
        if found is not None or not key.isdecimal():
            return found
        if int(key) > LARGEST_KEY:
            return None
        by_id = select(eed_email.c.email_id).where(eed_email.c.email_id == int(key), eed_email.c.source_key.is_(None))
        return self._database.run(lambda c: c.execute(by_id).scalar_one_or_none())

    def job_keys(self, job_ids: Collection[int]) -> dict[int, str]:
        """What the source calls these jobs."""
        statement = select(eed_job.c.job_id, eed_job.c.source_key).where(eed_job.c.job_id.in_(job_ids))
        return self._database.run(lambda c: {row.job_id: row.source_key for row in c.execute(statement)})

    def key_and_channel(self, job_id: int) -> tuple[str, str] | None:
        """What the source calls a job, and its channel. To count its emails for this would take too long."""
        statement = select(eed_job.c.source_key, eed_job.c.channel).where(eed_job.c.job_id == job_id)
        row = self._database.run(lambda c: c.execute(statement).one_or_none())
        return None if row is None else (row.source_key, row.channel)

    def job(self, job_id: int) -> JobReport | None:
        """One job with its counts, taken in one transaction."""
        facts = select(eed_job, *DURATIONS).where(eed_job.c.job_id == job_id)
        counts = select(eed_email.c.state, func.count()).where(eed_email.c.job_id == job_id).group_by(eed_email.c.state)

        def read(c: object) -> tuple[Row[*tuple[Any, ...]] | None, dict[str, int]]:
            return c.execute(facts).one_or_none(), dict(c.execute(counts).all())  # type: ignore[attr-defined]

        row, found = self._database.run(read)
        if row is None:
            return None
        return job_report(row, found)

    def emails_to(self, address: str, page: int = 1000, after: int = 0) -> Iterator[EmailReport]:
        """All emails to an address, however it is spelt, over all jobs. Raises `NotPossible` when it can be none.

        `after`: only those behind the email of this id."""
        try:
            form = canonical(wire_form(address))
        except NotAnAddress as error:
            raise NotPossible(f"{address!r} is not an address: {error}") from error
        e = eed_email.c
        statement = select(eed_email).where(e.address == form).order_by(e.email_id).limit(page)
        return self._pages(lambda after: statement.where(e.email_id > after), after)

    def recent_rate(self, job: JobReport, most: int = TRIES_LOOKED_AT) -> RecentRate:
        """By the tries of the last minute, of which the newest `most` of all jobs are read. Where there are more, or
        the job is younger, the time is shorter."""
        newest = (
            select(eed_attempt.c.email_id, eed_attempt.c.gen, eed_attempt.c.ended_at)
            .order_by(eed_attempt.c.attempt_id.desc())
            .limit(most)
            .subquery()
        )
        mine = case(((eed_email.c.job_id == job.job_id) & eed_email.c.state.in_(sorted(END_STATES)), newest.c.email_id))
        same = (eed_email.c.email_id == newest.c.email_id) & (eed_email.c.gen == newest.c.gen)
        oldest = -seconds_until(func.min(newest.c.ended_at))
        statement = (
            select(func.count(mine.distinct()), func.count(), oldest)
            .select_from(newest.outerjoin(eed_email, same))
            .where(newest.c.ended_at > utc_in(-RECENT_SECONDS))
        )
        ended, tries, seen = self._database.run(lambda c: c.execute(statement).one())
        seconds = float(seen) if tries == most else RECENT_SECONDS
        return RecentRate(ended, min(seconds, job.running_seconds))

    def emails(
        self,
        job_id: int,
        state: EmailState | None = None,
        outcome: str | None = None,
        page: int = 1000,
        after: int = 0,
    ) -> Iterator[EmailReport]:
        """The emails of a job by id, a page at a time, so that half a million never stand in memory at once.

        `after`: only those behind the email of this id.

        `outcome` is a `DeliveryOutcome`, or `NO_WORD_YET` for those without one, which only what was sent can be.
        """
        e = eed_email.c
        wanted = [e.job_id == job_id]
        if outcome == NO_WORD_YET:
            state = EmailState.SENT if state is None else state
            wanted += [e.state == EmailState.SENT, e.outcome.is_(None)]
        elif outcome is not None:
            wanted.append(e.outcome == outcome)
        if state is not None:
            wanted.append(e.state == state)
        index = _BY_OUTCOME if state is None else _BY_STATE
        if state is None and outcome is None:
            yield from self._pages(lambda after: _next_of_job(job_id, after, page), after)
        else:
            yield from self._pages(lambda after: _along(index, select(eed_email), wanted, after, page), after)

    def _pages(self, behind: Callable[[int], Select[Any]], after: int) -> Iterator[EmailReport]:
        while rows := self._page(behind(after)):
            yield from rows
            after = rows[-1].email_id

    def _page(self, statement: Select[Any]) -> list[EmailReport]:
        return self._database.run(lambda c: [_email(row) for row in c.execute(statement)])

    def email(self, email_id: int) -> EmailReport | None:
        """One email."""
        statement = select(eed_email).where(eed_email.c.email_id == email_id)
        row = self._database.run(lambda c: c.execute(statement).one_or_none())
        return None if row is None else _email(row)

    def resends(self, email: EmailReport) -> list[EmailReport]:
        """The emails that an operator had sent once more of this one, oldest first."""
        return self._database.run(lambda c: [_email(row) for row in resends_of(c, email.key, email.email_id)])

    def attempts(self, email_id: int) -> list[AttemptReport]:
        """Everything that was tried for an email, oldest first, over all its generations."""
        names = AttemptReport.__dataclass_fields__
        statement = (
            select(*(eed_attempt.c[name] for name in names))
            .where(eed_attempt.c.email_id == email_id)
            .order_by(eed_attempt.c.attempt_id)
        )
        return self._database.run(lambda c: [_attempt(row) for row in c.execute(statement)])

    def reasons(self, job_id: int, page: int = REASONS_A_PAGE) -> Iterator[tuple[EmailState, str | None]]:
        """The state and reason of each email of a job that was not sent, a page at a time.

        Where every reply has an address of its own in it, grouping in the database would sort them all on its disk.
        """
        for state in NOT_SENT:
            after = 0
            while rows := self._reasons(job_id, state, after, page):
                yield from ((state, detail) for _, detail in rows)
                after = rows[-1][0]

    def refusals(self, job_id: int, page: int = REASONS_A_PAGE) -> Iterator[RefusalReport]:
        """The refused rows of a job in the order in which they were refused, a page at a time."""
        after = 0
        while rows := self._refusals(job_id, after, page):
            yield from (refusal for _, refusal in rows)
            after = rows[-1][0]

    def refused_job(self, key: str) -> RefusedJob | None:
        """A job that was refused as a whole, by its key as far as it is kept. None where there is none."""
        c = eed_refusal.c
        shown = key[:SHOWN_LENGTH]
        of_job = (c.job_id.is_(None), c.job_key == shown, same_bytes(c.job_key, shown))
        newest = select(c.reason, c.refused_at).where(*of_job, c.source_key.is_(None)).order_by(c.refusal_id.desc())
        emails = select(func.count()).where(*of_job, c.source_key.is_not(None))

        def read(connection: Connection) -> RefusedJob | None:
            row = connection.execute(newest.limit(1)).first()
            return row and RefusedJob(row.reason, row.refused_at, connection.execute(emails).scalar_one())

        return self._database.run(read)

    def _refusals(self, job_id: int, after: int, page: int) -> list[tuple[int, RefusalReport]]:
        c = eed_refusal.c
        found = (
            select(c.refusal_id, c.source_key, c.reason, c.round, c.refused_at)
            .where(c.job_id == job_id, c.source_key.is_not(None), c.refusal_id > after)
            .order_by(c.refusal_id)
            .limit(page)
        )
        return self._database.run(lambda c: [(i, RefusalReport(*facts)) for i, *facts in c.execute(found)])

    def _reasons(self, job_id: int, state: EmailState, after: int, page: int) -> list[tuple[int, str | None]]:
        """Along the index on job and state, which has the email's id behind them."""
        found = (
            select(eed_email.c.email_id, eed_email.c.detail)
            .where(eed_email.c.job_id == job_id, eed_email.c.state == state, eed_email.c.email_id > after)
            .order_by(eed_email.c.email_id)
            .limit(page)
        )
        return self._database.run(lambda c: [(email_id, detail) for email_id, detail in c.execute(found)])


def _along(index: str, asked: Select[Any], wanted: Sequence[ColumnElement[bool]], after: int, page: int) -> Select[Any]:
    """The next emails that are wanted, along an index that begins with the job and has them in order.

    Where the job lies late in the table, MariaDB and MySQL else read the primary key from its beginning.
    """
    e = eed_email.c
    for dialect in ("mysql", "mariadb"):
        asked = asked.with_hint(eed_email, f"FORCE INDEX ({index})", dialect)
    return asked.where(*wanted, e.email_id > after).order_by(e.email_id).limit(page)


def _next_of_job(job_id: int, after: int, page: int) -> Select[Any]:
    """The next emails of a job, whatever their state. They are the first among the next ones of each state."""
    e = eed_email.c
    of_states = [
        _along(_BY_STATE, select(e.email_id), [e.job_id == job_id, e.state == state], after, page).subquery()
        for state in EmailState
    ]
    found = union_all(*(select(one.c.email_id) for one in of_states)).subquery()
    first = select(found.c.email_id).order_by(found.c.email_id).limit(page).subquery()
    return select(eed_email).join(first, first.c.email_id == e.email_id).order_by(e.email_id)


def job_report(row: Row[*tuple[Any, ...]], counts: Mapping[str, int]) -> JobReport:
    """A row of `eed_job`, with how long it has been running and how long it took, and its emails by state."""
    return JobReport(
        job_id=row.job_id,
        key=row.source_key,
        name=row.name,
        state=JobState(row.state),
        reason=row.reason,
        total=row.total,
        not_enlisted=row.not_enlisted,
        enlisted=row.enlisted_at is not None,
        counts={state: counts.get(state, 0) for state in EmailState},
        created_at=row.created_at,
        finished_at=row.finished_at,
        running_seconds=float(row.running if row.took is None else row.took),
        watched=row.watched,
        found=row.found,
        refused=row.refused,
        regenerated=row.regenerated,
        moved=row.moved,
        rounds=row.rounds,
        resent=row.resent,
        reconciled_at=row.reconciled_at,
        differences=row.differences,
        archive=bool(row.archive),
        channel=row.channel,
        window=window_of(row) if row.finished_at is None else None,
    )


def _attempt(row: Row[*tuple[Any, ...]]) -> AttemptReport:
    facts = row._asdict()
    digest = facts.pop("sha256")
    return AttemptReport(**facts, sha256=None if digest is None else digest.hex())


def _email(row: Row[*tuple[Any, ...]]) -> EmailReport:
    return EmailReport(
        email_id=row.email_id,
        key=row.source_key or str(row.email_id),
        job_id=row.job_id,
        recipient=row.recipient,
        state=EmailState(row.state),
        gen=row.gen,
        attempts=row.attempts,
        detail=row.detail,
        message_id=row.message_id,
        not_before=row.not_before,
        changed_at=row.changed_at,
        outcome=DeliveryOutcome(row.outcome) if row.outcome else None,
        outcome_at=row.outcome_at,
        resend_of=None if row.resend_of is None else content_key(row.source_key, row.resend_of),
        wire_at=row.wire_at,
        lease_until=row.lease_until,
    )
