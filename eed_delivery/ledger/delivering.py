"""The worker's side of the ledger: claim, wire, record, release. Every UPDATE here is fenced by a token."""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, Row, Update, select

from eed_delivery.database import Database
from eed_delivery.ledger import delivering_sql as sql
from eed_delivery.ledger.group_commit import GroupCommit, Word
from eed_delivery.ledger.outbox import PUT, SILENT, Outbox, values_of
from eed_delivery.model import END_STATES, Email, EmailState, Job, JobState, Outcome, Ticket
from eed_delivery.notices import Notice, NoticeKind
from eed_delivery.schema import DETAIL_LENGTH, eed_email, eed_job
from eed_delivery.source import Source
from eed_delivery.volley import Shot, ask, fire

SETTLED_ELSEWHERE = "not sent by us: the source table's status no longer says that it is to be sent"
GONE = "its row has gone from the source table since the job was registered"


class Standing(Enum):
    """Why a message was not turned into a claim, or a wire not granted; it decides the message's fate."""

    UNKNOWN = auto()  # no such email, or a gen from the future: not ours
    OVER = auto()  # an end state or an older gen: the message has done its work
    LATER = auto()  # somebody else holds it, or its time has not come
    LOST = auto()  # our token or lease is gone: the row belongs to the sweeper or to another worker


