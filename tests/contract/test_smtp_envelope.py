"""What a server can carry and what it must not see: sizes, extensions, line ends and addresses."""

import pytest

from eed_delivery.errors import PermanentFailure
from eed_delivery.model import Accepted
from tests.contract.messages import CONTENT, Wire, message
from tests.contract.smtp_client import smtp
from tests.servers.smtp_server import Say, SmtpServer


def test_size_is_announced_and_a_message_too_large_never_reaches_the_wire() -> None:
    with SmtpServer(extensions=["SIZE 400"]) as server, smtp(server) as transport:
        wire = Wire()
        with pytest.raises(PermanentFailure, match="too large: 414 bytes, and the mail server accepts 400"):
            transport.send(message(content=b"S: x\r\n\r\n" + b"y" * 402 + b"\r\n\r\n"[:4]), wire)
        assert wire.asked == 0
        transport.send(message(), Wire())
        assert server.received[0].mail_parameters == f"SIZE={len(CONTENT)}"


@pytest.mark.parametrize("size", ["SIZE", "SIZE 0", "SIZE many"])
def test_a_size_that_is_no_limit(size: str) -> None:
    with SmtpServer(extensions=[size]) as server, smtp(server) as transport:
        transport.send(message(), Wire())


def test_smtputf8_only_where_it_is_needed_and_offered() -> None:
    recipient = "müller@example.com"
    with SmtpServer() as server, smtp(server) as transport:
        transport.send(message(), Wire())
        transport.send(message(recipient=recipient, needs_smtputf8=True), Wire())
        assert "SMTPUTF8" not in server.received[0].mail_parameters
        assert "SMTPUTF8" in server.received[1].mail_parameters
        assert server.received[1].recipient == recipient
    with SmtpServer(extensions=["8BITMIME"]) as server, smtp(server) as transport:
        wire = Wire()
        for needs in (True, False):  # False: the renderer forgot to say so
            with pytest.raises(PermanentFailure, match="does not offer SMTPUTF8"):
                transport.send(message(recipient=recipient, needs_smtputf8=needs), wire)
        assert wire.asked == 0


def test_8bit_text_only_where_it_is_offered() -> None:
    content = "Subject: x\r\n\r\ngrün\r\n".encode()
    with SmtpServer(extensions=["8BITMIME"]) as server, smtp(server) as transport:
        transport.send(message(content=content), Wire())
        assert server.received[0].mail_parameters == "BODY=8BITMIME"
    with SmtpServer(extensions=[]) as server, smtp(server) as transport:
        with pytest.raises(PermanentFailure, match="does not offer 8BITMIME"):
            transport.send(message(content=content), Wire())
        assert server.commands[1:] == []


@pytest.mark.parametrize("content", [b"a\nb\r\n", b"a\rb\r\n", b"a\r\n.\nMAIL FROM:<x>\r\n", b"a\r", b"\n"])
def test_line_ends_that_could_smuggle_a_second_message_are_refused(content: bytes) -> None:
    with SmtpServer() as server, smtp(server) as transport:
        with pytest.raises(PermanentFailure, match="CRLF"):
            transport.send(message(content=content), Wire())
        assert server.commands == []


@pytest.mark.parametrize("local", ['"try..this."', '"quoted local"', '"a, <b>;"', '"a\\"\\\\ b"', '"a@b"'])
def test_quoted_local_parts_go_as_they_are(local: str) -> None:
    """RFC 5321, 4.1.2: Quoted-string."""
    with SmtpServer() as server, smtp(server) as transport:
        transport.send(message(recipient=f"{local}@example.com", sender=f"{local}@bank.example"), Wire())
        assert f"RCPT TO:<{local}@example.com>" in [line for _, line in server.commands]
        received = server.received[0]
        assert (received.sender, received.recipient) == (f"{local}@bank.example", f"{local}@example.com")


@pytest.mark.parametrize(
    "address",
    [
        *("a@example.com>\r\nDATA", "a@example.com> SIZE=1", "a\0@example.com"),
        *(
            '"a b"@example.com> SIZE=1',
            '"a\r\nDATA"@example.com',
            '"a\0"@example.com',
            "a b@example.com",
            '"a@example.com',
        ),
        *('"a"> SIZE=1 <"b"@example.com', '"a\\"> SIZE=1"b@example.com', 'x"a b"@example.com'),
    ],
)
def test_an_address_cannot_bring_commands_along(address: str) -> None:
    with SmtpServer() as server, smtp(server) as transport:
        for bad in (message(recipient=address), message(sender=address)):
            with pytest.raises(PermanentFailure, match="envelope address"):
                transport.send(bad, Wire())
        assert server.commands == []


def test_a_message_without_a_last_line_end_gets_one() -> None:
    with SmtpServer() as server, smtp(server) as transport:
        transport.send(message(content=b"Subject: x\r\n\r\n."), Wire())
        assert server.received[0].content == b"Subject: x\r\n\r\n.\r\n"


def test_a_250_for_a_reply_without_text_or_queue_id() -> None:
    with SmtpServer() as server, smtp(server) as transport:
        server.on("dot", Say("250"))
        assert transport.send(message(), Wire()) == Accepted("250", 250, "<17.1@bank.example>")
