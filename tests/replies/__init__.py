"""What mail servers say to a sender, in the words of each, and whom it is about: a list of our own.

Written after the servers' sources and their operators' pages (named in the list), with example names and addresses.

The rules were written after this list, so what they get right of it says little about what they have not seen. So ten
sets were gathered and labelled one after the other, and judged before anything was changed for them:

    set                    1     2     3     4     5     6     7     8     9    10
    replies              142   143   126   126   106   107   162   115   102    58
    right, %            84.5  93.7  91.3  92.1  90.6  96.3  90.1  90.4  97.1  96.6
    wrongly for good, % 10.6   2.8   2.4   0.0   3.8   3.7   4.9   4.3   0.0   0.0

Nothing was changed for the tenth.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from eed_delivery.errors import (
    DeliveryFailure,
    InfrastructureFailure,
    PermanentFailure,
    Throttled,
    TransientFailure,
)
from eed_delivery.model import Concerns
from eed_delivery.transports.smtp.replies import Phase, failure, parse

LIST = Path(__file__).parent / "replies.tsv"
LETTERS: dict[type[DeliveryFailure], str] = {
    PermanentFailure: "P",
    TransientFailure: "T",
    Throttled: "S",
    InfrastructureFailure: "I",
}
"""P: this recipient or content, for good. T: this recipient, for now. S: we are too fast. I: the system, our server,
our account. J: the job's sender or content."""


@dataclass(frozen=True)
class KnownReply:
    """One answer. `wanted`: the best class first, then those that are right too, as letters."""

    wanted: tuple[str, ...]
    phase: Phase
    source: str
    reply: str
    dead: bool = False
    """Whether nobody is at the address: a bounce with these words is a hard one."""

    @property
    def best(self) -> str:
        return self.wanted[0]

    def failure(self, recipient: str = "anna@example.com", tag: str = "a640c23a62f3a-sor") -> DeliveryFailure:
        """What a transport makes of it. `tag`: what differs each time."""
        text = self.reply.replace("{recipient}", recipient).replace("{id}", tag)
        return failure(parse([line.encode() for line in text.split("|")]), self.phase)

    def letter(self) -> str:
        """The class that it gets."""
        found = self.failure()
        return "J" if found.concerns is Concerns.JOB else LETTERS[type(found)]


@cache
def known_replies(path: Path = LIST) -> tuple[KnownReply, ...]:
    """The list, in its order."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return tuple(_reply(*line.split("\t")) for line in lines)


def _reply(wanted: str, phase: str, source: str, words: str) -> KnownReply:
    letters = tuple("P" if letter == "D" else letter for letter in wanted.split("/"))
    return KnownReply(letters, Phase[phase], source, words, dead="D" in wanted)
