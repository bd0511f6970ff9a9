"""How fast emails ended on the days before, for jobs that have not begun."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from eed_delivery.forecast.speed import Interval, MeasuredSpeed, ProgressCount, mean_of

BUCKET_SECONDS = 300.0
HOURS_AROUND = 1
"""How far from the hour of the day a time may lie to count as the same hour."""
LEAST_BUCKETS = 3
"""With fewer at that hour, those of the whole day count."""
_BUCKET = timedelta(seconds=BUCKET_SECONDS)
_DAY_HOURS = 24
_LEAST_BUSY = 30.0


def usual_speed(counts: Mapping[int, Sequence[ProgressCount]], at: datetime) -> MeasuredSpeed | None:
    """The mean speed of all these jobs together at this hour of the day. None: nothing was sent.

    `counts` are by job, each the oldest first.
    """
    buckets = _buckets(counts.values())
    same_hour = [one for start, one in buckets.items() if _hours_apart(start, at) <= HOURS_AROUND]
    wanted = same_hour if len(same_hour) >= LEAST_BUCKETS else list(buckets.values())
    return mean_of(wanted) if wanted else None


def _buckets(jobs: Iterable[Sequence[ProgressCount]]) -> dict[datetime, Interval]:
    """Times in which emails could leave, with what ended in them over all jobs."""
    done: defaultdict[datetime, float] = defaultdict(float)
    busy: defaultdict[datetime, float] = defaultdict(float)
    for counts in jobs:
        for before, count in itertools.pairwise(counts):
            allowed, ended = count.allowed - before.allowed, count.done - before.done
            if allowed <= 0 or ended <= 0 or before.is_tail:
                continue
            start = _bucket_of(before.at)
            whole = min(1.0, BUCKET_SECONDS / allowed)  # a gap in the counts is longer than one of them
            done[start] += ended * whole
            busy[start] += allowed * whole
    return {
        start: Interval(min(seconds, BUCKET_SECONDS), round(done[start]))
        for start, seconds in busy.items()
        if seconds >= _LEAST_BUSY
    }


def _bucket_of(moment: datetime) -> datetime:
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + ((moment - midnight) // _BUCKET) * _BUCKET


def _hours_apart(one: datetime, other: datetime) -> int:
    apart = abs(one.hour - other.hour)
    return min(apart, _DAY_HOURS - apart)
