"""Clients that trickle, and one that asks for one picture again and again: all others are answered."""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from eed_delivery.events import EventKind, TrackingEvent
from eed_delivery.link_server import connections
from eed_delivery.link_server.connections import ConnectionLimits, tidy
from eed_delivery.link_server.endpoint import LinkEndpoint
from eed_delivery.link_server.health import STALLED_SECONDS, Health
from eed_delivery.link_server.intake import Intake
from eed_delivery.link_server.repeats import MINUTE, MOST_A_MINUTE, RepeatLimit
from eed_delivery.link_server.server import HttpLimits, WebServer
from tests.unit.link_server.test_endpoint import LINKS
from tests.waiting import until

NOW_SECONDS = 1000.0
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NOBODY: Any = lambda _: None  # noqa: E731


@contextmanager
def answering(application: Any = None, limits: HttpLimits | None = None) -> Iterator[int]:
    """A server that answers the links, if it is not told otherwise. Gives its port."""
    stop = threading.Event()
    application = application or LinkEndpoint(LINKS, NOBODY, NOBODY, NOBODY)
    server = WebServer(application, "127.0.0.1", 0, limits or HttpLimits())
    work = threading.Thread(target=server.run, args=(stop,))
    work.start()
    try:
        yield server.port
    finally:
        stop.set()
        work.join(30)


def status(port: int) -> int:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET", "/healthz")
        return connection.getresponse().status


def test_505_that_trickle_do_not_keep_an_honest_client_waiting() -> None:
    with answering() as port, ExitStack() as stack:
        slow = []
        for _ in range(connections.MOST + 5):
            one = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), 30)))
            one.sendall(b"GET /healthz HTTP/1.1\r\nX: ")
            slow.append(one)
        assert status(port) == 200
        # The slowest gave way, and the others may go on.
        first = slow[0]
        first.settimeout(30)
        assert first.recv(1) == b""
        slow[-1].sendall(b"a\r\nHost: l\r\n\r\n")
        slow[-1].settimeout(30)
        assert slow[-1].recv(12) == b"HTTP/1.1 200"


SIZE = 400_000
BODIES = HttpLimits(threads=2, body=2**24, large_bytes=2**20)


def lengths(environ: Any, start_response: Any) -> list[bytes]:
    """An application that says how long a body is."""
    start_response("200 OK", [])
    return [str(len(environ["wsgi.input"].read())).encode()]


def posted(port: int, body: bytes) -> bytes:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("POST", "/", body)
        return connection.getresponse().read()


