"""Windows by days, hours and zone: the spans that they make are those of a scan of each minute by the zone's clock."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eed_delivery.send_windows.rules import SendWindows, WindowRule
from eed_delivery.send_windows.spans import Span, intersected, united

BERLIN = ZoneInfo("Europe/Berlin")
EVERY_DAY = frozenset(range(7))
MINUTE = timedelta(minutes=1)
# Berlin 2026: forward on 29 March at 01:00 UTC, back on 25 October at 01:00 UTC.
AROUND = [
    (BERLIN, datetime(2026, 3, 28)),  # noqa: DTZ001 - UTC without a zone, as the ledger keeps times
    (BERLIN, datetime(2026, 10, 24)),  # noqa: DTZ001
    (ZoneInfo("America/New_York"), datetime(2026, 10, 31)),  # noqa: DTZ001
    (ZoneInfo("Australia/Lord_Howe"), datetime(2026, 4, 4)),  # noqa: DTZ001 - half an hour back
    (ZoneInfo("Australia/Lord_Howe"), datetime(2026, 10, 3)),  # noqa: DTZ001 - and forward
    (ZoneInfo("Pacific/Apia"), datetime(2011, 12, 29)),  # noqa: DTZ001 - which had no 30 December
    (ZoneInfo("Asia/Kathmandu"), datetime(2028, 2, 28)),  # noqa: DTZ001 - before a leap day
    (ZoneInfo("UTC"), datetime(2026, 12, 24)),  # noqa: DTZ001
]
DAYS_SCANNED = 3


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def rule(opens: str, closes: str, zone: ZoneInfo = BERLIN, days: Iterable[int] = EVERY_DAY) -> WindowRule:
    end = None if closes == "24:00" else time.fromisoformat(closes)
    return WindowRule(frozenset(days), time.fromisoformat(opens), end, zone)


def scanned(windows: SendWindows, begin: datetime, end: datetime) -> tuple[Span, ...]:
    """Each minute by itself: open if a window of a day has begun, and not ended, by the latest time that was shown."""
    opened: list[Span] = []
    latest: dict[str, datetime] = {}
    moment = begin - timedelta(days=1)
    while moment < end:
        for one in windows.rules:
            shown = moment.replace(tzinfo=UTC).astimezone(one.zone).replace(tzinfo=None)
            latest[one.zone.key] = max(shown, latest.get(one.zone.key, shown))
        if moment >= begin and any(is_open(one, windows.excluded, latest[one.zone.key]) for one in windows.rules):
            opened.append(Span(moment, moment + MINUTE))
        moment += MINUTE
    return united(opened)


def is_open(one: WindowRule, excluded: frozenset[date], shown: datetime) -> bool:
    if shown.date() in excluded:
        return False
    today, clock = shown.date(), shown.time()
    yesterday = today - timedelta(days=1)
    over_midnight = one.closes is not None and one.closes <= one.opens
    of_today = today.weekday() in one.days and clock >= one.opens
    if not over_midnight:
        return of_today and (one.closes is None or clock < one.closes)
    of_yesterday = yesterday.weekday() in one.days and yesterday not in excluded and clock < (one.closes or time())
    return of_today or of_yesterday


times = st.builds(time, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 59]))


@st.composite
def windows_around(draw: st.DrawFn) -> tuple[SendWindows, datetime]:
    zone, begin = draw(st.sampled_from(AROUND))
    days = st.frozensets(st.integers(0, 6), min_size=1)
    rules = draw(
        st.lists(
            st.builds(WindowRule, days, times, st.one_of(st.none(), times), st.just(zone)).filter(
                lambda one: one.opens != one.closes
            ),
            min_size=1,
            max_size=3,
        )
    )
    dates = st.sampled_from([begin.date() + timedelta(days=n) for n in range(-1, DAYS_SCANNED + 1)])
    return SendWindows(tuple(rules), draw(st.frozensets(dates, max_size=2))), begin


@settings(max_examples=50)
@given(windows_around())
@example((SendWindows((rule("02:30", "02:45"),)), at("2026-03-28")))
@example((SendWindows((rule("02:15", "02:45"),)), at("2026-10-24")))
@example((SendWindows((rule("22:00", "02:30"),), frozenset({date(2026, 10, 25)})), at("2026-10-24")))
def test_the_spans_are_those_of_a_scan_of_each_minute(given_: tuple[SendWindows, datetime]) -> None:
    windows, begin = given_
    end = begin + timedelta(days=DAYS_SCANNED)
    assert windows.spans(begin, end) == scanned(windows, begin, end)


@pytest.mark.parametrize(
    ("opens", "closes", "date_", "spans"),
    [
        # 02:30 does not exist on 29 March: it opens when the clock jumps to 03:00.
        ("02:30", "06:00", "2026-03-29", [("2026-03-29T01:00", "2026-03-29T04:00")]),
        ("01:00", "02:30", "2026-03-29", [("2026-03-29T00:00", "2026-03-29T01:00")]),
        ("02:15", "02:45", "2026-03-29", []),
        # 02:15 comes twice on 25 October: it opens once.
        ("02:15", "02:45", "2026-10-25", [("2026-10-25T00:15", "2026-10-25T00:45")]),
        ("02:30", "06:00", "2026-10-25", [("2026-10-25T00:30", "2026-10-25T05:00")]),
        ("00:00", "24:00", "2026-10-25", [("2026-10-24T22:00", "2026-10-25T23:00")]),
        ("00:00", "24:00", "2028-02-29", [("2028-02-28T23:00", "2028-02-29T23:00")]),
        ("22:00", "06:00", "2028-02-28", [("2028-02-28T21:00", "2028-02-29T05:00")]),
    ],
)
def test_a_window_opens_once_also_when_clocks_change(
    opens: str, closes: str, date_: str, spans: list[tuple[str, str]]
) -> None:
    day = date.fromisoformat(date_)
    windows = SendWindows((rule(opens, closes, days=[day.weekday()]),))
    middle = datetime.combine(day, time())
    found = windows.spans(middle - timedelta(days=3), middle + timedelta(days=3))
    assert found == tuple(Span(at(start), at(end)) for start, end in spans)


def test_on_an_excluded_date_nothing_leaves_and_nothing_begins() -> None:
    windows = SendWindows((rule("22:00", "06:00", ZoneInfo("UTC")),), frozenset({date(2026, 12, 25)}))
    assert windows.spans(at("2026-12-24T12:00"), at("2026-12-27")) == (
        Span(at("2026-12-24T22:00"), at("2026-12-25")),
        Span(at("2026-12-26T22:00"), at("2026-12-27")),
    )


moments = st.integers(0, 40).map(lambda n: at("2026-01-01") + n * timedelta(hours=1))
sets = st.lists(st.tuples(moments, moments).map(lambda two: Span(min(two), max(two))), max_size=6).map(united)


@given(sets, sets)
def test_spans_are_united_and_intersected_as_sets_of_moments(some: tuple[Span, ...], others: tuple[Span, ...]) -> None:
    def hours(spans: Iterable[Span]) -> set[datetime]:
        return {
            span.start + n * timedelta(hours=1)
            for span in spans
            for n in range(int((span.end - span.start) / timedelta(hours=1)))
        }

    assert hours(intersected(some, others)) == hours(some) & hours(others)
    assert hours(united([*some, *others])) == hours(some) | hours(others)
    both = united([*some, *others])
    assert all(one.end < other.start for one, other in pairwise(both))
