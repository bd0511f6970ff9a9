"""A mail server in memory: what it was asked, what it answered, and what it took."""

from collections import Counter
from dataclasses import dataclass
from enum import Enum

from eed_delivery.errors import (
    InDoubt,
    InfrastructureFailure,
    NoGrant,
    PermanentFailure,
    Throttled,
    TransientFailure,
)
from eed_delivery.model import Accepted, Rendered
from eed_delivery.transports import Grant
from tests.faults.model.actors import Life


class Answer(Enum):
    """What comes back, in the words of the falsifying example."""

    YES = "250"
    NOT_NOW = "451 after the dot"
    NEVER = "550 after the dot"
    NOT_NOW_EARLY = "451 to RCPT"
    NEVER_EARLY = "550 to RCPT"
    DOWN = "connection refused"
    HANGS_UP = "421 before the dot"
    TOO_FAST = "454 after the dot"
    SILENT = "it is lost, and so is the answer"
    SILENT_YES = "it is taken, and the answer is lost"


EARLY = frozenset({Answer.NOT_NOW_EARLY, Answer.NEVER_EARLY, Answer.DOWN})
TAKEN = frozenset({Answer.YES, Answer.SILENT_YES})
DOUBTFUL = frozenset({Answer.SILENT, Answer.SILENT_YES})
NEVER = frozenset({Answer.NEVER, Answer.NEVER_EARLY})

_ERRORS = {
    Answer.NOT_NOW: lambda: TransientFailure("451 4.3.0 try again", code=451),
    Answer.NEVER: lambda: PermanentFailure("550 5.1.1 unknown", code=550),
    Answer.NOT_NOW_EARLY: lambda: TransientFailure("451 4.3.0 try again", code=451),
    Answer.NEVER_EARLY: lambda: PermanentFailure("550 5.1.1 unknown", code=550),
    Answer.DOWN: lambda: InfrastructureFailure("connection refused"),
    Answer.HANGS_UP: lambda: InfrastructureFailure("421 4.3.2 shutting down", code=421),
    Answer.TOO_FAST: lambda: Throttled("454 4.7.0 too fast", code=454),
    Answer.SILENT: lambda: InDoubt("the connection died after the dot"),
    Answer.SILENT_YES: lambda: InDoubt("the connection died after the dot"),
}


@dataclass(eq=False, repr=False)
class Try:
    """One email on its way to the server. Without an answer when the process died, or got no grant from a database
    that was away."""

    email_id: int
    gen: int
    life: Life
    """Of the worker that made it."""
    granted: bool = False
    answer: Answer | None = None

    def __repr__(self) -> str:
        grant = "granted" if self.granted else "no grant"
        return f"<{self.email_id}.{self.gen} by {self.life.name}: {grant}, {self.answer}>"

    @property
    def leaves_doubt(self) -> bool:
        """Whether no process got an answer, or the one that got it may have died with it."""
        return self.answer is None or self.answer in DOUBTFUL or self.life.dead

    @property
    def was_refused(self) -> bool:
        """Whether the server has said a definite no: it may go out again."""
        return self.answer is not None and self.answer not in TAKEN | DOUBTFUL


class MailServer:
    """The server's own books. `next` is what it will say until it is told otherwise."""

    def __init__(self) -> None:
        self.next = Answer.YES
        self.tries: list[Try] = []
        self.taken: Counter[int] = Counter()
        """How often it took each email, of whatever generation."""

    def of(self, email_id: int, gen: int | None = None) -> list[Try]:
        """The tries of an email, of one generation or of all."""
        return [t for t in self.tries if t.email_id == email_id and gen in (None, t.gen)]


class ModelTransport:
    """One worker's way to the server."""

    name = "model"
    wire_seconds = 1.0

    def __init__(self, server: MailServer, life: Life) -> None:
        self._server = server
        self._life = life

    def send(self, message: Rendered, grant: Grant) -> Accepted:
        this = Try(message.email_id, message.gen, self._life)
        self._server.tries.append(this)
        if self._server.next in EARLY:
            this.answer = self._server.next
            raise _ERRORS[this.answer]()
        try:
            grant()
        except NoGrant:
            self._server.tries.remove(this)
            raise
        finally:  # whoever dies right behind the grant had it
            this.granted = self._life.passed == "worker.wired"
        # What it answers is decided only now: while this worker stood still behind its grant, much may have happened.
        this.answer = Answer.YES if self._server.next in EARLY else self._server.next
        self._server.taken[message.email_id] += this.answer in TAKEN
        if this.answer is not Answer.YES:
            raise _ERRORS[this.answer]()
        return Accepted("250 ok", 250, message.message_id)

    def probe(self) -> None: ...

    def close(self) -> None: ...
