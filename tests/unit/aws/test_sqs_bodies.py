"""What an answer's body says is either what SQS may say, or trouble: never a crash, never a guess."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.aws.calls.errors import NotAws
from eed_delivery.aws.calls.sqs_bodies import WANTED, parse_body

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ENTRIES = st.dictionaries(
    st.sampled_from(["Id", "Code", "Message", "MessageId", "ReceiptHandle", "Body", "Attributes"]), JSON, max_size=7
)
ANSWERS = st.dictionaries(
    st.sampled_from(["Successful", "Failed", "Messages", "More"]), st.lists(ENTRIES, max_size=3) | JSON, max_size=4
)
MESSAGE = {"MessageId": "m", "ReceiptHandle": "r", "Body": "b", "Attributes": {"ApproximateReceiveCount": "1"}}


@given(st.sampled_from(sorted(WANTED)), ANSWERS | JSON)
def test_what_is_understood_has_all_that_is_read_of_it(action: str, said: Any) -> None:
    try:
        lists = parse_body(action, json.dumps(said).encode())
    except NotAws:
        return
    assert set(lists) == set(WANTED[action])
    for name, entries in lists.items():
        for entry in entries:
            assert all(isinstance(entry[text], str) for text in WANTED[action][name])
            assert None not in entry.values()
            assert isinstance(entry.get("Attributes", {}), dict)


@given(st.binary(max_size=40))
def test_bytes_are_understood_or_trouble(body: bytes) -> None:
    with suppress(NotAws):
        parse_body("ReceiveMessage", body)


@pytest.mark.parametrize("body", [b"", b"{}", b'{"Messages": null}', b'{"Messages": []}', b'{"Other": 1}'])
def test_no_messages(body: bytes) -> None:
    assert parse_body("ReceiveMessage", body) == {"Messages": []}


def test_a_message_is_as_it_was_sent_and_what_is_null_is_not_there() -> None:
    body = json.dumps({"Messages": [MESSAGE, {**MESSAGE, "Attributes": None, "MD5OfBody": "0"}]}).encode()
    bare = {"MessageId": "m", "ReceiptHandle": "r", "Body": "b", "MD5OfBody": "0"}
    assert parse_body("ReceiveMessage", body) == {"Messages": [MESSAGE, bare]}


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"<html>Welcome to the hotel's network</html>", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not an object"),
        (b'{"Messages": {}}', "not a list"),
        (b'{"Messages": [1]}', "not an object"),
        (b'{"Messages": [{"MessageId": "m", "ReceiptHandle": "r"}]}', "no Body"),
        (b'{"Messages": [{"MessageId": "m", "ReceiptHandle": "r", "Body": null}]}', "no Body"),
        (b'{"Messages": [{"MessageId": "m", "ReceiptHandle": "r", "Body": "b", "Attributes": [1]}]}', "attributes"),
    ],
)
def test_what_sqs_would_not_say_is_trouble(body: bytes, what: str) -> None:
    with pytest.raises(NotAws, match=what):
        parse_body("ReceiveMessage", body)
