"""Bounces by LMTP and SMTP, from the conversation to the ledger: acknowledged when committed, and not before."""

import asyncio
import smtplib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from eed_delivery.config import TrackingSettings
from eed_delivery.ledger.tracking.ledger import TrackingLedger
from eed_delivery.tracking.bounces.intake import BounceIntake
from eed_delivery.tracking.bounces.parsing import MAX_BYTES
from eed_delivery.tracking.bounces.server import BounceServer
from eed_delivery.tracking.bounces.session import BounceHooks, LmtpConversation
from eed_delivery.tracking.bounces.verp import Verp
from tests.servers import free_port
from tests.servers.database_server import DatabaseServer
from tests.servers.mysql_proxy import MySqlProxy
from tests.unit.tracking.bounce_samples import NO_BOUNCES, Sample, dsn, group
from tests.unit.tracking.test_feedback_loops import report
from tests.waiting import until
from tests.world import World

VERP = Verp("bounces.bank.example", b"a secret of the tests, 32 bytes!")
HARD = dsn(group("5.1.1", "smtp; 550 5.1.1 no such user")).replace(b"\n", b"\r\n")
FEEDBACK = "FBL@bounces.bank.example"
PATIENCE = 30


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(f"sqlite:///{tmp_path}/ledger.sqlite3")
    yield world
    world.close()


class Running:
    """A server that answers at `port` until `stop`."""

    def __init__(self, world: World, protocol: str, connections: int, idle_seconds: float) -> None:
        self.port = free_port()
        self.beats = 0
        self._stop = threading.Event()
        intake = BounceIntake(VERP, TrackingLedger(world.database, world.source, TrackingSettings()), FEEDBACK)
        server = BounceServer(intake, protocol, connections, idle_seconds)
        work = threading.Thread(target=server.run, args=("127.0.0.1", self.port, self._stop, self._beat))
        self._thread = work
        work.start()
        until(lambda: listens(self.port), lambda: "it does not listen")

    def _beat(self) -> None:
        self.beats += 1

    def stop(self) -> bool:
        """Whether it ended."""
        self._stop.set()
        self._thread.join(PATIENCE)
        return not self._thread.is_alive()

    def call(self) -> smtplib.LMTP:
        return smtplib.LMTP("127.0.0.1", self.port)


@contextmanager
def running(
    world: World, protocol: str = "lmtp", connections: int = 20, idle_seconds: float = 300
) -> Iterator[Running]:
    server = Running(world, protocol, connections, idle_seconds)
    try:
        yield server
    finally:
        assert server.stop()


def outcomes(world: World) -> dict[int, str | None]:
    return dict(world.execute("SELECT email_id, outcome FROM eed_email"))


def hand_over(client: smtplib.SMTP, sent_to: str, raw: bytes = HARD, sender: str = "") -> tuple[int, bytes]:
    """One message; returns the answer to its end."""
    client.ehlo_or_helo_if_needed()
    assert client.mail(sender)[0] == 250
    code, said = client.rcpt(sent_to)
    if code != 250:
        client.rset()
        return code, said
    return client.data(raw)


def test_a_bounce_is_its_emails_outcome_and_the_next_one_too(world: World) -> None:
    first, second = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    soft = HARD.replace(b"5.1.1", b"4.2.2").replace(b"550 ", b"452 ").replace(b"4CX1@", b"4CX2@")
    with running(world) as server, server.call() as client, capture_logs() as logs:
        assert hand_over(client, VERP.sender(first, 0))[0] == 250
        assert outcomes(world) == {first: "hard_bounced", second: None}  # before the connection ends
        assert hand_over(client, VERP.sender(second, 0).upper(), soft)[0] == 250
    assert outcomes(world) == {first: "hard_bounced", second: "soft_bounced"}
    assert world.execute("SELECT address FROM eed_suppression") == [("a@example.com",)]
    told = [entry for entry in logs if entry["event"] == "bounce_taken"]
    assert [(e["verdict"], e["email_id"], e["suppressed"]) for e in told] == [
        ("bounce", first, 1),
        ("bounce", second, 0),
    ]
    assert "@" not in str(told)


