"""What one worker thread writes to the ledger, and what follows for the messages that it holds."""

import threading
from collections.abc import Callable, Sequence
from enum import Enum, auto

import structlog

from eed_delivery.errors import DatabaseGone, NoGrant
from eed_delivery.hints import hint
from eed_delivery.ledger.delivering.claims import Standing
from eed_delivery.ledger.delivering.ledger import DeliveryLedger
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.light_dataclass import light_dataclass
from eed_delivery.model import NEUTRAL, Email, EmailState
from eed_delivery.runtime import failpoints

log = structlog.get_logger(__name__)

DATABASE_AWAY_SECONDS = 1.0


class Fate(Enum):
    """What happens to an email's message after the ledger has its outcome."""

    ACK = auto()  # delete it: the email has ended, or its row is `pending` again and will get a new message
    LATER = auto()  # the same message again, after `seconds`: the queue counts the try
    COPY = auto()  # a fresh copy with the true base, then delete this one: the try costs nothing (G4)


@light_dataclass
class Settled:
    """An email this thread is done with, and what is to be done with its message."""

    email: Email
    fate: Fate
    seconds: float = 0.0


@light_dataclass
class JournalEntry:
    """An outcome on its way into the ledger."""

    email: Email
    decision: Decision
    took_ms: int


def fate_of(decision: Decision) -> Fate:
    """What a decision means for the message that brought the email."""
    if decision.state is not EmailState.QUEUED:
        return Fate.ACK
    return Fate.COPY if decision.outcome.verdict in NEUTRAL else Fate.LATER


class Journal:
    """One thread's way to the ledger. It asks for the wire and records outcomes, the record of one email and the wire
    of the next in one commit. What it holds is never forgotten while the process lives. It waits for the database."""

    def __init__(
        self,
        ledger: DeliveryLedger,
        send_lease_seconds: float,
        give_up: threading.Event,
        beat: Callable[[], None] = lambda: None,
        before_wire: Callable[[], None] = lambda: None,
    ) -> None:
        """`beat` is called while waiting, because an outage of the database is no stall. `before_wire` may raise
        `Stopping` when it is too late for a send."""
        self._ledger = ledger
        self._send_lease = send_lease_seconds
        self._give_up = give_up
        self._beat = beat
        self._before_wire = before_wire
        self._unrecorded: list[JournalEntry] = []
        self._settled: list[Settled] = []
        self._on_wire: Email | None = None

    def on_wire(self, email: Email) -> bool:
        """Whether the last wire granted was this email's."""
        return self._on_wire is email

    def wire(self, email: Email, paths: Sequence[str] = ()) -> None:
        """Return when the wire is granted, and with it the `paths` of its files. Raises `NoGrant` when it is not,
        `DatabaseGone` when the database does not answer, `Stopping` when it is too late."""
        self._before_wire()
        failpoints.reach("worker.before_wire")
        try:
            refusal = self._record_and_wire(email, paths)
        except DatabaseGone:
            raise
        except Exception as error:  # the grant touches our own tables only, so what breaks it breaks it for all emails
            log.exception("wire_refused_by_database", **email.log_facts())
            raise DatabaseGone(f"the ledger cannot grant the wire: {type(error).__name__}") from error
        if refusal is None:
            self._on_wire = email
            failpoints.reach("worker.wired")
            return
        fate = Fate.ACK if refusal is Standing.OVER else Fate.LATER
        self._settled.append(Settled(email, fate, seconds=1.0))
        raise NoGrant(f"email {email.email_id}, gen {email.gen}: the ledger does not grant the wire")

    def _record_and_wire(self, email: Email, paths: Sequence[str]) -> Standing | None:
        entries = [(entry.email, entry.decision, entry.took_ms) for entry in self._unrecorded]
        try:
            refusal = self._ledger.record_and_wire(entries, email, self._send_lease, paths)
        except DatabaseGone:
            raise
        except Exception:  # one outcome that the database will not take must not stand in the next email's way
            log.exception("record_and_wire_failed", count=len(entries))
            self._record_one_by_one()
            refusal = self._ledger.record_and_wire((), email, self._send_lease, paths)
        for entry in self._unrecorded:
            self._note(entry)
        self._unrecorded = []
        return refusal

    def rival(self, email: Email, path: str) -> str | None:
        """The key of another email that has had the same path lately. None if that is not known."""
        try:
            return self._ledger.rival(email, path)
        except DatabaseGone:  # the reason alone is enough
            return None

    def record(self, email: Email, decision: Decision, took_ms: int) -> None:
        """Keep an outcome until the next `wire` or `flush` writes it."""
        self._unrecorded.append(JournalEntry(email, decision, took_ms))

    def flush(self) -> list[Settled]:
        """Write what is kept and return the emails settled since the last flush."""
        self.write()
        failpoints.reach("worker.recorded")
        settled, self._settled = self._settled, []
        return settled

    def write(self) -> None:
        """Write what is kept.

        Waits for the database as long as needed. Only when the service must exit is an outcome abandoned. Then it is
        logged, and the sweeper will show the email as in doubt, which is the truth of the ledger.
        """
        while self._unrecorded and not self._try_to_record():
            self._beat()
            if self._give_up.wait(DATABASE_AWAY_SECONDS):
                self._give_up_all()

    def _try_to_record(self) -> bool:
        try:
            self._record_one_by_one()
        except DatabaseGone as error:
            log.warning("outcome_waits_for_database", count=len(self._unrecorded), reason=str(error))
            return False
        return True

    def _record_one_by_one(self) -> None:
        while self._unrecorded:
            entry = self._unrecorded[0]
            if self._recorded(entry):
                self._note(entry)
            else:
                _say_not_recorded(entry)
            self._unrecorded.pop(0)

    def _recorded(self, entry: JournalEntry) -> bool:
        """Write one outcome. If the database will not take it with the source's row, then without."""
        for with_source in (True, False):
            try:
                if not self._ledger.record(entry.email, entry.decision, entry.took_ms, with_source=with_source):
                    log.warning("stale_outcome", **entry.email.log_facts(), verdict=entry.decision.outcome.verdict)
            except DatabaseGone:
                raise
            except Exception:  # a trigger or a constraint of the source's own, say
                log.exception("record_refused_by_database", **entry.email.log_facts(), with_source=with_source)
            else:
                return True
        return False

    def _note(self, entry: JournalEntry) -> None:
        self._settled.append(Settled(entry.email, fate_of(entry.decision), entry.decision.delay))

    def _give_up_all(self) -> None:
        for entry in self._unrecorded:
            _say_not_recorded(entry)
        self._unrecorded = []


def _say_not_recorded(entry: JournalEntry) -> None:
    log.error(
        "outcome_not_recorded",
        **entry.email.log_facts(),
        verdict=entry.decision.outcome.verdict,
        message_id=entry.decision.outcome.message_id,
        todo=f"{hint('email', key=entry.email.key)}, then settle it by this line",
    )
