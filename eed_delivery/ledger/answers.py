"""What mail servers answered to a job's emails of late.

It is read from its attempts, so it is the same for all hosts.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, func, literal, select

from eed_delivery.database.clock import seconds_until, utc_in
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.keys import job_keys
from eed_delivery.ledger.schema import eed_attempt, eed_email, eed_job
from eed_delivery.model import DEFAULT_CHANNEL, EmailState, Verdict

SCANNED = 20_000
"""Limit: newest attempts that are searched for those of one job."""
PAGE = 1000
PATIENCE_SECONDS = 4 * 3600.0
"""How long an answer that may not be the recipient's fails no email. RFC 5321, 4.5.4.1, would have senders try for 4 to
5 days; an email that waits is seen, and can be cancelled."""
_ATTEMPTS_CHANNEL = (
    select(eed_job.c.channel)
    .join(eed_email, eed_email.c.job_id == eed_job.c.job_id)
    .where(eed_email.c.email_id == eed_attempt.c.email_id)
    .correlate(eed_attempt)
    .scalar_subquery()
)
"""Two looks by primary keys for each attempt. A join would leave it to the database to begin with the emails."""
_DEFERRED = (Verdict.TEMPORARY, Verdict.INFRASTRUCTURE)


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """One answer to an email of a job. `code` is None where no mail server spoke."""

    email_id: int
    recipient: str
    verdict: Verdict
    code: int | None
    reply: str


@dataclass(frozen=True, slots=True)
class FailedEmail:
    """An email that failed, and why."""

    email_id: int
    recipient: str
    reply: str


@dataclass(frozen=True, slots=True)
class Deferral:
    """A temporary answer of a mail server, whether it was counted or not."""

    attempt_id: int
    email_id: int
    recipient: str
    reply: str


class AnswersLedger:
    """Read-only. Each call is one transaction and raises `DatabaseGone`.

    What is said of all jobs is said of those of one channel. What one relay answers says nothing of another.
    """

    def __init__(self, database: Database, channel: str = DEFAULT_CHANNEL) -> None:
        self._database = database
        self._of_channel = literal(channel) == _ATTEMPTS_CHANNEL

    def failed_counts(self) -> dict[int, int]:
        """How many emails have failed, of each watched job that is not finished."""
        watched = select(eed_job.c.job_id).where(eed_job.c.finished_at.is_(None), eed_job.c.watched)
        counted = (
            select(eed_email.c.job_id, func.count())
            .where(eed_email.c.job_id.in_(watched), eed_email.c.state == EmailState.FAILED)
            .group_by(eed_email.c.job_id)
        )
        return self._database.run(lambda c: dict(c.execute(counted).all()))

    def job_key(self, job_id: int) -> str:
        """What the source calls a job. "" for none of the ledger's."""
        return self._database.run(lambda c: job_keys(c, [job_id])).get(job_id, "")

    def channel(self, job_id: int) -> str:
        """By which channel a job leaves."""
        statement = select(eed_job.c.channel).where(eed_job.c.job_id == job_id)
        return str(self._database.run(lambda c: c.execute(statement).scalar()) or DEFAULT_CHANNEL)

    def has_failed(self, job_id: int, many: int) -> bool:
        """Whether at least this many emails of a watched job have failed."""
        failed = select(eed_email.c.email_id).where(
            eed_email.c.job_id == job_id, eed_email.c.state == EmailState.FAILED
        )
        watched = select(eed_job.c.watched).where(eed_job.c.job_id == job_id)
        counted = select(func.count()).select_from(failed.limit(many).subquery())
        return self._database.run(
            lambda c: c.execute(counted).scalar_one() >= many and bool(c.execute(watched).scalar())
        )

    def recent(self, job_id: int, limit: int) -> list[ServerAnswer]:
        """The newest answers to a job's emails, the newest first."""
        newest = select(func.max(eed_attempt.c.attempt_id)).scalar_subquery()
        names = ("email_id", "verdict", "code", "reply")
        statement = (
            select(*(eed_attempt.c[name] for name in names), eed_email.c.recipient)
            .join(eed_email, eed_email.c.email_id == eed_attempt.c.email_id)
            .where(eed_attempt.c.attempt_id > newest - SCANNED, eed_email.c.job_id == job_id)
            .order_by(eed_attempt.c.attempt_id.desc())
            .limit(limit)
        )
        rows = self._database.run(lambda c: c.execute(statement).all())
        return [
            ServerAnswer(row.email_id, row.recipient, Verdict(row.verdict), row.code, row.reply or "") for row in rows
        ]

    def deferrals(self, seconds: float, limit: int) -> list[Deferral]:
        """The temporary answers of the last `seconds` to emails of all the channel's jobs, the newest first. Of an
        email that had one code several times, the first time."""
        newest = select(func.max(eed_attempt.c.attempt_id)).scalar_subquery()
        first = func.min(eed_attempt.c.attempt_id).label("attempt_id")
        firsts = (
            select(first)
            .where(eed_attempt.c.attempt_id > newest - SCANNED, eed_attempt.c.verdict.in_(_DEFERRED))
            .where(eed_attempt.c.code.is_not(None), eed_attempt.c.ended_at > utc_in(-seconds))
            .where(self._of_channel)
            .group_by(eed_attempt.c.email_id, eed_attempt.c.code, eed_attempt.c.enhanced)
            .order_by(first.desc())
            .limit(limit)
            .subquery()
        )
        names = ("attempt_id", "email_id", "recipient", "reply")
        statement = select(*(eed_attempt.c[name] for name in names)).join(
            firsts, firsts.c.attempt_id == eed_attempt.c.attempt_id
        )
        rows = self._database.run(lambda c: c.execute(statement.order_by(eed_attempt.c.attempt_id.desc())).all())
        return [Deferral(row.attempt_id, row.email_id, row.recipient or "", row.reply or "") for row in rows]

    def seconds_since_first(self, email_id: int, gen: int, code: int | None, enhanced: str | None) -> float:
        """How long ago an email was answered with these codes for the first time in this generation. 0 if never."""
        first = select(-seconds_until(func.min(eed_attempt.c.ended_at))).where(
            eed_attempt.c.email_id == email_id,
            eed_attempt.c.gen == gen,
            eed_attempt.c.code == code,
            eed_attempt.c.enhanced == enhanced,
        )
        return float(self._database.run(lambda c: c.execute(first).scalar()) or 0)

    def was_sent_since(self, attempt_id: int, domain: str = "") -> bool:
        """Whether an email of the channel, of this domain if one is given, was accepted after an attempt."""
        sent = select(eed_attempt.c.attempt_id).where(
            eed_attempt.c.attempt_id > attempt_id, eed_attempt.c.verdict == Verdict.SENT, self._of_channel
        )
        if domain:
            sent = sent.where(eed_attempt.c.recipient.endswith(f"@{domain}", autoescape=True))
        return self._database.run(lambda c: c.execute(sent.limit(1)).first()) is not None

    def failed(self, job_id: int, patient_with: int | None = None) -> Iterator[FailedEmail]:
        """A job's failed emails, a page at a time.

        `patient_with` leaves out those that had this code for the first time longer than PATIENCE_SECONDS ago.
        """
        names = ("email_id", "recipient", "detail")
        of_job = select(*(eed_email.c[name] for name in names)).where(
            eed_email.c.job_id == job_id, eed_email.c.state == EmailState.FAILED
        )
        if patient_with is not None:
            of_job = of_job.where(~_had_code_before(patient_with))
        statement = of_job.order_by(eed_email.c.email_id).limit(PAGE)
        rows = self._database.run(lambda c: c.execute(statement).all())
        while rows:
            yield from (FailedEmail(row.email_id, row.recipient, row.detail or "") for row in rows)
            beyond = statement.where(eed_email.c.email_id > rows[-1].email_id)
            rows = self._database.run(lambda c, beyond=beyond: c.execute(beyond).all())  # type: ignore[misc]


def _had_code_before(code: int) -> ColumnElement[bool]:
    """Whether an email had this code before the time that we are patient for, in any generation."""
    return exists().where(
        eed_attempt.c.email_id == eed_email.c.email_id,
        eed_attempt.c.code == code,
        eed_attempt.c.ended_at < utc_in(-PATIENCE_SECONDS),
    )