@dataclass(frozen=True, slots=True)
class Refusal:
    """A ticket that gave no claim. `seconds`: when it is worth another look (LATER only)."""

    ticket: Ticket
    standing: Standing
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class JobRef:
    """Which job, and in which revision: enough to find its compiled templates in a cache, or to load them."""

    job_id: int
    key: str
    revision: int


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim gave: emails in our hand with their content, and the tickets that gave none."""

    emails: tuple[Email, ...]
    jobs: dict[int, JobRef]  # by job_id: the jobs of these emails
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """What an outcome means for its email (made by `delivery.decide`).

    `delay` is in seconds and only counts for QUEUED; `counted` says whether the attempt is the recipient's fault (G4).
    """

    state: EmailState
    outcome: Outcome
    counted: bool
    delay: float = 0.0


def new_token() -> int:
    """A fencing token nobody else has: 62 random bits, never 0."""
    return secrets.randbits(62) | 1


_TOLD = {EmailState.FAILED: NoticeKind.EMAIL_FAILED, EmailState.IN_DOUBT: NoticeKind.EMAIL_IN_DOUBT}


class DeliveryLedger:
    """What a worker process may do to the ledger. Safe for many threads: each call is one transaction."""

    def __init__(self, database: Database, source: Source, worker: str, outbox: Outbox = SILENT) -> None:
        """`outbox`: takes what is to be told of emails that failed or are in doubt; a sent one writes nothing there."""
        self._database = database
        self._source = source
        self._outbox = outbox
        self._worker = worker
        self._group = GroupCommit(database.once)

    @property
    def waiting(self) -> int:
        """How many threads wait for a commit that they will share."""
        return self._group.waiting

    def claim(self, tickets: Sequence[Ticket], token: int, lease_seconds: float) -> Claim:
        """Take up to ten emails under `token` for `lease_seconds`, and load their content. Raises `DatabaseGone`.

        Emails of a job that is not active go back to where its state wants them; suppressed ones end here.
        """
        return self._database.run(lambda c: self._claim(c, tickets, token, lease_seconds))

    def _claim(self, c: Connection, tickets: Sequence[Ticket], token: int, lease: float) -> Claim:
        asked = Shot(sql.HELD, {"ids": [ticket.email_id for ticket in tickets], "our_token": token})
        rows = {(row.email_id, row.gen): row for row in ask(c, [*_claims(tickets, token, lease), asked])[-1]}
        others = [ticket for ticket in tickets if (ticket.email_id, ticket.gen) not in rows]
        refusals = self._look_closer(c, others, token, rows) if others else []
        held = [_email(row, token) for t in tickets if (row := rows.get((t.email_id, t.gen))) is not None]
        loaded = self._source.emails(c, held)
        if len(loaded) < len(held) or any(email.settled_elsewhere for email in loaded):
            over = self._put_back_unwanted(c, held, loaded)
            refusals += [Refusal(t, Standing.OVER) for t in tickets if t.email_id in over]
            loaded = [email for email in loaded if email.email_id not in over]
        jobs = {row.job_id: JobRef(row.job_id, row.job_key, row.revision) for row in rows.values()}
        return Claim(tuple(loaded), jobs, tuple(refusals))

    def _look_closer(
        self, c: Connection, tickets: Sequence[Ticket], token: int, held: dict[tuple[int, int], Any]
    ) -> list[Refusal]:
        """Why these are not among those that a claim goes on with. What is ours goes where its job wants it, or is
        `held` after all: its job was resumed between two questions."""
        (found,) = ask(c, [Shot(sql.STANDING, {"ids": [ticket.email_id for ticket in tickets]})])
        rows = {row.email_id: row for row in found}
        refusals: list[Refusal] = []
        for ticket in tickets:
            row = rows.get(ticket.email_id)
            refusal = _refusal(ticket, row, token)
            if row is not None and refusal is None and (exit_state := _exit(row)) is not None:
                self._put_back(c, _email(row, token), *exit_state)
                refusal = Refusal(ticket, Standing.OVER)
            if refusal is not None:
                refusals.append(refusal)
            else:
                held[ticket.email_id, ticket.gen] = row
        return refusals

    def _put_back_unwanted(self, c: Connection, held: Sequence[Email], loaded: Sequence[Email]) -> set[int]:
        """Emails whose source's row has gone, or is no longer to be sent, end here; their ids."""
        settled = {email.email_id for email in loaded if email.settled_elsewhere}
        missing = {email.email_id for email in held} - {email.email_id for email in loaded}
        for email in held:
            if email.email_id in settled:
                self._put_back(c, email, EmailState.CANCELLED, SETTLED_ELSEWHERE)
            if email.email_id in missing:
                self._put_back(c, email, EmailState.FAILED, GONE)
                self._outbox.put(c, [Notice(NoticeKind.EMAIL_FAILED, email.job_id, email.email_id, email.gen)])
        return settled | missing

    def rehearse(self) -> None:
        """Ask what a claim asks, about nobody. Raises `DatabaseGone`, or what a broken mapping or a lost right says."""
        nobody = Email(0, 0, "0", 0, 0, 0, "")

        def work(c: Connection) -> None:
            c.execute(sql.STANDING, {"ids": [0]}).all()
            c.execute(sql.HELD, {"ids": [0], "our_token": 1}).all()
            c.execute(sql.CLAIM, {"ids": [0], "of_gen": -1, "new_token": 1, "lease": 0})
            self._source.emails(c, [nobody])

        self._database.run(work)

    def job(self, ref: JobRef) -> Job:
        """Load what all emails of a job share. Raises `RenderError` when its row has gone, or `DatabaseGone`."""
        return self._database.run(lambda c: self._source.job(c, ref.job_id, ref.key, ref.revision))

    def _put_back(self, c: Connection, email: Email, state: EmailState, reason: str | None) -> bool:
        values = {**_fence(email), "to_state": state, "reply": _cut(reason)}
        changed = c.execute(sql.PUT_BACK, values).rowcount == 1
        if changed and state in END_STATES:
            self._source.write_email(c, email.key, state, reason or "", email.attempts, None)
        return changed

    def wire(self, email: Email, lease_seconds: float) -> Standing | None:
        """Ask for the wire: None is the grant, anything else is why not. Raises `DatabaseGone`: then don't send.

        On a refusal because of its job the email has gone back to where the job's state wants it.
        """
        return self.record_and_wire((), email, lease_seconds)

    def record(self, email: Email, decision: Decision, took_ms: int, *, with_source: bool = True) -> bool:
        """Write an attempt's outcome under our token, and the source's row with it unless `with_source` is False.

        False: the email is no longer ours, newer truth stands (G3). Raises `DatabaseGone`.
        """
        if with_source and self._group.fire(lambda c: self._shots(c, email, decision, took_ms)) is Word.DONE:
            return True
        return self._database.run(lambda c: self._record(c, email, decision, took_ms, with_source=with_source))

    def record_and_wire(
        self, finished: Sequence[tuple[Email, Decision, int]], email: Email, lease_seconds: float
    ) -> Standing | None:
        """Record what went before and ask for the next wire in one commit; as `record` and `wire`.

        The usual case shares request and commit with other threads: every outcome is still ours to write, and the wire
        is free. Anything else is looked at one by one.
        """

        def shots(c: Connection) -> Iterator[Shot]:
            for done, decision, took_ms in finished:
                yield from self._shots(c, done, decision, took_ms)
            yield Shot(sql.WIRE, _wire_values(email, lease_seconds))

        word = self._group.fire(shots)
        if word is Word.DONE:
            return None
        tries = 0

        def work(c: Connection) -> Standing | None:
            nonlocal tries
            tries += 1
            for done, decision, took_ms in finished:
                self._record(c, done, decision, took_ms)
            return self._wire(c, email, lease_seconds, again=tries > 1 or word is Word.UNKNOWN)

        return self._database.run(work)

    def _shots(self, c: Connection, email: Email, decision: Decision, took_ms: int) -> Iterator[Shot]:
        """What one outcome writes when nothing has come in between."""
        yield Shot(*_outcome(email, decision))
        yield Shot(sql.ATTEMPT, self._attempt(email, decision, took_ms))
        if decision.state is not EmailState.QUEUED:
            yield Shot(*self._for_source(c, email, decision), must_match=False)
        notice = self._notice(email, decision)
        if notice is not None:
            yield Shot(PUT, values_of(notice))

    def _wire(self, c: Connection, email: Email, lease: float, *, again: bool) -> Standing | None:
        if c.execute(sql.WIRE, _wire_values(email, lease)).rowcount == 1:
            return None
        row = c.execute(sql.STANDING, {"ids": [email.email_id]}).one_or_none()
        if row is None or row.token != email.token or row.state != EmailState.SENDING:
            return Standing.LOST
        if row.wire_at is not None:
            # Only this thread knows this token, and it asks once an email. On a second run of this transaction
            # the grant is therefore our own, whose commit went through while its answer was lost.
            mine = again and c.execute(sql.WIRED_AGAIN, {**_fence(email), "lease": lease}).rowcount == 1
            return None if mine else Standing.LOST
        exit_state = _exit(row)
        if exit_state is None:
            return Standing.LOST
        self._put_back(c, email, *exit_state)
        return Standing.OVER

    def _record(
        self, c: Connection, email: Email, decision: Decision, took_ms: int, *, with_source: bool = True
    ) -> bool:
        if self._write_outcome(c, email, decision, with_source=with_source):
            c.execute(sql.ATTEMPT, self._attempt(email, decision, took_ms))
            notice = self._notice(email, decision)
            self._outbox.put(c, [notice] if notice is not None else ())
            return True
        row = c.execute(
            select(eed_email.c.state, eed_email.c.token, eed_email.c.gen).where(eed_email.c.email_id == email.email_id)
        ).one()
        if (row.token, row.gen) != (email.token, email.gen):
            return False
        if row.state == EmailState.IN_DOUBT and decision.state is EmailState.QUEUED:
            late = replace(decision, state=EmailState.PENDING if self._job_is_open(c, email) else EmailState.FAILED)
            return self._record(c, email, late, took_ms, with_source=with_source)
        # If it stands as decided, this is a second run: the first one's commit went through, its answer was lost.
        return bool(row.state == decision.state)

    def _job_is_open(self, c: Connection, email: Email) -> bool:
        """Whether the job still waits for its emails; it cannot finish until this transaction has ended."""
        finished = select(eed_job.c.finished_at).where(eed_job.c.job_id == email.job_id).with_for_update()
        return c.execute(finished).scalar_one() is None

    def _write_outcome(self, c: Connection, email: Email, decision: Decision, *, with_source: bool) -> bool:
        if c.execute(*_outcome(email, decision)).rowcount != 1:
            return False
        if with_source and decision.state is not EmailState.QUEUED:
            c.execute(*self._for_source(c, email, decision))
        return True

    def _for_source(self, c: Connection, email: Email, decision: Decision) -> tuple[Update, dict[str, Any]]:
        """The statement that tells the source of an outcome, and its values."""
        outcome, tries = decision.outcome, email.attempts + decision.counted
        return self._source.email_update(c, email.key, decision.state, outcome.reply, tries, outcome.message_id)

    def _notice(self, email: Email, decision: Decision) -> Notice | None:
        """What is told of an outcome; nothing of one that is good, or not the last."""
        kind = None if decision.state is EmailState.SENT else _TOLD.get(decision.state)  # nearly all are sent
        if kind is None or not self._outbox.wants(kind):
            return None
        outcome = decision.outcome
        said = {"code": outcome.code, "enhanced": outcome.enhanced}
        facts = {name: value for name, value in said.items() if value is not None}
        return Notice(kind, email.job_id, email.email_id, email.gen, facts=facts)

    def _attempt(self, email: Email, decision: Decision, took_ms: int) -> dict[str, object]:
        outcome = decision.outcome
        return {
            "its_email_id": email.email_id,
            "its_gen": email.gen,
            "its_attempt": email.attempts + 1,
            "its_verdict": outcome.verdict,
            "its_counted": decision.counted,
            "its_code": outcome.code,
            "its_enhanced": (outcome.enhanced or "")[:64] or None,
            "its_reply": _cut(outcome.reply),
            "its_message_id": _ascii(outcome.message_id),
            "its_worker": self._worker,
            "its_took_ms": took_ms,
        }

    def release(self, emails: Sequence[Email]) -> None:
        """Put emails that have not seen the wire back to `queued`, unharmed (G4). Raises `DatabaseGone`."""
        if emails:
            self._database.run(lambda c: c.execute(sql.RELEASE, [_fence(email) for email in emails]))

    def renew(self, batches: Iterable[Sequence[Email]], lease_seconds: float) -> None:
        """Lengthen the short lease of emails that wait in our hand, a batch with one token each; never revives one that
        has run out. Raises `DatabaseGone`."""
        shots = [
            Shot(
                sql.RENEW,
                {"ids": [email.email_id for email in emails], "our_token": emails[0].token, "lease": lease_seconds},
                must_match=False,
            )
            for emails in batches
            if emails
        ]
        if shots:
            self._database.run(lambda c: fire(c, shots))


