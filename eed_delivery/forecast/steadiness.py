"""A verdict that changes only once it has lasted, so that noise sends no alert."""

from typing import NamedTuple

from eed_delivery.forecast.verdicts import ALARMING, ForecastVerdict

LOOKS = 3
"""So many looks in a row must agree before the verdict changes."""
LOOK_SECONDS = 20.0
"""Between two looks."""


class SteadyVerdict(NamedTuple):
    """`shown` is the verdict. The last `looks` looks said `seen` instead."""

    shown: ForecastVerdict
    seen: ForecastVerdict
    looks: int = 0


def steadied(before: SteadyVerdict | None, seen: ForecastVerdict) -> SteadyVerdict:
    """The verdict after one more look. The first one counts at once, unless it is an alarming one."""
    if before is None:
        before = SteadyVerdict(ForecastVerdict.UNKNOWN, ForecastVerdict.UNKNOWN)
    if seen is before.shown or (before.shown is ForecastVerdict.UNKNOWN and seen not in ALARMING):
        return SteadyVerdict(seen, seen)
    goes_on = seen is before.seen or (before.shown not in ALARMING and seen in ALARMING and before.seen in ALARMING)
    looks = before.looks + 1 if goes_on else 1
    return SteadyVerdict(seen, seen) if looks >= LOOKS else SteadyVerdict(before.shown, seen, looks)
