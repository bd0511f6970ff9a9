"""What a forecast means for a deadline, and what would help."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from eed_delivery.forecast.ends import ForecastJob, JobEnd
from eed_delivery.forecast.standstill import Standstill


class ForecastVerdict(StrEnum):
    """Whether a job ends in time."""

    IN_TIME = "in_time"
    AT_RISK = "at_risk"  # the deadline lies within the band
    TOO_LATE = "too_late"
    NOT_MOVING = "not_moving"  # and nobody knows when it goes on
    UNKNOWN = "unknown"  # too little was seen
    NO_DEADLINE = "no_deadline"


SLACK = timedelta(seconds=30)
"""Added to the band at both ends. Near the end of a job the band is narrower than what retries and noise make of it."""
ALARMING = frozenset({ForecastVerdict.AT_RISK, ForecastVerdict.TOO_LATE, ForecastVerdict.NOT_MOVING})


@dataclass(frozen=True, slots=True)
class SpeedBounds:
    """What bounds the speed. `now` is the speed of all jobs together, in emails a second. `allowed` is the limit, and
    `allowed_by` its name. `alone` is when the job would end without the `others`."""

    now: float
    allowed: float | None = None
    allowed_by: str = ""
    alone: datetime | None = None
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgedForecast:
    """A verdict. `margin` is seconds from the likely end to the deadline, negative behind it. `needed` is the emails a
    second that the job needs to end in time. `would_help` are sentences for people."""

    verdict: ForecastVerdict
    margin: float | None = None
    needed: float | None = None
    would_help: tuple[str, ...] = ()


def judged(
    job: ForecastJob,
    end: JobEnd | None,
    deadline: datetime | None,
    now: datetime,
    stands: Standstill | None = None,
    per_second: float | None = None,
) -> JudgedForecast:
    """The verdict alone. `end` None: nobody knows it. `stands`: it does not move, and does not go on by itself.

    `per_second` is its last speed. A job that does not move has the margin that it would have if it began now.
    """
    if stands is not None or end is None:
        verdict = ForecastVerdict.UNKNOWN if stands is None else ForecastVerdict.NOT_MOVING
        return JudgedForecast(verdict, _at_most(job, deadline, now, per_second), _needed(job, deadline, now))
    if deadline is None:
        return JudgedForecast(ForecastVerdict.NO_DEADLINE)
    margin = None if end.likely is None else (deadline - end.likely).total_seconds()
    if end.late is not None and end.late + SLACK <= deadline:
        return JudgedForecast(ForecastVerdict.IN_TIME, margin)
    late = end.early is None or end.early - SLACK > deadline
    verdict = ForecastVerdict.TOO_LATE if late else ForecastVerdict.AT_RISK
    return JudgedForecast(verdict, margin, _needed(job, deadline, now))


def what_would_help(
    job: ForecastJob, judged: JudgedForecast, deadline: datetime, now: datetime, bounds: SpeedBounds
) -> tuple[str, ...]:
    """What a person can do about a job that ends too late, or perhaps. It may be nothing."""
    found: list[str] = []
    if judged.needed is None:
        if now < deadline and not job.open_seconds(now, deadline):
            found.append("Its send window does not open before the deadline. Override the window.")
        return tuple(found)
    needed = f"{judged.needed:,.0f}/s needed"
    if bounds.others and bounds.alone is not None and bounds.alone <= deadline:
        found.append(f"Pause other jobs ({', '.join(bounds.others)}). Alone it would end in time.")
    if bounds.allowed is not None and bounds.now >= 0.9 * bounds.allowed:
        found.append(f"{needed}, {bounds.allowed:,.0f}/s allowed by {bounds.allowed_by}. Raise that limit.")
    elif bounds.allowed is not None and judged.needed > bounds.allowed:
        found.append(f"{needed}, and {bounds.allowed_by} allows {bounds.allowed:,.0f}/s. Raise that limit.")
    elif judged.needed > bounds.now:
        found.append(f"{needed}, {bounds.now:,.0f}/s now. Add workers or hosts.")
    return tuple(found)


def _at_most(job: ForecastJob, deadline: datetime | None, now: datetime, per_second: float | None) -> float | None:
    """The margin that it has at most."""
    if deadline is None:
        return None
    return (deadline - now).total_seconds() - (job.left / per_second if per_second else 0.0)


def _needed(job: ForecastJob, deadline: datetime | None, now: datetime) -> float | None:
    """None: there is no deadline, or no time in which emails could leave until then."""
    seconds = job.open_seconds(now, deadline) if deadline is not None else 0.0
    return job.left / seconds if seconds else None
