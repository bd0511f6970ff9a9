"""What the mail server does, and what it means for the email: docs/design.md#the-answers-table, row by row."""

import time

import pytest

from eed_delivery.config import SmtpSettings
from eed_delivery.errors import (
    DeliveryFailure,
    InDoubt,
    InfrastructureFailure,
    NoGrant,
    PermanentFailure,
    Throttled,
    TransientFailure,
)
from eed_delivery.transports.smtp.transport import SmtpTransport
from tests.contract.messages import CONTENT, Wire, message, no_grant
from tests.contract.smtp_client import patience, smtp
from tests.servers import free_port
from tests.servers.smtp_server import ONE_BY_ONE, PIPELINING, Accept, Action, Close, Drip, Hang, Reset, Say, SmtpServer

INFRA, PERM, TEMP, RATE, DOUBT = (
    InfrastructureFailure,
    PermanentFailure,
    TransientFailure,
    Throttled,
    InDoubt,
)
GARBAGE = Say(b"\x00\xffHTTP/1.1 400 Bad Request\r\n", Close())
HUGE = Say(b"250-" + b"a" * 200_000)
ENDLESS = Say(b"250-more\r\n" * 20_000)

# (phase, what the server does, the class, whether the wire had been granted by then)
TABLE: list[tuple[str, Action, type[DeliveryFailure], int]] = [
    # cannot connect, TLS, EHLO, AUTH failure
    ("connect", Say("554 no service here"), INFRA, 0),
    ("connect", Say("421 too many connections", Close()), INFRA, 0),
    ("connect", Say("450 4.7.1 later"), INFRA, 0),
    ("connect", Close(), INFRA, 0),
    ("connect", Reset(), INFRA, 0),
    ("connect", Hang(), INFRA, 0),
    ("connect", GARBAGE, INFRA, 0),
    ("connect", HUGE, INFRA, 0),
    ("connect", ENDLESS, INFRA, 0),
    ("EHLO", Say("550 who are you"), INFRA, 0),
    ("EHLO", Say("421 later", Close()), INFRA, 0),
    ("EHLO", Say("501 bad name"), INFRA, 0),
    ("EHLO", GARBAGE, INFRA, 0),
    ("EHLO", Hang(), INFRA, 0),
    # MAIL
    ("MAIL", Say("421 4.3.2 shutting down", Close()), INFRA, 0),
    ("MAIL", Say("530 5.7.0 authentication required"), INFRA, 0),
    ("MAIL", Say("535 5.7.8 credentials expired"), INFRA, 0),
    ("MAIL", Say("554 Message rejected: Sending paused for this account."), INFRA, 0),
    ("MAIL", Say("550 5.7.1 sender rejected"), PERM, 0),
    ("MAIL", Say("451 4.3.0 try later"), INFRA, 0),
    ("MAIL", Say("454 Throttling failure: Maximum sending rate exceeded"), RATE, 0),
    ("MAIL", Say("454 Throttling failure: Daily message quota exceeded"), INFRA, 0),
    ("MAIL", Say("354 what"), INFRA, 0),
    ("MAIL", Reset(), INFRA, 0),
    ("MAIL", Hang(), INFRA, 0),
    ("MAIL", GARBAGE, INFRA, 0),
    # RCPT
    ("RCPT", Say("550 5.1.1 no such user"), PERM, 0),
    ("RCPT", Say("550-5.1.1 no such user\r\n550 5.1.1 really"), PERM, 0),
    ("RCPT", Say("553 bad address"), PERM, 0),
    ("RCPT", Say("450 4.2.1 mailbox busy"), TEMP, 0),
    ("RCPT", Say("452 4.2.2 mailbox full, quota exceeded"), TEMP, 0),
    ("RCPT", Say("451 temporary lookup failure"), INFRA, 0),
    ("RCPT", Say("450 4.7.1 Greylisted, come back in 5 minutes"), TEMP, 0),
    ("RCPT", Say("450 4.7.1 <x@y>: Recipient address rejected: undeliverable"), TEMP, 0),
    ("RCPT", Say("450 4.7.1 <x@y>: Recipient address rejected: rate limit exceeded"), RATE, 0),
    ("RCPT", Say("451 4.7.0 too many messages, slow down"), RATE, 0),
    ("RCPT", Say("450 4.7.28 mail flood"), RATE, 0),
    ("RCPT", Say("454 4.7.0 not so fast"), RATE, 0),
    ("RCPT", Say("421 4.7.0 bye", Close()), INFRA, 0),
    ("RCPT", Say("530 5.7.0 authentication required"), INFRA, 0),
    ("RCPT", Close(), INFRA, 0),
    ("RCPT", Reset(), INFRA, 0),
    ("RCPT", Hang(), INFRA, 0),
    ("RCPT", ENDLESS, INFRA, 0),
    # DATA: the wire was granted, but the server has no content yet: still a definite no
    ("DATA", Say("451 4.3.0 try later"), INFRA, 1),
    ("DATA", Say("450 4.7.1 rate"), RATE, 1),
    ("DATA", Say("554 5.7.1 no"), PERM, 1),
    ("DATA", Say("250 ok"), INFRA, 1),
    ("DATA", Say("421 bye", Close()), INFRA, 1),
    ("DATA", Close(), INFRA, 1),
    ("DATA", Reset(), INFRA, 1),
    ("DATA", Hang(), INFRA, 1),
    # the final dot
    ("dot", Say("451 4.3.0 try later"), INFRA, 1),
    ("dot", Say("421 4.3.2 shutting down", Close()), INFRA, 1),
    ("dot", Say("450 4.7.1 rate"), RATE, 1),
    ("dot", Say("454 4.7.0 throttled"), RATE, 1),
    ("dot", Say("554 5.6.0 content rejected"), PERM, 1),
    ("dot", Say("552 5.3.4 too big"), PERM, 1),
    ("dot", Say("535 5.7.8 credentials expired"), INFRA, 1),
    ("dot", Close(), DOUBT, 1),
    ("dot", Reset(), DOUBT, 1),
    ("dot", Hang(), DOUBT, 1),
    ("dot", Accept(Close()), DOUBT, 1),
    ("dot", Accept(Reset()), DOUBT, 1),
    ("dot", Accept(Hang()), DOUBT, 1),
    ("dot", GARBAGE, DOUBT, 1),
    ("dot", Say(b"250-half an answer\r\n", Close()), DOUBT, 1),
    ("dot", Say(b"250-one\r\n550 two\r\n"), DOUBT, 1),
    ("dot", Say(b"250 no line end", Close()), DOUBT, 1),
    ("dot", Say("354 go on"), DOUBT, 1),
    ("dot", HUGE, DOUBT, 1),
    ("dot", ENDLESS, DOUBT, 1),
]


