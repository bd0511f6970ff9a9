"""What SES does, and what it means for the email: docs/design.md#the-answers-table, and one POST for each grant."""

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st

from eed_delivery.config import SesSettings
from eed_delivery.errors import (
    ConfigError,
    DeliveryFailure,
    InDoubt,
    InfrastructureFailure,
    NoGrant,
    PermanentFailure,
    Throttled,
    TransientFailure,
)
from eed_delivery.transports.ses.answers import ACCOUNT, MESSAGE, THROTTLING
from eed_delivery.transports.ses.transport import SesTransport, account
from tests.contract.messages import CONTENT, RECIPIENT, SENDER, Wire, message, no_grant
from tests.contract.ses_ways import WAYS, Way, quick
from tests.examples import examples
from tests.servers import free_port
from tests.servers.aws_clients import aws_client
from tests.servers.certificates import make_certificate
from tests.servers.scripted_http import HANG_UP, ScriptedHttp, answer, ok
from tests.servers.ses_stub import Answer, Cut, Lost, Raw, Refuse, SesStub, Silence

INFRA, PERM, TEMP, RATE, DOUBT = InfrastructureFailure, PermanentFailure, TransientFailure, Throttled, InDoubt

TABLE: list[tuple[Answer, type[DeliveryFailure]]] = [
    (Refuse(429, "TooManyRequestsException"), RATE),
    (Refuse(400, "ThrottlingException", "Maximum sending rate exceeded."), RATE),
    (Refuse(400, "Throttling", "Maximum sending rate exceeded."), RATE),
    (Refuse(429, "SomethingNew"), RATE),
    (Refuse(400, "ThrottlingException", "Daily message quota exceeded."), INFRA),
    (Refuse(429, "TooManyRequestsException", "Daily message quota exceeded"), INFRA),
    (Refuse(400, "LimitExceededException", "Daily sending quota exceeded"), INFRA),
    (Refuse(400, "AccountSuspendedException"), INFRA),
    (Refuse(400, "SendingPausedException"), INFRA),
    (Refuse(400, "AccountSendingPausedException"), INFRA),
    (Refuse(400, "MessageRejected", "Sending suspended for this account."), INFRA),
    (Refuse(404, "NotFoundException", "Configuration set <x> does not exist."), INFRA),
    (Refuse(400, "ConfigurationSetDoesNotExist"), INFRA),
    (Refuse(403, "UnrecognizedClientException"), INFRA),
    (Refuse(403, "InvalidClientTokenId"), INFRA),
    (Refuse(403, "SignatureDoesNotMatch"), INFRA),
    (Refuse(403, "AccessDeniedException"), INFRA),
    (Refuse(403, "ExpiredTokenException"), INFRA),
    (Refuse(403, "SomethingNew"), INFRA),
    (Refuse(404, "SomethingNew"), INFRA),
    (Refuse(400, "MessageRejected", "Email address is not verified."), PERM),
    (Refuse(400, "MailFromDomainNotVerifiedException"), PERM),
    (Refuse(400, "BadRequestException"), PERM),
    (Refuse(413, "SomethingNew"), PERM),
    (Refuse(400, "SomethingNew"), TEMP),
    (Refuse(500, "InternalFailure"), DOUBT),
    (Refuse(503, "ServiceUnavailable"), DOUBT),
    (Refuse(500, "ThrottlingException"), DOUBT),
    (Raw(502, b"<html>bad gateway</html>"), DOUBT),
    (Raw(200, b"not JSON"), DOUBT),
    (Raw(200, b"{}"), DOUBT),
    (Raw(302, b""), DOUBT),
    (Lost(), DOUBT),
    (Lost(reset=True), DOUBT),
    (Cut(), DOUBT),
    (Silence(), DOUBT),
]

YES = ok(b'{"MessageId": "m-1"}')
ALL_CODES = sorted(ACCOUNT | MESSAGE | THROTTLING)


@pytest.fixture
def ses() -> Iterator[SesStub]:
    with SesStub() as stub:
        yield stub


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


