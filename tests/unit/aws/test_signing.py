"""A signature of ours is botocore's."""

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.aws.calls.signing import RequestSigner, ServiceEndpoint, UnusableCredentials

WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)
CREDENTIALS = st.builds(ReadOnlyCredentials, WORDS, WORDS, st.none() | WORDS)
NAMES = st.sampled_from(["content-type", "x-amz-target", "x-amzn-query-mode", "x-amz-e", "x-amz-s", "a"])
VALUES = st.lists(WORDS, min_size=1, max_size=3).map("  ".join)
PLACES = [
    ServiceEndpoint(
        "https://email.eu-central-1.amazonaws.com/v2/email/outbound-emails",
        "email.eu-central-1.amazonaws.com",
        "eu-central-1",
        "ses",
    ),
    ServiceEndpoint("https://sqs.eu-central-1.amazonaws.com/", "sqs.eu-central-1.amazonaws.com", "eu-central-1", "sqs"),
    ServiceEndpoint("http://127.0.0.1:4566/", "127.0.0.1:4566", "us-east-1", "sqs"),
    ServiceEndpoint("http://[::1]:4566/", "[::1]:4566", "us-east-1", "sqs"),
    ServiceEndpoint("https://gateway.example/aws sqs/é/", "gateway.example", "us-east-1", "sqs"),
    ServiceEndpoint("https://gateway.example/a/../b", "gateway.example", "us-east-1", "sqs"),
    ServiceEndpoint("https://gateway.example", "gateway.example", "us-east-1", "sqs"),
]


def by_botocore(
    place: ServiceEndpoint, signed: dict[str, str], body: bytes, credentials: ReadOnlyCredentials
) -> tuple[str, dict[str, str]]:
    """When it was signed, and the header fields that signing has made."""
    request = AWSRequest("POST", place.url, dict(signed), body)
    SigV4Auth(credentials, place.service, place.region).add_auth(request)  # type: ignore[arg-type]
    fields = {name: value for name, value in request.headers.items() if name not in signed}
    return fields["X-Amz-Date"], fields


@given(
    st.sampled_from(PLACES),
    st.dictionaries(NAMES, VALUES, max_size=4),
    st.binary(min_size=1, max_size=50),
    st.lists(CREDENTIALS, min_size=1, max_size=3),
)
def test_it_is_signed_as_botocore_signs(
    place: ServiceEndpoint, signed: dict[str, str], body: bytes, all_of: list[ReadOnlyCredentials]
) -> None:
    """With credentials that change meanwhile, as a role's do."""
    signer = RequestSigner(place, signed)
    for credentials in [*all_of, *all_of]:
        when, fields = by_botocore(place, signed, body, credentials)
        lines = signer.sign(body, when, credentials).splitlines()
        assert dict(line.split(": ", 1) for line in lines) == fields


def test_a_key_holds_for_a_day_and_no_longer() -> None:
    credentials = ReadOnlyCredentials("AKID", "secret", None)  # type: ignore[arg-type]
    old = RequestSigner(PLACES[0], {})
    old.sign(b"{}", "20261123T235959Z", credentials)
    for when in ("20261124T000000Z", "20261123T235959Z"):
        assert old.sign(b"{}", when, credentials) == RequestSigner(PLACES[0], {}).sign(b"{}", when, credentials)


@pytest.mark.parametrize("bad", ["AKID\n", "AK\r\nX-Evil: 1", "ÄKID"])
def test_credentials_that_would_begin_a_header_are_refused(bad: str) -> None:
    for credentials in (ReadOnlyCredentials(bad, "s", None), ReadOnlyCredentials("a", "s", bad)):  # type: ignore[arg-type]
        with pytest.raises(UnusableCredentials, match="The credentials"):
            RequestSigner(PLACES[0], {}).sign(b"{}", "20261124T000000Z", credentials)
