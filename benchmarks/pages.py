"""How long the pages for people on call and the reads of the API take in a ledger of ten million emails.

    python -m benchmarks.pages [--emails 10000000] [--asks 40] [--only TEXT]

The database fills the ledger itself (`large_ledger`). The role `operators` is a process of its own, and is asked over
HTTP by somebody who has logged in. Pages are those of the browser's tests and those of MORE_PAGES, the API's are all of
its routes that only read. Times are from the request to the end of the answer. CPU is the role's and the database's,
and rows are what the database's handlers have read, each for one answer. Other load on the machine lengthens the times
and changes nothing else.
"""

import argparse
import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from http.client import HTTPConnection
from http.cookies import SimpleCookie
from pathlib import Path
from urllib.parse import urlencode

import psutil

from benchmarks.large_ledger import LATE, OPERATION, LargeLedger, fill
from benchmarks.measure import busy_seconds, cpu_seconds
from eed_delivery.access.rights import OperatorRole, Right
from eed_delivery.app.operations import Operations
from eed_delivery.app.operators import application, parts_of
from eed_delivery.operations.access import NewTokenRequest, NewUserRequest
from eed_delivery.operations.actor import Actor
from tests.browser.night import HUGE, RUNS
from tests.browser.pages import PAGES
from tests.operators_site import PASSWORD, SECRET
from tests.servers import free_port
from tests.servers.mariadb import MariaDb
from tests.servers.ministack import MiniStack
from tests.stack import Stack
from tests.world import World

OPTIONS = (
    "--innodb-buffer-pool-size=2G", "--innodb-log-file-size=512M", "--sync-binlog=0",
    "--innodb-flush-log-at-trx-commit=2", "--skip-log-bin",
)  # fmt: skip
PAGE_GOAL_MS, RSS_GOAL_MB = 300, 120
LONG = {
    "/api/v1/jobs/<path:key>/certificate": "it reads all of a job, and one at a time",
    "/api/v1/operations/<operation>/file": "there is no file",
    "/assets/<path:name>": "it is a file",
}
"""What is not asked, and why."""


@dataclass(frozen=True, slots=True)
class Question:
    """One request. A form, if there is one, is posted."""

    name: str
    path: str
    form: Mapping[str, str] | None = None
    renews: bool = False
    """As the script of an open page asks."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What a question took. Times and CPU are milliseconds, the latter for one answer, as are the rows."""

    statuses: frozenset[int]
    took: Sequence[float]
    own: float
    database: float
    rows: float

    def percentile(self, share: float) -> float:
        """Of the times."""
        return sorted(self.took)[max(0, -int(-share * len(self.took)) - 1)]


