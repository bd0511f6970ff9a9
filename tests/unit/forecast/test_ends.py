"""When jobs end: sharing, windows, pauses with an end, quotas and retries."""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.forecast.ends import ForecastJob, JobEnd, job_ends
from eed_delivery.forecast.sharing import Quota
from eed_delivery.forecast.speed import MeasuredSpeed, ProgressCount, is_tail
from eed_delivery.forecast.usual import usual_speed
from eed_delivery.send_windows.plan import EVER
from eed_delivery.send_windows.rules import DAYS, SendWindows, WindowRule
from eed_delivery.send_windows.spans import Span
from tests.unit.forecast.simulated_job import BEGIN

EXACT = MeasuredSpeed(100.0, 0.0, 600.0)
HOUR = timedelta(hours=1)
NIGHT = WindowRule(frozenset(range(len(DAYS))), time(22), time(6), ZoneInfo("Europe/Berlin"))


def job(left: int, key: str = "42", spans: tuple[Span, ...] = (EVER,), **more: object) -> ForecastJob:
    return ForecastJob(key, left, left, spans, **more)  # type: ignore[arg-type]


def ends(*jobs: ForecastJob, speed: MeasuredSpeed = EXACT, now: datetime = BEGIN, quota: Quota | None = None) -> JobEnd:
    return job_ends(jobs, speed, now, quota)["42"]


def seconds_to(moment: datetime | None, now: datetime = BEGIN) -> float:
    assert moment is not None
    return (moment - now).total_seconds()


def test_a_job_alone_ends_by_its_speed() -> None:
    end = ends(job(360_000))
    assert seconds_to(end.likely) == pytest.approx(3600, abs=0.1)
    assert seconds_to(end.nearly) == pytest.approx(3596.4, abs=0.1)


def test_the_band_has_the_likely_end_within() -> None:
    end = ends(job(360_000), speed=MeasuredSpeed(100.0, 5.0, 600.0))
    assert seconds_to(end.early) == pytest.approx(3600 / 1.1, abs=0.1)
    assert seconds_to(end.late) == pytest.approx(3600 / 0.9, abs=0.1)


def test_two_equal_jobs_take_twice_as_long() -> None:
    assert seconds_to(ends(job(36_000), job(36_000, "43")).likely) == pytest.approx(720, abs=0.1)


def test_a_large_job_has_the_speed_to_itself_once_the_small_one_has_ended() -> None:
    assert seconds_to(ends(job(30_000), job(10_000, "43")).likely) == pytest.approx(400, abs=0.1)


def test_a_pause_moves_the_end_by_its_length() -> None:
    paused = (Span(BEGIN + timedelta(minutes=20), EVER.end),)
    alone, later = ends(job(36_000)), ends(job(36_000, spans=paused))
    assert alone.likely is not None
    assert later.likely == alone.likely + timedelta(minutes=20)


def night(begin: datetime, days: int = 10) -> tuple[Span, ...]:
    return SendWindows((NIGHT,)).spans(begin, begin + timedelta(days=days))


def test_eight_hours_of_work_before_a_window_of_the_night_fill_it() -> None:
    now = datetime(2026, 12, 1, 20)  # 21:00 in Berlin  # noqa: DTZ001 - as the ledger keeps times
    end = ends(job(8 * 360_000, spans=night(now)), now=now)
    assert seconds_to(end.likely, now) == pytest.approx(9 * 3600, abs=1)


def test_more_than_a_night_goes_on_in_the_next_one() -> None:
    now = datetime(2026, 12, 1, 20)  # noqa: DTZ001
    end = ends(job(9 * 360_000, spans=night(now)), now=now)
    assert seconds_to(end.likely, now) == pytest.approx((24 + 2) * 3600, abs=1)


@pytest.mark.parametrize(("day", "hours"), [(date(2027, 3, 27), 7), (date(2026, 10, 24), 9), (date(2026, 12, 1), 8)])
def test_a_night_of_another_clock_has_its_own_length(day: date, hours: int) -> None:
    now = datetime.combine(day, time(12))
    within = ends(job((hours * 3600 - 60) * 100, spans=night(now)), now=now)
    beyond = ends(job((hours * 3600 + 60) * 100, spans=night(now)), now=now)
    assert seconds_to(within.likely, now) < 24 * 3600 < seconds_to(beyond.likely, now)


def test_windows_that_never_open_have_no_end() -> None:
    assert ends(job(100, spans=())) == JobEnd(None, None, None, None)