def test_the_same_bounce_again_is_taken_again_and_counts_once(world: World, one: int) -> None:
    with running(world) as server:
        for _ in range(2):
            with server.call() as client:
                assert hand_over(client, VERP.sender(one, 0))[0] == 250
    assert world.scalar("SELECT COUNT(*) FROM eed_event") == 1


@pytest.mark.parametrize(
    "address",
    [
        "postmaster@bounces.bank.example",
        "b+1000.0.aaaaaaaaaaaaaaaa@bounces.bank.example",
        "b+1000.0.aaaaaaaaaaaaaaaa@elsewhere.example",
        VERP.sender(1000, 0).replace("1000.0", "1000.1"),
    ],
)
def test_only_an_address_of_ours_is_a_recipient(world: World, one: int, address: str) -> None:
    with running(world) as server, server.call() as client:
        assert hand_over(client, address)[0] == 550
        assert client.docmd("DATA")[0] == 503
        assert hand_over(client, VERP.sender(one, 0))[0] == 250  # and the conversation goes on
    assert outcomes(world) == {one: "hard_bounced"}


def test_a_complaint_comes_to_the_registered_address(world: World, one: int) -> None:
    said = report(f"Feedback-Type: abuse\nOriginal-Mail-From: <{VERP.sender(one, 0)}>")
    forged = report(f"Feedback-Type: abuse\nOriginal-Mail-From: <b+{one}.0.aaaaaaaaaaaaaaaa@bounces.bank.example>")
    with running(world) as server, server.call() as client, capture_logs() as logs:
        assert hand_over(client, FEEDBACK.lower(), forged.replace(b"\n", b"\r\n"))[0] == 250
        assert outcomes(world)[one] is None
        assert hand_over(client, f"<{FEEDBACK.upper()}>", said.replace(b"\n", b"\r\n"))[0] == 250
    assert outcomes(world)[one] == "complained"
    assert world.execute("SELECT source FROM eed_suppression") == [("complaint",)]
    told = [(entry["verdict"], entry["email_id"]) for entry in logs if entry["event"] == "bounce_taken"]
    assert told == [("not_ours", None), ("complaint", one)]


def test_a_second_recipient_waits_for_the_next_message(world: World) -> None:
    first, second = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    with running(world) as server, server.call() as client:
        client.ehlo_or_helo_if_needed()
        client.mail("")
        answers = [client.rcpt(VERP.sender(email_id, 0))[0] for email_id in (first, second)]
        assert answers == [250, 452]
        assert client.data(HARD)[0] == 250
    assert outcomes(world) == {first: "hard_bounced", second: None}


@pytest.mark.parametrize("sample", NO_BOUNCES, ids=lambda sample: sample.name)
def test_what_is_no_bounce_is_taken_and_forgotten(world: World, one: int, sample: Sample) -> None:
    with running(world) as server, server.call() as client:
        assert hand_over(client, VERP.sender(one, 0), sample.raw, "anna@example.com")[0] == 250
    assert outcomes(world) == {one: None}


def test_a_bounce_of_an_email_that_is_not_there_is_taken_and_told(world: World) -> None:
    with running(world) as server, server.call() as client, capture_logs() as logs:
        assert hand_over(client, VERP.sender(4242, 0))[0] == 250
    assert "bounce_of_unknown_email" in [entry["event"] for entry in logs]


def test_a_bounce_with_all_of_a_large_email_in_it_is_taken(world: World, one: int) -> None:
    """Refused as too large, it would be lost: nobody bounces a bounce."""
    with running(world) as server, server.call() as client:
        assert client.docmd("LHLO", "x")[0] == 250
        assert client.docmd("MAIL", "FROM:<> SIZE=70000000")[0] == 250
        client.rset()
        assert hand_over(client, VERP.sender(one, 0), HARD + b"x" * 70 * 1000 + (b"y" * 998 + b"\r\n") * 5000)[0] == 250
    assert outcomes(world) == {one: "hard_bounced"}


def kept_of(said: bytes) -> bytes:
    """What is handed to the ledger's side when this is said after DATA, up to the end of the connection."""
    kept: list[bytes] = []

    async def take(content: bytes, _sent_to: str) -> None:
        kept.append(content)

    async def talk() -> bytes:
        hooks = BounceHooks(lambda _: True, take)
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: LmtpConversation(hooks, lambda _: None, 300), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<x@bank.example>\r\nDATA\r\n" + said + b".\r\nQUIT\r\n")
        heard = await reader.read()
        writer.close()
        server.close()
        return heard

    with ThreadPoolExecutor(1) as own:  # a test in a browser leaves the main thread's loop running
        heard = own.submit(lambda: asyncio.run(talk())).result()
    assert heard.count(b"\r\n250 2.0.0 taken\r\n") == 1
    (content,) = kept
    return content


