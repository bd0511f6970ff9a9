"""How fast emails end: the errors of the forecast on a simulated clock, over a hundred seeds."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from eed_delivery.forecast.speed import ProgressCount, intervals, measured_speed, still_seconds
from tests.unit.forecast.simulated_job import BEGIN, PER_SECOND, SimulatedJob

SEEDS = range(100)
LAST_SECONDS = 60
"""Looks later than this before the end do not count."""


def errors(job: SimulatedJob, at: int | None = None) -> list[tuple[int, float]]:
    """By how much of the time left each look was wrong, with its time. `at`: only the look at this time."""
    said = []
    for look in job.looks():
        if at not in (None, look.seconds):
            continue
        speed = measured_speed(look.counts)
        if speed is not None:
            said.append((look.seconds, look.left / speed.per_second))
    left = [(seconds, job.took - seconds, words) for seconds, words in said if job.took - seconds >= LAST_SECONDS]
    return [(seconds, abs(words - really) / really) for seconds, really, words in left]


def percentile(values: Sequence[float], part: float) -> float:
    return sorted(values)[int(len(values) * part)]


def test_the_time_left_is_right_within_a_few_percent() -> None:
    found = [error for seed in SEEDS for _, error in errors(SimulatedJob(seed))]
    assert percentile(found, 0.5) <= 0.07
    assert percentile(found, 0.95) <= 0.16


def test_three_minutes_after_the_speed_halves_the_forecast_has_followed() -> None:
    halved = 400
    found = [error for seed in SEEDS for _, error in errors(SimulatedJob(seed, halved), halved + 180)]
    assert len(found) == len(SEEDS)
    assert percentile(found, 0.95) <= 0.22


def test_a_pause_does_not_lower_the_speed() -> None:
    paused = (400, 400 + 1200)
    looks = {look.seconds: list(look.counts) for look in SimulatedJob(1, paused=paused).looks()}
    before, behind = measured_speed(looks[400]), measured_speed(looks[1600])
    assert before is not None
    assert behind is None, "nothing of the time before the pause is kept in this ring"
    later = measured_speed(looks[1640])
    assert later is not None
    assert later.per_second == pytest.approx(PER_SECOND, rel=0.15)


def counted(*done: int, allowed: float = 5.0) -> list[ProgressCount]:
    return [
        ProgressCount(BEGIN + timedelta(seconds=5 * number), count, number * allowed)
        for number, count in enumerate(done)
    ]


@pytest.mark.parametrize("done", [(), (0,), (0, 100, 200, 300, 400, 500), (0, 10, 20, 30, 40, 50, 60, 70)], ids=str)
def test_too_little_says_nothing(done: Sequence[int]) -> None:
    assert measured_speed(counted(*done)) is None


def test_what_was_before_a_requeue_says_nothing() -> None:
    assert intervals(counted(0, 500, 100, 150)) == [(5.0, 50)]


def test_it_stands_still_from_the_last_email_on() -> None:
    assert still_seconds(counted(0, 500, 700, 700, 700)) == 10.0
    assert still_seconds(counted(0, 500, 500, 500, allowed=0.0)) == 0.0, "no email could leave"


def test_a_slow_fall_is_a_trend() -> None:
    done, total = [0], 0.0
    for number in range(160):
        total += 5 * 400 * (1 - number / 400)
        done.append(round(total))
    speed = measured_speed(counted(*done))
    assert speed is not None
    assert speed.trend < -0.1
    assert speed.least < speed.per_second < speed.most
