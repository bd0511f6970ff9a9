"""The running service: an email goes out, its own links are followed over HTTP, and the ledger knows."""

import http.client
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from eed_delivery.links.tokens import Links
from tests.integration.conftest import NewStack
from tests.servers import free_port
from tests.servers.database_server import DatabaseServer
from tests.servers.mysql_proxy import MySqlProxy
from tests.stack import Stack

SECRET, FOREIGN = "a_secret_of_the_tests_32_letters", "somebody_elses_secret_32_letters"
BASE = "https://links.bank.example/mail"
HTML = (
    '<html><body><p>Dear {{ name }}</p><a href="https://shop.example/offer?for={{ email_id }}&amp;x=1">offer</a>'
    '<a href="{{ unsubscribe_url }}">bye</a></body></html>'
)
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:149.0) Gecko/20100101 Firefox/149.0"
ONE_CLICK = "List-Unsubscribe=One-Click"
NEWS = {"html_template": HTML, "category": "news", "track_opens": 1, "track_clicks": 1}
ANNA, BERTA = "anna@customers.example", "berta@customers.example"


class Site:
    """An installation whose `web` answers, as a reverse proxy would see it."""

    def __init__(self, stack: Stack, port: int) -> None:
        self.stack = stack
        self._port = port

    def ask(self, url: str, method: str = "GET", body: str = "", **headers: str) -> tuple[int, Mapping[str, str]]:
        """Status and headers, of an address as it stands in the email: the proxy takes away the base's path."""
        assert url.startswith(f"{BASE}/")
        headers = {"User-Agent": FIREFOX, "Content-Type": "application/x-www-form-urlencoded", **headers}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            connection.request(method, urlsplit(url).path.removeprefix("/mail"), body, headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status, dict(answer.getheaders())
        finally:
            connection.close()

    def events(self) -> list[tuple[Any, ...]]:
        return sorted(
            self.stack.world.execute("SELECT email_id, kind, sub_type, automatic, detail FROM eed_event"), key=str
        )

    def wait_events(self, count: int) -> list[tuple[Any, ...]]:
        self.stack.wait_until(lambda: len(self.events()) >= count, f"{count} events")
        return self.events()

    def suppressed(self) -> list[tuple[Any, ...]]:
        return sorted(self.stack.world.execute("SELECT address, category, source FROM eed_suppression"))

    def age(self, seconds: int) -> None:
        """Let so much time have passed since the emails were accepted."""
        self.stack.world.execute(f"UPDATE eed_attempt SET ended_at = ended_at - INTERVAL {seconds} SECOND")


@contextmanager
def running(new_stack: NewStack, role: str, **options: Any) -> Iterator[Site]:
    port = free_port()
    settings = {
        "web.base_url": BASE,
        "web.listen": f"127.0.0.1:{port}",
        "web.unsubscribe": "category",
        "source.job.category": "category",
        "source.job.track_opens": "track_opens",
        "source.job.track_clicks": "track_clicks",
    }
    stack = new_stack(settings, environ={"EED_WEB__SECRET": SECRET}, **options)
    stack.world.execute("ALTER TABLE delivery_job ADD COLUMN track_opens BOOLEAN, ADD COLUMN track_clicks BOOLEAN")
    service = stack.start(role)
    stack.wait_until(lambda: bool(stack.log_events("web_listened_for")), "the role web listens")
    yield Site(stack, port)
    assert service.terminate() == 0, service.tail()


def links_in(mail: EmailMessage) -> tuple[str, str, str, str]:
    """What the email itself holds: pixel, click, the link to unsubscribe that people see, and the header's."""
    part = mail.get_body(("html",))
    assert part is not None
    html = part.get_content()
    (pixel,) = re.findall(r'<img src="([^"]+)"', html)
    click, seen = re.findall(r'<a href="([^"]+)"', html)
    assert mail["List-Unsubscribe-Post"] == ONE_CLICK
    return pixel, click, seen, str(mail["List-Unsubscribe"]).strip("<>")


def test_the_links_of_an_email_do_what_they_say(new_stack: NewStack) -> None:
    with running(new_stack, "run") as site:
        stack = site.stack
        sink = stack.mail_up()
        anna, _ = stack.add_job([ANNA, BERTA], 1, **NEWS)
        stack.add_job(["carla@customers.example"], 2, html_template='<a href="https://shop.example/">x</a>')
        stack.wait_finished(1, 2)
        assert BASE not in str(sink.mail("carla@customers.example"))
        pixel, click, seen, one_click = links_in(sink.mail(ANNA))

        site.age(-3600)  # as if it had been accepted just now, however slow this machine is
        # looking at a page to unsubscribe is no wish, and neither a picture nor a redirect asks the database
        assert site.ask(seen)[0] == site.ask(one_click)[0] == 200
        assert site.ask(pixel, "HEAD")[0] == 200
        status, headers = site.ask(click)
        assert (status, headers["Location"]) == (302, f"https://shop.example/offer?for={anna}&x=1")
        assert site.wait_events(2) == [
            (anna, "click", "too_soon", 1, "https://shop.example/offer"),
            (anna, "open", "probe", 1, ""),
        ]

        # a minute later it may be a person
        site.age(3660)
        assert site.ask(pixel)[0] == 200
        assert site.ask(pixel, **{"Sec-Purpose": "prefetch"})[0] == 200
        assert site.ask(click, **{"User-Agent": FIREFOX + " another"})[0] == 302
        assert {event[1:4] for event in site.wait_events(5)} == {
            ("click", "too_soon", 1),
            ("open", "probe", 1),
            ("open", "person", 0),
            ("open", "prefetch", 1),
            ("click", "person", 0),
        }
        assert stack.world.scalar("SELECT COUNT(*) FROM eed_email WHERE outcome IS NOT NULL") == 0
        assert site.suppressed() == []

        # the mail program's button
        assert site.ask(one_click, "POST", ONE_CLICK)[0] == 200
        assert site.ask(one_click, "POST", ONE_CLICK)[0] == 200
        assert site.suppressed() == [(ANNA, "news", "unsubscribe")]

        stack.add_job([ANNA, BERTA], 3, **NEWS)
        stack.add_job([ANNA], 4, category="statements", html_template="<p>yours</p>")
        stack.wait_finished(3, 4)
        assert stack.counts(3) == {"suppressed": 1, "sent": 1}
        assert stack.counts(4) == {"sent": 1}
        assert [m.recipient for m in sink.received if b"yours" in m.content] == [ANNA]
        stack.balance()
    log = "".join(service.read_text() for service in stack.directory.glob("*.log"))
    assert not re.search(r"Firefox|shop\.example|@customers\.example", log)
    assert [(e["email_id"], e["category"], e["wish"]) for e in stack.log_events("unsubscribed")] == [
        (anna, "news", "one_click")
    ] * 2


def test_what_we_have_not_signed_does_nothing(new_stack: NewStack) -> None:
    with running(new_stack, "run") as site:
        sink = site.stack.mail_up()
        (anna,) = site.stack.add_job([ANNA], 1, **NEWS)
        site.stack.wait_finished(1)
        pixel, click, _, one_click = links_in(sink.mail(ANNA))
        another_tenant = Links(BASE, [SECRET], "another")
        for theirs in (Links(BASE, [FOREIGN]), another_tenant):
            assert site.ask(theirs.pixel(anna, 0))[0] == 200
            assert site.ask(str(theirs.click(anna, 0, "https://evil.example/")))[0] == 404
            assert site.ask(theirs.unsubscribe(anna, 0, "news"), "POST", ONE_CLICK)[0] == 404
        assert site.ask(one_click.replace(f"/{anna}.", f"/{anna + 1}."), "POST", ONE_CLICK)[0] == 404
        assert site.ask(pixel.replace("/o/", "/c/"))[0] == site.ask(click.replace("/c/", "/u/"))[0] == 404
        assert site.ask(one_click, "POST", "List-Unsubscribe=No")[0] == 400

        # ours, but of an email that the ledger never had: nothing is stored, and nothing confirmed
        ours = Links(BASE, [SECRET])
        assert site.ask(ours.unsubscribe(anna + 7, 0, "news"), "POST", ONE_CLICK)[0] == 503
        assert site.ask(ours.unsubscribe(anna, 1, "news"), "POST", ONE_CLICK)[0] == 503
        assert site.ask(ours.pixel(anna + 7, 0))[0] == 200
        assert site.ask(pixel)[0] == 200
        assert [event[:2] for event in site.wait_events(1)] == [(anna, "open")]
        assert site.suppressed() == []
    assert [e["count"] for e in site.stack.log_events("opens_and_clicks_of_unknown_emails")] == [1]
    assert len(site.stack.log_events("unsubscription_failed")) == 2


def test_while_the_database_is_away_links_work_and_no_wish_is_confirmed(
    new_stack: NewStack, database_server: DatabaseServer, database_url: str, tmp_path: Path
) -> None:
    with (
        MySqlProxy(database_server.port) as proxy,
        running(new_stack, "web", service_url=proxy.url(database_url)) as site,
    ):
        world, links = site.stack.world, Links(BASE, [SECRET])
        (anna,) = world.add_job([ANNA])
        world.enlist()
        proxy.refuse()
        assert site.ask(str(links.click(anna, 0, "https://shop.example/")))[0] == 302
        status, headers = site.ask(links.unsubscribe(anna, 0, ""), "POST", ONE_CLICK)
        assert (status, "Retry-After" in headers) == (503, True)
        site.stack.wait_until(lambda: bool(site.stack.log_events("waiting")), "the database is found away")
        proxy.heal()
        assert [event[:2] for event in site.wait_events(1)] == [(anna, "click")]
        assert site.ask(links.unsubscribe(anna, 0, ""), "POST", ONE_CLICK)[0] == 200
        assert site.suppressed() == [(ANNA, "", "unsubscribe")]
        world.close()


def test_what_came_last_is_stored_before_the_end(new_stack: NewStack) -> None:
    with running(new_stack, "web") as site:
        world, links = site.stack.world, Links(BASE, [SECRET])
        emails = world.add_job([f"{n}@customers.example" for n in range(40)])
        world.enlist()
        for email_id in emails:
            assert site.ask(links.pixel(email_id, 0))[0] == 200
    assert [event[0] for event in site.events()] == emails


@pytest.mark.parametrize("missing", ["web.listen"])
def test_the_role_alone_needs_a_place(new_stack: NewStack, missing: str) -> None:
    stack = new_stack({"web.base_url": BASE}, environ={"EED_WEB__SECRET": SECRET})
    service = stack.start("web")
    stack.wait_until(lambda: not service.running, "it ends")
    assert missing in service.tail()


def test_what_cannot_be_stored_at_the_end_is_counted(
    new_stack: NewStack, database_server: DatabaseServer, database_url: str
) -> None:
    with (
        MySqlProxy(database_server.port) as proxy,
        running(new_stack, "web", service_url=proxy.url(database_url)) as site,
    ):
        proxy.refuse()
        for email_id in range(3):
            assert site.ask(Links(BASE, [SECRET]).pixel(email_id, 0))[0] == 200
    assert [e["count"] for e in site.stack.log_events("opens_and_clicks_lost")] == [3]
