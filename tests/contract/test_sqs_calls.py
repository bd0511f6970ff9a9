"""Our own SQS calls beside boto3's: the same requests, the same answers, the same errors in the same words."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, SSLError

from eed_delivery.app.parts import App
from eed_delivery.aws.calls import SqsCalls, quick_sqs
from eed_delivery.aws.calls.connections import NotSecured
from eed_delivery.aws.calls.errors import NotAws
from eed_delivery.aws.calls.learned import http_settings, learn
from eed_delivery.config import load
from tests.contract.boto_client import boto_client
from tests.servers import free_port
from tests.servers.certificates import make_certificate
from tests.servers.ministack import MiniStack
from tests.servers.scripted_http import HANG_UP, ScriptedHttp, answer, ok

URL = "https://sqs.us-east-1.amazonaws.com/000000000000/q"
ENTRIES = [{"Id": "0", "MessageBody": 'ü"', "MessageGroupId": "7", "DelaySeconds": 3}]
RECEIPTS = [{"Id": "0", "ReceiptHandle": "r/+="}]
AWS_HTML = b"<html><body><b>Http/1.1 Service Unavailable</b></body></html>"
Ask = Callable[[Any], Any]


client = partial(boto_client, "sqs")


def calls(made: Any, credentials: Credentials | None = None, ca_bundle: str | None = None) -> SqsCalls:
    quicker = quick_sqs(made, credentials or Credentials("AKID", "secret"), ca_bundle)
    assert isinstance(quicker, SqsCalls)
    return quicker


def receive(sqs: Any) -> Any:
    return sqs.receive_message(
        QueueUrl=URL,
        MaxNumberOfMessages=10,
        WaitTimeSeconds=20,
        VisibilityTimeout=60,
        MessageSystemAttributeNames=["ApproximateReceiveCount", "MessageGroupId"],
    )


def send(sqs: Any) -> Any:
    return sqs.send_message_batch(QueueUrl=URL, Entries=ENTRIES)


def delete(sqs: Any) -> Any:
    return sqs.delete_message_batch(QueueUrl=URL, Entries=RECEIPTS)


def later(sqs: Any) -> Any:
    entries = [{**RECEIPTS[0], "VisibilityTimeout": 9}]
    return sqs.change_message_visibility_batch(QueueUrl=URL, Entries=entries)


def outcome(ask: Ask, sqs: Any) -> tuple[type, str, object]:
    """The error that came of it: its class, its words, and what SQS said."""
    with pytest.raises((BotoCoreError, ClientError)) as caught:
        ask(sqs)
    said = caught.value.response["Error"] if isinstance(caught.value, ClientError) else None
    # botocore says how often it has tried again where it would have done so, if we had not told it not to.
    return type(caught.value), str(caught.value).replace(" (reached max retries: 0)", ""), said


# --- requests --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("token", [None, "token/+="])
@pytest.mark.parametrize("ask", [receive, send, delete, later])
def test_a_request_is_botocores_but_for_its_own_numbering(ask: Ask, token: str | None) -> None:
    with ScriptedHttp([ok(), ok()]) as server:
        boto = client(server.url, token=token)
        ask(boto)
        ask(calls(boto, Credentials("AKID", "secret", token)))
    theirs, ours = server.requests
    assert (ours.line, json.loads(ours.body)) == (theirs.line, json.loads(theirs.body))
    same = theirs.fields.keys() - {"amz-sdk-invocation-id", "amz-sdk-request", "x-amz-date", "authorization"}
    assert {name: ours.fields[name] for name in same} == {name: theirs.fields[name] for name in same}
    assert ours.fields.keys() == same | {"x-amz-date", "authorization"}


def test_credentials_are_asked_for_each_time() -> None:
    """Those of a role change."""

    class Role(Credentials):
        turn = 0

        def get_frozen_credentials(self) -> Any:
            self.turn += 1
            return Credentials(f"AKID{self.turn}", f"secret{self.turn}", f"token{self.turn}").get_frozen_credentials()

    with ScriptedHttp([ok(), ok()]) as server:
        sqs = calls(client(server.url), Role("", ""))
        send(sqs)
        send(sqs)
    for number, request in enumerate(server.requests, 1):
        assert f"Credential=AKID{number}/" in request.fields["authorization"]
        assert request.fields["x-amz-security-token"] == f"token{number}"


@pytest.mark.parametrize(
    ("region", "options", "host"),
    [
        ("eu-central-1", {}, "sqs.eu-central-1.amazonaws.com"),
        ("cn-north-1", {}, "sqs.cn-north-1.amazonaws.com.cn"),
        ("us-east-1", {"use_fips_endpoint": True}, "sqs-fips.us-east-1.amazonaws.com"),
        ("eu-west-1", {"use_dualstack_endpoint": True}, "sqs.eu-west-1.api.aws"),
        # Where what botocore says of its endpoint (`meta.endpoint_url`) is not where its requests go.
        ("us-iso-east-1", {"use_dualstack_endpoint": True}, "sqs.us-iso-east-1.api.aws.ic.gov"),
    ],
)
def test_the_way_is_botocores(region: str, options: dict[str, Any], host: str) -> None:
    way = learn(client(None, region, **options), "ReceiveMessage", {"QueueUrl": URL})
    endpoint = way.endpoint
    assert (endpoint.url, endpoint.host) == (f"https://{host}/", host)
    assert (endpoint.region, endpoint.service) == (region, "sqs")
    assert way.user_agent.startswith("x")


def test_a_port_that_goes_without_saying_is_not_said() -> None:
    """A signature is over the `Host` that is sent, and botocore leaves the scheme's own port out of both."""
    hosts = {
        url: learn(client(url), "ReceiveMessage", {"QueueUrl": URL}).endpoint.host
        for url in ("https://sqs.example:443", "http://[::1]:4566/a")
    }
    assert list(hosts.values()) == ["sqs.example", "[::1]:4566"]


