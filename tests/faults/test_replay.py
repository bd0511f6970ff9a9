"""A sample of the replay: who fails for an answer, and who is held up. All of it: `python -m tests.faults.replay`."""

from itertools import cycle, product

import pytest
from structlog.testing import capture_logs

from tests.faults.replay.relay import Spread
from tests.faults.replay.run import path_of, replay
from tests.replies import KnownReply, known_replies

EMAILS = 90
EVERY = 80
# The cases that whole jobs failed for, and words that nobody knows.
ALWAYS = (
    "452 4.3.1 Insufficient system storage",
    "550 5.4.5 Daily user sending limit",
    "blocked using zen.spamhaus.org",
    "421 4.4.5 Server busy",
    "Administrative prohibition",
    "Greylisted for 5 minutes",
    "450 4.2.1 Mailbox busy",
    "452 4.2.2 User is over the quota",
    "554 Denied (K17)",
    "451 Invalid Recipient",
    "450 4.2.2 {recipient}... temporary failure",
    "552 Mailbox space not enough",
    "550 Mailbox currently suspended",
    "450 4.1.1 rejection when relay check",
    "420 The message has been deferred",
)


def _sample() -> list[tuple[KnownReply, Spread]]:
    """Those that are named with every spread, the others with one after the other: a run takes a second of CPU.

    Of replies that the product decides alike in everything, one is replayed with a spread. A change of the rules that
    parts them brings the other one back."""
    named = [reply for reply in known_replies() if any(words in reply.reply for words in ALWAYS)]
    others = [reply for reply in known_replies()[::EVERY] if reply not in named]
    sample = [*product(named, Spread), *zip(others, cycle(Spread), strict=False)]
    return list({(path_of(reply), spread): (reply, spread) for reply, spread in reversed(sample)}.values())[::-1]


def test_the_sample_has_every_class_and_spread() -> None:
    assert {reply.best for reply, _ in _sample()} == set("PTSIJ")
    assert {spread for _, spread in _sample()} == set(Spread)


@pytest.mark.parametrize(
    ("reply", "spread"),
    [pytest.param(*one, id=f"{one[0].phase.name} {one[0].reply[:50]}-{one[1].value}") for one in _sample()],
)
def test_a_sample_of_each_class_fails_nobody_wrongly(reply: KnownReply, spread: Spread) -> None:
    with capture_logs() as logs:
        ended = replay(reply, spread, EMAILS)
    assert ended.problems == []
    assert [event for event in logs if event.get("exc_info")] == []
