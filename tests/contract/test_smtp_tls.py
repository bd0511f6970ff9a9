"""TLS and AUTH: what must be checked is checked, and nothing goes out in the clear when it should not."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from eed_delivery.config import SmtpSettings
from eed_delivery.errors import ConfigError, InfrastructureFailure
from eed_delivery.transports.smtp.transport import SmtpTransport
from tests.contract.messages import CONTENT, Wire, message
from tests.contract.smtp_client import patience
from tests.servers.certificates import Certificate, make_certificate
from tests.servers.smtp_server import Close, Hang, Reset, Say, SmtpServer

LOGIN = ("mailer", "sé:cret")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("good"), "127.0.0.1", "localhost")


@pytest.fixture(scope="module")
def other_host(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("other"), "mail.example")


@contextmanager
def smtp(server: SmtpServer, trusted: Certificate | None, **changes: object) -> Iterator[SmtpTransport]:
    known: dict[str, object] = {
        "host": server.host,
        "port": server.port,
        "tls": server.tls,
        "ca_file": trusted and trusted.authority,
        "connect_timeout_seconds": 10,
        "command_timeout_seconds": 10,
    }
    transport = SmtpTransport(SmtpSettings.model_validate({**known, **changes}))
    try:
        yield transport
    finally:
        transport.close()


def logged_in(server: SmtpServer, password: str) -> AbstractContextManager[SmtpTransport]:
    return smtp(server, None, username=LOGIN[0], password=password)


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_mail_over_tls_with_a_login(tls: str, good: Certificate) -> None:
    with SmtpServer(tls=tls, certificate=good, login=LOGIN) as server:
        with smtp(server, good, username=LOGIN[0], password=LOGIN[1]) as transport:
            transport.probe()
            for _ in range(3):
                transport.send(message(), Wire())
        assert [m.content for m in server.received] == [CONTENT] * 3
        assert server.connections == 1


def test_more_than_the_kernel_takes_at_once_arrives_whole(good: Certificate) -> None:
    """TLS is in the middle of a record then, and must be given the same bytes again."""
    content = b"Subject: x\r\n\r\n" + b"".join(b"%098d\r\n" % number for number in range(200_000))
    with SmtpServer(tls="implicit", certificate=good) as server, smtp(server, good) as transport:
        transport.send(message(content=content), Wire())
        assert server.received[0].content == content


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_certificate_of_an_unknown_authority(tls: str, good: Certificate) -> None:
    with SmtpServer(tls=tls, certificate=good) as server, smtp(server, None) as transport:
        wire = Wire()
        with pytest.raises(InfrastructureFailure, match="certificate verify failed"):
            transport.send(message(), wire)
        assert (server.received, wire.asked) == ([], 0)


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_certificate_for_another_host(tls: str, other_host: Certificate) -> None:
    with SmtpServer(tls=tls, certificate=other_host) as server, smtp(server, other_host) as transport:
        with pytest.raises(InfrastructureFailure, match=r"127\.0\.0\.1"):
            transport.send(message(), Wire())
        assert server.received == []


def test_without_starttls_nothing_is_sent_in_the_clear(good: Certificate) -> None:
    with (
        SmtpServer(login=LOGIN) as server,
        smtp(server, good, tls="starttls", username=LOGIN[0], password=LOGIN[1]) as transport,
    ):
        with pytest.raises(InfrastructureFailure, match="does not offer STARTTLS"):
            transport.send(message(), Wire())
        assert [line.split(" ")[0] for _, line in server.commands] == ["EHLO"]


@pytest.mark.parametrize(
    ("phase", "action"),
    [
        ("STARTTLS", Say("454 4.7.0 TLS not available")),
        ("STARTTLS", Say("502 what?")),
        ("STARTTLS", Close()),
        ("STARTTLS", Say(b"220 go\r\n250 injected\r\n")),
        ("handshake", Close()),
        ("handshake", Reset()),
        ("handshake", Hang()),
        ("handshake", Say(b"220 this is no TLS\r\n")),
    ],
)
def test_starttls_that_fails_is_never_gone_round(phase: str, action: object, good: Certificate) -> None:
    with SmtpServer(tls="starttls", certificate=good) as server, smtp(server, good, **patience(action)) as transport:
        server.on(phase, action, times=1)  # type: ignore[arg-type]
        wire = Wire()
        with pytest.raises(InfrastructureFailure):
            transport.send(message(), wire)
        assert (wire.asked, server.received) == (0, [])
        assert "MAIL" not in {line.split(" ")[0] for _, line in server.commands}
        transport.send(message(), Wire())
        assert len(server.received) == 1


def test_an_answer_injected_before_tls_is_seen_before_anything_is_said_over_it(good: Certificate) -> None:
    with SmtpServer(tls="starttls", certificate=good) as server, smtp(server, good) as transport:
        server.on("STARTTLS", Say(b"220 go\r\n250 injected\r\n"))
        with pytest.raises(InfrastructureFailure, match="more than its answer to STARTTLS"):
            transport.send(message(), Wire())


@pytest.mark.parametrize("offer", ["AUTH PLAIN", "AUTH LOGIN", "AUTH CRAM-MD5 LOGIN"])
def test_the_ways_to_log_in(offer: str) -> None:
    with SmtpServer(extensions=[offer], login=LOGIN) as server, logged_in(server, LOGIN[1]) as transport:
        transport.send(message(), Wire())


def test_no_way_to_log_in() -> None:
    with SmtpServer(extensions=["AUTH CRAM-MD5"]) as server, logged_in(server, LOGIN[1]) as transport:
        with pytest.raises(InfrastructureFailure, match="neither AUTH PLAIN nor AUTH LOGIN is offered"):
            transport.send(message(), Wire())
        assert server.received == []


@pytest.mark.parametrize("offer", ["AUTH PLAIN", "AUTH LOGIN"])
def test_a_wrong_password_is_ours_to_put_right_and_is_not_shown(offer: str) -> None:
    with SmtpServer(extensions=[offer], login=LOGIN) as server, logged_in(server, "hunter2") as transport:
        with pytest.raises(InfrastructureFailure, match=r"smtp_password: 535 5\.7\.8") as raised:
            transport.send(message(), Wire())
        assert (raised.value.code, raised.value.enhanced) == (535, "5.7.8")
        assert "hunter2" not in repr(raised.value)


@pytest.mark.parametrize("answer", [Say("454 4.7.0 temporary failure"), Say("534 too weak"), Say("421 no", Close())])
def test_a_login_that_fails_otherwise(answer: Say) -> None:
    with SmtpServer(login=LOGIN) as server, logged_in(server, LOGIN[1]) as transport:
        server.on("AUTH", answer)
        with pytest.raises(InfrastructureFailure):
            transport.probe()
        assert len(server.commands) == 2


def test_a_ca_file_that_cannot_be_used_is_named_at_once(tmp_path: Path) -> None:
    for content in (None, "not a certificate"):
        path = tmp_path / "ca.pem"
        if content:
            path.write_text(content)
        with pytest.raises(ConfigError, match=r"smtp\.ca_file"):
            SmtpTransport(SmtpSettings(ca_file=path))