def test_learning_the_way_sends_nothing_and_leaves_the_client_as_it_was() -> None:
    with ScriptedHttp([ok(b'{"Messages": []}')]) as server:
        boto = client(server.url)
        learn(boto, "ReceiveMessage", {"QueueUrl": URL})
        assert server.connections == 0
        assert receive(boto)["Messages"] == []


def test_without_credentials_it_is_what_boto3_says() -> None:
    core = botocore.session.Session()
    boto = core.create_client("sqs", region_name="us-east-1", endpoint_url="http://127.0.0.1:1")
    sqs = calls(boto)
    assert outcome(receive, sqs)[0] is NoCredentialsError
    assert outcome(receive, sqs) == outcome(receive, boto)


def test_through_a_proxy_boto3_makes_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    far, near = client(None), client("http://127.0.0.1:1")
    assert quick_sqs(far, Credentials("a", "b"), None) is far
    assert isinstance(quick_sqs(near, Credentials("a", "b"), None), SqsCalls), "that proxy is for https"
    monkeypatch.setenv("NO_PROXY", ".amazonaws.com")
    assert isinstance(quick_sqs(far, Credentials("a", "b"), None), SqsCalls)


# --- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        answer(400, b'{"__type":"com.amazonaws.sqs#OverLimit","message":"m"}', "x-amzn-query-error: OverLimit;Sender"),
        answer(
            400,
            b'{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}',
            "x-amzn-query-error: AWS.SimpleQueueService.NonExistentQueue;Sender",
            "x-amzn-RequestId: 1",
        ),
        answer(400, b'{"__type":"com.amazonaws.sqs#RequestThrottled"}', "x-amzn-query-error: RequestThrottled;Sender"),
        answer(403, b'{"__type":"InvalidClientTokenId","message":"The security token is invalid."}'),
        answer(403, b'{"__type":"com.amazon.coral.service#ExpiredTokenException","Message":"expired"}'),
        answer(400, b'{"__type":"x:y"}'),
        answer(400, b"not JSON"),
        answer(400, b""),
        answer(301, b"", "Location: http://127.0.0.1:1/"),
        answer(429, b'{"message":"slow down"}'),
        answer(500, b'{"__type":"InternalFailure"}'),
        answer(503, AWS_HTML),
        answer(503, b""),
        HANG_UP,
        b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{}",
        b"SSH-2.0-OpenSSH_9\r\n",
    ],
)
@pytest.mark.parametrize("ask", [receive, send, delete, later])
def test_an_error_is_botocores_in_class_and_words(ask: Ask, said: bytes) -> None:
    with ScriptedHttp([said, said]) as server:
        boto = client(server.url)
        theirs, ours = outcome(ask, boto), outcome(ask, calls(boto))
    assert ours == theirs
    assert len(server.requests) == 2, "nothing is tried twice"


