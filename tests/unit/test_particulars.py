"""What differs from recipient to recipient is masked, and no word is touched."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eed_delivery.particulars import MASK, masked

WORDS = st.from_regex(r"[a-zäßéñλж]{1,10}(?:['’][a-z]{1,2})?", fullmatch=True) | st.sampled_from(
    ["can't", "user's", "customers'", "don’t", "o'clock", "isn't", "the", "server", "über-quota", "re-try", "RFC 5321"]
)
HEX = "0123456789abcdef"
PARTICULARS = st.one_of(
    st.integers(0, 10**12).map(str),
    st.decimals(0, 10**6, places=2).map(str),
    st.uuids().map(str),
    st.ip_addresses().map(str).filter(lambda text: any(c.isdigit() for c in text)),
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.text(HEX, min_size=8, max_size=64).filter(lambda text: any(c.isdigit() for c in text)),
    st.from_regex(r"[0-9A-Z]{3}[0-9][0-9A-Za-z]{6,10}", fullmatch=True),  # Postfix's ids, short and long
    st.from_regex(r"[0-9][0-9A-Za-z]{5}-[0-9A-Za-z]{6}-[0-9A-Za-z]{2}", fullmatch=True),  # Exim's
    st.from_regex(r"[a-z.+_'=-]{1,12}@[a-z-]{1,12}\.example", fullmatch=True),
    st.from_regex(r"<[a-z']{1,12}@[a-z-]{1,12}\.example>", fullmatch=True),
    st.from_regex(r'"[a-z ]{1,12}"@[a-z-]{1,12}\.example', fullmatch=True),
    st.from_regex(r"https?://[a-z]{1,9}\.example(?:/[a-z]{1,9}\?[a-z]=[a-z0-9]{1,9})?", fullmatch=True),
    st.from_regex(r"'[a-z]{1,9}(?:'s)?(?: [a-z]{2,9})?\.pdf'", fullmatch=True),
    st.from_regex(r'"[a-z]{1,9}(?: [a-z]{2,9})?"', fullmatch=True),
    st.from_regex(r"“[a-z’]{1,9}”", fullmatch=True),
)


@given(st.lists(WORDS, max_size=12))
def test_no_word_is_touched(words: list[str]) -> None:
    line = " ".join(words)
    assert masked(line) == line


@given(st.lists(WORDS, min_size=1), PARTICULARS, PARTICULARS, st.lists(WORDS, min_size=1))
def test_replies_that_differ_in_a_particular_are_alike(before: list[str], a: str, b: str, after: list[str]) -> None:
    one, other = (masked(" ".join([*before, what, *after])) for what in (a, b))
    assert one == other == " ".join([*before, MASK, *after])


@given(st.lists(WORDS, min_size=1), PARTICULARS, st.sampled_from([".", ",", ";", "!", ")", ""]))
@example(["can't"], "<a@a.example>", "!")
def test_nothing_of_a_particular_is_left_before_punctuation(before: list[str], what: str, end: str) -> None:
    found = masked(" ".join([*before, what]) + end)
    assert found.startswith(" ".join([*before, MASK]))
    assert len(found) <= len(" ".join([*before, MASK])) + 1


@given(st.text())
def test_no_address_and_no_digit_is_left_but_those_of_names_and_codes(text: str) -> None:
    found = masked(text)
    assert "@" not in found
    kept = re.sub(
        r"(?i)RFC[ -]?\d+|IPv\d|UTF-?\d+|S3|EC2|P3P|X\.?509|[245]\d\d[ -](?=[245]\.)|[245](?:\.\d+){2}", "", found
    )
    assert not re.search(r"[0-9]", kept)


@pytest.mark.parametrize(
    ("reply", "common"),
    [
        ("we can't deliver to the user's mailbox", "we can't deliver to the user's mailbox"),
        ("can't find 'anna's folder' of the users' list", "can't find … of the users' list"),
        ("the user’s mailbox isn’t ‘statements’", "the user’s mailbox isn’t …"),
        ("relay.example said: 550 5.1.1 no user anna7", "relay.example said: 550 5.1.1 no user …"),
        ("5.7.1 (see RFC 7489) over IPv6 [2001:db8::1]:25", "5.7.1 (see RFC 7489) over IPv6 […]:…"),
        ("see https://mail.example/help?code=17, then retry", "see …, then retry"),
        ("to=<anna@b.example>, relay=mx1.b.example[192.0.2.1]:25", "to=… relay=….b.example[…]:…"),
        ("host mx-12.example blocked, 24-hour limit", "host mx-….example blocked, …-hour limit"),
        ("id=1rT2Ab-0003xf-Qk", "id=…"),
        ("queued as 4XyZ3q1bYzz9; 0100018f-0a1b-000000@x", "queued as …"),
        ('rejected: 5" disk', 'rejected: …" disk'),
        ("a < b and c > d", "a < b and c > d"),
        ("'tis full, says 'x'", "'tis full, says …"),
        ("anna@b.example,bert@c.example: both full", "… both full"),
    ],
)
def test_what_is_left(reply: str, common: str) -> None:
    assert masked(reply) == common


@pytest.mark.parametrize(
    "reply", ["a" * 500, "'" * 501, "<" * 500, '"a' * 250, "a.1:" * 125, "@" * 500, "'a" * 250, " 'a" * 170, "a-" * 250]
)
def test_no_reply_takes_long(reply: str) -> None:
    for _ in range(200):
        masked(reply)