@pytest.mark.parametrize(("answer", "kind"), TABLE, ids=[f"{answer!s:.90}" for answer, _ in TABLE])
def test_the_answers_table(ses: SesStub, way: Way, answer: Answer, kind: type[DeliveryFailure]) -> None:
    transport = SesTransport(way(ses.client(read_timeout=1 if isinstance(answer, Silence) else 10)), SesSettings())
    ses.on_send(answer, times=1)
    wire = Wire()
    with pytest.raises(DeliveryFailure) as raised:
        transport.send(message(), wire)
    assert type(raised.value) is kind, raised.value.reply
    assert (wire.asked, ses.posts) == (1, 1)
    assert raised.value.reply
    if isinstance(answer, Refuse):
        assert (raised.value.code, raised.value.enhanced) == (answer.status, answer.code)
        assert answer.message in raised.value.reply
    assert transport.send(message(email_id=18), Wire()).message_id == f"0100-{len(ses.taken):08d}"
    assert ses.posts == 2


def test_what_ses_is_asked_to_do(ses: SesStub, way: Way) -> None:
    transport = SesTransport(way(ses.client()), SesSettings(configuration_set="statements"))
    answer = transport.send(message(), Wire())
    taken = ses.taken[0]
    assert answer.message_id == taken.message_id
    assert taken.content == CONTENT
    assert taken.recipients == (RECIPIENT,)
    assert taken.tags == {"eed_email": "17", "eed_gen": "1"}
    assert taken.configuration_set == "statements"
    assert taken.request["FeedbackForwardingEmailAddress"] == SENDER
    # SES would write it over the From header, and the sender's name would be gone.
    assert "FromEmailAddress" not in taken.request


def test_no_configuration_set_and_the_null_sender(ses: SesStub, way: Way) -> None:
    SesTransport(way(ses.client()), SesSettings()).send(message(sender=""), Wire())
    assert {"ConfigurationSetName", "FeedbackForwardingEmailAddress"}.isdisjoint(ses.taken[0].request)


def test_without_a_grant_there_is_no_post(ses: SesStub, way: Way) -> None:
    with pytest.raises(NoGrant):
        SesTransport(way(ses.client()), SesSettings()).send(message(), no_grant())
    assert ses.posts == 0


@pytest.mark.parametrize("retries", [{}, {"total_max_attempts": 2}, {"mode": "standard"}, {"max_attempts": 1}])
def test_a_client_that_would_retry_is_refused(ses: SesStub, way: Way, retries: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="could so send an email twice"):
        SesTransport(way(ses.client(retries=retries)), SesSettings())


@pytest.mark.parametrize(
    "bad", [message(recipient="müller@example.com"), message(needs_smtputf8=True), message(sender="grüße@bank.example")]
)
def test_what_ses_cannot_carry_never_reaches_the_wire(ses: SesStub, way: Way, bad: Any) -> None:
    wire = Wire()
    with pytest.raises(PermanentFailure, match="beyond ASCII"):
        SesTransport(way(ses.client()), SesSettings()).send(bad, wire)
    assert (wire.asked, ses.posts) == (0, 0)


# Nothing was sent: these are a definite no


def client_for(url: str, *, seconds: float = 10, **changes: Any) -> Any:
    """A client for a server that may not even speak HTTP."""
    known = {"region_name": "us-east-2", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=seconds, read_timeout=seconds)
    return aws_client("sesv2", endpoint_url=url, config=config, **{**known, **changes})


def test_nobody_listens(way: Way) -> None:
    with pytest.raises(InfrastructureFailure):
        SesTransport(way(client_for(f"http://127.0.0.1:{free_port()}")), SesSettings()).send(message(), Wire())


def test_no_credentials(ses: SesStub, way: Way) -> None:
    client = client_for(ses.endpoint_url, aws_access_key_id=None, aws_secret_access_key=None)
    with pytest.raises(InfrastructureFailure, match="credentials"):
        SesTransport(way(client), SesSettings()).send(message(), Wire())
    assert ses.posts == 0