Offered = tuple[str, ...]


@pytest.fixture(params=[PIPELINING, ONE_BY_ONE], ids=["pipelining", "one by one"])
def offered(request: pytest.FixtureRequest) -> Offered:
    """Whether commands may leave together (RFC 2920) or not, everything here holds."""
    extensions: Offered = request.param
    return extensions


# More than the kernel takes while the server does not read.
LARGE = b"Subject: x\r\n\r\n" + (b"y" * 98 + b"\r\n") * 160_000


@pytest.mark.parametrize(
    ("phase", "action", "kind", "grants"), TABLE, ids=[f"{phase}-{action!s:.60}" for phase, action, _, _ in TABLE]
)
def test_the_answers_table(
    phase: str, action: Action, kind: type[DeliveryFailure], grants: int, offered: Offered
) -> None:
    with SmtpServer(extensions=offered) as server, smtp(server, **patience(action)) as transport:
        server.on(phase, action, times=1)
        wire = Wire()
        with pytest.raises(DeliveryFailure) as raised:
            transport.send(message(), wire)
        assert type(raised.value) is kind, raised.value.reply
        assert wire.asked == grants
        assert raised.value.reply
        assert len(raised.value.reply) <= 600
        assert raised.value.reply.isprintable()
        taken = len(server.received)
        # Whatever it was: the next email goes out, with its own answer.
        answer = transport.send(message(email_id=18, content=b"Subject: next\r\n\r\nnext\r\n"), Wire())
        assert answer.message_id == f"{len(server.received):X}ABC"
        assert [m.content for m in server.received[taken:]] == [b"Subject: next\r\n\r\nnext\r\n"]


