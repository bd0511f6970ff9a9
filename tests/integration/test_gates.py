"""The breaker and the send rate that hosts and functions share: rows of the ledger."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, make_url

from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.gates import FIRST_SECONDS, LONGEST_SECONDS, Gate
from eed_delivery.ledger.send_turns import SLOWEST, NotDue, SendTurns
from tests.world import World

pytestmark = pytest.mark.both_databases

A, B = 11, 12
TRIAL = 60.0
FAR = 1e6
SLOW = 50.0
"""Seconds that a busy machine may take between two statements."""
ROUNDING = 0.01
"""SQLite counts days, and a second is a small part of one."""


@pytest.fixture
def gate(world: World) -> Gate:
    return Gate(world.database, "default")


def later(world: World, seconds: float) -> None:
    """Let so much time pass for gates and turns, by moving their times back."""
    for table, columns in {
        "eed_gate": ("shut_at", "shut_until", "trial_until"),
        "eed_send_rate": ("next_at", "slowed_at"),
    }.items():
        moved = ", ".join(f"{column} = {world.earlier(column, seconds)}" for column in columns)
        world.execute(f"UPDATE {table} SET {moved}")


def test_a_gate_that_was_never_shut_has_no_row(world: World, gate: Gate) -> None:
    entry = gate.enter(A, TRIAL)
    assert (entry.seconds, entry.reason) == (0.0, None)
    assert world.execute("SELECT * FROM eed_gate") == []
    assert not gate.open()


def test_it_is_shut_once_and_then_tried_by_one(world: World, gate: Gate) -> None:
    assert gate.shut("no connection")
    assert not gate.shut("no connection either")
    entry = gate.enter(A, TRIAL)
    assert 0 < entry.seconds <= FIRST_SECONDS + ROUNDING
    assert entry.reason == "no connection"
    assert not gate.open(), "an answer that was on its way says nothing new"
    later(world, FIRST_SECONDS)
    assert gate.enter(A, TRIAL).seconds == 0
    waits = gate.enter(B, TRIAL)
    assert 0 < waits.seconds <= FIRST_SECONDS, "a trial is over soon, though it may last for the whole invocation"
    gate.leave(B)
    assert gate.enter(B, TRIAL).seconds > 0, "only the one who tries may leave"
    gate.leave(A)
    assert gate.enter(B, TRIAL).seconds == 0
    assert gate.open()
    assert not gate.open()
    assert gate.enter(A, TRIAL).reason is None


def test_a_trial_that_died_is_followed_by_another(world: World, gate: Gate) -> None:
    gate.shut("away")
    later(world, FIRST_SECONDS)
    assert gate.enter(A, TRIAL).seconds == 0
    later(world, TRIAL)
    assert gate.enter(B, TRIAL).seconds == 0


def test_its_pauses_double_up_to_a_limit_and_start_small_again(world: World, gate: Gate) -> None:
    pauses = []
    for _ in range(9):
        assert gate.shut("away")
        pauses.append(gate.enter(A, TRIAL).seconds)
        later(world, LONGEST_SECONDS)
    meant = [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert all(full / 2 < pause <= full + ROUNDING for pause, full in zip(pauses, meant, strict=True)), pauses
    assert gate.open()
    gate.shut("away")
    assert gate.enter(A, TRIAL).seconds <= FIRST_SECONDS + ROUNDING


def test_each_channel_has_its_own(world: World, gate: Gate) -> None:
    gate.shut("away")
    other = Gate(world.database, "statements")
    assert other.enter(A, TRIAL).reason is None
    other.shut("away too")
    later(world, FIRST_SECONDS)
    assert other.open()
    assert gate.enter(A, TRIAL).reason == "away"


# --- turns -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def turns(world: World) -> SendTurns:
    return SendTurns(world.database)


def test_turns_follow_each_other_at_the_limit(turns: SendTurns) -> None:
    """A thousand seconds apart, so that no machine is too slow for what is compared."""
    first, gap = turns.take({"default": 0.001}, 4, FAR)
    assert gap == pytest.approx(1000.0)
    assert -SLOW < first <= ROUNDING
    second, _ = turns.take({"default": 0.001}, 2, FAR)
    third, _ = turns.take({"default": 0.001}, 1, FAR)
    assert 4000 - SLOW < second <= 4000 + ROUNDING
    assert 6000 - SLOW < third <= 6000 + ROUNDING


def test_a_turn_that_is_too_far_is_not_taken(world: World, turns: SendTurns) -> None:
    turns.take({"default": 1.0}, 100, 2.0)
    before = world.execute("SELECT next_at FROM eed_send_rate")
    with pytest.raises(NotDue) as raised:
        turns.take({"default": 1.0}, 10, 2.0)
    assert 100 - SLOW < raised.value.seconds <= 100 + ROUNDING
    assert world.execute("SELECT next_at FROM eed_send_rate") == before


def test_of_two_limits_the_slower_counts_and_neither_is_taken_without_the_other(world: World, turns: SendTurns) -> None:
    _, gap = turns.take({"default": 10.0, "*": 1.0}, 10, 2.0)
    assert gap == pytest.approx(1.0)
    before = world.execute("SELECT channel, next_at FROM eed_send_rate ORDER BY channel")
    with pytest.raises(NotDue):
        turns.take({"default": 10.0, "*": 1.0}, 10, 2.0)
    assert world.execute("SELECT channel, next_at FROM eed_send_rate ORDER BY channel") == before


def test_what_was_not_taken_is_not_saved_up(world: World, turns: SendTurns) -> None:
    turns.take({"default": 10.0}, 10, 2.0)
    later(world, 3600)
    first, _ = turns.take({"default": 10.0}, 10, 2.0)
    assert first > -SLOW, "an hour without an email allows no crowd"


def test_too_fast_makes_a_pause_that_doubles_and_a_slower_rate_that_recovers(world: World, turns: SendTurns) -> None:
    def pause() -> float:
        return float(world.scalar("SELECT pause_seconds FROM eed_send_rate"))

    turns.slow_down("default")
    assert pause() == 2.0
    assert world.scalar("SELECT factor FROM eed_send_rate") == 0.5
    first, gap = turns.take({"default": 10.0}, 1, FAR)
    assert first <= 1 + ROUNDING
    assert 0.1 <= gap <= 0.2
    later(world, 1)
    turns.slow_down("default")
    assert pause() == 4.0
    assert 0.25 <= world.scalar("SELECT factor FROM eed_send_rate") <= 0.5
    turns.recover("default")
    assert pause() == 1.0
    later(world, 60)
    assert turns.take({"default": 10.0}, 1, FAR)[1] == pytest.approx(0.1)


def test_answers_within_a_pause_change_nothing_and_pauses_do_not_add_up(world: World, turns: SendTurns) -> None:
    turns.slow_down("default")
    world.execute(f"UPDATE eed_send_rate SET slowed_at = {world.earlier('slowed_at', -SLOW)}")
    turns.slow_down("default")
    assert world.scalar("SELECT pause_seconds FROM eed_send_rate") == 2.0
    world.execute(f"UPDATE eed_send_rate SET next_at = {world.earlier(world.now, -1000)}")
    world.execute(f"UPDATE eed_send_rate SET slowed_at = {world.earlier(world.now, 1)}, pause_seconds = 2")
    turns.slow_down("default")
    assert world.scalar("SELECT pause_seconds FROM eed_send_rate") == 4.0
    with pytest.raises(NotDue) as raised:
        turns.take({"default": 0.001}, 1, 1)
    assert raised.value.seconds <= 1000 + ROUNDING, "the turn is not put off beyond the one that was next"


def test_a_turn_that_is_not_due_keeps_the_connection(world: World) -> None:
    engine = make_engine(make_url(world.url), connections=1)
    opened: list[object] = []
    event.listen(engine, "connect", lambda *_: opened.append(_))
    own = SendTurns(Database(engine))
    own.take({"default": 0.001, "*": 0.001}, 1, 1)
    for limits in ({"default": 0.001}, {"default": 0.001, "*": 0.001}):
        for _ in range(5):
            with pytest.raises(NotDue):
                own.take(limits, 1, 1)
    assert len(opened) == 1
    engine.dispose()


def test_a_clock_that_was_set_back_stops_no_one_for_long(world: World, turns: SendTurns) -> None:
    turns.take({"default": 10.0}, 1, 1)
    for column in ("next_at", "slowed_at"):
        world.execute(f"UPDATE eed_send_rate SET {column} = {world.earlier(world.now, -86_400)}")
    first, gap = turns.take({"default": 10.0}, 1, 1)
    assert first <= ROUNDING
    assert 0.1 <= gap <= 0.1 / SLOWEST


def test_many_who_take_turns_keep_one_limit(world: World, turns: SendTurns) -> None:
    """No matter how fast the machine is: the turns are taken far ahead, and not waited for."""
    limit, takers, times, each = 10.0, 4, 20, 5
    meant = takers * times * each / limit
    began = time.monotonic()

    def take(_: int) -> None:
        own = Database(make_engine(make_url(world.url), connections=1))
        for _ in range(times):
            SendTurns(own).take({"default": limit}, each, FAR)
        own.close()

    with ThreadPoolExecutor(takers) as pool:
        assert len(list(pool.map(take, range(takers)))) == takers
    with pytest.raises(NotDue) as raised:
        turns.take({"default": limit}, 1, 0)
    until = raised.value.seconds + time.monotonic() - began
    assert meant * 0.98 <= until <= meant * 1.02
