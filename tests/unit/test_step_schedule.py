"""Several loops in one thread."""

from collections.abc import Callable

import pytest

from eed_delivery.errors import DatabaseGone
from eed_delivery.runtime.loop import AWAY_SECONDS
from eed_delivery.runtime.step_schedule import StepSchedule, StepTally


class Time:
    """Passes while something is waited for, and a little with each step."""

    def __init__(self) -> None:
        self.now = 100.0
        self.called: list[str] = []

    def wait(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def step(self, name: str, *seconds: float) -> Callable[[], float]:
        """A step that takes 0.01 s, and wants these pauses one after the other, and the last one from then on."""
        pauses = list(seconds)

        def step() -> float:
            self.called.append(name)
            self.now += 0.01
            return pauses.pop(0) if len(pauses) > 1 else pauses[0]

        return step


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def schedule(time: Time) -> StepSchedule:
    return StepSchedule(lambda: time.now, time.wait)


def run(schedule: StepSchedule, time: Time, seconds: float) -> StepTally:
    until = time.now + seconds
    return schedule.run(1.0, lambda: time.now < until)


def test_one_that_always_has_work_leaves_the_others_their_turn(schedule: StepSchedule, time: Time) -> None:
    schedule.add("busy", time.step("busy", 0))
    schedule.add("seldom", time.step("seldom", 1))
    tally = run(schedule, time, 5)
    assert time.called[:3] == ["busy", "seldom", "busy"]
    assert tally.calls["seldom"] == 5
    assert tally.calls["busy"] > 400


def test_nothing_is_called_before_it_is_due(schedule: StepSchedule, time: Time) -> None:
    schedule.add("one", time.step("one", 3))
    assert run(schedule, time, 10).calls == {"one": 4}


def test_all_are_due_when_it_begins_anew(schedule: StepSchedule, time: Time) -> None:
    schedule.add("rare", time.step("rare", 3600))
    assert [run(schedule, time, 10).calls["rare"] for _ in range(3)] == [1, 1, 1]


def test_a_short_run_leaves_out_none_for_good(schedule: StepSchedule, time: Time) -> None:
    for name in "abcd":
        schedule.add(name, time.step(name, 0))
    for _ in range(4):
        run(schedule, time, 0.015)
    assert time.called == list("abcdabcd")


def test_one_that_waits_or_has_a_defect_stops_no_other(schedule: StepSchedule, time: Time) -> None:
    def gone() -> float:
        raise DatabaseGone("away")

    def broken() -> float:
        raise ValueError("ours")

    schedule.add("gone", gone)
    schedule.add("broken", broken)
    schedule.add("well", time.step("well", 1))
    tally = run(schedule, time, 4 * AWAY_SECONDS - 1)
    assert (tally.waited["gone"], tally.failed["broken"]) == (4, 4)
    assert tally.calls["well"] >= 6


def test_one_that_was_stopped_is_not_called_again(schedule: StepSchedule, time: Time) -> None:
    ends = schedule.add("ends", time.step("ends", 0.1))

    def stop() -> float:
        ends.stop()
        ends.join()
        return 100.0

    schedule.add("stops", stop)
    assert run(schedule, time, 10).calls == {"ends": 1, "stops": 1}


def test_one_that_a_step_adds_begins_at_once(schedule: StepSchedule, time: Time) -> None:
    def adds() -> float:
        schedule.add("added", time.step("added", 1))
        return 100.0

    schedule.add("adds", adds)
    assert run(schedule, time, 2.5).calls == {"adds": 1, "added": 3}
