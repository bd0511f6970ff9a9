"""The endpoint over real HTTP: what each address answers, what it says, and what hostile requests get."""

import base64
import hashlib
import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from eed_delivery.events import EventKind, TrackingEvent
from eed_delivery.link_server.endpoint import AT_ONCE, LinkEndpoint, Unsubscription
from eed_delivery.link_server.forms import MAX_FIELDS, MAX_UNTYPED, Wish
from eed_delivery.link_server.server import MAX_BODY, MAX_HEADER, WebServer
from eed_delivery.links.tokens import Links
from tests.examples import examples

NOW = datetime(2026, 1, 2, 3, 4, 5, 600_000, tzinfo=UTC)
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36"
)
LINKS = Links("http://t.example.com", ["k" * 32])
TARGET = "https://shop.example/a/b?mail=ada@example.com&x=1#f"
ONE_CLICK = "List-Unsubscribe=One-Click"
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Answered:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Site:
    """A running endpoint and what it has said so far."""

    port: int = 0
    now: datetime = NOW
    events: list[TrackingEvent] = field(default_factory=list)
    unsubscriptions: list[Unsubscription] = field(default_factory=list)
    fault: Exception | None = None
    gate: threading.Event = field(default_factory=threading.Event)
    waiting: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def unsubscribed(self, unsubscription: Unsubscription) -> None:
        self.waiting.release()
        self.gate.wait(30)
        if self.fault is not None:
            raise self.fault
        self.unsubscriptions.append(unsubscription)

    def ask(
        self, url: str, method: str = "GET", body: str | bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answered:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        try:
            connection.request(method, path, body, {"User-Agent": CHROME, **(headers or {})})
            response = connection.getresponse()
            return Answered(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def raw(self, request: bytes) -> bytes:
        """What comes back for these bytes, until the server closes or has answered."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            with suppress(OSError):  # it may have closed before it has read everything
                connection.sendall(request)
                connection.shutdown(socket.SHUT_WR)
            pieces = []
            with suppress(ConnectionError):
                while piece := connection.recv(65_536):
                    pieces.append(piece)
            return b"".join(pieces)


@pytest.fixture(scope="module")
def running() -> Iterator[Site]:
    site, stop = Site(), threading.Event()
    endpoint = LinkEndpoint(
        LINKS,
        lambda event: site.events.append(event),
        lambda event: site.events.append(event),
        site.unsubscribed,
        lambda: site.now,
    )
    server = WebServer(endpoint, "127.0.0.1", 0)
    site.port = server.port
    thread = threading.Thread(target=server.run, args=(stop,))
    thread.start()
    yield site
    stop.set()
    thread.join(30)
    assert not thread.is_alive()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", site.port), timeout=60)


@pytest.fixture
def site(running: Site) -> Site:
    running.events.clear()
    running.unsubscriptions.clear()
    running.now, running.fault = NOW, None
    running.waiting = threading.Semaphore(0)
    running.gate.set()
    return running


def _click(target: str = TARGET, email_id: int = 7) -> str:
    url = LINKS.click(email_id, 2, target)
    assert url is not None
    return url


UNSUBSCRIBE = LINKS.unsubscribe(7, 2, "news")

# --- the pixel ---


def test_the_picture_is_one_transparent_point_and_tells_of_an_open(site: Site) -> None:
    answer = site.ask(LINKS.pixel(7, 2))
    assert (answer.status, answer.headers["content-type"], answer.body[:6]) == (200, "image/gif", b"GIF89a")
    assert len(answer.body) == int(answer.headers["content-length"]) == 42
    [event] = site.events
    assert (event.kind, event.email_id, event.gen, event.occurred_at) == (EventKind.OPEN, 7, 2, NOW)
    assert (event.sub_type, event.automatic, event.outcome, event.recipient) == ("person", False, None, None)


def test_a_picture_of_nothing_is_a_picture_too_and_no_open(site: Site) -> None:
    pixel = urlsplit(LINKS.pixel(7, 2)).path
    for path in (
        "/o/",
        "/o/x.gif",
        pixel.replace(".gif", "x.gif"),
        "/o/../../etc/passwd",
        "/o/%ff%fe",
        urlsplit(UNSUBSCRIBE).path.replace("/u/", "/o/"),
    ):
        answer = site.ask(path)
        assert (answer.status, answer.body[:6]) == (200, b"GIF89a")
    assert site.events == []


# --- the redirect ---


def test_a_click_leads_on_and_is_told(site: Site) -> None:
    answer = site.ask(_click())
    assert (answer.status, answer.headers["location"], answer.body) == (302, TARGET, b"")
    [event] = site.events
    assert (event.kind, event.email_id, event.gen, event.sub_type) == (EventKind.CLICK, 7, 2, "person")
    assert event.detail == "https://shop.example/a/b"  # what follows may be about a person


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("https://user:word@shop.example/x", "https://shop.example/x"),
        ("https://shop.example/of/ada@example.com", "https://shop.example"),
        ("https://shop.example/of/ada%40example.com", "https://shop.example"),
        ("https://[shop/x", ""),
        ("https://a/" + "b" * 1_000, "https://a/" + "b" * 490),
    ],
)
def test_what_people_read_of_a_link_holds_no_address(site: Site, target: str, shown: str) -> None:
    assert site.ask(_click(target)).headers["location"] == target
    assert site.events[0].detail == shown


@pytest.mark.parametrize(
    "path",
    [
        "/c/",
        "/c/https://evil.example/",
        "/c/x?url=https://evil.example/",
        urlsplit(_click()).path + "x",
        urlsplit(_click()).path + "/",
        urlsplit(_click()).path[:-1],
        "/c/" + "A" * 10_000,
        "/c/%0d%0aLocation:%20https://evil.example/",
        "/c/%00",
        "/c/%c0%af",
        urlsplit(LINKS.pixel(7, 2)).path.replace("/o/", "/c/").removesuffix(".gif"),
        urlsplit(UNSUBSCRIBE).path.replace("/u/", "/c/"),
    ],
)
def test_a_redirect_we_did_not_sign_leads_nowhere(site: Site, path: str) -> None:
    answer = site.ask(path)
    assert answer.status == 404
    assert "location" not in answer.headers and "evil" not in str(answer.headers) + str(answer.body)
    assert site.events == []


@settings(max_examples=examples(100), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rest=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=100))
def test_any_target_arrives_as_it_was_signed_in_one_header(site: Site, rest: str) -> None:
    answer = site.ask(_click(f"https://a{rest}"))
    assert answer.headers["location"] == f"https://a{rest}"


# --- events ---


@pytest.mark.parametrize(
    ("method", "headers", "sub_type"),
    [
        ("GET", {"User-Agent": "Mozilla/5.0"}, "apple_privacy"),
        ("GET", {"User-Agent": ""}, "nameless"),
        ("GET", {"Sec-Purpose": "prefetch"}, "prefetch"),
        ("GET", {"X-Moz": "prefetch"}, "prefetch"),
        ("HEAD", {}, "probe"),
    ],
)
def test_a_machines_request_is_marked(site: Site, method: str, headers: dict[str, str], sub_type: str) -> None:
    assert site.ask(_click(), method, headers=headers).status == 302
    assert site.ask(LINKS.pixel(7, 2), method, headers=headers).status == 200
    assert [(event.sub_type, event.automatic) for event in site.events] == [(sub_type, True)] * 2


def test_a_prefetch_does_not_stand_for_the_person_who_comes_after_it(site: Site) -> None:
    for headers in ({"Sec-Purpose": "prefetch"}, {}):
        site.ask(_click(), headers=headers)
    assert [event.sub_type for event in site.events] == ["prefetch", "person"]
    assert len({event.event_id for event in site.events}) == 2


def test_the_same_request_within_a_second_is_the_same_event_and_another_is_not(site: Site) -> None:
    site.ask(_click())
    site.now = NOW.replace(microsecond=999_999)
    site.ask(_click())
    site.now = NOW.replace(second=6)
    site.ask(_click())
    site.ask(_click("https://shop.example/other"))
    site.ask(_click(email_id=8))
    site.ask(_click(), headers={"User-Agent": "Other"})
    site.ask(LINKS.pixel(7, 2))
    ids = [event.event_id for event in site.events]
    assert ids[0] == ids[1]
    assert len(set(ids)) == len(ids) - 1


# --- unsubscription ---


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_does_not_unsubscribe(site: Site, method: str) -> None:
    answer = site.ask(UNSUBSCRIBE, method)
    assert answer.status == 200
    assert (b'<form method="post">' in answer.body) is (method == "GET")
    assert site.unsubscriptions == [] == site.events


def test_one_click_unsubscribes(site: Site) -> None:
    answer = site.ask(UNSUBSCRIBE, "POST", ONE_CLICK, URLENCODED)
    assert (answer.status, b"You are unsubscribed" in answer.body) == (200, True)
    assert site.unsubscriptions == [Unsubscription(7, 2, "news", Wish.ONE_CLICK, NOW)]


@pytest.mark.parametrize("body", [ONE_CLICK, ONE_CLICK + "\r\n", "x=1&" + ONE_CLICK])
def test_one_click_without_a_content_type_unsubscribes(site: Site, body: str) -> None:
    assert site.ask(UNSUBSCRIBE, "POST", body).status == 200
    assert [unsubscription.wish for unsubscription in site.unsubscriptions] == [Wish.ONE_CLICK]


@pytest.mark.parametrize(
    "body",
    ["", "List-Unsubscribe=No", "x=1&" * MAX_FIELDS + ONE_CLICK, b"\xff\xfe=\x80", "x" * MAX_UNTYPED + ONE_CLICK],
)
def test_a_body_without_a_content_type_must_say_so_too(site: Site, body: str | bytes) -> None:
    assert site.ask(UNSUBSCRIBE, "POST", body).status == 400
    assert site.unsubscriptions == []


def test_one_click_as_multipart_unsubscribes(site: Site) -> None:
    body = '--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert site.ask(UNSUBSCRIBE, "POST", body, headers).status == 200
    assert [unsubscription.wish for unsubscription in site.unsubscriptions] == [Wish.ONE_CLICK]


@pytest.mark.parametrize("charset", ["foo", "utf-16", "idna", "rot13", "hex", "zip", "undefined", "'", "x" * 500])
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_no_charset_is_an_error_of_ours(site: Site, kind: str, charset: str) -> None:
    head = 'Content-Disposition: form-data; name="List-Unsubscribe"\r\nContent-Type: text/plain; charset='
    part = f"--x\r\n{head}{charset}\r\n\r\nOne-Click\r\n--x--\r\n"
    body = part if "multipart" in kind else ONE_CLICK
    for odd in (f"{kind}; charset={charset}", kind):
        assert site.ask(UNSUBSCRIBE, "POST", body, {"Content-Type": odd}).status in (200, 400)


def test_a_defect_of_ours_keeps_the_signed_address_out_of_the_log() -> None:
    def broken(_: object) -> None:
        raise KeyError("a defect")

    endpoint = LinkEndpoint(LINKS, broken, broken, broken)
    path = urlsplit(LINKS.pixel(7, 2)).path
    statuses: list[str] = []
    with capture_logs() as lines:
        body = endpoint({"PATH_INFO": path, "REQUEST_METHOD": "GET"}, lambda status, *_: statuses.append(status))  # type: ignore[arg-type, func-returns-value, return-value]
    assert statuses == ["503 Service Unavailable"] and body
    assert [line["event"] for line in lines] == ["request_failed"]
    assert path not in repr(lines)


def test_the_form_on_the_page_unsubscribes(site: Site) -> None:
    assert b'name="unsubscribe" value="yes"' in site.ask(UNSUBSCRIBE).body
    assert site.ask(UNSUBSCRIBE, "POST", "unsubscribe=yes", URLENCODED).status == 200
    assert [unsubscription.wish for unsubscription in site.unsubscriptions] == [Wish.FORM]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("", "application/x-www-form-urlencoded"),
        ("List-Unsubscribe=No", "application/x-www-form-urlencoded"),
        ("x=1&" * MAX_FIELDS + ONE_CLICK, "application/x-www-form-urlencoded"),
        (b"\xff\xfe=\x80", "application/x-www-form-urlencoded"),
        (ONE_CLICK, "text/plain"),
        (ONE_CLICK, "application/x-www-form-urlencoded; charset=nonsense"),
        (ONE_CLICK, "multipart/form-data"),
        (
            '--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x\r\ncut off',
            "multipart/form-data; boundary=x",
        ),
        ("--x\r\nbroken", "multipart/form-data; boundary=x"),
        ("--x\r\n" * 500, "multipart/form-data; boundary=x"),
    ],
)
def test_a_body_that_does_not_say_so_changes_nothing(site: Site, body: str | bytes, kind: str) -> None:
    assert site.ask(UNSUBSCRIBE, "POST", body, {"Content-Type": kind}).status == 400
    assert site.unsubscriptions == []


@pytest.mark.parametrize("path", ["/u/", "/u/x", urlsplit(UNSUBSCRIBE).path + "x", urlsplit(UNSUBSCRIBE).path[:-2]])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unsubscription_we_did_not_sign_changes_nothing(site: Site, path: str, method: str) -> None:
    assert site.ask(path, method, ONE_CLICK, URLENCODED).status in {404, 405}
    assert site.unsubscriptions == []


def test_a_wish_that_could_not_be_stored_is_not_confirmed(site: Site) -> None:
    site.fault = ConnectionError("the database is away")
    answer = site.ask(UNSUBSCRIBE, "POST", ONE_CLICK, URLENCODED)
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    assert b"database" not in answer.body
    site.fault = None
    assert site.ask(UNSUBSCRIBE, "POST", ONE_CLICK, URLENCODED).status == 200


def test_wishes_that_wait_for_the_database_keep_no_reader_waiting(site: Site) -> None:
    site.gate.clear()
    statuses: list[int] = []
    ask = lambda: statuses.append(site.ask(UNSUBSCRIBE, "POST", ONE_CLICK, URLENCODED).status)  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert site.waiting.acquire(timeout=60)
    assert site.ask(UNSUBSCRIBE, "POST", ONE_CLICK, URLENCODED).status == 503
    assert site.ask(LINKS.pixel(7, 2)).status == 200
    assert site.ask(_click()).status == 302
    site.gate.set()
    for thread in threads:
        thread.join(60)
    assert statuses == [200] * AT_ONCE
    assert site.ask(UNSUBSCRIBE, "POST", ONE_CLICK, URLENCODED).status == 200


# --- every answer ---


@pytest.mark.parametrize(
    ("path", "status"),
    [("/healthz", 200), ("/", 404), ("/x", 404), ("/o", 404), ("/healthz/", 404), ("/robots.txt", 404)],
)
def test_other_paths(site: Site, path: str, status: int) -> None:
    assert site.ask(path).status == status


@pytest.mark.parametrize("url", [LINKS.pixel(7, 2), _click(), UNSUBSCRIBE, "/healthz", "/nothing"])
def test_every_answer_is_kept_by_nobody_and_runs_nothing(site: Site, url: str) -> None:
    headers = site.ask(url).headers
    assert "no-store" in headers["cache-control"]
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert not {"set-cookie", "server", "etag"} & set(headers)


@pytest.mark.parametrize("url", [LINKS.pixel(7, 2), _click(), UNSUBSCRIBE, "/healthz", "/nothing"])
def test_head_has_the_headers_of_get_and_nothing_behind_them(site: Site, url: str) -> None:
    path = urlsplit(url).path.encode()
    got, head = (site.raw(method + b" " + path + b" HTTP/1.0\r\n\r\n") for method in (b"GET", b"HEAD"))
    names = [
        [line for line in answer.partition(b"\r\n\r\n")[0].splitlines() if not line.startswith(b"Date:")]
        for answer in (got, head)
    ]
    assert names[0] == names[1]
    assert head.endswith(b"\r\n\r\n")


def test_the_pages_own_style_is_the_only_one_allowed(site: Site) -> None:
    answer = site.ask(UNSUBSCRIBE)
    style = answer.body.partition(b"<style>")[2].partition(b"</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in answer.headers["content-security-policy"]


@pytest.mark.parametrize("url", [LINKS.pixel(7, 2), _click(), "/healthz", "/nothing"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "X"])
def test_other_methods_are_not_allowed(site: Site, url: str, method: str) -> None:
    answer = site.ask(url, method)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert site.events == []


def test_an_unsubscription_may_be_posted_to_and_no_more(site: Site) -> None:
    assert site.ask(UNSUBSCRIBE, "DELETE").headers["allow"] == "GET, HEAD, POST"


def test_a_page_names_nobody(site: Site) -> None:
    for body in (site.ask(UNSUBSCRIBE).body, site.ask(UNSUBSCRIBE, "POST", ONE_CLICK, URLENCODED).body):
        assert b"news" not in body and b"@" not in body


# --- hostile requests ---


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"GET /o/" + b"A" * (MAX_HEADER + 1) + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /o/x HTTP/1.1\r\nHost: a\r\nX: " + b"A" * (MAX_HEADER + 1) + b"\r\n\r\n",
        b"POST /u/x HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1),
        b"POST /u/x HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /u/x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /u/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: nonsense\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"\r\n\r\n",
        b"GET /c/\xff\xfe HTTP/1.1\r\nHost: \xff\r\n\r\n",
        b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        b"GET //evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    ],
)
def test_a_hostile_request_gets_a_no_or_nothing_and_the_next_is_answered(site: Site, request_bytes: bytes) -> None:
    answer = site.raw(request_bytes)
    status = answer.split(b" ", 2)[1] if answer else b""
    assert status in {b"", b"400", b"404", b"413", b"431", b"501"} or b"GIF89a" in answer
    assert b"evil" not in answer and b"Traceback" not in answer
    assert site.ask("/healthz").status == 200
    assert site.events == [] == site.unsubscriptions


def test_what_is_too_large_is_not_even_read(site: Site) -> None:
    path = urlsplit(UNSUBSCRIBE).path.encode()
    header = b"GET /healthz HTTP/1.0\r\nX: " + b"A" * MAX_HEADER + b"\r\n\r\n"
    assert site.raw(header).split(b" ", 2)[1] == b"431"
    body = ONE_CLICK.encode() + b"&x=" + b"A" * MAX_BODY
    head = b"POST %b HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n"
    assert site.raw(head % (path, len(body)) + body).split(b" ", 2)[1] == b"413"
    assert site.unsubscriptions == []


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(max_size=200))
def test_noise_does_no_harm(site: Site, noise: bytes) -> None:
    site.raw(b"GET /c/" + noise + b" HTTP/1.0\r\n\r\n")
    assert site.ask("/healthz").status == 200
    assert site.events == []


@pytest.mark.parametrize(("days", "status", "events"), [(30, 302, 1), (31, 410, 0)])
def test_an_old_link_leads_nowhere_and_counts_no_open_but_unsubscribes(days: int, status: int, events: int) -> None:
    clock = [1_800_000_000.0]
    links = Links("http://t.example.com", ["k" * 32], clock=lambda: clock[0])
    heard: list[Any] = []
    wishes: list[Any] = []
    endpoint = LinkEndpoint(links, heard.append, heard.append, wishes.append, valid_days=30)
    urls = (links.click(7, 0, TARGET), links.pixel(7, 0), links.unsubscribe(7, 0, "news"))
    clock[0] += days * 86_400
    stop, server = threading.Event(), WebServer(endpoint, "127.0.0.1", 0)
    work = threading.Thread(target=server.run, args=(stop,))
    work.start()
    try:
        site = Site()
        site.port = server.port
        answers = [site.ask(str(url)).status for url in urls[:2]]
        answers.append(site.ask(str(urls[2]), "POST", ONE_CLICK, URLENCODED).status)
    finally:
        stop.set()
        work.join(30)
    assert answers == [status, 200, 200]
    assert (len(heard), len(wishes)) == (2 * events, 1)