def test_the_reply_is_kept_with_its_codes(offered: Offered) -> None:
    with SmtpServer(extensions=offered) as server, smtp(server) as transport:
        server.on(
            "RCPT", Say(b"550-5.1.1 no \x1b[31msuch\x07 user \xe9\r\n550 5.1.1 see\thttps://x.example\r\n"), times=1
        )
        with pytest.raises(PermanentFailure) as raised:
            transport.send(message(), Wire())
        assert raised.value.code == 550
        assert raised.value.enhanced == "5.1.1"
        assert raised.value.reply == "550 5.1.1 no [31msuch user � 5.1.1 see https://x.example"


def test_a_long_reply_is_cut(offered: Offered) -> None:
    with SmtpServer(extensions=offered) as server, smtp(server) as transport:
        server.on("RCPT", Say("550 5.1.1 " + "é" * 3000), times=1)
        with pytest.raises(PermanentFailure) as raised:
            transport.send(message(), Wire())
        assert len(raised.value.reply) == 500


def test_nobody_listens() -> None:
    with pytest.raises(InfrastructureFailure, match=r"cannot connect: .*Check \[smtp\] host and port"):
        SmtpTransport(SmtpSettings(host="127.0.0.1", port=free_port(), tls="none")).send(message(), Wire())


def test_a_250_is_final_whatever_comes_after_it(offered: Offered) -> None:
    with SmtpServer(extensions=offered) as server, smtp(server) as transport:
        server.on("dot", Say("250 2.0.0 Ok: queued as FINAL", Reset()), times=1)
        assert transport.send(message(), Wire()).message_id == "FINAL"
        assert transport.send(message(email_id=18), Wire()).message_id
        assert server.connections == 2
        server.on("QUIT", Hang())
        transport.close()
        assert server.received[0].content == CONTENT


@pytest.mark.parametrize("after", [0, 1, 100_000])
@pytest.mark.parametrize("action", [Close(), Reset()])
def test_lost_while_the_content_is_sent_is_a_definite_no(after: int, action: Action, offered: Offered) -> None:
    with SmtpServer(extensions=offered) as server, smtp(server) as transport:
        server.on("content", action, times=1, after_bytes=after)
        wire = Wire()
        with pytest.raises(InfrastructureFailure):
            transport.send(message(content=LARGE), wire)
        assert wire.asked == 1
        assert server.received == []


def test_a_server_that_stops_reading_is_a_definite_no(offered: Offered) -> None:
    with SmtpServer(extensions=offered) as server, smtp(server, **patience(Hang())) as transport:
        server.on("content", Hang(), times=1)
        with pytest.raises(InfrastructureFailure, match="timed out"):
            transport.send(message(content=LARGE), Wire())
        assert server.received == []


def test_a_refusal_in_the_middle_of_the_content_is_about_this_email(offered: Offered) -> None:
    """It would come again every time: as an infrastructure failure this one email would stop all the others."""
    with SmtpServer(extensions=offered) as server, smtp(server, **patience(Hang())) as transport:
        server.on("content", Say("552 5.3.4 too big", Hang()), times=1, after_bytes=1)
        with pytest.raises(PermanentFailure, match=r"552 5\.3\.4 too big"):
            transport.send(message(content=LARGE), Wire())


def test_an_answer_that_came_before_the_dot_is_not_taken_for_its_answer(offered: Offered) -> None:
    """A server out of step says 250 twice. Believing the second one would lose the email."""
    with SmtpServer(extensions=offered) as server, smtp(server) as transport:
        server.on("DATA", Say(b"354 go on\r\n250 2.0.0 Ok: queued as STRAY\r\n", Hang()), times=1)
        with pytest.raises(InfrastructureFailure, match="before the content had ended"):
            transport.send(message(), Wire())
        assert server.received == []


