"""The timeline as a bar chart. It has the place of everything in the picture, in its own units."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from eed_delivery.reports.timeline import Timeline

WIDTH, HEIGHT = 720, 200
LEFT, RIGHT, TOP, BOTTOM = 64, 8, 10, 24
MOST_BARS = 90
GAP = 0.2
"""Of a bar's place that stays free."""


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """`grid` are (y, number) of the horizontal lines. `times` are (x, anchor, text) of what stands below, `ends` the
    same as moments. `marks` are (x, number) of the moments to point at that lie within the plot, by their place in the
    list, from 1 on."""

    bars: tuple[Bar, ...]
    grid: tuple[tuple[float, int], ...]
    times: tuple[tuple[float, str, str], ...]
    ends: tuple[tuple[float, str, datetime], ...]
    marks: tuple[tuple[float, int], ...]
    peak: int
    bucket: str


def chart(timeline: Timeline, moments: Sequence[datetime] = ()) -> Chart | None:
    """None means that there is nothing to show. `moments` are UTC times to point at."""
    buckets = timeline.buckets(MOST_BARS)
    if not buckets:
        return None
    peak = max(bucket.count for bucket in buckets)
    top = _round_up(peak)
    step = (WIDTH - LEFT - RIGHT) / len(buckets)
    bars = tuple(
        Bar(
            x=round(LEFT + n * step + step * GAP / 2, 2),
            y=round(_y(bucket.count, top), 2),
            width=round(step * (1 - GAP), 2),
            height=round(_y(0, top) - _y(bucket.count, top), 2),
            label=f"{bucket.start:%Y-%m-%d %H:%M:%S}: {bucket.count:,}",
        )
        for n, bucket in enumerate(buckets)
        if bucket.count
    )
    grid = tuple((_y(number, top), number) for number in sorted({0, top // 2, top}))
    ends = [(LEFT, "start", buckets[0].start), (WIDTH - RIGHT, "end", buckets[-1].start)][: len(buckets)]
    times = tuple((x, anchor, f"{start:%Y-%m-%d %H:%M:%S}") for x, anchor, start in ends)
    marks = tuple(
        (round(LEFT + (moment - buckets[0].start).total_seconds() / timeline.width * step, 2), n)
        for n, moment in enumerate(moments, start=1)
        if 0 <= (moment - buckets[0].start).total_seconds() <= timeline.width * len(buckets)
    )
    return Chart(bars, grid, times, tuple(ends), marks, peak, _in_words(timeline.width))


def _y(count: int, top: int) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * count / top


def _round_up(number: int) -> int:
    """To 1, 2, 4, 6, 8 or 10 times a power of ten, so that a line's number is read at a glance."""
    power = int("1" + "0" * (len(str(number)) - 1))
    return next(factor * power for factor in (1, 2, 4, 6, 8, 10) if factor * power >= number)


def _in_words(seconds: int) -> str:
    units = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
    length, name = next(unit for unit in units if seconds % unit[0] == 0)
    count = seconds // length
    return f"{count} {name}s" if count > 1 else name