def test_a_line_that_never_ends_is_not_kept() -> None:
    kept = kept_of(b"x" * (3 * MAX_BYTES) + b"\r\n")
    assert MAX_BYTES <= len(kept) < MAX_BYTES + 3 * LmtpConversation.line_length_limit


def test_the_content_is_what_was_sent_without_the_dots_that_were_put_before_dots() -> None:
    long = b"." * 200_000
    assert kept_of(b"a\r\n..\r\n...b\r\n.c\r\n\n.\n\r.\r\n." + long + b"\r\n") == (
        b"a\r\n.\r\n..b\r\nc\r\n\n.\n\r.\r\n" + long + b"\r\n"
    )


def test_dots_are_unstuffed_and_only_a_line_of_its_own_ends_the_message(world: World, one: int) -> None:
    with running(world) as server, server.call() as client:
        client.ehlo_or_helo_if_needed()
        client.mail("")
        client.rcpt(VERP.sender(one, 0))
        client.docmd("DATA")
        smuggled = b"\n.\nMAIL FROM:<>\r\n\r.\r\n..\r\n...\r\n"
        client.send(HARD.replace(b"\r\n\r\n", b"\r\n\r\n" + smuggled, 1) + b".\r\nNOOP\r\n")
        assert client.getreply()[0] == 250
        assert client.getreply()[0] == 250  # NOOP, which came with the end: nothing is swallowed
    assert outcomes(world) == {one: "hard_bounced"}


def test_smtp_for_a_server_that_speaks_nothing_else(world: World, one: int) -> None:
    with running(world, "smtp") as server, smtplib.SMTP("127.0.0.1", server.port) as client:
        assert hand_over(client, VERP.sender(one, 0))[0] == 250
    assert outcomes(world) == {one: "hard_bounced"}


def test_each_protocol_has_its_greeting(world: World) -> None:
    with running(world) as server, smtplib.SMTP("127.0.0.1", server.port) as client:
        assert (client.ehlo()[0], client.helo()[0]) == (500, 500)
    with running(world, "smtp") as server, server.call() as client:
        assert client.ehlo()[0] == 500  # smtplib.LMTP says LHLO


def test_while_the_database_is_away_nothing_is_acknowledged(database_server: DatabaseServer, database_url: str) -> None:
    with MySqlProxy(database_server.port) as proxy:
        world = World(proxy.url(database_url))
        (one,) = world.add_job()
        world.enlist()
        with running(world) as server, server.call() as client, capture_logs() as logs:
            proxy.refuse()
            code, said = hand_over(client, VERP.sender(one, 0))
            assert (code, said[:5]) == (451, b"4.3.0")
            proxy.heal()
            assert outcomes(world) == {one: None}
            assert hand_over(client, VERP.sender(one, 0))[0] == 250
        assert outcomes(world) == {one: "hard_bounced"}
        assert "bounce_waits" in [entry["event"] for entry in logs]
        world.close()


def test_what_the_source_refuses_is_to_come_again(world: World, one: int) -> None:
    world.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON eed_event BEGIN SELECT RAISE(ABORT, 'not in this house'); END"
    )
    with running(world) as server, server.call() as client, capture_logs() as logs:
        assert hand_over(client, VERP.sender(one, 0))[0] == 451
        world.execute("DROP TRIGGER refuse")
        assert hand_over(client, VERP.sender(one, 0))[0] == 250
    assert "bounce_not_taken" in [entry["event"] for entry in logs]
    assert outcomes(world) == {one: "hard_bounced"}


def test_one_too_many_is_told_so_and_finds_room_later(world: World, one: int) -> None:
    with running(world, connections=2) as server:
        with server.call() as first, server.call() as second:
            assert (first.noop()[0], second.noop()[0]) == (250, 250)
            with pytest.raises(smtplib.SMTPConnectError) as refused:
                server.call()
            assert refused.value.smtp_code == 421
        until(lambda: calls(server))


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def calls(server: Running) -> bool:
    try:
        server.call().close()
    except smtplib.SMTPConnectError:
        return False
    return True


