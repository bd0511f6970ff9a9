"""When the publisher looks, and how much of which job it publishes, by a clock of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.publisher.window import Window
from eed_delivery.runtime.poll_interval import LONGEST_PAUSE_SECONDS, SHARE_OF_POLLING, PollInterval


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def look(interval: PollInterval, clock: Clock, *seconds: float) -> None:
    """One look after the other, that take so many seconds each."""
    for took in seconds:
        with interval.polling():
            clock.now += took


def test_the_first_look_is_due_at_once() -> None:
    assert PollInterval(5, Clock()).wait == 0


@given(st.floats(0.01, 10), st.floats(0, 100))
def test_looking_takes_a_small_part_of_the_time(seconds: float, took: float) -> None:
    clock = Clock()
    interval = PollInterval(seconds, clock)
    look(interval, clock, took, took, took)
    assert interval.wait >= min(seconds, LONGEST_PAUSE_SECONDS) * 0.999
    if interval.wait < LONGEST_PAUSE_SECONDS * 0.999:
        assert took <= SHARE_OF_POLLING * (took + interval.wait) * 1.001
    clock.now += interval.wait + 0.001
    assert interval.wait == 0


def test_a_look_of_a_second_and_a_half_comes_every_thirty_seconds() -> None:
    clock = Clock()
    interval = PollInterval(0.25, clock)
    look(interval, clock, 1.5, 1.5, 1.5)
    assert interval.wait == pytest.approx(28.5)


@pytest.mark.parametrize("seconds", [(1, 0.01, 0.01), (0.01, 1, 0.01), (0.01, 0.01, 1), (1, 1)])
def test_a_look_that_was_slow_for_once_puts_nothing_off(seconds: tuple[float, ...]) -> None:
    clock = Clock()
    interval = PollInterval(0.25, clock)
    look(interval, clock, *seconds)
    assert interval.wait == pytest.approx(0.25)


def test_a_look_that_failed_is_due_again() -> None:
    clock = Clock()
    interval = PollInterval(5, clock)
    with pytest.raises(ValueError, match="gone"), interval.polling():
        raise ValueError("gone")
    assert interval.wait == 0


def test_who_hurries_need_not_wait() -> None:
    clock = Clock()
    interval = PollInterval(5, clock)
    look(interval, clock, 1)
    interval.hurry()
    assert interval.wait == 0


def window(limit: int, ahead: int) -> Window:
    opened = Window(limit, PollInterval(1, Clock()))
    opened.recount(lambda _: ahead)
    return opened


@given(st.integers(10, 100_000), st.integers(0, 200_000), st.integers(1, 200))
def test_every_job_gets_as_much_as_every_other_and_all_together_no_more_than_there_is_room_for(
    limit: int, ahead: int, jobs: int
) -> None:
    share = window(limit, ahead).share(jobs)
    room = limit - ahead
    if room <= 0:
        assert share == 0
    else:
        assert share >= 1
        assert share * jobs <= max(room, jobs)
        assert (share + 1) * jobs > room


def test_what_was_published_takes_room_until_the_next_count() -> None:
    clock = Clock()
    filling = Window(100, PollInterval(1, clock))
    filling.recount(lambda limit: limit - 60)
    filling.fill(50)
    assert (filling.share(1), filling.wait) == (10, 0)
    filling.recount(lambda _: 0)  # too early to be asked
    filling.fill(10)
    assert (filling.share(1), filling.wait) == (0, 1)
    clock.now += 1
    assert filling.wait == 0
    filling.recount(lambda limit: limit - 60)
    assert filling.share(1) == 60