def _outcome(email: Email, decision: Decision) -> tuple[Update, dict[str, object]]:
    """The statement that writes an outcome under our token, and its values."""
    values: dict[str, object] = {
        **_fence(email),
        "to_state": decision.state,
        "tries": email.attempts + decision.counted,
        "reply": _cut(decision.outcome.reply),
        "provider_id": _ascii(decision.outcome.message_id),
    }
    if decision.state in (EmailState.QUEUED, EmailState.PENDING):
        values["delay"] = decision.delay
    return _record_statement(decision.state), values


def _wire_values(email: Email, lease: float) -> dict[str, object]:
    return {**_fence(email), "of_job": email.job_id, "tries": email.attempts + 1, "lease": lease}


def _record_statement(state: EmailState) -> Update:
    match state:
        case EmailState.SENT:
            return sql.RECORD_SENT
        case EmailState.IN_DOUBT:
            return sql.RECORD_DOUBT
        case EmailState.QUEUED:
            return sql.RECORD_RETRY
        case EmailState.PENDING:
            return sql.RECORD_LATE_NO
        case _:
            return sql.RECORD_END


def _claims(tickets: Sequence[Ticket], token: int, lease: float) -> Iterator[Shot]:
    """A claim for each generation that is among the tickets: nearly always one."""
    for gen, group in groupby(sorted(tickets, key=lambda t: (t.gen, t.email_id)), key=lambda t: t.gen):
        ids = [ticket.email_id for ticket in group]
        yield Shot(sql.CLAIM, {"ids": ids, "of_gen": gen, "new_token": token, "lease": lease})


