"""Servers that do not know EHLO get HELO (RFC 5321, 3.2), and no TLS and no login is lost by it."""

from pathlib import Path

import pytest

from eed_delivery.errors import InfrastructureFailure
from tests.contract.messages import CONTENT, Wire, message
from tests.contract.smtp_client import patience, smtp
from tests.servers.certificates import make_certificate
from tests.servers.smtp_server import Action, Close, Hang, Reset, Say, SmtpServer

REFUSED = [Say("500 Command unrecognized"), Say("502 5.5.1 not implemented"), Say("504 not here")]
DROPPED = [Close(), Reset(), Say("500 what?", Close()), Say("502-STARTTLS\r\n502 PIPELINING", Reset())]


def verbs(server: SmtpServer) -> list[str]:
    return [f"{connection} {line.split(' ')[0].split(':')[0]}" for connection, line in server.commands]


@pytest.mark.parametrize("action", REFUSED)
def test_helo_where_ehlo_is_refused(action: Action) -> None:
    with SmtpServer() as server, smtp(server, helo_name="us.example") as transport:
        server.on("EHLO", action)
        transport.probe()
        transport.send(message(), Wire())
        transport.send(message(), Wire())
        assert [m.content for m in server.received] == [CONTENT] * 2
        assert server.connections == 1
        assert server.commands[:2] == [(1, "EHLO us.example"), (1, "HELO us.example")]
        assert server.received[0].mail_parameters == ""  # nothing is offered: not even what a refusal lists


@pytest.mark.parametrize("action", DROPPED)
def test_helo_on_a_new_connection_where_ehlo_ended_the_first(action: Action) -> None:
    with SmtpServer() as server, smtp(server) as transport:
        server.on("EHLO", action)
        transport.send(message(), Wire())
        transport.send(message(), Wire())
        assert [m.connection for m in server.received] == [2, 2]
        assert verbs(server)[-7:] == ["2 HELO", *["2 MAIL", "2 RCPT", "2 DATA"] * 2]


def test_helo_on_a_new_connection_where_none_is_taken_after_ehlo() -> None:
    with SmtpServer() as server, smtp(server) as transport:
        server.on("EHLO", Say("500 what?"))
        server.on("HELO", Say("503 bad sequence of commands"), times=1)
        transport.send(message(), Wire())
        assert verbs(server)[:3] == ["1 EHLO", "1 HELO", "2 HELO"]


def test_commands_leave_one_by_one_after_helo() -> None:
    with SmtpServer() as server, smtp(server) as transport:
        server.on("EHLO", Say("500-what?\r\n500 PIPELINING"))
        server.on("MAIL", Say("550 5.7.1 not you"), times=1)
        with pytest.raises(InfrastructureFailure, match="not you"):
            transport.send(message(), Wire())
        assert verbs(server) == ["1 EHLO", "1 HELO", "1 MAIL"]


def test_helo_within_tls_from_the_start(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "127.0.0.1", "localhost")
    with SmtpServer(tls="implicit", certificate=certificate) as server:
        server.on("EHLO", Say("500 what?"))
        with smtp(server, ca_file=certificate.authority) as transport:
            transport.send(message(), Wire())
        assert verbs(server)[:2] == ["1 EHLO", "1 HELO"]


@pytest.mark.parametrize("action", [*REFUSED, *DROPPED])
@pytest.mark.parametrize("settings", [{"tls": "starttls"}, {"username": "mailer", "password": "secret"}])
def test_tls_and_login_are_not_given_up_for_helo(action: Action, settings: dict[str, object]) -> None:
    with SmtpServer() as server, smtp(server, **settings) as transport:
        server.on("EHLO", action)
        wire = Wire()
        with pytest.raises(InfrastructureFailure):
            transport.send(message(), wire)
        assert (verbs(server), wire.asked) == (["1 EHLO"], 0)


def test_no_helo_after_starttls_was_done(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path, "127.0.0.1", "localhost")
    with SmtpServer(tls="starttls", certificate=certificate) as server:
        with smtp(server, ca_file=certificate.authority) as transport:
            server.on("EHLO", Say("250-mail.example\r\n250 STARTTLS"), times=1)
            server.on("EHLO", Say("502 not again"))
            with pytest.raises(InfrastructureFailure, match="refused at EHLO after STARTTLS: 502"):
                transport.send(message(), Wire())
        assert "HELO" not in " ".join(verbs(server))


@pytest.mark.parametrize("action", [Say("550 who are you"), Say("421 busy", Close()), Hang(), Say(b"what\r\n")])
def test_other_answers_to_ehlo_are_no_reason_for_helo(action: Action) -> None:
    with SmtpServer() as server, smtp(server, **patience(action)) as transport:
        server.on("EHLO", action)
        with pytest.raises(InfrastructureFailure):
            transport.send(message(), Wire())
        assert verbs(server)[0] == "1 EHLO" and "HELO" not in " ".join(verbs(server))


@pytest.mark.parametrize("answer", [Say("550 who are you"), Close(), Hang()])
def test_a_server_that_takes_neither(answer: Action) -> None:
    with SmtpServer() as server, smtp(server, **patience(answer)) as transport:
        server.on("EHLO", Say("500 what?"))
        server.on("HELO", answer)
        wire = Wire()
        with pytest.raises(InfrastructureFailure) as raised:
            transport.send(message(), wire)
        assert (server.connections, wire.asked, raised.value.for_all) == (2, 0, True)
        if isinstance(answer, Say):
            assert "refused at HELO, after EHLO had failed: 550 who are you" in raised.value.reply
        server.forget()
        transport.send(message(), wire)
