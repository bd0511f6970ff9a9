"""What goes wrong next at the edges of one process: with its database, and with SQS."""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """One trouble, in the words of the falsifying example."""

    COMMIT_ANSWER_LOST = "a commit goes through, and its answer is lost"
    COMMIT_ANSWERS_LOST = "three commits go through, and their answers are lost"
    DATABASE_BLINKS = "one connection is refused"
    DATABASE_AWAY = "three connections are refused"
    QUEUE_REFUSES = "SQS does not answer, and has done nothing"
    QUEUE_ANSWER_LOST = "SQS does what it was asked, and its answer is lost"
    QUEUE_REFUSES_ONE = "SQS refuses the first entry of a batch"


_COMMITS = {Kind.COMMIT_ANSWER_LOST: 1, Kind.COMMIT_ANSWERS_LOST: 3}
_CONNECTIONS = {Kind.DATABASE_BLINKS: 1, Kind.DATABASE_AWAY: 3}  # database.CONNECTION_TRIES


@dataclass
class Trouble:
    """What is still to come. Each is used up when it strikes."""

    commit_answers: int = 0
    connections: int = 0
    queue: Kind | None = None

    def arm(self, kind: Kind) -> None:
        """This comes next."""
        self.commit_answers += _COMMITS.get(kind, 0)
        self.connections += _CONNECTIONS.get(kind, 0)
        if kind not in _COMMITS and kind not in _CONNECTIONS:
            self.queue = kind

    def take_commit_answer(self) -> bool:
        """Whether the answer to this commit is lost."""
        strikes = self.commit_answers > 0
        self.commit_answers -= strikes
        return strikes

    def take_connection(self) -> bool:
        """Whether this connection is refused."""
        strikes = self.connections > 0
        self.connections -= strikes
        return strikes

    def take_queue(self, *kinds: Kind) -> bool:
        """Whether one of these strikes SQS now."""
        if self.queue not in kinds:
            return False
        self.queue = None
        return True
