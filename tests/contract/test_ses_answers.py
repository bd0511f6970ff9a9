"""What SES does, and what it means for the email: the design's answers table, and one POST for each grant."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

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
from eed_delivery.transports.ses import SesTransport, account
from tests.contract.messages import CONTENT, RECIPIENT, SENDER, Wire, message, no_grant
from tests.servers import free_port
from tests.servers.certificates import make_certificate
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


@pytest.fixture
def ses() -> Iterator[SesStub]:
    with SesStub() as stub:
        yield stub


@pytest.mark.parametrize(("answer", "kind"), TABLE, ids=[f"{answer!s:.90}" for answer, _ in TABLE])
def test_the_answers_table(ses: SesStub, answer: Answer, kind: type[DeliveryFailure]) -> None:
    transport = SesTransport(ses.client(read_timeout=0.4), SesSettings())
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


def test_what_ses_is_asked_to_do(ses: SesStub) -> None:
    transport = SesTransport(ses.client(), SesSettings(configuration_set="statements"))
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


def test_no_configuration_set_and_the_null_sender(ses: SesStub) -> None:
    SesTransport(ses.client(), SesSettings()).send(message(sender=""), Wire())
    assert {"ConfigurationSetName", "FeedbackForwardingEmailAddress"}.isdisjoint(ses.taken[0].request)


def test_without_a_grant_there_is_no_post(ses: SesStub) -> None:
    with pytest.raises(NoGrant):
        SesTransport(ses.client(), SesSettings()).send(message(), no_grant())
    assert ses.posts == 0


@pytest.mark.parametrize("retries", [{}, {"total_max_attempts": 2}, {"mode": "standard"}, {"max_attempts": 1}])
def test_a_client_that_would_retry_is_refused(ses: SesStub, retries: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="could so send an email twice"):
        SesTransport(ses.client(retries=retries), SesSettings())


@pytest.mark.parametrize(
    "bad", [message(recipient="müller@example.com"), message(needs_smtputf8=True), message(sender="grüße@bank.example")]
)
def test_what_ses_cannot_carry_never_reaches_the_wire(ses: SesStub, bad: Any) -> None:
    wire = Wire()
    with pytest.raises(PermanentFailure, match="beyond ASCII"):
        SesTransport(ses.client(), SesSettings()).send(bad, wire)
    assert (wire.asked, ses.posts) == (0, 0)


# Nothing was sent: these are a definite no


def client_for(url: str, **changes: Any) -> Any:
    """A client for a server that may not even speak HTTP."""
    known = {"region_name": "us-east-2", "aws_access_key_id": "test", "aws_secret_access_key": "test"}
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=0.5, read_timeout=0.5)
    return boto3.session.Session().client("sesv2", endpoint_url=url, config=config, **{**known, **changes})


def test_nobody_listens() -> None:
    with pytest.raises(InfrastructureFailure):
        SesTransport(client_for(f"http://127.0.0.1:{free_port()}"), SesSettings()).send(message(), Wire())


def test_no_credentials(ses: SesStub) -> None:
    client = client_for(ses.endpoint_url, aws_access_key_id=None, aws_secret_access_key=None)
    with pytest.raises(InfrastructureFailure, match="credentials"):
        SesTransport(client, SesSettings()).send(message(), Wire())
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
def test_a_tls_handshake_that_fails_is_a_definite_no(serve: Callable[[socket.socket], None]) -> None:
    with listening(serve) as port, pytest.raises(InfrastructureFailure):
        SesTransport(client_for(f"https://127.0.0.1:{port}"), SesSettings()).send(message(), Wire())


def test_an_untrusted_certificate_is_a_definite_no(tmp_path: Path) -> None:
    context = make_certificate(tmp_path, "127.0.0.1").server_context()

    def serve(connection: socket.socket) -> None:
        with pytest.raises(ssl.SSLError):
            context.wrap_socket(connection, server_side=True)

    with listening(serve) as port, pytest.raises(InfrastructureFailure, match="certificate verify failed"):
        SesTransport(client_for(f"https://127.0.0.1:{port}"), SesSettings()).send(message(), Wire())


@pytest.mark.parametrize("end", ["close", "reset", "garbage", "silence"])
def test_the_same_after_the_request_was_sent_over_tls_is_in_doubt(tmp_path: Path, end: str) -> None:
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
        client = client_for(f"https://127.0.0.1:{port}", verify=str(certificate.authority))
        with pytest.raises(InDoubt):
            SesTransport(client, SesSettings()).send(message(), Wire())


# The account


def test_the_account(ses: SesStub) -> None:
    found = account(ses.client())
    assert (found.max_send_rate, found.max_24_hour_send, found.sent_last_24_hours) == (14.0, 50000.0, 10.0)
    assert found.sending_enabled


def test_the_probe_sees_a_pause_and_a_used_up_quota(ses: SesStub) -> None:
    transport = SesTransport(ses.client(), SesSettings())
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