def main() -> None:
    """Print each figure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--emails", type=int, default=10_000_000)
    parser.add_argument("--asks", type=int, default=40)
    parser.add_argument("--only", default="", help="only what has this in its name or path")
    given = parser.parse_args()
    with ExitStack() as opened:
        server = opened.enter_context(MariaDb(OPTIONS))
        ministack = MiniStack()
        ministack.start()
        opened.callback(ministack.stop)
        url = server.create_database("pages")
        world = World(url)
        began = time.monotonic()
        ledger = fill(world, given.emails)
        world.close()
        print(f"{given.emails:,} emails in {time.monotonic() - began:.0f} s", flush=True)
        port = free_port()
        settings = {"operators.listen": f"127.0.0.1:{port}", "operators.requests_per_minute": 1_000_000}
        place = Path(opened.enter_context(tempfile.TemporaryDirectory())) / "stack"
        stack = opened.enter_context(
            Stack(url, ministack, place, settings, environ={"EED_OPERATORS__SECRET": SECRET})
        )  # fmt: skip
        measure(stack, server, port, [one for one in questions(stack, ledger) if given.only in one.name + one.path],
                given.asks)  # fmt: skip


def measure(stack: Stack, server: MariaDb, port: int, asked: Sequence[Question], asks: int) -> None:
    """Ask all of it, and print a line for each."""
    service = stack.start("operators", anew=True)
    stack.wait_until(lambda: answers(port), "the role operators answers")
    asker = Asker(stack, server, port, service.pid)
    print(f"\n{'':44}{'p50':>7}{'p95':>7}{'first':>7}{'longest':>8}{'own CPU':>9}{'db CPU':>8}{'rows read':>12}")
    slow = []
    busy, used, began = busy_seconds(), cpu_seconds(service.pid) + cpu_seconds(server.pid), time.monotonic()
    for question in asked:
        found = asker.ask(question, asks)
        p95 = found.percentile(0.95)
        if p95 > PAGE_GOAL_MS:
            slow.append(f"{question.name} ({p95:.0f} ms)")
        statuses = "" if found.statuses == {200} else f"  {sorted(found.statuses)}"
        print(
            f"{question.name[:43]:44}{statistics.median(found.took):7.1f}{p95:7.1f}{found.took[0]:7.1f}"
            f"{max(found.took):8.1f}{found.own:9.1f}{found.database:8.1f}{found.rows:12,.0f}{statuses}",
            flush=True,
        )
    others = busy_seconds() - busy - (cpu_seconds(service.pid) + cpu_seconds(server.pid) - used)
    print(f"\nbeyond {PAGE_GOAL_MS} ms at p95: {', '.join(slow) or 'none'}")
    print(f"{others / (time.monotonic() - began):.2f} cores were busy with other work")
    for process in [psutil.Process(service.pid), *psutil.Process(service.pid).children(recursive=True)]:
        memory = process.memory_full_info()
        print(
            f"RSS {memory.rss / 2**20:.0f} MB, its own {memory.uss / 2**20:.0f} MB: {' '.join(process.cmdline())[:60]}"
        )


class Asker:
    """Somebody who has logged in and has a token, both with all rights."""

    def __init__(self, stack: Stack, server: MariaDb, port: int, service: int) -> None:
        self._server, self._port, self._service = server, port, service
        self._world = stack.world
        operations = Operations(stack.settings, Actor("root", "cli"), stack.world.database)
        rights = (Right.SEE_RECIPIENTS, Right.SEE_CONTENT)
        operations.users.add(NewUserRequest("anna", PASSWORD, OperatorRole.ADMIN, rights))
        self._token = operations.tokens.add(NewTokenRequest("bench", OperatorRole.ADMIN, 86_400)).secret
        self._cookie = self._log_in()
        self._connection = HTTPConnection("127.0.0.1", port, timeout=600)
        self._per_look = self._rows_of_a_look()

    def ask(self, question: Question, asks: int) -> Answers:
        """Ask one thing many times."""
        took, statuses = [], set()
        own, database, rows = cpu_seconds(self._service), cpu_seconds(self._server.pid), self._rows()
        for _ in range(asks):
            began = time.perf_counter()
            statuses.add(self._once(question))
            took.append((time.perf_counter() - began) * 1000)
        rows = self._rows() - rows - self._per_look
        own, database = cpu_seconds(self._service) - own, cpu_seconds(self._server.pid) - database
        return Answers(frozenset(statuses), took, own / asks * 1000, database / asks * 1000, rows / asks)

    def _once(self, question: Question) -> int:
        headers = {"Sec-Fetch-Site": "same-origin"}
        if question.path.startswith("/api/"):
            headers |= {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        else:
            headers |= {"Cookie": self._cookie, "Content-Type": "application/x-www-form-urlencoded"}
        if question.renews:
            headers["HX-Request"] = "true"
        body = None if question.form is None else urlencode(question.form)
        self._connection.request("GET" if body is None else "POST", question.path, body, headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status

    def _log_in(self) -> str:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", "/login", urlencode({"name": "anna", "password": PASSWORD}), headers)
        answer = connection.getresponse()
        given = SimpleCookie(answer.headers["Set-Cookie"])
        return "; ".join(f"{key}={morsel.value}" for key, morsel in given.items())

    def _rows(self) -> int:
        found = self._world.execute("SHOW GLOBAL STATUS LIKE 'Handler_read%'")
        return sum(int(count) for _, count in found)

    def _rows_of_a_look(self) -> int:
        first = self._rows()
        return self._rows() - first


def answers(port: int) -> bool:
    """Whether the role does."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False


