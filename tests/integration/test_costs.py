"""What an email costs, as others count it: MariaDB its commits, statements and rows, SQS its calls, SMTP its commands.

Nothing here is timed. Publisher, worker and sweeper run in this process, the worker's side loops at rest, so that what
is counted is the emails' own. The bounds are what was measured and a little more. One round trip, one commit, one query
or one row more for each email breaks them.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pymysql
import pytest
from sqlalchemy import make_url

from eed_delivery.app.parts import App
from eed_delivery.runtime.loop import Loop, Pulse
from tests.servers.database_server import DatabaseServer, NewDatabaseServer
from tests.servers.ministack import MiniStack
from tests.servers.mysql_proxy import MySqlProxy
from tests.servers.sqs_proxy import SqsProxy
from tests.sink import Sink
from tests.stack import Stack

EMAILS = 200
_ROWS_READ = ("first", "key", "last", "next", "prev", "rnd", "rnd_deleted", "rnd_next")
# https://mariadb.com/kb/en/server-status-variables/
_NAMES = {
    "Questions": "statements",
    "Com_select": "selects",
    "Com_rollback": "rollbacks",
    "Binlog_commits": "commits",  # transactions that were made durable; one that has only read is none
    **{f"Handler_read_{how}": "rows" for how in _ROWS_READ},
}
# The heartbeat comes once, when the worker starts, and the keeper finds nothing that is old enough to be extended.
AT_REST = {
    "worker.threads": 1,
    "worker.heartbeat_seconds": 100,
    "worker.lease_seconds": 300,
    "queue.visibility_timeout_seconds": 600,
}


class Counted:
    """An installation whose ways to database, queue and mail server are counted."""

    def __init__(self, stack: Stack, database_server: DatabaseServer, sql: MySqlProxy, sqs: SqsProxy) -> None:
        self.stack = stack
        self.sink: Sink = stack.mail_up()
        self._server = database_server
        self._sql = sql
        self._sqs = sqs

    def add_job(self, emails: int, job_id: int = 1) -> None:
        self.stack.add_job([f"c{n}@example.com" for n in range(emails)], job_id)

    def publish(self, emails: int) -> None:
        """A publisher process's loop, until so many more messages are in the queue, and marked."""
        stop = threading.Event()
        publisher = App(self.stack.settings, stop).publisher()
        wanted = self.stack.depth() + emails
        thread = Loop("publisher", publisher.step, stop, Pulse()).start()
        try:
            self.stack.wait_until(lambda: self.stack.depth() >= wanted, "all are published")
        finally:
            stop.set()  # its step is seen through to its end
            thread.join(60)
        publisher.close()
        assert not thread.is_alive()

    def work(self, emails: int) -> None:
        """A worker process's whole life, until the mail server has taken so many more."""
        stop = threading.Event()
        worker = App(self.stack.settings, stop).worker(stop, Pulse())
        wanted = len(self.sink.received) + emails
        thread = threading.Thread(target=worker.run, args=(60,), daemon=True)
        thread.start()
        try:
            self.sink.wait_for(lambda sink: len(sink.received) >= wanted, 120)
        finally:
            stop.set()  # what is in hand is still recorded, and its message deleted
            thread.join(60)
        assert not thread.is_alive()

    def spent(self, work: Callable[[], object]) -> Counter[str]:
        """What it takes to do this.

        Of MariaDB: `requests` (round trips), `connections`, and what `_NAMES` says, as MariaDB counts it, where
        several statements come in one request too. Of SQS: calls by their action, and `calls` in all.
        """
        before = self._now()
        work()
        return Counter({name: count - before[name] for name, count in self._now().items()})

    def _now(self) -> Counter[str]:
        counts: Counter[str] = Counter()
        for variable, value in self._status():
            counts[_NAMES.get(variable, variable)] += int(value)
        counts["requests"] = self._sql.counts["statements"]
        counts["connections"] = self._sql.counts["connections"]
        counts["calls"] = self._sqs.calls.total()
        return counts + self._sqs.calls

    def _status(self) -> tuple[tuple[str, str], ...]:
        url = make_url(self._server.url)
        connection = pymysql.connect(
            host=url.host or "", port=url.port or 0, user=url.username, password=url.password or ""
        )
        with connection, connection.cursor() as cursor:
            cursor.execute(f"SHOW GLOBAL STATUS WHERE Variable_name IN {tuple(_NAMES)}")
            return tuple(cursor.fetchall())


