"""From a log line to an alert, with the log as every process has it, and a receiver that misbehaves."""

import io
import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import make_url

from eed_delivery import logs
from eed_delivery.alerts.desk import WAITING, Desk
from eed_delivery.alerts.outgoing import Outgoing
from eed_delivery.alerts.receivers import WebhookReceiver
from eed_delivery.alerts.rulebook import Rulebook
from eed_delivery.alerts.turns import LocalTurns, Turns
from eed_delivery.config import AlertFact, AlertRule, LogSettings
from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import Database
from eed_delivery.ledger import migrations
from eed_delivery.ledger.alerts.turns import AlertLedger
from tests.servers.alert_receiver import AlertReceiver

NewDesk = Callable[..., Desk]


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    with AlertReceiver() as receiver:
        yield receiver


@pytest.fixture
def other() -> Iterator[AlertReceiver]:
    with AlertReceiver() as other:
        yield other


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[AlertLedger]:
    database = Database(make_engine(make_url(f"sqlite:///{tmp_path}/alerts.sqlite3"), connections=1))
    migrations.upgrade(database.engine)
    yield AlertLedger(database, 60)
    database.close()


@pytest.fixture
def turns(ledger: AlertLedger) -> Turns:
    return Turns(ledger, LocalTurns(60))


@pytest.fixture
def new_desk(receiver: AlertReceiver, other: AlertReceiver, turns: Turns) -> Iterator[NewDesk]:
    """Makes a desk with these rules, for the audiences `dev`, `devops` (both receivers) and `hung` (the other)."""
    made: list[Desk] = []

    def make(*rules: dict[str, Any]) -> Desk:
        first, second = (Outgoing(WebhookReceiver(one.url, None), (0.05, 0.05)) for one in (receiver, other))
        ways = {"dev": [first], "devops": [first, second], "hung": [second]}
        book = Rulebook([AlertRule(**{"audience": "dev", **rule}) for rule in rules])
        made.append(Desk(book, turns, ways, "eed", "vm"))
        return made[-1]

    yield make
    for desk in made:
        desk.close(0.1)


