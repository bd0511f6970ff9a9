"""Who may send an alert: one of all, by the table eed_alert."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import make_url

from eed_delivery.alerts.turns import LocalTurns, Turns
from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.alerts.turns import AlertLedger, AlertThreshold, Turn, TurnResult
from tests.servers.database_server import DatabaseServer
from tests.servers.mysql_proxy import MySqlProxy
from tests.world import World

PACE = AlertThreshold("breaker", 1, 300, 900)


@pytest.fixture
def ledger(world: World) -> AlertLedger:
    return AlertLedger(world.database, 60)


def lapse(world: World, seconds: float) -> None:
    """Let so much time pass, by moving what is written back."""
    back = "strftime('%Y-%m-%d %H:%M:%f000', {}, '-{} seconds')"
    if world.database.dialect != "sqlite":
        back = "{} - INTERVAL {} SECOND"
    moved = ", ".join(f"{name} = {back.format(name, seconds)}" for name in ("sent_at", "window_at"))
    world.execute(f"UPDATE eed_alert SET {moved}")


def test_the_first_is_told_and_the_next_after_the_cooldown(world: World, ledger: AlertLedger) -> None:
    assert ledger.ask(PACE, 1) == TurnResult(Turn(1), 0.0)
    lapse(world, 890)
    refused = ledger.ask(PACE, 4)
    assert refused.turn is None
    assert refused.sent_ago == pytest.approx(890, abs=9)
    lapse(world, 10)
    assert ledger.ask(PACE, 1).turn == Turn(5)
    assert ledger.told(["breaker", "never met"])["breaker"].times == 0


def test_so_many_must_come_within_the_window_whoever_meets_them(world: World, ledger: AlertLedger) -> None:
    pace = AlertThreshold("r", 3, 60, 900)
    other = AlertLedger(world.database, 60)
    assert ledger.ask(pace, 2).turn is None
    lapse(world, 61)
    assert ledger.ask(pace, 1).turn is None
    assert other.ask(pace, 1).turn is None
    assert other.ask(pace, 1).turn == Turn(5)


def test_what_is_held_is_counted_and_not_told(ledger: AlertLedger) -> None:
    assert ledger.ask(PACE, 3, hold=True).turn is None
    assert ledger.ask(PACE, 1).turn == Turn(4)


def test_an_hours_share_is_for_all_rules(world: World) -> None:
    ledger = AlertLedger(world.database, 2)
    told = [ledger.ask(AlertThreshold(name, 1, 60, 1), 1).turn for name in "abc"]
    assert told == [Turn(1), Turn(1, last=True), None]
    assert ledger.count() == 2
    lapse(world, 3600)
    assert ledger.count() == 0
    assert ledger.ask(AlertThreshold("c", 1, 60, 1), 1).turn == Turn(2)


@pytest.fixture
def maria(database_url: str) -> Iterator[World]:
    world = World(database_url)
    yield world
    world.close()


def test_of_many_who_ask_at_once_one_is_told_and_no_match_is_forgotten(maria: World) -> None:
    askers, each = 12, 20
    gate = threading.Barrier(askers)

    def ask(_: int) -> list[Turn]:
        database = Database(make_engine(make_url(maria.url), connections=1))
        ledger = AlertLedger(database, 60)
        gate.wait(60)
        turns = [turn for _ in range(each) if (turn := ledger.ask(PACE, 1).turn)]
        database.close()
        return turns

    with ThreadPoolExecutor(askers) as pool:
        told = [turn for turns in pool.map(ask, range(askers)) for turn in turns]
    assert len(told) == 1
    (times,) = [row[0] for row in maria.execute("SELECT times FROM eed_alert WHERE rule = 'breaker'")]
    assert told[0].times + times == askers * each


ASKER = """
import json, sys
from sqlalchemy import make_url
from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.alerts.turns import AlertLedger, AlertThreshold
ledger = AlertLedger(Database(make_engine(make_url(sys.argv[1]), connections=1)), 60)
print("ready", flush=True)
sys.stdin.readline()
threshold = AlertThreshold("breaker", 1, 300, 900)
print(json.dumps([ledger.ask(threshold, 1).turn is not None for _ in range(20)]), flush=True)
"""


def test_of_several_processes_one_tells(maria: World) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([sys.executable, "-c", ASKER, maria.url], **pipes) for _ in range(3)]  # type: ignore[call-overload]
    try:
        assert [process.stdout.readline() for process in processes] == ["ready\n"] * 3
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        told = [answer for process in processes for answer in json.loads(process.stdout.readline())]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert told.count(True) == 1


def test_an_alert_whose_commits_answer_is_lost_is_told_all_the_same(
    maria: World, database_server: DatabaseServer
) -> None:
    with MySqlProxy(database_server.port) as proxy:
        database = Database(make_engine(make_url(proxy.url(maria.url)), connections=1))
        ledger = AlertLedger(database, 60)
        ledger.ask(AlertThreshold("another", 1, 60, 60), 1)
        proxy.cut_after_commit(1)
        assert ledger.ask(PACE, 1).turn is not None
        assert proxy.cuts.total() == 1
        database.close()


def test_without_the_database_each_tells_for_itself_and_with_it_again_nobody_twice(
    maria: World, database_server: DatabaseServer
) -> None:
    now = [1000.0]
    with MySqlProxy(database_server.port) as proxy:
        database = Database(make_engine(make_url(proxy.url(maria.url)), connections=1))
        turns = Turns(AlertLedger(database, 60), LocalTurns(60, lambda: now[0]), lambda: now[0])
        assert turns.ask(AlertThreshold("before", 1, 300, 900), 1) == Turn(1)
        proxy.refuse()
        assert turns.ask(PACE, 1) == Turn(1)
        assert turns.ask(PACE, 1) is None
        assert turns.ask(AlertThreshold("before", 1, 300, 900), 1) is None, "it was told with the database's word"
        proxy.heal()
        assert turns.ask(AlertThreshold("meanwhile", 1, 300, 900), 1) == Turn(1)
        known = [row[0] for row in maria.execute("SELECT rule FROM eed_alert ORDER BY rule")]
        assert known == ["", "before"], "a database that was gone just now is not asked for every rule"
        now[0] += 31
        assert turns.ask(PACE, 1) is None, "this process has told it already"
        now[0] += 900
        assert turns.ask(PACE, 1) == Turn(2)
        database.close()


def test_a_ledger_without_the_table_silences_nobody(tmp_path: Path) -> None:
    database = Database(make_engine(make_url(f"sqlite:///{tmp_path}/empty.sqlite3"), connections=1))
    turns = Turns(AlertLedger(database, 60), LocalTurns(60))
    assert turns.ask(PACE, 1) == Turn(1)
    assert turns.ask(PACE, 1) is None
    database.close()
