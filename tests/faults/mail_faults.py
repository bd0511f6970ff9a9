"""Faults of a mail server by the hundred: which email is to meet which, and to whom it has really happened."""

import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from tests.servers.smtp_server import Accept, Action, Close, Reset, Rule, Say, SmtpServer
from tests.stack import Stack

CLOSING = Say("421 4.3.2 closing for maintenance", then=Close())
DROPS: tuple[Action, ...] = (Close(), Reset(), CLOSING)
LOST_ANSWERS: tuple[Action, ...] = (Accept(then=Close()), Accept(then=Reset()), Close(), Reset())
"""Drops after the dot: in the first two the server has the message, in the others not, and it alone knows."""
SHOWN = 5
FIRST_WITHIN = 3
"""A short run greets its mail server some twenty times: without a bound, a seed could leave a phase out."""


class NowAndThen:
    """True once in `every` times on average, at moments that a seed decides; the first is one of the first three."""

    def __init__(self, moments: random.Random, every: int) -> None:
        self._moments = moments
        self._every = every
        self._left = min(self._next(), moments.randint(1, FIRST_WITHIN))

    def __call__(self, recipient: str) -> bool:
        self._left -= 1
        if self._left:
            return False
        self._left = self._next()
        return True

    def _next(self) -> int:
        return self._moments.randint(1, 2 * self._every - 1)


class MailFaults:
    """The rules given to one mail server for one run."""

    def __init__(self, mail: SmtpServer, moments: random.Random) -> None:
        self._mail = mail
        self._moments = moments
        self._rules: list[Rule] = []

    def for_each(self, recipients: Iterable[str], phase: str, action: Action, times: int = 1) -> None:
        """Each of these meets it, this many times."""
        self._rules += [self._mail.on(phase, action, recipient=r, times=times) for r in recipients]

    def inside_the_content(self, recipients: Iterable[str], action: Action, after_bytes: int) -> None:
        """Each of these meets it once, after this many bytes of its content."""
        for recipient in recipients:
            rule = self._mail.on("content", action, recipient=recipient, times=1, after_bytes=after_bytes)
            self._rules.append(rule)

    def now_and_then(self, phase: str, action: Action, every: int) -> None:
        """Any email, once in `every` times on average."""
        self._rules.append(self._mail.on(phase, action, when=NowAndThen(self._moments, every)))

    def struck(self, phase: str, actions: Collection[Action] | None = None) -> Counter[str]:
        """How often it has happened at this phase, by recipient; only these actions, or any."""
        rules = [rule for rule in self._rules if rule.phase == phase and (actions is None or rule.action in actions)]
        return Counter(recipient for rule in rules for recipient in rule.struck)

    @property
    def count(self) -> int:
        """How many faults have really happened."""
        return sum(len(rule.struck) for rule in self._rules)

    def missing(self) -> list[str]:
        """Phases where none of the faults has happened, in words: such a run proves nothing about them."""
        phases = Counter({rule.phase: 0 for rule in self._rules})
        phases.update({rule.phase: len(rule.struck) for rule in self._rules if rule.struck})
        return [f"no fault has happened at {phase}" for phase, struck in phases.items() if not struck]


def deal(moments: random.Random, recipients: Collection[str], sizes: Iterable[int]) -> list[list[str]]:
    """Disjoint groups of these sizes, drawn at random."""
    drawn = moments.sample(sorted(recipients), k=len(recipients))
    groups = []
    for size in sizes:
        groups.append(drawn[:size])
        drawn = drawn[size:]
    return groups


def in_state(stack: Stack, state: str) -> set[str]:
    """Recipients of the emails that stand so."""
    found = stack.world.execute("SELECT recipient FROM eed_email WHERE state = :state", state=state)
    return {recipient for (recipient,) in found}


def differences(what: str, found: Collection[str], expected: Collection[str]) -> list[str]:
    """What is there and should not be, and the other way round, in words."""
    extra, missing = sorted(set(found) - set(expected)), sorted(set(expected) - set(found))
    said = [(extra, "without a reason"), (missing, "expected, and not so")]
    return [f"{what}, {how}: {len(which)}, as {which[:SHOWN]}" for which, how in said if which]


def attempts_other_than(stack: Stack, noes: Mapping[str, int], at_most: int = 3) -> list[str]:
    """Emails whose count, in ledger or source, is not one for the yes and one for each no of theirs, in words."""
    statement = "SELECT e.recipient, e.attempts, s.attempts FROM eed_email e JOIN delivery_email s ON s.id = e.email_id"
    wrong = [
        f"{recipient} has {ours} in the ledger and {theirs} in the source, not {right}"
        for recipient, ours, theirs in stack.world.execute(statement)
        if {ours, theirs} != {right := min(at_most, 1 + noes.get(recipient, 0))}
    ]
    return [f"attempts: {len(wrong)} are wrong, as {wrong[:SHOWN]}"] if wrong else []


def counted_tries_without_answer(stack: Stack) -> list[str]:
    """Tries that were counted although the mail server said neither yes nor no to them, in words."""
    statement = "SELECT COUNT(*) FROM eed_attempt WHERE counted AND code IS NULL AND verdict <> 'in_doubt'"
    count = stack.world.scalar(statement)
    return [f"{count} tries were counted without an answer of the mail server"] if count else []
