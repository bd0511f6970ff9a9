"""What is no success has a code, whatever it says."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.aws.calls.errors import error_of
from eed_delivery.aws.calls.http_answers import HttpAnswer

PROTOCOLS = ["json", "rest-json"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["__type", "code", "Code", "message", "Message", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)
FIELDS = st.dictionaries(st.sampled_from(["x-amzn-errortype", "x-amzn-query-error"]), st.text(max_size=9), max_size=2)


@given(
    st.binary(max_size=40) | JSON.map(lambda said: json.dumps(said).encode()),
    st.sampled_from([301, 400, 429, 503]),
    FIELDS,
    st.sampled_from(PROTOCOLS),
)
def test_every_error_has_a_code_and_its_status(body: bytes, status: int, fields: dict[str, str], protocol: str) -> None:
    said = error_of(HttpAnswer(status, fields, body, kept=True), protocol)
    assert isinstance(said["Error"]["Code"], str)
    assert said["ResponseMetadata"]["HTTPStatusCode"] == status


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("body", [b"[]", b"1", b"\xff", b"[" * 100_000, b'{"__type": {}}', b'{"__type": 5}'])
def test_what_is_no_error_of_aws_has_its_status_for_a_code(body: bytes, protocol: str) -> None:
    assert error_of(HttpAnswer(403, {}, body, kept=True), protocol)["Error"]["Code"] == "403"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"x-amzn-errortype": "TooManyRequestsException:http://x"}, {"message": "slow"}),
        ({}, {"code": "TooManyRequestsException", "message": "slow"}),
        ({}, {"__type": "com.amazonaws.sesv2#TooManyRequestsException", "Message": "slow"}),
    ],
)
def test_ses_may_say_its_code_in_three_places(fields: dict[str, str], said: dict[str, Any]) -> None:
    error = error_of(HttpAnswer(429, fields, json.dumps(said).encode(), kept=True), "rest-json")["Error"]
    assert error == {"Code": "TooManyRequestsException", "Message": "slow"}
