"""Moments as the source's wall clock shows them, in the night when it shows an hour twice.

Both functions ask the database, whose session has the zone that the service compares in. On SQLite all times are UTC.
"""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

LONGEST_STEP_SECONDS = 3 * 3600
"""Clocks are put back by an hour, in a few places by half an hour, at one station in Antarctica by two, and always at a
whole minute (https://data.iana.org/time-zones/tz-link.html)."""


def not_before(c: Connection, moment: datetime) -> datetime:
    """The first time of the wall clock that it does not show before `moment`, in whole seconds.

    As a rule that is what it shows then. When the clock was put back a little earlier it has shown that once already. A
    job scheduled for it would start up to an hour early. Then it is the end of what comes twice.
    """
    if c.dialect.name == "sqlite":
        return _utc(moment)
    at = math.ceil(moment.timestamp())
    shown, *earlier = _asked(c, func.from_unixtime, _seconds_until(at))
    latest: datetime = max(shown, *(time + timedelta(seconds=1) for time in earlier))
    return latest


def not_after(c: Connection, moment: datetime) -> datetime:
    """The last time of the wall clock that the database does not take for one after `moment`, in whole seconds.

    Of a time that comes twice it takes one. Which one, its manual leaves open
    (https://dev.mysql.com/doc/refman/8.0/en/date-and-time-functions.html#function_unix-timestamp).
    """
    if c.dialect.name == "sqlite":
        return _utc(moment)
    at = math.floor(moment.timestamp())
    seconds = _seconds_until(at)
    taken_for = _asked(c, lambda second: func.unix_timestamp(func.from_unixtime(second)), seconds)
    last = next(second for second, taken in zip(seconds, taken_for, strict=True) if taken <= at)
    shown: datetime = _asked(c, func.from_unixtime, [last])[0]
    return shown


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)


def _seconds_until(at: int) -> list[int]:
    """`at`, and the last second of each minute before it, as long as a clock may be put back."""
    return [at, *(minute - 1 for minute in range(at // 60 * 60, at - LONGEST_STEP_SECONDS, -60))]


def _asked(c: Connection, function: Callable[[int], Any], seconds: Sequence[int]) -> Sequence[Any]:
    return c.execute(select(*map(function, seconds))).one()
