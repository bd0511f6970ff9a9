"""All emails in doubt, those that may become some, and an operator's settlement of many of them at once."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, tuple_, update

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.errors import Miscounted
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.acts import Act, ActKind, new_operation, note
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_attempt, eed_email, eed_job
from eed_delivery.ledger.webhooks.outbox import SILENT, Outbox
from eed_delivery.model import EmailState, Verdict
from eed_delivery.notices import Notice, NoticeKind
from eed_delivery.source import Source

JOBS_LOOKED_AT = 10_000
"""The newest. Each costs one look into an index."""
PAGE = 500
OPERATOR = "operator"
"""Who a person is among those that have written attempts."""
SWEEPER = "sweeper"
"""Who has found a doubt whose worker had died."""
SETTLE_MANY = (
    update(eed_email)
    .where(eed_email.c.email_id.in_(bindparam("ids", expanding=True)))
    .where(
        # A doubt that a late 4xx has put back keeps its generation. Its next hand-over is another doubt.
        tuple_(eed_email.c.email_id, eed_email.c.gen, eed_email.c.wire_at).in_(bindparam("fences", expanding=True))
    )
    .where(eed_email.c.state == EmailState.IN_DOUBT)
    .values(state=bindparam("to_state"), token=bindparam("new_token"), detail=bindparam("reason"), changed_at=utc_now())
)


@dataclass(frozen=True, slots=True)
class Doubt:
    """An email in doubt. `wire_at` is its hand-over, in UTC. `worker` is None if it has died of it."""

    email_id: int
    key: str
    job_id: int
    job_key: str
    channel: str
    gen: int
    wire_at: datetime | None
    worker: str | None


@dataclass(frozen=True, slots=True)
class HandOver:
    """When an email was handed over (UTC), and to the relay of which channel."""

    at: datetime
    channel: str


@dataclass(frozen=True, slots=True)
class OnTheWire:
    """An email that was handed over a while ago without an answer. It becomes a doubt at `lease_until` (UTC), unless
    its worker lives."""

    key: str
    job_key: str
    wire_at: datetime
    lease_until: datetime | None


@dataclass(frozen=True, slots=True)
class Settlement:
    """What has become of an email in doubt, of this generation and hand-over: sent or failed.

    `evidence` says how that is known.
    """

    email_id: int
    gen: int
    wire_at: datetime | None
    state: EmailState
    evidence: str


@dataclass(frozen=True, slots=True)
class _DoubtfulJob:
    job_id: int
    key: str
    channel: str
    doubts: int


class DoubtLedger:
    """Reads and settles doubts. Each call raises `DatabaseGone`."""

    def __init__(self, database: Database, source: Source, outbox: Outbox = SILENT, who: Actor = SERVICE) -> None:
        """`who` acts, for the audit. `outbox` receives the notices."""
        self._database = database
        self._source = source
        self._outbox = outbox
        self._who = who

    def all(self) -> Iterator[Doubt]:
        """All emails in doubt of the newest 10,000 jobs, the oldest job first."""
        for jobs in _together(self._database.run(self._jobs)):
            limit = PAGE if len(jobs) == 1 else None
            page = self._database.run(partial(self._page, jobs, 0, limit))
            yield from page
            while len(page) == limit:
                page = self._database.run(partial(self._page, jobs, page[-1].email_id, limit))
                yield from page

    def _jobs(self, c: Connection) -> Sequence[_DoubtfulJob]:
        newest = select(eed_job.c.job_id).order_by(eed_job.c.job_id.desc()).limit(JOBS_LOOKED_AT).subquery()
        doubtful = (
            select(newest.c.job_id, func.count().label("doubts"))
            .select_from(newest.join(eed_email, eed_email.c.job_id == newest.c.job_id))
            .where(eed_email.c.state == EmailState.IN_DOUBT)
            .group_by(newest.c.job_id)
        )
        counts = {row.job_id: row.doubts for row in c.execute(doubtful)}
        columns = (eed_job.c.job_id, eed_job.c.source_key, eed_job.c.channel)
        jobs = c.execute(select(*columns).where(eed_job.c.job_id.in_(counts)).order_by(eed_job.c.job_id)).all()
        return [_DoubtfulJob(*job, counts[job.job_id]) for job in jobs]

    def _page(self, jobs: Sequence[_DoubtfulJob], after: int, limit: int | None, c: Connection) -> list[Doubt]:
        """Along the index on job and state, which has the email's id behind them. With a limit, of one job."""
        e, of = eed_email.c, {job.job_id: job for job in jobs}
        statement = (
            select(e.job_id, e.email_id, e.source_key, e.gen, e.wire_at)
            .where(e.job_id.in_(of), e.state == EmailState.IN_DOUBT, e.email_id > after)
            .order_by(e.job_id, e.email_id)
            .limit(limit)
        )
        rows = c.execute(statement).all()
        workers = self._workers(c, [row.email_id for row in rows])
        return [
            Doubt(
                email_id=row.email_id, key=row.source_key or str(row.email_id), job_id=row.job_id,
                job_key=of[row.job_id].key, channel=of[row.job_id].channel, gen=row.gen, wire_at=row.wire_at,
                worker=workers.get((row.email_id, row.gen)),
            )
            for row in rows
        ]  # fmt: skip

    @staticmethod
    def _workers(c: Connection, ids: Sequence[int]) -> dict[tuple[int, int], str]:
        """The workers that have said so themselves, by email and generation."""
        a = eed_attempt.c
        of_doubt = (a.email_id.in_(ids), a.verdict == Verdict.IN_DOUBT, a.worker != SWEEPER)
        rows = c.execute(select(a.email_id, a.gen, a.worker).where(*of_doubt))
        return {(row.email_id, row.gen): row.worker for row in rows}

    def on_the_wire(self, seconds: float, limit: int) -> list[OnTheWire]:
        """At most `limit` emails that were handed over at least this long ago, and have no answer yet."""
        e = eed_email.c
        unfinished = select(eed_job.c.job_id, eed_job.c.source_key).where(eed_job.c.finished_at.is_(None)).subquery()
        statement = (
            select(e.email_id, e.source_key, unfinished.c.source_key.label("job_key"), e.wire_at, e.lease_until)
            .select_from(unfinished.join(eed_email, e.job_id == unfinished.c.job_id))
            .where(e.state == EmailState.SENDING, e.wire_at < utc_in(-seconds))
            .limit(limit)
        )
        rows = self._database.run(lambda c: c.execute(statement).all())
        return sorted(
            (OnTheWire(row.source_key or str(row.email_id), row.job_key, row.wire_at, row.lease_until) for row in rows),
            key=lambda one: (one.wire_at, one.key),
        )

    def wires(self, emails: Collection[tuple[int, int]]) -> dict[tuple[int, int], HandOver]:
        """The hand-overs of these emails, by id and generation, as far as they are known."""
        e = eed_email.c
        ids = [email_id for email_id, _ in emails]
        statement = (
            select(e.email_id, e.gen, e.wire_at, eed_job.c.channel)
            .join(eed_job, eed_job.c.job_id == e.job_id)
            .where(e.email_id.in_(ids), e.wire_at.is_not(None))
        )
        rows = self._database.run(lambda c: c.execute(statement).all())
        found = {(row.email_id, row.gen): HandOver(row.wire_at, row.channel) for row in rows}
        return {which: one for which, one in found.items() if which in emails}

    def states(self, emails: Sequence[tuple[int, int]]) -> Counter[EmailState]:
        """How many of these emails are in which state, by id and generation."""
        e = eed_email.c
        found = Counter[EmailState]()
        for start in range(0, len(emails), PAGE):
            wanted = set(emails[start : start + PAGE])
            statement = select(e.email_id, e.gen, e.state).where(e.email_id.in_([email_id for email_id, _ in wanted]))
            rows = self._database.run(lambda c, asked=statement: c.execute(asked).all())  # type: ignore[misc]
            found.update(EmailState(row.state) for row in rows if (row.email_id, row.gen) in wanted)
        return found

    def settle(
        self,
        settlements: Sequence[Settlement],
        reason: str,
        file_channels: Collection[str] = (),
        worker: str = OPERATOR,
    ) -> Counter[EmailState]:
        """Settle those that are still in doubt. Returns how many got which state.

        In chunks of one transaction each, with one row of the audit for each job and state. Those of `file_channels`
        are left: files can be put again. `worker` is who has found it out, for the attempts.
        """
        done = Counter[EmailState]()
        operation = new_operation()
        for start in range(0, len(settlements), PAGE):
            chunk = {one.email_id: one for one in settlements[start : start + PAGE]}
            work = partial(self._settle, chunk, reason, frozenset(file_channels), operation, worker)
            done.update(self._database.did(work))
        return done

    def _settle(
        self,
        wanted: dict[int, Settlement],
        reason: str,
        file_channels: frozenset[str],
        operation: str,
        worker: str,
        c: Connection,
    ) -> Counter[EmailState]:
        rows = [row for row in self._held(c, sorted(wanted)) if _is_same(row, wanted[row.email_id])]
        jobs = select(eed_job.c.job_id, eed_job.c.channel).where(eed_job.c.job_id.in_({row.job_id for row in rows}))
        of_files = {row.job_id for row in c.execute(jobs) if row.channel in file_channels}
        done = Counter[EmailState]()
        for state in (EmailState.SENT, EmailState.FAILED):
            ours = [row for row in rows if wanted[row.email_id].state is state and row.job_id not in of_files]
            if ours:
                self._write(c, ours, wanted, state, reason, worker)
                self._note(c, ours, state, reason, operation)
                done[state] = len(ours)
        return done

    @staticmethod
    def _held(c: Connection, ids: Sequence[int]) -> Sequence[Any]:
        """Those in doubt, locked until they are settled."""
        e = eed_email.c
        columns = (e.email_id, e.source_key, e.job_id, e.gen, e.wire_at, e.attempts, e.message_id, e.resend_of)
        statement = select(*columns).where(e.email_id.in_(ids), e.state == EmailState.IN_DOUBT)
        return c.execute(statement.order_by(e.email_id).with_for_update()).all()

    def _write(
        self,
        c: Connection,
        rows: Sequence[Row[Any]],
        wanted: dict[int, Settlement],
        state: EmailState,
        reason: str,
        worker: str,
    ) -> None:
        fences = [(row.email_id, row.gen, row.wire_at) for row in rows]
        values = {"ids": [row.email_id for row in rows], "fences": fences, "to_state": state}
        token = {"new_token": new_token(), "reason": reason[:DETAIL_LENGTH]}
        if c.execute(SETTLE_MANY, {**values, **token}).rowcount != len(rows):
            raise Miscounted("emails in doubt have changed while they were settled, so nothing of it is written")
        now = c.execute(select(utc_now())).scalar_one()
        verdict = Verdict.SENT if state is EmailState.SENT else Verdict.PERMANENT
        attempts = [_attempt(row, wanted[row.email_id].evidence, verdict, now, worker) for row in rows]
        c.execute(insert(eed_attempt), attempts)
        for row in rows:
            if row.resend_of is None:
                key = row.source_key or str(row.email_id)
                self._source.write_email(c, key, state, reason, row.attempts, row.message_id)
        if state is EmailState.FAILED:
            kind = NoticeKind.EMAIL_FAILED
            self._outbox.put(c, [Notice(kind, row.job_id, row.email_id, row.gen) for row in rows])

    def _note(self, c: Connection, rows: Sequence[Row[Any]], state: EmailState, reason: str, operation: str) -> None:
        before, after = {"state": EmailState.IN_DOUBT}, {"state": state}
        for job_id, count in Counter(row.job_id for row in rows).items():
            act = Act(ActKind.SETTLE, job_id, None, reason, count, before=before, after=after, operation=operation)
            note(c, self._who, act)


def _together(jobs: Iterable[_DoubtfulJob]) -> Iterator[list[_DoubtfulJob]]:
    """Jobs whose doubts are a page together, to be read at once. One that has more is alone."""
    batch: list[_DoubtfulJob] = []
    for job in jobs:
        if batch and sum(one.doubts for one in batch) + job.doubts > PAGE:
            yield batch
            batch = []
        batch.append(job)
    if batch:
        yield batch


def _is_same(row: Row[Any], wanted: Settlement) -> bool:
    return wanted.wire_at is not None and (row.gen, row.wire_at) == (wanted.gen, wanted.wire_at)


def _attempt(row: Row[Any], evidence: str, verdict: Verdict, now: datetime, worker: str) -> dict[str, object]:
    return {
        "email_id": row.email_id,
        "gen": row.gen,
        "attempt": row.attempts,
        "verdict": verdict,
        "counted": False,
        "reply": evidence[:DETAIL_LENGTH],
        "worker": worker,
        "ended_at": now,
    }