def questions(stack: Stack, ledger: LargeLedger) -> Iterator[Question]:
    """All pages, some with filters, all searches, and all reads of the API."""
    for page in PAGES:
        yield Question(f"{page.name} {page.path}", page.path)
    for path in ("/", "/jobs", f"/jobs/{RUNS}", "/processes"):
        yield Question(f"renewal of {path}", path, renews=True)
    yield from _more_pages(stack.world, ledger)
    for rule in sorted(_rules(stack)):
        if not rule.startswith(("/api/", "/metrics", "/readyz", "/healthz")) or rule in LONG:
            continue
        for path in _paths(rule):
            yield Question(f"GET {path}", path)


def _more_pages(world: World, ledger: LargeLedger) -> Iterator[Question]:
    middle = ledger.of_job[HUGE][len(ledger.of_job[HUGE]) // 2]
    for path in (
        f"/jobs/{HUGE}/emails", f"/jobs/{HUGE}/emails?after={middle}", f"/jobs/{HUGE}/emails?state=failed",
        f"/jobs/{HUGE}/emails?state=failed&after={middle}", f"/jobs/{HUGE}/emails?outcome=hard_bounced",
        f"/jobs/{HUGE}/emails?outcome=no_word_yet", f"/jobs/{HUGE}/emails?state=failed&outcome=complained",
        f"/jobs/{HUGE}/doubts", f"/jobs/{LATE}", f"/jobs/{LATE}/emails", f"/jobs/{LATE}/failures",
        f"/emails/{ledger.email(0.5)}", "/jobs?state=finished&name=statements", "/jobs?since=2026-01-01&unfinished=yes",
        "/audit?person=anna", "/audit?person=nobody", "/audit?act=pause", "/audit?act=cancel", f"/audit?job={RUNS}",
        "/audit?since=2026-01-01", f"/operations/{OPERATION}",
    ):  # fmt: skip
        yield Question(path, path)
    address = world.scalar("SELECT address FROM eed_email WHERE email_id = :id", id=ledger.email(0.3))
    texts = {
        "address": address, "address, none": "nobody@nowhere.example", "key": str(ledger.email(0.7)),
        "Message-ID": f"4CXn{ledger.email(0.7)}", "name": "statements", "name, none": "no such name",
    }  # fmt: skip
    for what, text in texts.items():
        yield Question(f"search by {what}", "/search", {"text": text})
    for field, text in {"domain": "d17.example", "reason": "no such reason", "source": "import"}.items():
        yield Question(f"suppressions by {field}", "/suppressions", {field: text})


def _rules(stack: Stack) -> list[str]:
    app = application(parts_of(stack.settings, stack.world.database))
    return [rule.rule for rule in app.url_map.iter_rules() if "GET" in (rule.methods or ())]


def _paths(rule: str) -> list[str]:
    """The addresses of a route. Jobs are a running and a late one. A part that is not known here is 1, which the route
    answers with another status than 200: it is printed."""
    if "/jobs/" in rule:
        return [rule.replace("<path:key>", str(job)) for job in (RUNS, LATE)]
    known = {
        "<path:key>": str(1000 * RUNS), "<path:email>": str(1000 * RUNS), "<name>": "letters", "<hold_id>": "7",
        "<letter>": "7", "<operation>": OPERATION, "<side>": "new",
    }  # fmt: skip
    return [re.sub("<[^>]*>", lambda part: known.get(part[0], "1"), rule)]


if __name__ == "__main__":
    main()