def test_a_quota_that_is_used_to_80_percent_cuts_the_rest() -> None:
    quota = Quota(100_000, ((BEGIN - 12 * HOUR, 80_000.0),))
    end = ends(job(30_000), quota=quota)
    # 20,000 leave at once. The rest waits until the first ones are a day old.
    assert seconds_to(end.likely) == pytest.approx(12 * 3600 + 100, abs=1)


def test_a_quota_counts_what_is_yet_to_be_sent() -> None:
    end = ends(job(250_000), quota=Quota(100_000))
    assert 2 * 24 * 3600 <= seconds_to(end.likely) <= 2 * 24 * 3600 + 2000


def test_the_last_retry_decides_when_all_have_ended() -> None:
    retry = BEGIN + timedelta(minutes=50)
    end = ends(ForecastJob("42", 36_037, 100_000, (EVER,), retrying=37, retries_until=retry))
    assert seconds_to(end.nearly) == pytest.approx(360, abs=2)
    assert end.likely == end.early == end.late == retry


def test_many_retries_also_delay_when_nearly_all_have_ended() -> None:
    retry = BEGIN + timedelta(minutes=50)
    end = ends(ForecastJob("42", 500, 100_000, (EVER,), retrying=400, retries_until=retry))
    assert seconds_to(end.nearly) == pytest.approx(3000 * 300 / 400, abs=2)


_spans = st.lists(st.tuples(st.integers(0, 5000), st.integers(1, 5000)), max_size=5).map(
    lambda pairs: tuple(
        Span(BEGIN + timedelta(seconds=20_000 * n + start), BEGIN + timedelta(seconds=20_000 * n + start + length))
        for n, (start, length) in enumerate(pairs)
    )
)


@given(
    left=st.integers(0, 10**6),
    more=st.integers(0, 10**6),
    spans=_spans,
    others=st.lists(st.integers(0, 10**5), max_size=3),
    per_second=st.floats(0.1, 1000),
)
def test_an_end_is_not_before_now_and_never_earlier_with_more_left(
    left: int, more: int, spans: tuple[Span, ...], others: list[int], per_second: float
) -> None:
    beside = [job(count, f"other {number}") for number, count in enumerate(others)]
    speed = MeasuredSpeed(per_second, per_second / 20, 600.0)
    found = ends(job(left, spans=spans), *beside, speed=speed)
    with_more = ends(job(left + more, spans=spans), *beside, speed=speed)
    for end in (found.early, found.likely, found.late, found.nearly):
        assert end is None or end >= BEGIN
    assert _order(found.early) <= _order(found.likely) <= _order(found.late)
    assert _order(found.likely) <= _order(with_more.likely) + timedelta(milliseconds=1)


def _order(moment: datetime | None) -> datetime:
    return EVER.end - timedelta(days=1) if moment is None else moment


def history(day: int, hour: int, per_second: int) -> list[ProgressCount]:
    begin = datetime(2026, 11, day, hour)  # noqa: DTZ001
    return [ProgressCount(begin + timedelta(minutes=5 * n), 300 * per_second * n, 300.0 * n) for n in range(9)]


def test_a_job_that_has_not_begun_has_the_speed_of_the_days_before_at_its_hour() -> None:
    counts = {1: history(28, 2, 400), 2: history(29, 2, 200), 3: history(29, 14, 50)}
    speed = usual_speed(counts, BEGIN)
    assert speed is not None
    assert speed.per_second == pytest.approx(300, rel=0.01)


def test_retries_at_the_end_of_a_job_are_no_speed() -> None:
    night, total = history(29, 2, 400), 8 * 300 * 400 + 100
    tail = [
        ProgressCount(night[-1].at + timedelta(minutes=5 * n), night[-1].done + 3 * n, night[-1].allowed + 300.0 * n)
        for n in range(1, 25)
    ]
    marked = [one._replace(is_tail=is_tail(one.done, total)) for one in (*night, *tail)]
    speed = usual_speed({1: marked}, BEGIN)
    assert speed is not None
    assert speed.per_second == pytest.approx(400, rel=0.01)


def test_where_nothing_was_sent_at_this_hour_the_whole_days_count() -> None:
    speed = usual_speed({3: history(29, 14, 50)}, BEGIN)
    assert speed is not None
    assert speed.per_second == pytest.approx(50, rel=0.01)
    assert usual_speed({}, BEGIN) is None