def logged(desk: Desk, level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    logs.configure(LogSettings(level=level), role="worker", stream=stream, listeners=[desk.hear])
    desk.start()
    return stream


def events(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_that_fits_is_told_with_its_facts_and_without_addresses(
    new_desk: NewDesk, receiver: AlertReceiver
) -> None:
    logged(new_desk({"name": "doubt", "word": "in_doubt"}), level="debug")
    log = structlog.get_logger()
    log.warning("elsewhere", email_id=6)
    log.info("in_doubt", email_id=7)
    log.error("in_doubt", email_id=8, reply="no answer for <anna@example.com>", recipient="anna@example.com")
    (alert,) = receiver.wait_for(1)
    assert (alert["rule"], alert["level"], alert["line"]["email_id"]) == ("doubt", "error", 8)
    assert alert["line"]["role"] == "worker"
    assert "anna" not in json.dumps(alert)
    assert alert["line"]["reply"] == "no answer for <***@example.com>"


def test_what_libraries_log_is_heard_too(new_desk: NewDesk, receiver: AlertReceiver) -> None:
    logged(new_desk({"name": "pool", "regex": "connection pool is full"}))
    logging.getLogger("urllib3.connectionpool").warning("connection pool is full, discarding")
    assert receiver.wait_for(1)[0]["event"].startswith("connection pool")


def test_repeats_are_held_and_the_desk_hands_over_what_it_has_when_it_ends(
    new_desk: NewDesk, receiver: AlertReceiver, turns: Turns
) -> None:
    desk = new_desk({"name": "x", "word": "x", "count": 10, "audience": "devops"}, {"name": "y", "word": "y"})
    logged(desk)
    for _ in range(25):
        structlog.get_logger().error("x")
    structlog.get_logger().error("y")
    desk.close(60)
    told = {alert["rule"]: alert for alert in receiver.taken}
    assert set(told) == {"x", "y"}
    assert told["y"]["times"] == 1
    assert 10 <= told["x"]["times"] <= 25


def test_an_audience_with_two_ways_and_two_audiences_with_one_way_are_told_once_each(
    new_desk: NewDesk, receiver: AlertReceiver, other: AlertReceiver
) -> None:
    desk = new_desk({"name": "x", "word": "x", "audience": ["dev", "devops"]})
    logged(desk)
    structlog.get_logger().error("x")
    desk.close(60)
    assert [len(one.taken) for one in (receiver, other)] == [1, 1]


def test_a_receiver_that_hangs_harms_neither_the_log_nor_the_other_ways(
    new_desk: NewDesk, receiver: AlertReceiver, other: AlertReceiver
) -> None:
    other.hang()
    rules = [{"name": f"r{n}", "word": f"event{n}", "audience": "devops"} for n in range(40)]
    stream = logged(new_desk(*rules))
    for n in range(40):
        structlog.get_logger().error(f"event{n}")
    assert len([line for line in events(stream) if line["event"].startswith("event")]) == 40
    assert len(receiver.wait_for(40)) == 40
    assert other.taken == []
    assert "alert_lost" in {line["event"] for line in events(stream)}, "what is too much for a way is said"


def test_its_own_lines_do_not_come_back_to_it(new_desk: NewDesk, ledger: AlertLedger, other: AlertReceiver) -> None:
    """A rule that fits every line, a desk that logs, and a channel that fails and logs it. Without care, that goes
    round endlessly."""
    other.answers = [500, 500, 500]
    desk = new_desk({"name": "all", "regex": ".", "level": "info", "audience": "hung"})
    for _ in range(WAITING + 1):
        desk.hear({"event": "first", "level": "error"})
    stream = logged(desk)
    other.wait_until_asked(3)
    desk.close(60)
    assert {line["event"] for line in events(stream)} == {"alert_lines_unread", "alert_delayed", "alert_lost"}
    assert {posted.alert["event"] for posted in other.posted} == {"first"}
    (told,) = {posted.alert["times"] for posted in other.posted}
    assert told + ledger.told(["all"])["all"].times == WAITING


def test_lines_that_come_too_fast_are_counted_and_that_is_told(
    new_desk: NewDesk, receiver: AlertReceiver, tmp_path: Path
) -> None:
    desk = new_desk({"name": "x", "word": "x"})
    for n in range(WAITING + 7):  # nobody looks at them yet
        desk.hear({"event": "x", "level": "error", "n": n})
    desk.start()
    (alert,) = receiver.wait_for(1)
    assert alert["lines_not_looked_at"] == 7
    assert "7 log lines" in alert["text"]


def test_a_line_that_breaks_the_desk_costs_only_itself(new_desk: NewDesk, receiver: AlertReceiver) -> None:
    class Unshowable:
        def __str__(self) -> str:
            raise RuntimeError("no")

    desk = new_desk({"name": "x", "word": "x"})
    stream = logged(desk)
    desk.hear({"event": "x", "level": "error", "what": Unshowable()})
    structlog.get_logger().error("x")
    assert len(receiver.wait_for(1)) == 1
    assert "alert_defect" in {line["event"] for line in events(stream)}


def test_below_the_lowest_level_of_the_rules_nothing_is_kept(new_desk: NewDesk, receiver: AlertReceiver) -> None:
    desk = new_desk({"name": "x", "word": "x", "level": "error"})
    for _ in range(3 * WAITING):
        desk.hear({"event": "x", "level": "warning"})
    desk.hear({"event": "x", "level": "error"})
    desk.start()
    (alert,) = receiver.wait_for(1)
    assert (alert["lines_not_looked_at"], alert["times"]) == (0, 1)


def test_a_fact_is_told_as_an_alert(new_desk: NewDesk, receiver: AlertReceiver) -> None:
    desk = new_desk()
    desk.start()
    fact = AlertFact(name="letters", fact="dead_letters", at_least=1, audience=("dev",))
    desk.observe(fact, 12.0)
    desk.observe(fact, 12.0)
    (alert,) = receiver.wait_for(1)
    assert (alert["rule"], alert["event"], alert["line"]["value"]) == ("letters", "dead_letters is 12", 12.0)
    desk.close(60)
    assert len(receiver.taken) == 1


def test_many_threads_that_log_wait_for_nobody(new_desk: NewDesk, receiver: AlertReceiver) -> None:
    """The desk is stuck (its database does not answer), and every line is written all the same."""
    held = threading.Event()

    class Stuck(Turns):
        def __init__(self) -> None:
            """Without a ledger."""

        def ask(self, pace: Any, more: int) -> None:
            held.wait(60)

    desk = Desk(Rulebook([AlertRule(name="x", word="x", audience="dev")]), Stuck(), {"dev": []}, "eed", "vm")
    stream = logged(desk)

    def work() -> None:
        for _ in range(500):
            structlog.get_logger().error("x")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(events(stream)) == 4000
    desk.close(0)
    held.set()
