"""What the product takes each mail of the corpus for, and how often it is right."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from eed_delivery.events import DeliveryOutcome
from eed_delivery.tracking.bounces.parsing import BounceVerdict, parse_bounce
from eed_delivery.tracking.bounces.verp import Verp
from tests.bounce_corpus.corpus import AUTO, COMPLAINT, DELAY, DELIVERED, HARD, NONE, SOFT, Mail

RIGHT, FALSE_HARD, MISSED_HARD = 0.99, 0.003, 0.02
"""The goals: of all; at most, of what is not hard; at most, of what is."""
_VERP = Verp("returns.bank.example", b"a secret of the tests, 32 bytes!")
VERP_ADDRESS = _VERP.sender(7, 1)
"""Whom the mails of the corpus came back to."""
_NAMES = {
    BounceVerdict.DELAY: DELAY,
    BounceVerdict.DELIVERY: DELIVERED,
    BounceVerdict.COMPLAINT: COMPLAINT,
    BounceVerdict.AUTO_REPLY: AUTO,
    BounceVerdict.NOT_UNDERSTOOD: NONE,
}
ORDER = (HARD, SOFT, DELAY, DELIVERED, COMPLAINT, AUTO, NONE)


def verdict(raw: bytes) -> str:
    """In the corpus's words."""
    reading = parse_bounce(raw, VERP_ADDRESS, _VERP, datetime.now(UTC))
    if reading.verdict is not BounceVerdict.BOUNCE:
        return _NAMES[reading.verdict]
    assert reading.event is not None
    return HARD if reading.event.outcome is DeliveryOutcome.HARD_BOUNCED else SOFT


@dataclass(frozen=True)
class Judged:
    """`pairs`: how often what was wanted was taken for what. `wrong`: each mail that was taken for something else."""

    pairs: Counter[tuple[str, str]]
    wrong: list[tuple[Mail, str]]

    @property
    def right(self) -> float:
        return 1 - len(self.wrong) / self.pairs.total()

    @property
    def false_hard(self) -> float:
        """Of what is not hard."""
        return self._share(lambda wanted: wanted != HARD, lambda got: got == HARD)

    @property
    def missed_hard(self) -> float:
        """Of what is hard."""
        return self._share(lambda wanted: wanted == HARD, lambda got: got != HARD)

    def _share(self, of: Callable[[str], bool], wrong: Callable[[str], bool]) -> float:
        whole = sum(count for (wanted, _), count in self.pairs.items() if of(wanted))
        return sum(count for (wanted, got), count in self.pairs.items() if of(wanted) and wrong(got)) / whole


def judge(mails: Iterable[Mail]) -> Judged:
    pairs, wrong = Counter[tuple[str, str]](), []
    for mail in mails:
        got = verdict(mail.raw)
        pairs[mail.wanted, got] += 1
        if got != mail.wanted:
            wrong.append((mail, got))
    return Judged(pairs, wrong)
