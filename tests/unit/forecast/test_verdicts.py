"""What a forecast means for a deadline, and that it does not waver."""

from datetime import datetime, timedelta
from functools import cache

import pytest

from eed_delivery.forecast.ends import ForecastJob, JobEnd, job_ends
from eed_delivery.forecast.speed import measured_speed
from eed_delivery.forecast.standstill import Standstill, StandstillReason, first_standstill
from eed_delivery.forecast.steadiness import LOOKS, SteadyVerdict, steadied
from eed_delivery.forecast.verdicts import ForecastVerdict, SpeedBounds, judged, what_would_help
from eed_delivery.send_windows.plan import EVER
from eed_delivery.send_windows.spans import Span
from tests.unit.forecast.simulated_job import BEGIN, PER_SECOND, TOTAL, SimulatedJob

TOOK = TOTAL / PER_SECOND
SETTLED = 120.0
"""The first looks see too little to judge by."""


def at(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


JOB = ForecastJob("42", 100_000, 500_000, (EVER,))
END = JobEnd(early=at(900), likely=at(1000), late=at(1100), nearly=at(990))


@pytest.mark.parametrize(
    ("deadline", "verdict", "margin", "needed"),
    [
        (1200, ForecastVerdict.IN_TIME, 200.0, None),
        (1130, ForecastVerdict.IN_TIME, 130.0, None),
        (1129, ForecastVerdict.AT_RISK, 129.0, 100_000 / 1129),
        (870, ForecastVerdict.AT_RISK, -130.0, 100_000 / 870),
        (800, ForecastVerdict.TOO_LATE, -200.0, 125.0),
        (-10, ForecastVerdict.TOO_LATE, -1010.0, None),
    ],
)
def test_the_deadline_and_the_band_decide(
    deadline: float, verdict: ForecastVerdict, margin: float, needed: float | None
) -> None:
    found = judged(JOB, END, at(deadline), BEGIN)
    assert (found.verdict, found.margin) == (verdict, margin)
    assert found.needed == pytest.approx(needed)


def test_what_does_not_move_or_is_not_known_is_said_before_the_deadline() -> None:
    stands = Standstill(StandstillReason.PAUSED, "Paused by anna")
    assert judged(JOB, None, at(800), BEGIN, stands).verdict is ForecastVerdict.NOT_MOVING
    assert judged(JOB, None, at(800), BEGIN).verdict is ForecastVerdict.UNKNOWN
    assert judged(JOB, END, None, BEGIN).verdict is ForecastVerdict.NO_DEADLINE
    assert judged(JOB, JobEnd(None, None, None, None), at(800), BEGIN).verdict is ForecastVerdict.TOO_LATE


def test_the_first_reason_that_fits_is_given() -> None:
    found = {StandstillReason.OTHERS_SHARE: "Others share.", StandstillReason.NO_WORKER: "No worker is alive."}
    assert first_standstill(found) == (StandstillReason.NO_WORKER, "No worker is alive.")
    assert first_standstill({}) is None


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        (SpeedBounds(99.0, 100.0, "rate_per_second"), "125/s needed, 100/s allowed by rate_per_second."),
        (SpeedBounds(60.0, 100.0, "rate_per_second"), "125/s needed, and rate_per_second allows 100/s."),
        (SpeedBounds(60.0), "125/s needed, 60/s now. Add workers or hosts."),
        (SpeedBounds(200.0, alone=at(500), others=("43",)), "Pause other jobs (43)."),
    ],
)
def test_it_says_what_would_help(bounds: SpeedBounds, words: str) -> None:
    late = judged(JOB, END, at(800), BEGIN)
    assert words in " ".join(what_would_help(JOB, late, at(800), BEGIN, bounds))


def test_a_window_that_opens_behind_the_deadline_is_named() -> None:
    closed = ForecastJob("42", 100, 100, (Span(at(1000), at(5000)),))
    late = judged(closed, END, at(800), BEGIN)
    assert "Override the window" in " ".join(what_would_help(closed, late, at(800), BEGIN, SpeedBounds(60.0)))


def test_a_verdict_changes_once_three_looks_agree() -> None:
    seen = [ForecastVerdict.IN_TIME, *[ForecastVerdict.AT_RISK, ForecastVerdict.IN_TIME] * 3]
    seen += [ForecastVerdict.AT_RISK] * LOOKS
    shown: SteadyVerdict | None = None
    changes = []
    for verdict in seen:
        before, shown = shown, steadied(shown, verdict)
        changes.append(before is not None and before.shown is not shown.shown)
    assert changes == [False] * (len(seen) - 1) + [True]


def shown_after(*seen: ForecastVerdict) -> ForecastVerdict:
    shown: SteadyVerdict | None = None
    for verdict in seen:
        shown = steadied(shown, verdict)
    assert shown is not None
    return shown.shown


def test_a_first_verdict_counts_at_once_unless_it_is_alarming() -> None:
    unknown, late, still = ForecastVerdict.UNKNOWN, ForecastVerdict.TOO_LATE, ForecastVerdict.NOT_MOVING
    assert shown_after(unknown, ForecastVerdict.IN_TIME) is ForecastVerdict.IN_TIME
    assert shown_after(still, ForecastVerdict.IN_TIME) is ForecastVerdict.IN_TIME
    assert shown_after(late, late) is unknown
    assert shown_after(late, late, late) is late


def test_alarming_verdicts_in_turn_are_told() -> None:
    alarms = [ForecastVerdict.AT_RISK, ForecastVerdict.TOO_LATE, ForecastVerdict.AT_RISK]
    assert shown_after(ForecastVerdict.IN_TIME, *alarms) is ForecastVerdict.AT_RISK


def test_what_does_not_move_has_the_margin_that_it_would_have_at_most() -> None:
    stands = Standstill(StandstillReason.PAUSED, "Paused by anna")
    assert judged(JOB, None, at(800), BEGIN, stands, 200.0).margin == 800 - 100_000 / 200
    assert judged(JOB, None, at(-300), BEGIN, stands).margin == -300


def test_a_deadline_that_is_over_needs_no_window() -> None:
    late = judged(JOB, END, at(-10), BEGIN)
    assert what_would_help(JOB, late, at(-10), BEGIN, SpeedBounds(60.0)) == ()


@cache
def ends_of(seed: int) -> list[tuple[datetime, ForecastJob, JobEnd]]:
    """The looks at a simulated job, with the end that each forecasts."""
    found = []
    for look in SimulatedJob(seed).looks():
        speed = measured_speed(look.counts)
        if look.seconds >= SETTLED:
            assert speed is not None
            job = ForecastJob("42", look.left, TOTAL, (EVER,))
            found.append((at(look.seconds), job, job_ends([job], speed, at(look.seconds))["42"]))
    return found


def changes(seed: int, deadline: datetime) -> int:
    """How often the verdict on a simulated job changes. The first one that is known is no change."""
    shown: SteadyVerdict | None = None
    changed = 0
    for now, job, end in ends_of(seed):
        before, shown = shown, steadied(shown, judged(job, end, deadline, now).verdict)
        known = before is not None and before.shown is not ForecastVerdict.UNKNOWN
        changed += known and before.shown is not shown.shown
    return changed


@pytest.mark.parametrize(("margin", "at_most"), [(300, 0), (-300, 0), (120, 3), (0, 3), (-120, 3)])
def test_noise_changes_a_verdict_rarely(margin: float, at_most: int) -> None:
    found = [changes(seed, at(TOOK + margin)) for seed in range(100)]
    assert max(found) <= at_most, sorted(found)[-5:]