def test_an_answer_that_does_not_come_is_given_up_in_time_and_in_botocores_words() -> None:
    with ScriptedHttp([]) as server:
        boto = client(server.url, read_timeout=0.3)
        assert outcome(receive, calls(boto)) == outcome(receive, boto)


def test_an_answer_may_take_longer_than_connecting() -> None:
    with ScriptedHttp([ok()], seconds=1.5) as server:
        assert receive(calls(client(server.url, connect_timeout=1))) == {"Messages": []}


def test_half_an_answer_is_given_up_in_time() -> None:
    with ScriptedHttp([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"]) as server:
        assert outcome(receive, calls(client(server.url, read_timeout=0.3)))[0].__name__ == "ReadTimeoutError"


def test_where_nobody_listens_it_is_what_botocore_says() -> None:
    boto = client(f"http://127.0.0.1:{free_port()}")
    assert outcome(receive, calls(boto)) == outcome(receive, boto)


def test_a_name_that_nobody_knows_is_what_botocore_says() -> None:
    boto = client("http://sqs.invalid:1")
    assert outcome(receive, calls(boto)) == outcome(receive, boto)


@pytest.mark.parametrize("body", [b"<html>hotel</html>", b"[]", b'{"Messages":[{"Body":"b"}]}'])
def test_what_is_no_answer_of_sqs_is_trouble(body: bytes) -> None:
    with ScriptedHttp([ok(body)]) as server:
        assert outcome(receive, calls(client(server.url)))[0] is NotAws


def test_a_chunked_answer_is_one() -> None:
    said = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nf\r\n{"Messages":[]}\r\n0\r\n\r\n'
    with ScriptedHttp([said, said]) as server:
        sqs = calls(client(server.url))
        assert receive(sqs) == receive(sqs) == {"Messages": []}
        assert server.connections == 1


# --- connections -----------------------------------------------------------------------------------------------------


def test_a_connection_is_kept() -> None:
    with ScriptedHttp([ok()] * 5) as server:
        sqs = calls(client(server.url))
        for ask in (receive, send, delete, later, send):
            ask(sqs)
        assert (server.connections, len(server.requests)) == (1, 5)


def test_no_more_are_kept_than_the_client_would_keep() -> None:
    with ScriptedHttp([ok()] * 5) as server:
        sqs = calls(client(server.url, max_pool_connections=2))
        together = threading.Barrier(5)

        def ask(_: int) -> None:
            together.wait(30)
            send(sqs)

        with ThreadPoolExecutor(5) as threads:
            list(threads.map(ask, range(5)))
        open_now = server.connections
        for _ in range(open_now - 2):
            assert server.closed.acquire(timeout=60)
        assert not server.closed.acquire(timeout=0.1)


def test_one_that_the_server_has_closed_meanwhile_is_not_used() -> None:
    with ScriptedHttp([ok()] * 3, close_after=1) as server:
        sqs = calls(client(server.url))
        for _ in range(3):
            send(sqs)
            assert server.closed.acquire(timeout=60)
        assert (server.connections, len(server.requests)) == (3, 3)


@pytest.mark.parametrize(
    "said", [answer(200, b"{}", "Connection: close"), b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"]
)
def test_one_that_the_server_says_it_will_close_is_not_used(said: bytes) -> None:
    with ScriptedHttp([said, said]) as server:
        sqs = calls(client(server.url))
        send(sqs)
        send(sqs)
        assert server.connections == 2


def test_after_an_error_on_it_a_connection_is_not_used() -> None:
    with ScriptedHttp([ok()]) as server:
        sqs = calls(client(server.url, read_timeout=1))
        send(sqs)
        outcome(send, sqs)
        outcome(send, sqs)
        assert server.connections == 2, "the first one until its answer was missed, and one more"


def test_what_comes_unasked_does_not_become_the_next_answer() -> None:
    evil = ok(b'{"Successful":[{"Id":"evil"}]}')
    with ScriptedHttp([ok() + evil, ok()]) as server:
        sqs = calls(client(server.url))
        assert send(sqs) == {"Successful": [], "Failed": []}
        assert send(sqs) == {"Successful": [], "Failed": []}


def test_many_threads_get_each_its_own_answer(ministack: MiniStack, queue_urls: tuple[str, str]) -> None:
    sqs = calls(client(ministack.endpoint_url, max_pool_connections=3))
    start = threading.Barrier(12)

    def ask(thread: int) -> set[str]:
        start.wait(30)
        named: set[str] = set()
        for n in range(15):
            entry_id = f"{thread}-{n}"
            said = sqs.send_message_batch(QueueUrl=queue_urls[0], Entries=[{"Id": entry_id, "MessageBody": "x"}])
            named |= {entry_id} ^ {entry["Id"] for entry in said["Successful"]}
        return named

    with ThreadPoolExecutor(12) as threads:
        assert list(threads.map(ask, range(12))) == [set()] * 12


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[ScriptedHttp, str]]:
    certificate = make_certificate(tmp_path / "tls", "127.0.0.1")
    with ScriptedHttp([ok()] * 4, tls=certificate.server_context()) as server:
        yield server, str(certificate.authority)


@pytest.mark.parametrize("variable", [None, "REQUESTS_CA_BUNDLE"])
def test_tls_with_an_authority_of_ones_own(
    secure: tuple[ScriptedHttp, str], variable: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, authority = secure
    if variable:
        monkeypatch.setenv(variable, authority)
    sqs = calls(client(server.url), ca_bundle=None if variable else authority)
    assert send(sqs) == send(sqs) == {"Successful": [], "Failed": []}
    assert server.connections == 1


def test_an_authority_that_nobody_knows_is_not_believed(secure: tuple[ScriptedHttp, str]) -> None:
    boto = client(secure[0].url)
    assert (outcome(send, calls(boto))[0], outcome(send, boto)[0]) == (NotSecured, SSLError)
    assert secure[0].requests == []


def test_a_certificate_for_another_name_is_not_believed(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path / "tls", "sqs.example")
    with ScriptedHttp([ok()], tls=certificate.server_context()) as server:
        sqs = calls(client(server.url), ca_bundle=str(certificate.authority))
        assert outcome(send, sqs)[0] is NotSecured
        assert server.requests == []


# --- where it is used ------------------------------------------------------------------------------------------------


def test_the_services_queues_go_this_way(tmp_path: Path) -> None:
    with ScriptedHttp([ok()] * 2) as server:
        file = tmp_path / "eed.toml"
        file.write_text(f"""
[database]
url = "sqlite:///{tmp_path}/ledger.sqlite3"
[aws]
region = "us-east-1"
credentials = "environment"
[queue]
url = "{URL}"
endpoint_url = "{server.url}"
[rendering]
message_id_domain = "mail.example.com"
""")
        given = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}
        app = App(load(file, given))
        for queue in (app.queue(), app.events_queue(URL)):
            assert queue.receive(10, 0, 60) == []
    for request in server.requests:
        assert request.fields["x-amz-target"] == "AmazonSQS.ReceiveMessage"
        assert request.fields["x-amz-security-token"] == "token"
        assert request.fields["user-agent"].startswith("eed-delivery")
        assert "amz-sdk-invocation-id" not in request.fields, "this is boto3"


def test_it_waits_as_long_as_the_client_would_and_keeps_as_many_connections() -> None:
    settings = http_settings(client(None, connect_timeout=4, read_timeout=31, max_pool_connections=7), None)
    assert (settings.timeout, settings.max_pool_connections) == ((4, 31), 7)
