"""Without the database a process decides by itself: a clock that the test moves stands for time."""

from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.alerts.turns import LocalTurns
from eed_delivery.ledger.alerts.turns import AlertThreshold, Turn

PACE = AlertThreshold("r", 1, 60, 900)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def turns(most: int = 60) -> tuple[LocalTurns, Clock]:
    clock = Clock()
    return LocalTurns(most, clock), clock


def test_the_first_is_told_and_the_next_after_the_cooldown_with_the_number_of_all() -> None:
    local, clock = turns()
    assert local.ask(PACE, 1) == Turn(1)
    clock.now += 899
    assert local.ask(PACE, 5) is None
    clock.now += 1
    assert local.ask(PACE, 1) == Turn(6)


def test_so_many_must_come_within_the_window() -> None:
    local, clock = turns()
    pace = AlertThreshold("r", 3, 60, 900)
    assert local.ask(pace, 2) is None
    clock.now += 60
    assert local.ask(pace, 2) is None
    clock.now += 59
    assert local.ask(pace, 1) == Turn(5)


def test_rules_do_not_hold_each_other() -> None:
    local, _ = turns()
    assert local.ask(PACE, 1)
    assert local.ask(AlertThreshold("other", 1, 60, 900), 1)


def test_an_hours_share_is_for_all_rules_and_its_last_is_marked() -> None:
    local, clock = turns(most=2)
    told = [local.ask(AlertThreshold(name, 1, 60, 1), 1) for name in "abc"]
    assert told == [Turn(1), Turn(1, last=True), None]
    clock.now += 3600
    assert local.ask(AlertThreshold("c", 1, 60, 1), 1) == Turn(2)


def test_what_another_process_told_is_not_told_again() -> None:
    local, clock = turns()
    local.learn("r", 100)
    assert local.cooling(PACE)
    assert local.ask(PACE, 1) is None
    clock.now += 801
    assert local.ask(PACE, 1) == Turn(2)


@given(st.lists(st.tuples(st.integers(1, 9), st.floats(0, 2000)), max_size=40))
def test_every_match_is_told_once_and_alerts_keep_their_distance(steps: list[tuple[int, float]]) -> None:
    local, clock = turns(most=1000)
    met = told = 0
    last = float("-inf")
    for more, seconds in steps:
        clock.now += seconds
        met += more
        if turn := local.ask(PACE, more):
            assert clock.now - last >= PACE.cooldown_seconds
            last = clock.now
            told += turn.times
            assert told == met
