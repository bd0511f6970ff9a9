"""What hosts and functions share while they send: turns of one rate, and one gate."""

import threading
from collections.abc import Callable

import pytest

from eed_delivery.errors import InfrastructureFailure, Stopping
from eed_delivery.ledger.gates import FIRST_SECONDS, Gate
from eed_delivery.ledger.send_turns import SendTurns
from eed_delivery.worker.breaker import Breaker
from eed_delivery.worker.shared_gate import SharedGate
from eed_delivery.worker.shared_rate import (
    FARTHEST_SECONDS,
    HOSTS_SECONDS,
    STALE_SECONDS,
    TURNS_AT_ONCE,
    SharedSendRate,
)
from tests.world import World

pytestmark = pytest.mark.both_databases


class CountedTurns(SendTurns):
    """Counts how often the ledger is asked."""

    taken = 0

    def take(self, limits: object, count: int, patience: float) -> tuple[float, float]:
        self.taken += count
        return super().take(limits, count, patience)  # type: ignore[arg-type]


class Clock:
    """Moves when somebody waits, and when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Moves(threading.Event):
    """A stop event, for which to wait takes no time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.now += timeout or 0
        return self.is_set()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def turns(world: World) -> CountedTurns:
    return CountedTurns(world.database)


@pytest.fixture
def rate(turns: CountedTurns, clock: Clock) -> SharedSendRate:
    return SharedSendRate(turns, "default", Moves(clock), clock)


def test_without_a_limit_the_ledger_is_not_asked(world: World, turns: CountedTurns, rate: SharedSendRate) -> None:
    rate.set_limits({})
    for _ in range(100):
        rate.take()
    assert turns.taken == 0
    assert world.execute("SELECT * FROM eed_send_rate") == []


class ExactTurns(CountedTurns):
    """As on a machine that takes no time between two statements."""

    def take(self, limits: object, count: int, patience: float) -> tuple[float, float]:
        return 0.0, super().take(limits, count, patience)[1]


def test_ten_turns_are_taken_at_a_time_and_spaced(world: World, clock: Clock) -> None:
    turns = ExactTurns(world.database)
    rate = SharedSendRate(turns, "default", Moves(clock), clock)
    rate.set_limits({"default": 1000.0})
    began = clock.now
    for _ in range(TURNS_AT_ONCE):
        rate.take()
    assert turns.taken == TURNS_AT_ONCE
    assert clock.now - began == pytest.approx((TURNS_AT_ONCE - 1) / 1000)


def test_no_more_turns_are_taken_than_there_are_emails(turns: CountedTurns, rate: SharedSendRate) -> None:
    rate.set_limits({"default": 1000.0})
    rate.wanted = 3
    for _ in range(3):
        rate.take()
    assert turns.taken == 3


def test_turns_that_were_not_used_in_time_make_no_crowd(
    turns: CountedTurns, clock: Clock, rate: SharedSendRate
) -> None:
    rate.set_limits({"default": 1000.0})
    rate.take()
    clock.now += STALE_SECONDS + 1
    rate.take()
    assert turns.taken == 2 * TURNS_AT_ONCE


def test_a_function_does_not_wait_for_a_turn_that_is_far_away(turns: CountedTurns, clock: Clock) -> None:
    rate = SharedSendRate(turns, "default", Moves(clock), clock, patience=2.0)
    rate.set_limits({"default": 0.001})
    rate.take()
    with pytest.raises(Stopping):
        rate.take()
    assert 2 < rate.away <= 1000.01


def test_a_host_that_waits_for_a_turn_stops_when_asked_to(turns: CountedTurns, clock: Clock) -> None:
    stop = Moves(clock)
    host = SharedSendRate(turns, "default", stop, clock)
    host.set_limits({"default": 0.1})
    host.take()
    stop.set()
    with pytest.raises(Stopping):
        host.take()


def test_busy_hosts_leave_a_function_its_turn(turns: CountedTurns, clock: Clock) -> None:
    """Without that it would be invoked again and again for nothing."""
    stop = Moves(clock)
    hosts = [SharedSendRate(turns, "default", stop, clock) for _ in range(8)]
    function = SharedSendRate(turns, "default", stop, clock, patience=FARTHEST_SECONDS)
    for one in (*hosts, function):
        one.set_limits({"default": 10.0})
    while turns.take({"default": 10.0}, 5, HOSTS_SECONDS)[0] < HOSTS_SECONDS - 0.5:
        pass
    assert all(host._turn() > 0 for host in hosts), "they wait"
    function.wanted = 10
    function.take()


def test_a_host_gets_its_turn_among_functions_in_the_end(turns: CountedTurns, clock: Clock) -> None:
    host = SharedSendRate(turns, "default", Moves(clock), clock)
    host.set_limits({"default": 10.0})
    turns.take({"default": 10.0}, 25, 60)
    before, taken = clock.now, turns.taken
    host.take()
    assert turns.taken > taken
    assert clock.now - before >= HOSTS_SECONDS, "by its own clock: that of the database stands still here"


