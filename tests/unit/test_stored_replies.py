"""A reply that is stored without addresses is judged as it was when it came."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.sweeper.answers_alike import is_dead
from eed_delivery.transports.replies.kinds import kind_of
from eed_delivery.transports.replies.rules import rule_for
from eed_delivery.untrusted import MAX_REPLY_CHARS, clean, masked_reply

CORPUS = (Path(__file__).parents[1] / "replies" / "replies.tsv").read_text("utf-8").splitlines()
REPLIES = [
    clean(
        reply.replace("|", " ").replace("{recipient}", "anna.meyer@example.com").replace("{id}", "x7@mx1.example.net")
    )
    for line in CORPUS
    if line and not line.startswith("#")
    for reply in [line.split("\t")[-1]]
]


def test_the_corpus_has_replies_with_addresses() -> None:
    assert sum(masked_reply(reply) != reply for reply in REPLIES) > 50


@pytest.mark.parametrize("judge", [kind_of, rule_for, is_dead])
def test_masked_it_is_judged_alike(judge: object) -> None:
    assert callable(judge)
    other = [(reply, masked_reply(reply)) for reply in REPLIES if judge(masked_reply(reply)) != judge(reply)]
    assert other == []


@given(st.text(alphabet="a0@.<>\"'%= :+&([{\\\\4üé\uff20", max_size=60))
def test_masking_is_done_once_for_all(text: str) -> None:
    assert masked_reply(masked_reply(text)) == masked_reply(text)
    assert kind_of(masked_reply(text)) == kind_of(text)


def test_of_a_reply_that_was_cut_no_half_address_stays() -> None:
    reply = clean("550 5.1.1 " + "x " * 240 + "anna.meyer@example.com is unknown")
    assert len(reply) == MAX_REPLY_CHARS and "anna" in reply and "@" not in reply
    assert "anna" not in masked_reply(reply)