@pytest.fixture(scope="module")
def alone(new_database_server: NewDatabaseServer) -> Iterator[DatabaseServer]:
    """A server that no other test uses, because it counts for all together."""
    with new_database_server() as server:
        yield server


NewCounted = Callable[..., Counted]


@pytest.fixture
def new_counted(alone: DatabaseServer, ministack: MiniStack, tmp_path: Path) -> Iterator[NewCounted]:
    """Makes the test's installation, with these settings."""
    with ExitStack() as at_the_end:

        def make(settings: Mapping[str, object] | None = None) -> Counted:
            sqs = at_the_end.enter_context(SqsProxy(ministack.endpoint_url, random.Random(1)))
            sql = at_the_end.enter_context(MySqlProxy(alone.port))
            url = alone.create_database("costs")
            wanted = {**AT_REST, "queue.endpoint_url": sqs.url, **(settings or {})}
            made = Stack(url, ministack, tmp_path / "stack", wanted, service_url=sql.url(url), keep_mail=False)
            return Counted(at_the_end.enter_context(made), alone, sql, sqs)

        yield make


def within(spent: Counter[str], emails: int, bounds: Mapping[str, float]) -> None:
    """Fails with everything that costs more an email than its bound."""
    dear = {name: spent[name] / emails for name, bound in bounds.items() if spent[name] > bound * emails}
    assert not dear, f"for an email: {dear}, in all: {dict(spent)}"


def test_an_email_that_is_published(new_counted: NewCounted) -> None:
    counted = new_counted()
    counted.add_job(5 * EMAILS)
    spent = counted.spent(lambda: counted.publish(5 * EMAILS))
    assert spent["SendMessageBatch"] == 5 * EMAILS / 10, "ten messages a call"
    within(spent, 5 * EMAILS, {"commits": 0.05, "requests": 0.2, "statements": 0.2, "calls": 0.1})
    assert spent["connections"] <= 2


def test_an_email_that_is_delivered(new_counted: NewCounted) -> None:
    """Recording an email and granting the wire to the next share a commit and a round trip. A batch has one claim, one
    load, one receive and one delete."""
    counted = new_counted()
    counted.add_job(EMAILS)
    counted.publish(EMAILS)
    spent = counted.spent(lambda: counted.work(EMAILS))
    assert dict(counted.stack.counts()) == {"sent": EMAILS}
    within(
        spent,
        EMAILS,
        {"commits": 1.3, "requests": 2.9, "statements": 6.2, "selects": 0.42, "rows": 12, "calls": 0.22},
    )
    assert spent["rollbacks"] <= 1, "a group that is rolled back is work for nothing"
    assert spent["connections"] <= 4, "those that threads and side loops share"
    # The mail server is told no more than it must be, on one connection.
    assert counted.sink.connections == 1
    verbs = Counter(line.partition(" ")[0].partition(":")[0] for _, line in counted.sink.commands)
    assert verbs == {"EHLO": 1, "MAIL": EMAILS, "RCPT": EMAILS, "DATA": EMAILS, "QUIT": 1}


def test_a_rate_that_functions_share_costs_a_tenth_of_a_commit(new_counted: NewCounted) -> None:
    """Ten turns are taken at a time. Without a limit none are taken, and without functions nothing is asked."""
    counted = new_counted({"worker.coordination": "ledger", "transport.rate_per_second": 100_000})
    counted.add_job(EMAILS)
    counted.publish(EMAILS)
    spent = counted.spent(lambda: counted.work(EMAILS))
    assert dict(counted.stack.counts()) == {"sent": EMAILS}
    within(spent, EMAILS, {"commits": 1.43, "requests": 3.35, "statements": 6.75, "selects": 0.55, "calls": 0.22})
    assert spent["connections"] <= 4


def test_a_big_job_makes_no_email_dearer(new_counted: NewCounted) -> None:
    """Rows read are what would grow: with the emails of a job that were sent before, or wait behind this one."""
    counted = new_counted()
    counted.add_job(9 * EMAILS)
    counted.publish(9 * EMAILS)
    spent = counted.spent(lambda: counted.work(EMAILS))
    within(spent, len(counted.sink.received), {"rows": 12, "selects": 0.42})
    sweeper = App(counted.stack.settings).sweeper()
    sweeper.step()  # the first one after a start looks at every queued email, for those that the queue has lost
    spent = counted.spent(sweeper.step)
    assert (spent["rows"] < EMAILS, spent["commits"], spent["calls"] <= 2) == (True, 0, True), spent
