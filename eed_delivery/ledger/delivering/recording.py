"""Records an attempt's outcome, which is the email's state, the attempt, the source's row, and notices."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Update, select

from eed_delivery.addresses import went_to
from eed_delivery.database.multi_statement import BoundStatement
from eed_delivery.ledger.delivering import statements as sql
from eed_delivery.ledger.delivering.claims import fence, fences
from eed_delivery.ledger.schema import DETAIL_LENGTH, RECIPIENT_LENGTH, eed_email, eed_job
from eed_delivery.ledger.webhooks.outbox import PUT, Outbox, values_of
from eed_delivery.light_dataclass import light_dataclass
from eed_delivery.model import Email, EmailState, Outcome
from eed_delivery.notices import Notice, NoticeKind
from eed_delivery.source import Source

_TOLD = {EmailState.FAILED: NoticeKind.EMAIL_FAILED, EmailState.IN_DOUBT: NoticeKind.EMAIL_IN_DOUBT}


@light_dataclass
class Decision:
    """What an outcome means for its email (made by `delivery.decide`).

    `delay` is in seconds and only counts for QUEUED. `counted` says whether the attempt is the recipient's fault (G4).
    """

    state: EmailState
    outcome: Outcome
    counted: bool
    delay: float = 0.0


class OutcomeRecorder:
    """Records outcomes, within a transaction that is given."""

    def __init__(self, source: Source, outbox: Outbox, worker: str, channel: str) -> None:
        """`channel`: by which the worker sends."""
        self._channel = channel
        self._source = source
        self._outbox = outbox
        self._worker = worker

    def statements(self, c: Connection, email: Email, decision: Decision, took_ms: int) -> Iterator[BoundStatement]:
        """What one outcome writes when nothing has come in between."""
        yield BoundStatement(*_outcome(email, decision))
        yield BoundStatement(sql.ATTEMPT, self._attempt(email, decision, took_ms))
        if _concerns_source(email, decision):
            yield BoundStatement(*self._for_source(c, email, decision), rows=None, merges=True)
        notice = self._notice(email, decision)
        if notice is not None:
            yield BoundStatement(PUT, values_of(notice))
        if _lacks_copy(decision):
            yield BoundStatement(sql.COPY_LOST, _lost_copy(email, decision))
        if decision.outcome.files:
            yield from (BoundStatement(sql.FILE_PUT, values) for values in self._files(email, decision))

    def record(
        self, c: Connection, email: Email, decision: Decision, took_ms: int, *, with_source: bool = True
    ) -> bool:
        """Write one outcome. False if the ledger has a newer one (G3)."""
        if self._write_outcome(c, email, decision, with_source=with_source):
            c.execute(sql.ATTEMPT, self._attempt(email, decision, took_ms))
            notice = self._notice(email, decision)
            self._outbox.put(c, [notice] if notice is not None else ())
            if _lacks_copy(decision):
                c.execute(sql.COPY_LOST, _lost_copy(email, decision))
            if files := self._files(email, decision):
                c.execute(sql.FILE_PUT, files)
            return True
        row = c.execute(
            select(eed_email.c.state, eed_email.c.token, eed_email.c.gen).where(eed_email.c.email_id == email.email_id)
        ).one()
        if (row.token, row.gen) != (email.token, email.gen):
            return False
        if row.state == EmailState.IN_DOUBT and decision.state is EmailState.QUEUED:
            late = replace(decision, state=EmailState.PENDING if self._job_is_open(c, email) else EmailState.FAILED)
            return self.record(c, email, late, took_ms, with_source=with_source)
        # If it stands as decided, this is a second run: the first one's commit went through, its answer was lost.
        return bool(row.state == decision.state)

    def _job_is_open(self, c: Connection, email: Email) -> bool:
        """Whether the job still waits for its emails. It cannot finish until this transaction has ended."""
        finished = select(eed_job.c.finished_at).where(eed_job.c.job_id == email.job_id).with_for_update()
        return c.execute(finished).scalar_one() is None

    def _write_outcome(self, c: Connection, email: Email, decision: Decision, *, with_source: bool) -> bool:
        if c.execute(*_outcome(email, decision)).rowcount != 1:
            return False
        if with_source and _concerns_source(email, decision):
            c.execute(*self._for_source(c, email, decision))
        return True

    def _for_source(self, c: Connection, email: Email, decision: Decision) -> tuple[Update, dict[str, Any]]:
        """The statement that writes an outcome to the source, and its values."""
        outcome, tries = decision.outcome, email.attempts + decision.counted
        return self._source.email_update(c, email.key, decision.state, outcome.reply, tries, outcome.message_id)

    def _notice(self, email: Email, decision: Decision) -> Notice | None:
        """The notices of an outcome. None of a good one, or of one that is not the last."""
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
            "its_message_id": as_stored(outcome.message_id),
            "its_worker": self._worker,
            "its_took_ms": took_ms,
            "its_recipient": went_to(email.recipient)[:RECIPIENT_LENGTH],
            "its_sha256": outcome.sha256,
        }

    def _files(self, email: Email, decision: Decision) -> list[dict[str, object]]:
        """What was put for it, as its job's manifest lists it."""
        return [
            {
                "its_job_id": email.job_id,
                "its_email_id": email.email_id,
                "its_gen": email.gen,
                "its_number": number,
                "its_channel": self._channel,
                "its_path": file.path,
                "its_size": file.size,
                "its_sha256": bytes.fromhex(file.sha256),
            }
            for number, file in enumerate(decision.outcome.files, start=1)
        ]


def _lacks_copy(decision: Decision) -> bool:
    """Whether it is sent, and the archive that is set gets no copy of it."""
    return decision.outcome.copy_lost and decision.state is EmailState.SENT


def _lost_copy(email: Email, decision: Decision) -> dict[str, object]:
    facts = {"its_job_id": email.job_id, "its_email_id": email.email_id, "its_gen": email.gen}
    return {**facts, "its_sha256": decision.outcome.sha256}


def _concerns_source(email: Email, decision: Decision) -> bool:
    """Whether the source is updated. Not for a retry, and not for a resend, because its row is the original's."""
    return decision.state is not EmailState.QUEUED and email.resend_of is None


def _outcome(email: Email, decision: Decision) -> tuple[Update, dict[str, object]]:
    """The statement that writes an outcome under our token, and its values."""
    tries, reply = email.attempts + decision.counted, _cut(decision.outcome.reply)
    provider_id = as_stored(decision.outcome.message_id)
    if decision.state is EmailState.SENT:
        return sql.RECORD_SENT, {**fences(email), "tries": tries, "replies": [reply], "provider_ids": [provider_id]}
    values: dict[str, object] = {
        **fence(email),
        "to_state": decision.state,
        "tries": tries,
        "reply": reply,
        "provider_id": provider_id,
    }
    if decision.state in (EmailState.QUEUED, EmailState.PENDING):
        values["delay"] = decision.delay
    return _record_statement(decision.state), values


def _record_statement(state: EmailState) -> Update:
    """Of each state but SENT."""
    match state:
        case EmailState.IN_DOUBT:
            return sql.RECORD_DOUBT
        case EmailState.QUEUED:
            return sql.RECORD_RETRY
        case EmailState.PENDING:
            return sql.RECORD_LATE_NO
        case _:
            return sql.RECORD_END


def _cut(reason: str | None) -> str | None:
    return reason[:DETAIL_LENGTH] if reason else None


def as_stored(message_id: str | None) -> str | None:
    """A message id as the ledger's column has it, in ASCII and at most 255 characters."""
    return message_id.encode("ascii", "replace").decode()[:255] if message_id else None