def closes(connection: socket.socket) -> None:
    """Hang up in the handshake."""
    connection.recv(5)


def talks_nonsense(connection: socket.socket) -> None:
    """No TLS at all."""
    connection.sendall(b"HTTP/1.1 400 plain text on this port\r\n\r\n")
    connection.recv(5000)


def says_nothing(connection: socket.socket) -> None:
    """Take the connection, and let the handshake run into its timeout."""
    while connection.recv(5000):
        pass


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """One connection at a time on a free port, handled by `serve`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):  # the client hung up, as it should
                serve(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


@pytest.mark.parametrize("serve", [closes, talks_nonsense, says_nothing])
def test_a_tls_handshake_that_fails_is_a_definite_no(way: Way, serve: Callable[[socket.socket], None]) -> None:
    with listening(serve) as port, pytest.raises(InfrastructureFailure):
        client = client_for(f"https://127.0.0.1:{port}", seconds=1 if serve is says_nothing else 10)
        SesTransport(way(client), SesSettings()).send(message(), Wire())


def test_an_untrusted_certificate_is_a_definite_no(way: Way, tmp_path: Path) -> None:
    context = make_certificate(tmp_path, "127.0.0.1").server_context()

    def serve(connection: socket.socket) -> None:
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(connection, server_side=True)

    with listening(serve) as port, pytest.raises(InfrastructureFailure, match="certificate verify failed"):
        SesTransport(way(client_for(f"https://127.0.0.1:{port}")), SesSettings()).send(message(), Wire())


@pytest.mark.parametrize("end", ["close", "reset", "garbage", "silence"])
def test_the_same_after_the_request_was_sent_over_tls_is_in_doubt(way: Way, tmp_path: Path, end: str) -> None:
    certificate = make_certificate(tmp_path, "127.0.0.1")
    context = certificate.server_context()

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(5000)
            if end == "garbage":
                # Bytes below the TLS layer: the client sees an SSLError while it reads the answer.
                raw = socket.socket(fileno=socket.dup(secure.fileno()))
                with raw:
                    raw.sendall(b"this is no TLS record at all")
            if end == "reset":
                secure.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\x01\0\0\0")
            while end in ("silence", "garbage") and secure.recv(5000):
                pass

    with listening(serve) as port:
        seconds = 1 if end == "silence" else 10
        client = client_for(f"https://127.0.0.1:{port}", seconds=seconds, verify=str(certificate.authority))
        with pytest.raises(InDoubt):
            SesTransport(way(client, str(certificate.authority)), SesSettings()).send(message(), Wire())


# A connection that is kept


def test_one_that_ses_has_closed_while_it_was_idle_is_noticed_before_anything_is_sent(way: Way) -> None:
    with ScriptedHttp([YES] * 3, close_after=1) as server:
        transport = SesTransport(way(client_for(server.url)), SesSettings())
        for _ in range(3):
            transport.send(message(), Wire())
            assert server.closed.acquire(timeout=60)
    assert (server.connections, len(server.requests)) == (3, 3)


def test_one_that_ends_under_a_send_leaves_it_in_doubt_and_nothing_is_sent_again(way: Way) -> None:
    with ScriptedHttp([YES, HANG_UP, YES]) as server:
        transport = SesTransport(way(client_for(server.url)), SesSettings())
        transport.send(message(), Wire())
        with pytest.raises(InDoubt):
            transport.send(message(), Wire())
        assert len(server.requests) == 2
        transport.send(message(), Wire())
    assert (server.connections, len(server.requests)) == (2, 3)


def test_many_threads_send_each_its_own(ses: SesStub, way: Way) -> None:
    transport = SesTransport(way(ses.client(connect_timeout=30, read_timeout=30)), SesSettings())
    together = threading.Barrier(4)

    def send(thread: int) -> list[tuple[int, str | None]]:
        together.wait(30)
        numbers = range(thread * 100, thread * 100 + 20)
        return [(n, transport.send(message(email_id=n, content=b"%d\r\n" % n), Wire()).message_id) for n in numbers]

    with ThreadPoolExecutor(4) as threads:
        told = dict(pair for pairs in threads.map(send, range(4)) for pair in pairs)
    assert {int(taken.tags["eed_email"]): taken.message_id for taken in ses.taken} == told
    assert all(taken.content == b"%s\r\n" % taken.tags["eed_email"].encode() for taken in ses.taken)
    assert ses.posts == len(told) == 80


# Anything that may come back


BODIES = st.one_of(
    st.just(b'{"MessageId": "m-1"}'),
    st.sampled_from(ALL_CODES).map(
        lambda code: json.dumps({"__type": f"com.amazonaws#{code}", "message": "m"}).encode()
    ),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["MessageId", "__type", "code", "message", "x"]), inner, max_size=3)
        ),
        max_leaves=6,
    ).map(lambda said: json.dumps(said).encode()),
    st.binary(max_size=60),
)


YES_BARE = answer(200, b'{"MessageId": "m-1"}')


@pytest.fixture(scope="module")
def scripted() -> Iterator[tuple[ScriptedHttp, SesTransport]]:
    with ScriptedHttp([]) as server:
        yield server, SesTransport(quick(client_for(server.url)), SesSettings())


@settings(max_examples=examples(300), deadline=None)
@given(
    st.sampled_from([200, 202, 301, 400, 403, 404, 413, 429, 500, 502, 503]),
    BODIES,
    st.just(1.0) | st.floats(0, 1),
)
def test_nothing_but_a_whole_yes_is_a_yes_and_nothing_but_a_whole_no_is_a_no(
    scripted: tuple[ScriptedHttp, SesTransport], status: int, body: bytes, part: float
) -> None:
    server, transport = scripted
    whole = answer(status, body)
    cut = whole[: round(len(whole) * part)]
    asked = len(server.requests)
    server.answers.append(cut)
    complete = cut == whole
    try:
        taken = transport.send(message(), Wire())
    except InDoubt:
        assert not (complete and (400 <= status <= 499 or (status, whole) == (200, YES_BARE)))
    except DeliveryFailure:
        assert complete and 400 <= status <= 499
    else:
        assert complete and status in (200, 202) and json.loads(body)["MessageId"] == taken.message_id
    assert len(server.requests) == asked + 1


# The account


def test_the_account(ses: SesStub, way: Way) -> None:
    found = account(way(ses.client()))
    assert (found.max_send_rate, found.max_24_hour_send, found.sent_last_24_hours) == (14.0, 50000.0, 10.0)
    assert found.sending_enabled


def test_the_probe_sees_a_pause_and_a_used_up_quota(ses: SesStub, way: Way) -> None:
    transport = SesTransport(way(ses.client()), SesSettings())
    transport.probe()
    ses.account["SendingEnabled"] = False
    with pytest.raises(InfrastructureFailure, match="paused"):
        transport.probe()
    ses.account["SendingEnabled"] = True
    ses.account["SendQuota"] = {"MaxSendRate": 14.0, "Max24HourSend": 200.0, "SentLast24Hours": 200.0}
    with pytest.raises(InfrastructureFailure, match="200 of 200"):
        transport.probe()
    ses.account["SendQuota"] = {"MaxSendRate": 14.0, "Max24HourSend": -1.0, "SentLast24Hours": 200.0}
    transport.probe()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Refuse(429, "TooManyRequestsException"), RATE),
        (Refuse(403, "AccessDeniedException"), INFRA),
        (Refuse(500, "InternalFailure"), INFRA),
        (Refuse(400, "BadRequestException"), INFRA),
    ],
)
def test_a_probe_that_is_refused(ses: SesStub, answer: Answer, kind: type[DeliveryFailure]) -> None:
    ses.account_answer = answer
    with pytest.raises(DeliveryFailure) as raised:
        SesTransport(ses.client(), SesSettings()).probe()
    assert type(raised.value) is kind
