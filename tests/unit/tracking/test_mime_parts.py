"""A stranger's message is taken apart within bounds, and what it says wrongly is read as far as it goes."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.tracking.bounces.mime_parts import (
    MAX_CONTENT_TYPE,
    MAX_DEPTH,
    MAX_PARTS,
    MAX_TEXT,
    Fields,
    field_groups,
    take_apart,
)


def nested(depth: int, inmost: bytes = b"Content-Type: text/plain\n\nhello") -> bytes:
    heads = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(depth))
    return heads + inmost


def test_parts_are_found_to_the_depth_that_is_allowed() -> None:
    assert [part.content_type for part in take_apart(nested(MAX_DEPTH), 10**6).parts] == ["text/plain"]
    assert [part.content_type for part in take_apart(nested(MAX_DEPTH + 1), 10**6).parts] == ["multipart/mixed"]


def test_so_many_parts_and_no_more() -> None:
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 1000
    assert len(take_apart(raw, 10**6).parts) == MAX_PARTS


def test_a_content_type_is_read_to_its_limit() -> None:
    def parts(blanks: int) -> int:
        return len(
            take_apart(
                b"Content-Type: multipart/mixed;" + b" " * blanks + b"boundary=b\n\n--b\n\n1\n--b\n\n2", 10**6
            ).parts
        )

    assert parts(0) == parts(MAX_CONTENT_TYPE - 60) == 2
    assert parts(MAX_CONTENT_TYPE) == 1


@given(st.binary(max_size=300), st.sampled_from([b"", b"\n", b"=", b"!", b"A"]))
def test_base64_is_read_whatever_stands_between(content: bytes, noise: bytes) -> None:
    encoded = base64.b64encode(content).rstrip(b"=")
    raw = b"Content-Transfer-Encoding: base64\n\n" + encoded[:8] + (noise if noise != b"A" else b"") + encoded[8:]
    assert take_apart(raw, 10**6).parts[0].content() == content
    take_apart(raw + noise, 10**6).parts[0].content()


def test_a_body_is_decoded_to_its_limit() -> None:
    assert len(take_apart(b"\n" + b"x" * 10**6, 10**6).parts[0].text()) == MAX_TEXT


@pytest.mark.parametrize("value", ["=?utf-8?B?a?=", "=?nonesuch?Q?=41?=", "=?punycode?Q?a-b?=", "=?utf-8?Q?=ZZ?="])
def test_words_that_cannot_be_decoded_are_left_or_read_as_utf_8(value: str) -> None:
    assert isinstance(Fields(f"Subject: {value}".encode()).decoded("subject"), str)


def test_fields_are_found_among_what_is_none() -> None:
    fields = Fields(b"From anna Mon Nov 23 05:00:00 2026\nno field\n: none\nA : 1\nb: 2\n 3\n\t4\nB: 5")
    assert (fields.get("a"), fields.get("B"), "from anna mon nov 23 05" in fields) == ("1", "2 3 4", False)


def test_groups_are_divided_by_empty_lines() -> None:
    groups = field_groups(b"\r\na: 1\r\n\r\n\r\nb: 2\n \t\nc: 3\n\nd: 4", 3)
    assert [[group.get(name) for name in "abcd"] for group in groups] == [
        ["1", "", "", ""],
        ["", "2", "", ""],
        ["", "", "3", ""],
    ]


def test_what_is_between_boundaries_that_were_lost_is_still_text() -> None:
    for boundary in ("; boundary=another", ""):
        mail = take_apart(f"Content-Type: multipart/mixed{boundary}\n\n--b\n\n550 no such user\n".encode(), 10**6)
        assert [(part.content_type, "no such user" in part.text()) for part in mail.parts] == [("text/plain", True)]


def test_japanese_in_a_field_as_it_is() -> None:
    raw = b"Subject: " + "ユーザーが見つかりません".encode("iso-2022-jp") + b"\n\nx"
    assert take_apart(raw, 10**6).fields.decoded("subject") == "ユーザーが見つかりません"


def test_exchange_s_old_name_of_utf_7() -> None:
    raw = b"Content-Type: text/plain; charset=unicode-1-1-utf-7\n\nEmpf+AOQ-nger"
    assert take_apart(raw, 10**6).parts[0].text() == "Empfänger"