def test_nor_is_one_that_came_while_the_content_was_sent(offered: Offered) -> None:
    """Nothing is to be read then, so it must be looked for before the dot leaves."""
    with SmtpServer(extensions=offered) as server, smtp(server, data_timeout_seconds=10) as transport:
        server.on("content", Say("250 2.0.0 Ok: queued as STRAY"), times=1, after_bytes=1)
        with pytest.raises(InfrastructureFailure, match="before the content had ended"):
            transport.send(message(content=LARGE), Wire())
        assert server.received == []


@pytest.mark.parametrize("phase", ["MAIL", "RCPT"])
def test_a_second_answer_is_never_read_as_the_next_one(phase: str, offered: Offered) -> None:
    with SmtpServer(extensions=offered) as server, smtp(server) as transport:
        server.on(phase, Say(b"250 ok\r\n250 ok\r\n250 ok\r\n"), times=1)
        with pytest.raises(InfrastructureFailure):
            transport.send(message(), Wire())
        assert server.received == []
        transport.send(message(), Wire())
        assert len(server.received) == 1


def test_stray_answers_after_a_250_do_not_answer_for_the_next_email(offered: Offered) -> None:
    stray = b"250 ok\r\n250 ok\r\n354 go on\r\n250 2.0.0 Ok: queued as STRAY\r\n"
    with SmtpServer(extensions=offered) as server, smtp(server) as transport:
        server.on("dot", Say(b"250 2.0.0 Ok: queued as FIRST\r\n" + stray), times=1)
        assert transport.send(message(), Wire()).message_id == "FIRST"
        assert transport.send(message(email_id=18), Wire()).message_id == "2ABC"
        assert [m.connection for m in server.received] == [1, 2]


@pytest.mark.parametrize("reply", [HUGE, ENDLESS])
def test_a_reply_that_does_not_end_is_cut_off_at_once(reply: Action, offered: Offered) -> None:
    with SmtpServer(extensions=offered) as server, smtp(server, command_timeout_seconds=20) as transport:
        server.on("RCPT", reply, times=1)
        with pytest.raises(InfrastructureFailure, match="does not end"):
            transport.send(message(), Wire())


def test_a_late_answer_is_never_read_as_the_next_ones(offered: Offered) -> None:
    with SmtpServer(extensions=offered) as server, smtp(server, **patience(Hang())) as transport:
        server.on("dot", Accept(Hang()), times=1)
        with pytest.raises(InDoubt, match="timed out"):
            transport.send(message(), Wire())
        server.on("RCPT", Say("550 5.1.1 no such user"))
        with pytest.raises(PermanentFailure):
            transport.send(message(), Wire())
        assert server.connections == 2


@pytest.mark.parametrize("phase", ["MAIL", "RCPT"])
@pytest.mark.parametrize("ending", [Close(), Reset(), Say("421 4.4.2 idle too long", Close())])
def test_a_kept_connection_that_died_is_replaced_quietly(phase: str, ending: Action, offered: Offered) -> None:
    with SmtpServer(extensions=offered) as server, smtp(server) as transport:
        transport.send(message(), Wire())
        server.on(phase, ending, times=1)
        wire = Wire()
        assert transport.send(message(email_id=18), wire).code == 250
        assert wire.asked == 1
        assert server.connections == 2


@pytest.mark.parametrize("phase", ["MAIL", "RCPT"])
def test_it_is_replaced_once_and_no_more(phase: str, offered: Offered) -> None:
    with SmtpServer(extensions=offered) as server, smtp(server) as transport:
        transport.send(message(), Wire())
        server.on(phase, Say("421 go away", Close()))
        wire = Wire()
        with pytest.raises(InfrastructureFailure):
            transport.send(message(), wire)
        assert (server.connections, wire.asked) == (2, 0)


