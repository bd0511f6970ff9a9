"""Clients that trickle hold the role `web`, while a job is sent and its readers unsubscribe and are counted."""

import http.client
import re
import selectors
import socket
import threading
from contextlib import ExitStack, closing
from urllib.parse import urlsplit

from tests.faults.crew import Crew
from tests.faults.judgement import Told
from tests.faults.load import people
from tests.faults.scenario import Amount, Site, scenario
from tests.servers import free_port
from tests.stack import BRISK

BASE = "https://links.bank.example"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:149.0) Gecko/20100101 Firefox/149.0"
UNSUBSCRIBE = re.compile(rb"List-Unsubscribe: +<(\S+?)>", re.IGNORECASE)
BYTE_SECONDS = 0.5
ANSWER_SECONDS = 60.0
"""Only a failure waits so long. Where the slow ones are not closed an honest client is never accepted."""


class Trickle:
    """This many connections, each with a request that never ends. It sends a byte now and then, and opens a new one for
    each that is closed."""

    def __init__(self, port: int, count: int) -> None:
        self._port, self._count = port, count
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.opened = 0
        self.full = threading.Event()
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join(60)

    def _run(self) -> None:
        with ExitStack() as stack, selectors.DefaultSelector() as closed:
            alive: set[socket.socket] = set()
            while not self._over.is_set():
                while len(alive) < self._count and not self._over.is_set():
                    one = self._connect(stack)
                    if one is None:
                        break
                    alive.add(one)
                    closed.register(one, selectors.EVENT_READ)
                else:
                    self.full.set()
                self._over.wait(BYTE_SECONDS)
                for one in list(alive):
                    if not _say(one, b"a"):
                        alive.discard(one)
                        closed.unregister(one)
                        one.close()

    def _connect(self, stack: ExitStack) -> socket.socket | None:
        try:
            one = stack.enter_context(closing(socket.create_connection(("127.0.0.1", self._port), 5)))
        except OSError:
            return None
        self.opened += 1
        one.setblocking(False)
        _say(one, b"GET /healthz HTTP/1.1\r\nX: ")
        return one


def _say(one: socket.socket, data: bytes) -> bool:
    """False: the other side has closed it."""
    try:
        one.send(data)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return True


@scenario("web-slow-clients", quick=Amount(40, 700), short=Amount(300, 700), long=Amount(3_000, 900))
def web_slow_clients(site: Site, amount: Amount) -> Told:
    """700 connections that trickle, and come again when they are closed, while readers unsubscribe."""
    port, health_port = free_port(), free_port()
    settings = {
        **BRISK,
        "web.base_url": BASE,
        "web.listen": f"127.0.0.1:{port}",
        "web.health_listen": f"127.0.0.1:{health_port}",
        "web.unsubscribe": "every",
    }
    stack = site.stack(settings, keep_mail=True, environ={"EED_WEB__SECRET": "a_secret_of_the_tests_32_letters"})
    sink = stack.mail_up()
    addresses = people(amount.emails)
    stack.add_job(addresses)
    problems: list[str] = []
    with Crew(stack, ("publisher", "worker", "sweeper", "web")) as crew:
        stack.wait_until(lambda: _status(health_port, "/healthz") == 200, "health is answered")
        trickle = Trickle(port, amount.faults)
        try:
            stack.wait_until(trickle.full.is_set, "they trickle")
            stack.wait_finished(1)
            links = [
                urlsplit(found[1].decode()).path for m in sink.received if (found := UNSUBSCRIBE.search(m.content))
            ]
            for n, link in enumerate(links, start=1):
                if (answer := _status(port, link, "POST", "List-Unsubscribe=One-Click")) != 200:
                    problems.append(f"reader {n} of {len(links)} was not answered: {answer}")
                    break
            if _status(health_port, "/healthz") != 200:
                problems.append("health at its own port is not answered")
        finally:
            trickle.stop()
        problems += crew.stop()
    suppressed = int(stack.world.scalar("SELECT COUNT(*) FROM eed_suppression"))
    if (len(links), suppressed) != (len(addresses), len(addresses)):
        problems.append(f"{len(links)} links were sent and {suppressed} of {len(addresses)} readers are unsubscribed")
    return Told(stack, faults=trickle.opened, problems=problems)


def _status(port: int, path: str, method: str = "GET", body: str = "") -> int | str:
    """Of one honest request; what went wrong where there is no answer."""
    headers = {"User-Agent": BROWSER, "Content-Type": "application/x-www-form-urlencoded"}
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)) as connection:
            connection.request(method, path, body, headers)
            return connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return type(error).__name__
