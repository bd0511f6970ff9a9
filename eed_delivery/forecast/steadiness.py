"""A verdict that changes only once it has lasted, so that noise sends no alert."""

from typing import NamedTuple

from eed_delivery.forecast.verdicts import ForecastVerdict

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
    """The verdict after one more look. The first verdict that is known counts at once."""
    if before is None or before.shown is ForecastVerdict.UNKNOWN or seen is before.shown:
        return SteadyVerdict(seen, seen)
    looks = before.looks + 1 if seen is before.seen else 1
    return SteadyVerdict(seen, seen) if looks >= LOOKS else SteadyVerdict(before.shown, seen, looks)
