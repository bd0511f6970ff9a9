"""What SES is asked is JSON with every byte of the message; what it answers is a MessageId, or trouble."""

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.aws.calls.errors import NotAws
from eed_delivery.aws.calls.ses import message_id, written

TEXTS = st.text(max_size=20)
ENVELOPES = st.fixed_dictionaries(
    {
        "Destination": st.fixed_dictionaries({"ToAddresses": st.lists(TEXTS, min_size=1, max_size=2)}),
        "EmailTags": st.lists(st.fixed_dictionaries({"Name": TEXTS, "Value": TEXTS}), max_size=2),
    },
    optional={"FeedbackForwardingEmailAddress": TEXTS, "ConfigurationSetName": TEXTS},
)


@given(st.binary(max_size=300), ENVELOPES)
def test_a_request_holds_the_message_and_the_envelope_as_they_are(message: bytes, envelope: dict[str, Any]) -> None:
    said = json.loads(written(message, envelope))
    assert base64.b64decode(said.pop("Content")["Raw"]["Data"], validate=True) == message
    assert said == envelope


@given(st.binary(max_size=40))
def test_bytes_are_a_message_id_or_trouble(body: bytes) -> None:
    with suppress(NotAws):
        assert message_id(body)


def test_a_message_id() -> None:
    assert message_id(b'{"MessageId": "0107-\\u00fc", "More": null}') == "0107-ü"


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "not JSON"),
        (b"<html>Welcome to the hotel's network</html>", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "no MessageId"),
        (b"null", "no MessageId"),
        (b"{}", "no MessageId"),
        (b'{"MessageId": null}', "no MessageId"),
        (b'{"MessageId": ""}', "no MessageId"),
        (b'{"MessageId": 5}', "no MessageId"),
        (b'{"MessageId": {"a": "b"}}', "no MessageId"),
    ],
)
def test_what_ses_would_not_say_is_trouble(body: bytes, what: str) -> None:
    with pytest.raises(NotAws, match=what):
        message_id(body)