def test_too_fast_while_turns_are_taken_is_no_defect(world: World, clock: Clock) -> None:
    class Interrupted(ExactTurns):
        def take(self, limits: object, count: int, patience: float) -> tuple[float, float]:
            taken = super().take(limits, count, patience)
            if self.taken == count:
                rate.slow_down()
            return taken

    rate = SharedSendRate(Interrupted(world.database), "default", Moves(clock), clock)
    rate.set_limits({"default": 1000.0})
    rate.take()
    assert world.scalar("SELECT pause_seconds FROM eed_send_rate") == 2.0


def test_a_function_that_does_not_know_the_rate_does_not_wait(turns: CountedTurns, clock: Clock) -> None:
    rate = SharedSendRate(turns, "default", Moves(clock), clock, patience=2.0)
    with pytest.raises(Stopping):
        rate.take()
    assert turns.taken == 0


# --- the gate --------------------------------------------------------------------------------------------------------


class MailServer:
    away = True

    def probe(self) -> None:
        if self.away:
            raise InfrastructureFailure("still away")


@pytest.fixture
def host(world: World, clock: Clock) -> Callable[[], tuple[Breaker, SharedGate, MailServer]]:
    def make() -> tuple[Breaker, SharedGate, MailServer]:
        server = MailServer()
        breaker = Breaker(server.probe, 10.0, clock)
        return breaker, SharedGate(Gate(world.database, "default"), breaker), server

    return make


Host = Callable[[], tuple[Breaker, SharedGate, MailServer]]


def test_a_hosts_breaker_shuts_the_gate_and_its_first_answer_opens_it(world: World, host: Host) -> None:
    breaker, shared, _ = host()
    gate = Gate(world.database, "default")
    shared.step()
    assert gate.look().reason is None
    breaker.trip("no connection")
    shared.step()
    assert gate.look().reason == "no connection"
    breaker._open = False  # on trial
    shared.step()
    assert gate.look().reason == "no connection"
    breaker.answered()
    shared.step()
    assert gate.look().reason is None
    assert gate.enter(1, 60).seconds == 0


def test_a_gate_that_a_function_shut_stops_a_host_once(world: World, clock: Clock, host: Host) -> None:
    breaker, shared, server = host()
    gate = Gate(world.database, "default")
    gate.shut("a function found it")
    shared.step()
    assert breaker.open
    assert breaker.reason == "a function found it"
    server.away = False
    clock.now += 60
    breaker.step()
    assert not breaker.open
    breaker.answered()
    shared.step()
    assert gate.look().reason is None, "opened before its time, because a host has proven it"
    shared.step()
    assert breaker.reason is None


def test_an_older_proof_opens_no_gate_that_was_shut_since(world: World, host: Host) -> None:
    breaker, shared, _ = host()
    gate = Gate(world.database, "default")
    breaker.trip("first")
    shared.step()
    world.execute(f"UPDATE eed_gate SET shut_until = {world.earlier('shut_until', FIRST_SECONDS)}")
    assert gate.open()
    assert gate.shut("second")
    breaker._open = False
    breaker.answered()
    shared.step()
    assert gate.look().reason == "second"


def test_a_host_whose_own_way_is_broken_shuts_the_gate_once(world: World, host: Host) -> None:
    """Another host, whose way works, has opened it since."""
    breaker, shared, _ = host()
    gate = Gate(world.database, "default")
    breaker.trip("my network")
    shared.step()
    assert gate.open_proven(gate.look().shut_at)
    for _ in range(3):
        shared.step()
    assert gate.look().reason is None


def test_a_gate_whose_host_is_gone_is_opened_by_the_answers_of_another(world: World, host: Host) -> None:
    """A host that was restarted in an outage knows nothing of the gate that it shut before."""
    gate = Gate(world.database, "default")
    gate.shut("away")
    world.execute(f"UPDATE eed_gate SET shut_until = {world.earlier('shut_until', FIRST_SECONDS)}")
    breaker, shared, _ = host()
    shared.step()
    assert gate.look().reason == "away", "it has no answer yet"
    breaker.answered()
    shared.step()
    assert gate.look().reason is None
    assert breaker.reason is None


def test_a_host_that_has_answers_is_not_stopped_by_a_function_and_opens_its_gate(world: World, host: Host) -> None:
    """The function's way out alone is broken: it lacks a right, say."""
    gate = Gate(world.database, "default")
    breaker, shared, _ = host()
    for _ in range(3):
        breaker.answered()
        gate.shut("a function may not send")
        shared.step()
        assert not breaker.open
        breaker.answered()
        shared.step()
        assert gate.look().reason is None
