"""What is counted while the rows go by: moments, and reasons; and where the bars of the plot stand."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.model import EmailState
from eed_delivery.reports import reasons as reasons_room
from eed_delivery.reports import timeline as timeline_room
from eed_delivery.reports.chart import BOTTOM, HEIGHT, LEFT, MOST_BARS, RIGHT, TOP, WIDTH, chart
from eed_delivery.reports.moments import Moments
from eed_delivery.reports.reasons import Reasons, alike
from eed_delivery.reports.served import percent
from eed_delivery.reports.timeline import BUCKETS_KEPT, WIDTHS, Timeline

START = datetime.fromisoformat("2026-11-22T12:00:00.500000")
MOMENTS = st.lists(st.integers(0, 10**9).map(lambda s: START + timedelta(seconds=s)), min_size=1, max_size=40)


def timeline(moments: list[datetime]) -> Timeline:
    found = Timeline()
    for moment in moments:
        found.add(moment)
    return found


@given(MOMENTS, st.integers(1, 100))
def test_every_moment_is_in_its_bucket_and_there_are_not_too_many(moments: list[datetime], most: int) -> None:
    found = timeline(moments)
    buckets = found.buckets(most)
    assert 1 <= len(buckets) <= most
    width = timedelta(seconds=found.width)
    for bucket in buckets:
        assert bucket.count == sum(bucket.start <= moment < bucket.start + width for moment in moments)
    assert sum(bucket.count for bucket in buckets) == len(moments)


def test_a_few_seconds_stay_seconds() -> None:
    found = timeline([START, START, START + timedelta(seconds=2)])
    assert [bucket.count for bucket in found.buckets(MOST_BARS)] == [2, 0, 1]
    assert found.buckets(MOST_BARS)[0].start == START.replace(microsecond=0)


def test_widths_fall_into_each_other() -> None:
    assert all(wide % narrow == 0 for narrow, wide in pairwise(WIDTHS))


def test_memory_is_bounded_however_long_it_takes() -> None:
    found = timeline([START + timedelta(days=n) for n in range(BUCKETS_KEPT * 2)])
    assert len(vars(found)["_counts"]) <= BUCKETS_KEPT
    assert sum(bucket.count for bucket in found.buckets(50)) == BUCKETS_KEPT * 2
    assert timeline_room.BUCKETS_KEPT <= 10_000


@given(MOMENTS)
def test_the_plot_keeps_within_its_frame(moments: list[datetime]) -> None:
    found = chart(timeline(moments))
    assert found is not None
    assert len(found.bars) <= MOST_BARS
    for bar in found.bars:
        assert LEFT <= bar.x <= bar.x + bar.width <= WIDTH - RIGHT
        assert TOP - 0.01 <= bar.y <= bar.y + bar.height <= HEIGHT - BOTTOM + 0.01
        assert bar.height > 0
    assert found.grid[-1][1] >= found.peak


def test_a_bar_is_as_high_as_its_number() -> None:
    found = chart(timeline([*[START] * 10, START + timedelta(seconds=1), *[START + timedelta(seconds=2)] * 5]))
    assert found is not None
    ten, one, five = (bar.height for bar in found.bars)
    assert (ten, round(ten / one), round(ten / five)) == (HEIGHT - TOP - BOTTOM, 10, 2)
    assert found.bars[0].label == "2026-11-22 12:00:00: 10"
    assert [text for _, _, text in found.times] == ["2026-11-22 12:00:00", "2026-11-22 12:00:02"]
    assert (found.bucket, found.peak, [number for _, number in found.grid]) == ("second", 10, [0, 5, 10])


@pytest.mark.parametrize(
    ("days", "bucket"), [(0.01, "10 seconds"), (0.04, "minute"), (1, "30 minutes"), (300, "7 days"), (4000, "56 days")]
)
def test_a_bucket_is_named_as_people_do(days: float, bucket: str) -> None:
    found = chart(timeline([START, START + timedelta(days=days)]))
    assert found is not None
    assert found.bucket == bucket


def test_moments_to_point_at_stand_where_their_time_is_and_keep_their_number() -> None:
    found = timeline([START, START + timedelta(seconds=9)])
    before, within, after = (START + timedelta(seconds=n) for n in (-60, 4.5, 60))
    plot = chart(found, [before, within, after])
    assert plot is not None
    assert plot.marks == ((LEFT + (WIDTH - LEFT - RIGHT) / 2, 2),)
    assert [moment for *_, moment in plot.ends] == [START.replace(microsecond=0), START + timedelta(seconds=8.5)]


BERLIN = timezone(timedelta(hours=1))


@pytest.mark.parametrize(
    ("zone", "moment", "words"),
    [
        (BERLIN, "2026-11-22T12:00:00", "2026-11-22 12:00:00 UTC (13:00:00 +01:00)"),
        (BERLIN, "2026-11-22T23:30:00", "2026-11-22 23:30:00 UTC (2026-11-23 00:30:00 +01:00)"),
        (timezone(-timedelta(hours=3, minutes=30)), "2026-11-22T12:00:00", "2026-11-22 12:00:00 UTC (08:30:00 -03:30)"),
        (UTC, "2026-11-22T12:00:00", "2026-11-22 12:00:00 UTC"),
    ],
)
def test_local_time_stands_beside_utc_where_it_is_another(zone: tzinfo, moment: str, words: str) -> None:
    moments = Moments(zone)
    assert moments.both(datetime.fromisoformat(moment)) == words
    assert (moments.both(None), moments.local(None)) == ("", "")


def test_nothing_has_no_plot() -> None:
    assert chart(Timeline()) is None


@pytest.mark.parametrize(
    ("reply", "common"),
    [
        ("550 5.1.1 <anna@b.example>: no such user 4711", "550 5.1.1 … no such user …"),
        ("550 5.1.1 <bert@c.example>: no such user 12", "550 5.1.1 … no such user …"),
        ("550-5.7.26 unauthenticated", "550-5.7.26 unauthenticated"),
        ("5.1.1 who?", "5.1.1 who?"),
        ("552 100% full", "552 …% full"),
        ("127.0.0.1:36177: no reply to the final dot", "…: no reply to the final dot"),
        ("attachment 'a b.pdf': there is no such file", "attachment …: there is no such file"),
        ("5501 is no code", "… is no code"),
        ('no "a b"@c.example here', "no … here"),
        ("two\r\nlines", "two lines"),
        (f"{'word ' * 39}anna@b.example", f"{'word ' * 39}…"),
        ("", ""),
    ],
)
def test_what_replies_have_in_common(reply: str, common: str) -> None:
    assert alike(reply) == common


@given(st.text(max_size=20), st.text(max_size=10), st.text(max_size=20))
def test_no_address_is_left(before: str, local: str, after: str) -> None:
    assert "@" not in alike(f"{before}{local}@mail.example{after}")


@pytest.mark.parametrize("reply", ["a" * 500, "'" * 501, "<" * 500, '"a' * 250, "a.1:" * 125, "@" * 500, "… " * 250])
def test_no_reply_takes_long(reply: str) -> None:
    for _ in range(200):
        alike(reply)


@given(st.lists(st.tuples(st.sampled_from(EmailState), st.sampled_from("abcdef"))), st.integers(0, 10))
def test_reasons_are_counted_and_none_is_lost(found: list[tuple[EmailState, str]], most: int) -> None:
    counted = Reasons()
    for state, reply in found:
        counted.add(state, reply)
    listed, more = counted.commonest(most)
    expected = Counter(found)
    assert all(expected[state, reason] == count for state, reason, count in listed)
    assert [count for *_, count in listed] == [count for _, count in expected.most_common(most)]
    assert sum(count for *_, count in listed) + more == len(found)


def test_a_server_that_always_says_something_else_fills_no_memory() -> None:
    counted = Reasons()
    for n in range(reasons_room.KINDS_KEPT + 10):
        counted.add(EmailState.FAILED, "".join(chr(97 + int(digit)) for digit in str(n)))
    counted.add(EmailState.FAILED, None)
    assert counted.other == 11
    listed, more = counted.commonest(20)
    assert (len(listed), more) == (20, reasons_room.KINDS_KEPT - 20 + 11)


def test_an_email_without_a_reason_counts_too() -> None:
    counted = Reasons()
    counted.add(EmailState.IN_DOUBT, None)
    assert counted.commonest(1) == ([(EmailState.IN_DOUBT, "no reason is known", 1)], 0)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_a_share_is_all_or_none_only_where_it_is(part: int, more: int) -> None:
    words = percent(part, part + more)
    assert (words == "100.0 %") == (more == 0 and part > 0)
    assert (words == "0.0 %") == (part == 0 and more > 0)
    assert (words == "") == (part + more == 0)


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [(1, 3, "33.3 %"), (2, 3, "66.7 %"), (1, 2000, "0.1 %"), (1, 2001, "under 0.1 %"), (99_999, 100_000, "99.9 %")],
)
def test_a_share_in_words(part: int, whole: int, words: str) -> None:
    assert percent(part, whole) == words