def test_who_says_nothing_is_hung_up_on(world: World) -> None:
    with running(world, idle_seconds=0.2) as server, socket.create_connection(("127.0.0.1", server.port)) as mute:
        mute.settimeout(PATIENCE)
        assert mute.recv(1000).startswith(b"220 ")
        assert mute.recv(1000) == b""


@pytest.mark.parametrize(
    "said",
    [
        b"\x00\xff\xfe\r\n" * 50,
        b'LHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<\xc3\xa4@\xf0\x9f\x92\xa9>\r\nRCPT TO:<\xff>\r\nRCPT TO:<<<"\\>\r\n',
        b"LHLO " + b"x" * 200_000 + b"\r\n",
        b"x" * 300_000,
        b"LHLO x\r\nMAIL FROM:<" + b"(" * 400 + b">\r\nRCPT TO:<@a,@b:c>\r\nDATA\r\n.\r\n",
        b"LHLO x\r\nAUTH PLAIN AAAA\r\nSTARTTLS\r\nVRFY anna\r\nEXPN all\r\nHELP\r\nBDAT 5 LAST\r\nxxxxx\r\n",
    ],
)
def test_whatever_a_stranger_says_the_next_bounce_is_taken(world: World, one: int, said: bytes) -> None:
    with running(world) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as stranger:
            stranger.settimeout(PATIENCE)
            stranger.sendall(said)
            stranger.shutdown(socket.SHUT_WR)
            heard = b""
            while more := stranger.recv(65_536):
                heard += more
        assert heard.startswith(b"220 ")
        assert b"Traceback" not in heard
        with server.call() as client:
            assert hand_over(client, VERP.sender(one, 0))[0] == 250


def test_a_message_whose_end_never_came_is_not_taken(world: World, one: int) -> None:
    with running(world) as server:
        with server.call() as client:
            client.ehlo_or_helo_if_needed()
            client.mail("")
            client.rcpt(VERP.sender(one, 0))
            client.docmd("DATA")
            client.send(HARD)
            client.close()
        with server.call() as client:
            assert client.noop()[0] == 250
    assert outcomes(world) == {one: None}


def test_at_the_end_what_is_being_stored_is_answered_and_the_idle_are_let_go(world: World, one: int) -> None:
    server = Running(world, "lmtp", 20, 300)
    idle, busy = server.call(), server.call()
    busy.ehlo_or_helo_if_needed()
    busy.mail("")
    busy.rcpt(VERP.sender(one, 0))
    busy.docmd("DATA")
    world.database.engine.dispose()
    with world.database.engine.connect() as c, c.begin():  # the ledger is locked: the bounce waits for it
        busy.send(HARD + b".\r\n")
        until(lambda: any(thread.name.startswith("bounce_") for thread in threading.enumerate()))  # it is being stored
        ended = threading.Thread(target=server.stop)
        ended.start()
        until(lambda: not listens(server.port))
        assert ended.is_alive()
        assert hand_over(idle, VERP.sender(one, 0)) == (451, b"4.3.0 try again later")  # not now any more
    assert busy.getreply()[0] == 250
    ended.join(PATIENCE)
    assert not ended.is_alive()
    assert outcomes(world) == {one: "hard_bounced"}
    with pytest.raises(smtplib.SMTPServerDisconnected):
        idle.noop()
    assert server.beats > 0


def test_a_port_that_is_taken_is_waited_for(world: World) -> None:
    stop = threading.Event()
    intake = BounceIntake(VERP, TrackingLedger(world.database, world.source, TrackingSettings()))
    server = BounceServer(intake, "lmtp", away_seconds=0.1)
    with capture_logs() as logs:
        with socket.create_server(("127.0.0.1", 0)) as other:
            thread = threading.Thread(target=server.run, args=(*other.getsockname(), stop, lambda: None))
            thread.start()
            until(lambda: bool(logs))
        until(lambda: logs[-1]["event"] == "bounces_listened_for")
        stop.set()
        thread.join(PATIENCE)
    assert not thread.is_alive()
    assert logs[0]["event"] == "bounces_not_listened_for"