def in_files() -> int:
    """Bytes of files of this process that have no name, as bodies are kept in."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            found += link.stat().st_size if str(link.readlink()).endswith("(deleted)") else 0
    return found


def test_half_bodies_fill_so_much_at_most_and_whole_ones_pass() -> None:
    before = in_files()
    with answering(lengths, BODIES) as port, ExitStack() as stack:
        sizes = [0]

        def two_wait() -> bool:
            """The server has read all that was sent, and kept as many bodies as may wait."""
            sizes.append(in_files() - before)
            return sizes[-1] == 2 * SIZE < BODIES.large_bytes

        for _ in range(30):
            one = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), 30)))
            with suppress(OSError):  # it was closed meanwhile
                one.sendall(b"POST / HTTP/1.1\r\nHost: l\r\nContent-Length: 9000000\r\n\r\n" + bytes(SIZE))
            sizes.append(in_files() - before)
        until(two_wait, lambda: f"bytes in files were {sizes[-20:]}")
        assert posted(port, b"name=anna") == b"9"
        # With those that wait it is still no more than may, so none of them has to go for it.
        fits = bytes(BODIES.large_bytes - 2 * SIZE - 100_000)
        assert posted(port, fits) == str(len(fits)).encode()
        assert max(sizes) < 2 * BODIES.large_bytes < 30 * SIZE


class Channel:
    """What `tidy` looks at of a connection."""

    def __init__(
        self, awaited_since: float, address: str = "127.0.0.1", *, busy: bool = False, begun: bool = True, held: int = 0
    ) -> None:
        self.bytes_held = held
        self.awaited_since, self.addr, self.is_busy, self.has_begun = awaited_since, (address, 1), busy, begun
        self.will_close, self.allowed_seconds = False, connections.REQUEST_SECONDS

    def end(self) -> None:
        self.will_close = True


def closed(channels: list[Any], **limits: int) -> list[int]:
    tidy(channels, NOW_SECONDS, ConnectionLimits(**limits))
    return [n for n, channel in enumerate(channels) if channel.will_close]


def test_a_request_has_a_deadline_whatever_comes_meanwhile() -> None:
    late = NOW_SECONDS - connections.REQUEST_SECONDS - 0.1
    channels = [Channel(late), Channel(late, busy=True), Channel(late, begun=False), Channel(NOW_SECONDS - 9)]
    assert closed(channels) == [0]


def test_the_slowest_give_way_and_nobody_who_is_answered() -> None:
    channels = [Channel(NOW_SECONDS - n / 10, busy=n == 5) for n in range(6)]
    assert closed(channels, most=3) == [2, 3, 4]


def test_one_address_of_the_internet_has_its_share_and_a_proxy_all() -> None:
    theirs = [Channel(NOW_SECONDS - n / 100, "1.1.1.1" if n % 2 else "8.8.8.8") for n in range(12)]
    proxy = [
        Channel(NOW_SECONDS - 1, address) for address in ("127.0.0.1", "10.0.0.7", "::1", "fd00::1") for _ in range(4)
    ]
    assert closed([*proxy, *theirs], most_of_an_address=3) == [len(proxy) + n for n in range(6, 12)]


def test_the_slowest_of_large_requests_give_way_until_the_others_hold_little_enough() -> None:
    large = connections.SMALL + 1
    channels = [Channel(NOW_SECONDS - n, held=large, busy=n == 4) for n in range(1, 6)]
    channels += [Channel(NOW_SECONDS - 9, held=connections.SMALL)]
    assert closed(channels, large_bytes=5 * large) == []
    assert closed(channels, large_bytes=3 * large) == [2, 4]


def test_health_at_its_own_port_says_whether_links_are_answered() -> None:
    clock = [0.0]
    health = Health(lambda: clock[0])
    stop = threading.Event()
    server = WebServer(health, "127.0.0.1", 0, HttpLimits(threads=1))
    work = threading.Thread(target=server.run, args=(stop,))
    work.start()
    try:
        assert status(server.port) == 200
        clock[0] = STALLED_SECONDS
        assert status(server.port) == 503
        health.beat()
        assert status(server.port) == 200
    finally:
        stop.set()
        work.join(30)


def opened(agent: int, at: datetime = NOW, email_id: int = 1, kind: EventKind = EventKind.OPEN) -> TrackingEvent:
    return TrackingEvent(event_id=f"{email_id}-{agent}", kind=kind, occurred_at=at, email_id=email_id, gen=0)


def test_one_email_s_opens_are_counted_so_often_a_minute_whoever_asks() -> None:
    stored: list[TrackingEvent] = []
    intake = Intake(stored.extend, limit=RepeatLimit())
    for agent in range(300):
        intake.put(opened(agent))
    intake.put(opened(0, email_id=2))
    intake.put(opened(0, kind=EventKind.CLICK))
    intake.put(opened(301, NOW + MINUTE))
    intake.flush()
    most = MOST_A_MINUTE[EventKind.OPEN]
    assert len(stored) == most + 3
    assert intake.dropped == 300 - most


def test_what_counts_repeats_stays_small() -> None:
    limit = RepeatLimit({EventKind.OPEN: 1}, max_emails=10)
    for email_id in range(100):
        assert limit.allows(opened(0, email_id=email_id))
    assert not limit.allows(opened(1, email_id=99))
    assert limit.allows(opened(1, email_id=1))
    assert limit.allows(opened(2, NOW + timedelta(hours=1), email_id=99))
