"""The answers table over what the usual servers say: each reply, and whom it is taken to concern."""

import pytest

from tests.replies import KnownReply, known_replies

RIGHT_SHARE = 0.97
WRONGLY_PERMANENT_SHARE = 0.01


def is_right(reply: KnownReply) -> bool:
    """J with a permanent class of its own counts as P: the job is watched for refusals alike."""
    return reply.letter() in reply.wanted


def told(replies: list[KnownReply]) -> str:
    return "\n".join(f"{r.letter()}, not {'/'.join(r.wanted)}: {r.phase.name} {r.reply} ({r.source})" for r in replies)


def test_the_list_has_every_class_phase_and_server() -> None:
    assert len(known_replies()) >= 200
    assert {reply.best for reply in known_replies()} == set("PTSIJ")
    assert {reply.phase.name for reply in known_replies()} == {"MAIL", "RCPT", "DATA", "DOT"}
    assert len({reply.source for reply in known_replies()}) >= 30


def test_nearly_all_replies_are_judged_right() -> None:
    wrong = [reply for reply in known_replies() if not is_right(reply)]
    assert len(wrong) <= (1 - RIGHT_SHARE) * len(known_replies()), told(wrong)


def test_hardly_any_is_taken_for_the_recipients_for_good() -> None:
    wrong = [reply for reply in known_replies() if reply.letter() == "P" and "P" not in reply.wanted]
    assert len(wrong) <= WRONGLY_PERMANENT_SHARE * len(known_replies()), told(wrong)


@pytest.mark.parametrize(
    "reply", [r for r in known_replies() if r.dead and len(r.wanted) == 1], ids=lambda r: r.reply[:60]
)
def test_a_dead_address_is_never_asked_again(reply: KnownReply) -> None:
    assert reply.letter() == "P"
