"""Replies come from strangers: whatever they send is parsed or refused, and what is kept is fit to be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.transports.smtp.replies import BadReply, Phase, Reply, continues, failure, parse
from eed_delivery.untrusted import MAX_REPLY_CHARS, clean

anything = st.one_of(st.binary(max_size=80), st.from_regex(rb"[0-9]{3}[ -]?.{0,40}", fullmatch=True))


@given(st.one_of(st.text(), st.binary(max_size=3000), st.text(min_size=600)))
def test_clean_text_is_one_printable_line(text: str | bytes) -> None:
    cleaned = clean(text)
    assert len(cleaned) <= MAX_REPLY_CHARS
    assert all(c == " " or c.isprintable() or c.isspace() is False for c in cleaned)
    assert cleaned.splitlines() in ([], [cleaned])
    assert not any(c in cleaned for c in "\x1b\x00\r\n\x7f\x9b\u202e\u200f")
    assert clean(cleaned) == cleaned.strip()


@given(st.lists(anything, max_size=5))
def test_any_lines_are_a_reply_or_refused(lines: list[bytes]) -> None:
    try:
        reply = parse(lines)
    except BadReply as e:
        assert str(e).isprintable()
        return
    assert 200 <= reply.code <= 599
    assert reply.positive + reply.negative + (300 <= reply.code <= 399) == 1
    assert reply.enhanced is None or reply.enhanced[0] == str(reply.code)[0]
    for phase in Phase:
        assert failure(reply, phase).reply


@given(anything)
def test_any_line_goes_on_ends_or_is_refused(line: bytes) -> None:
    try:
        more = continues(line)
    except BadReply:
        return
    assert more == (line[3:4] == b"-")


@pytest.mark.parametrize(
    ("line", "queue_id"),
    [
        (b"250 2.0.0 Ok: queued as 4ZxYABC", "4ZxYABC"),
        (b"250 Message queued as <abc.def@mail.example>.", "abc.def@mail.example"),
        (
            b"250 Ok 0100017f2e2b3c4d-aaaabbbb-cccc-dddd-eeee-ffff00001111-000000",
            "0100017f2e2b3c4d-aaaabbbb-cccc-dddd-eeee-ffff00001111-000000",
        ),
        (b"250 OK id=1hGx2k-0005Yx-7p", "1hGx2k-0005Yx-7p"),
        (b"250 2.0.0 x1A2B3 Message accepted for delivery", None),
        (b"250 OK", None),
        (b"250", None),
    ],
)
def test_queue_ids_of_well_known_servers(line: bytes, queue_id: str | None) -> None:
    assert parse([line]).queue_id() == queue_id


@pytest.mark.parametrize(
    ("line", "enhanced"),
    [
        (b"550 5.1.1 no", "5.1.1"),
        (b"550 5.1.1", "5.1.1"),
        (b"550 4.1.1 classes differ", None),
        (b"550 5.1 no", None),
        (b"550 10.0.0.5.1.1 refused", None),
        (b"550 no 5.1.1", None),
    ],
)
def test_the_enhanced_code_is_at_the_start_and_agrees(line: bytes, enhanced: str | None) -> None:
    assert parse([line]).enhanced == enhanced


def test_a_reply_has_its_lines_texts_on_one() -> None:
    assert parse([b"250-one", b"250 two"]) == Reply(250, "250 one two", None, (b"one", b"two"))
