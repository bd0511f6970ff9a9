"""How fast emails end, from counts at intervals.

It is the mean of the longest window whose mean agrees with that of the last two minutes. A mean of two minutes is too
restless, and one of ten minutes is late after a change. Time in which no email could leave is left out.
"""

import itertools
from collections.abc import Sequence
from datetime import datetime
from math import sqrt
from typing import NamedTuple

RECENT_SECONDS = 120.0
"""The window with which longer ones are compared."""
WINDOWS = (180.0, 300.0, 450.0, 600.0, 900.0)
ERRORS = 2.0
"""Standard errors: how far means may lie apart, and how wide the band is to each side."""
LEAST_SECONDS = 30.0
LEAST_EMAILS = 200
"""Less says nothing yet."""
TAIL_PART, TAIL_EMAILS = 0.01, 2000
STILL_SECONDS = 30.0
"""A job of which no email ends for so long does not move."""
TREND = 0.1
"""A change of the mean by this much is a trend, if the band does not explain it."""


class ProgressCount(NamedTuple):
    """What was counted at one time. `done` are emails that have ended. `allowed` is seconds, from the first count on,
    in which emails could leave."""

    at: datetime
    done: int
    allowed: float
    is_tail: bool = False
    """Few emails were left then: those of retries, which say nothing of the speed."""


class Interval(NamedTuple):
    """How many emails ended within `seconds` in which they could leave."""

    seconds: float
    done: int


class MeasuredSpeed(NamedTuple):
    """Emails a second. `error` is its standard error, and `window` the seconds that it is the mean of.

    `trend` is by how much the last two minutes differ from all that was seen: 0.2 is faster by a fifth.
    """

    per_second: float
    error: float
    window: float
    trend: float = 0.0

    @property
    def least(self) -> float:
        """The lower end of the band."""
        return max(0.0, self.per_second - ERRORS * self.error)

    @property
    def most(self) -> float:
        """The upper end of the band."""
        return self.per_second + ERRORS * self.error


def is_tail(done: int, total: int) -> bool:
    """Whether so few emails are left that retries decide how fast they end."""
    left = total - done
    return left < max(TAIL_PART * total, min(TAIL_EMAILS, total / 2))


def intervals(counts: Sequence[ProgressCount]) -> list[Interval]:
    """Between the counts, without the time in which no email could leave.

    Where fewer emails are done than before, some were sent back. What was before says nothing then.
    """
    found: list[Interval] = []
    for before, count in itertools.pairwise(counts):
        if count.done < before.done:
            found.clear()
        elif count.allowed > before.allowed:
            found.append(Interval(count.allowed - before.allowed, count.done - before.done))
    return found


def still_seconds(counts: Sequence[ProgressCount]) -> float:
    """For how long no email has ended, of the time in which emails could leave."""
    still = 0.0
    for one in reversed(intervals(counts)):
        if one.done:
            break
        still += one.seconds
    return still


def measured_speed(counts: Sequence[ProgressCount]) -> MeasuredSpeed | None:
    """The speed by these counts, the oldest first. None: too little was seen."""
    newest_first = intervals(counts)[::-1]
    seen = Interval(sum(one.seconds for one in newest_first), sum(one.done for one in newest_first))
    if seen.seconds < LEAST_SECONDS or seen.done < LEAST_EMAILS:
        return None
    recent = mean_of(_within(newest_first, RECENT_SECONDS))
    best = recent
    for window in WINDOWS:
        wider = mean_of(_within(newest_first, window))
        if wider.window <= best.window or abs(wider.per_second - recent.per_second) > ERRORS * recent.error:
            break
        best = wider
    return best._replace(trend=_trend(recent, mean_of(newest_first)))


def _within(newest_first: Sequence[Interval], seconds: float) -> Sequence[Interval]:
    total = 0.0
    for number, one in enumerate(newest_first):
        total += one.seconds
        if total >= seconds:
            return newest_first[: number + 1]
    return newest_first


def mean_of(given: Sequence[Interval]) -> MeasuredSpeed:
    """Their mean and its standard error. That is never below the one of emails that end independently."""
    seconds = sum(one.seconds for one in given)
    done = sum(one.done for one in given)
    mean = done / seconds if seconds else 0.0
    error = sqrt(max(done, 1)) / seconds if seconds else 0.0
    if len(given) > 1:
        spread = sum(one.seconds * (one.done / one.seconds - mean) ** 2 for one in given) / seconds
        error = max(error, sqrt(spread / (len(given) - 1)))
    return MeasuredSpeed(mean, error, seconds)


def _trend(recent: MeasuredSpeed, whole: MeasuredSpeed) -> float:
    if not whole.per_second or abs(recent.per_second - whole.per_second) <= ERRORS * (recent.error + whole.error):
        return 0.0
    trend = recent.per_second / whole.per_second - 1
    return trend if abs(trend) >= TREND else 0.0
