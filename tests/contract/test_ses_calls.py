"""Our own SendEmail beside boto3's: the same request, the same errors in the same words. What each answer means for the
email is in test_ses_answers."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

from eed_delivery.app.parts import App
from eed_delivery.aws.calls import SesCalls, quick_ses
from eed_delivery.aws.calls.learned import learn
from eed_delivery.aws.calls.signing import UnusableCredentials
from eed_delivery.config import SesSettings, load
from eed_delivery.errors import InfrastructureFailure
from eed_delivery.transports.ses.transport import SesTransport
from tests.contract.boto_client import boto_client
from tests.contract.messages import CONTENT, Wire, message
from tests.servers import free_port
from tests.servers.scripted_http import HANG_UP, ScriptedHttp, answer, ok

YES = ok(b'{"MessageId": "m-1"}')
BARE: dict[str, Any] = {
    "Destination": {"ToAddresses": ["c@example.com"]},
    "Content": {"Raw": {"Data": CONTENT}},
    "EmailTags": [{"Name": "eed_email", "Value": "17"}, {"Name": "eed_gen", "Value": "1"}],
}
FULL = {**BARE, "FeedbackForwardingEmailAddress": "s@bank.example", "ConfigurationSetName": "statements"}


client = partial(boto_client, "sesv2")


def calls(made: Any, credentials: Credentials | None = None) -> SesCalls:
    quicker = quick_ses(made, credentials or Credentials("AKID", "secret"), None, 5)
    assert isinstance(quicker, SesCalls)
    return quicker


def outcome(ses: Any) -> tuple[type, str, object]:
    """The error that came of a send: its class, its words, and what SES said."""
    with pytest.raises((BotoCoreError, ClientError)) as caught:
        ses.send_email(**FULL)
    said = caught.value.response["Error"] if isinstance(caught.value, ClientError) else None
    # botocore says how often it has tried again where it would have done so, if we had not told it not to.
    return type(caught.value), str(caught.value).replace(" (reached max retries: 0)", ""), said


@pytest.mark.parametrize("wanted", [BARE, FULL])
@pytest.mark.parametrize("token", [None, "token/+="])
def test_a_request_is_botocores_but_for_its_own_numbering(token: str | None, wanted: dict[str, Any]) -> None:
    with ScriptedHttp([YES, YES]) as server:
        boto = client(server.url, token=token)
        boto.send_email(**wanted)
        assert calls(boto, Credentials("AKID", "secret", token)).send_email(**wanted) == {"MessageId": "m-1"}
    theirs, ours = server.requests
    assert ours.line == theirs.line == "POST /v2/email/outbound-emails HTTP/1.1"
    assert json.loads(ours.body) == json.loads(theirs.body)
    same = theirs.fields.keys() - {"amz-sdk-invocation-id", "amz-sdk-request", "x-amz-date", "authorization"}
    assert {name: ours.fields[name] for name in same} == {name: theirs.fields[name] for name in same}
    assert ours.fields.keys() == same | {"x-amz-date", "authorization"}


@pytest.mark.parametrize(
    ("region", "options", "host"),
    [
        ("eu-central-1", {}, "email.eu-central-1.amazonaws.com"),
        ("us-east-1", {"use_fips_endpoint": True}, "email-fips.us-east-1.amazonaws.com"),
        ("eu-west-1", {"use_dualstack_endpoint": True}, "email.eu-west-1.api.aws"),
    ],
)
def test_the_way_is_botocores(region: str, options: dict[str, Any], host: str) -> None:
    endpoint = learn(client(None, region, **options), "SendEmail", BARE).endpoint
    assert (endpoint.url, endpoint.host) == (f"https://{host}/v2/email/outbound-emails", host)
    assert (endpoint.region, endpoint.service) == (region, "ses")


def test_each_send_is_one_post_and_learning_is_none() -> None:
    with ScriptedHttp([YES] * 3) as server:
        ses = calls(client(server.url))
        for _ in range(3):
            ses.send_email(**BARE)
        assert (server.connections, len(server.requests)) == (1, 3)


def test_through_a_proxy_boto3_makes_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    far, near = client(None), client("http://127.0.0.1:1")
    assert quick_ses(far, Credentials("a", "b"), None, 5) is far
    assert isinstance(quick_ses(near, Credentials("a", "b"), None, 5), SesCalls), "that proxy is for https"


@pytest.mark.parametrize(
    "said",
    [
        answer(400, b'{"message":"Email address is not verified."}', "x-amzn-ErrorType: MessageRejected:http://x/"),
        answer(404, b'{"message":"no such set"}', "x-amzn-ErrorType: NotFoundException", "x-amzn-RequestId: 1"),
        answer(429, b'{"message":"slow down"}', "x-amzn-ErrorType: TooManyRequestsException"),
        answer(429, b'{"code":"TooManyRequestsException","message":"slow down"}'),
        answer(400, b'{"__type":"com.amazonaws.sesv2#SendingPausedException","Message":"paused"}'),
        answer(403, b'{"message":"expired"}', "x-amzn-ErrorType: ExpiredTokenException"),
        answer(400, b"not JSON"),
        answer(400, b""),
        answer(302, b"", "Location: http://127.0.0.1:1/"),
        answer(500, b'{"message":null}', "x-amzn-ErrorType: InternalServiceErrorException"),
        answer(503, b"<html><body><b>Http/1.1 Service Unavailable</b></body></html>"),
        HANG_UP,
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}",
        b"SSH-2.0-OpenSSH_9\r\n",
    ],
)
def test_an_error_is_botocores_in_class_and_words(said: bytes) -> None:
    with ScriptedHttp([said, said]) as server:
        boto = client(server.url)
        theirs, ours = outcome(boto), outcome(calls(boto))
    assert ours == theirs
    assert len(server.requests) == 2, "nothing is tried twice"


def test_an_answer_that_does_not_come_is_given_up_in_time_and_in_botocores_words() -> None:
    with ScriptedHttp([]) as server:
        boto = client(server.url, read_timeout=0.3)
        assert outcome(calls(boto)) == outcome(boto)


def test_where_nobody_listens_it_is_what_botocore_says() -> None:
    boto = client(f"http://127.0.0.1:{free_port()}")
    assert outcome(calls(boto)) == outcome(boto)


def test_without_credentials_it_is_what_boto3_says() -> None:
    boto = botocore.session.Session().create_client("sesv2", region_name="us-east-1", endpoint_url="http://127.0.0.1:1")
    assert outcome(calls(boto)) == outcome(boto)
    assert outcome(boto)[0] is NoCredentialsError


def test_credentials_that_no_header_can_hold_are_a_definite_no() -> None:
    with ScriptedHttp([]) as server:
        ses = calls(client(server.url), Credentials("AKID\n", "secret"))
        assert outcome(ses)[0] is UnusableCredentials
        with pytest.raises(InfrastructureFailure, match="what no header can"):
            SesTransport(ses, SesSettings()).send(message(), Wire())
        assert server.requests == []


def test_the_services_emails_go_this_way_and_its_questions_boto3s(tmp_path: Path) -> None:
    account = ok(b'{"SendingEnabled": true}')
    with ScriptedHttp([YES, account]) as server:
        file = tmp_path / "eed.toml"
        file.write_text(f"""
[database]
url = "sqlite:///{tmp_path}/ledger.sqlite3"
[aws]
region = "us-east-1"
credentials = "environment"
[queue]
url = "https://sqs.us-east-1.amazonaws.com/000000000000/q"
[transport]
kind = "ses"
[ses]
endpoint_url = "{server.url}"
[rendering]
message_id_domain = "mail.example.com"
""")
        given = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}
        transport = App(load(file, given)).transport_factory()()
        assert transport.send(message(), Wire()).message_id == "m-1"
        transport.probe()
    sent, asked = server.requests
    assert sent.fields["x-amz-security-token"] == asked.fields["x-amz-security-token"] == "token"
    assert "amz-sdk-invocation-id" not in sent.fields, "this is boto3"
    assert asked.line == "GET /v2/email/account HTTP/1.1"