def test_after_a_refusal_the_transaction_is_reset_on_the_same_connection(offered: Offered) -> None:
    with SmtpServer(extensions=offered) as server, smtp(server) as transport:
        server.on("RCPT", Say("550 5.1.1 no such user"), recipient="nobody@example.com")
        with pytest.raises(PermanentFailure):
            transport.send(message(recipient="nobody@example.com"), Wire())
        transport.send(message(), Wire())
        transport.send(message(), Wire())
        verbs = [line.split(" ")[0] for _, line in server.commands]
        assert verbs == ["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA", "MAIL", "RCPT", "DATA"]
        assert server.connections == 1


@pytest.mark.parametrize("answer", [Say("500 what?"), Close(), Hang()])
def test_if_the_reset_fails_the_connection_is_replaced_quietly(answer: Action, offered: Offered) -> None:
    with SmtpServer(extensions=offered) as server, smtp(server, **patience(answer)) as transport:
        with pytest.raises(NoGrant):
            transport.send(message(), no_grant())
        server.on("RSET", answer, times=1)
        transport.send(message(), Wire())
        assert server.connections == 2
        assert len(server.received) == 1


def test_no_grant_comes_after_rcpt_and_before_data(offered: Offered) -> None:
    with SmtpServer(extensions=offered) as server, smtp(server) as transport:
        with pytest.raises(NoGrant):
            transport.send(message(), no_grant())
        assert [line.split(" ")[0] for _, line in server.commands] == ["EHLO", "MAIL", "RCPT"]


def test_a_connection_carries_so_many_messages_and_no_more(offered: Offered) -> None:
    with SmtpServer(extensions=offered) as server, smtp(server, max_messages_per_connection=2) as transport:
        for _ in range(5):
            transport.send(message(), Wire())
        assert [m.connection for m in server.received] == [1, 1, 2, 2, 3]
        assert [n for n, line in server.commands if line == "QUIT"] == [1, 2]


def test_close_says_quit_and_does_not_wait_for_ever(offered: Offered) -> None:
    with SmtpServer(extensions=offered) as server, smtp(server) as transport:
        transport.send(message(), Wire())
        server.on("QUIT", Hang())
        started = time.monotonic()
        transport.close()
        assert time.monotonic() - started < 30
        assert server.commands[-1][1] == "QUIT"


def test_a_server_that_trickles_is_not_waited_for_longer_than_the_timeout(offered: Offered) -> None:
    """A byte now and then would start a plain socket timeout anew each time."""
    drip = Drip(b"250-" + b"x" * 1000, every_seconds=0.1)
    with SmtpServer(extensions=offered) as server, smtp(server, **patience(drip)) as transport:
        server.on("RCPT", drip, times=1)
        started = time.monotonic()
        with pytest.raises(InfrastructureFailure, match="timed out"):
            transport.send(message(), Wire())
        assert time.monotonic() - started < 30


# Probe


@pytest.mark.parametrize(
    ("phase", "action", "kind"),
    [
        ("NOOP", Say("454 4.7.0 slow down"), RATE),
        ("NOOP", Say("421 bye", Close()), INFRA),
        ("NOOP", Say("550 no"), INFRA),
        ("NOOP", Say("450 no"), INFRA),
        ("NOOP", Reset(), INFRA),
        ("connect", Close(), INFRA),
        ("EHLO", Hang(), INFRA),
    ],
)
def test_the_probe_tells_what_is_wrong(
    phase: str, action: Action, kind: type[DeliveryFailure], offered: Offered
) -> None:
    with SmtpServer(extensions=offered) as server, smtp(server, **patience(action)) as transport:
        transport.send(message(), Wire())
        server.on(phase, action, times=1)
        with pytest.raises(DeliveryFailure) as raised:
            transport.probe()
        assert type(raised.value) is kind
        transport.probe()
        transport.send(message(), Wire())


def test_the_probe_connects_anew(offered: Offered) -> None:
    with SmtpServer(extensions=offered) as server, smtp(server) as transport:
        transport.send(message(), Wire())
        transport.probe()
        assert server.connections == 2
        assert server.commands[-1] == (2, "NOOP")