def _refusal(ticket: Ticket, row: Row[*tuple[Any, ...]] | None, token: int) -> Refusal | None:
    if row is None or ticket.gen > row.gen:
        return Refusal(ticket, Standing.UNKNOWN)
    if ticket.gen < row.gen or row.state in END_STATES:
        return Refusal(ticket, Standing.OVER)
    if row.state != EmailState.SENDING:
        return Refusal(ticket, Standing.LATER, max(1.0, float(row.wait_left or 0)))
    if row.token == token:
        return None
    return Refusal(ticket, Standing.LATER, max(1.0, float(row.lease_left or 0) + 1))


def _exit(row: Row[*tuple[Any, ...]]) -> tuple[EmailState, str | None] | None:
    """Where an email in our hand has to go instead of on the wire; None when it may go on."""
    if row.job_state in (JobState.PAUSED, JobState.FINISHED):
        return EmailState.PENDING, None  # `resume` or `requeue` publishes it again
    if row.job_state == JobState.FAILED:
        return EmailState.FAILED, row.job_reason
    if row.job_state != JobState.ACTIVE:
        return EmailState.CANCELLED, row.job_reason
    if row.expired:
        return EmailState.CANCELLED, "its job had expired before it could be sent"
    if row.suppressed:
        return EmailState.SUPPRESSED, "the address is on the suppression list"
    return None


def _email(row: Any, token: int) -> Email:
    return Email(
        email_id=row.email_id,
        job_id=row.job_id,
        key=row.source_key or str(row.email_id),
        gen=row.gen,
        token=token,
        attempts=row.attempts,
        recipient=row.recipient,
    )


def _fence(email: Email) -> dict[str, int]:
    return {"id": email.email_id, "of_gen": email.gen, "our_token": email.token}


def _cut(reason: str | None) -> str | None:
    return reason[:DETAIL_LENGTH] if reason else None


def _ascii(message_id: str | None) -> str | None:
    return message_id.encode("ascii", "replace").decode()[:255] if message_id else None
