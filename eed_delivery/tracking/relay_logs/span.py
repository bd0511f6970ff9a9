"""Which minutes a log covers. That an email is not in it says something only of those."""

from bisect import bisect_left
from collections.abc import Iterable
from datetime import UTC, datetime

QUIET_MINUTES = 10
"""A relay in use is never silent for longer. A longer gap is a part of the log that is missing."""
BEFORE_MINUTES = 2
"""The relay's clock may be ahead by so much, and the log's first minute may be half a one."""
AFTER_MINUTES = 15
"""A hand-over may take this long, and the line about it comes at its end."""


class LogSpan:
    """The minutes since 1970 in which a log has lines."""

    def __init__(self, minutes: Iterable[int]) -> None:
        self._minutes = sorted(set(minutes))

    @property
    def first(self) -> datetime | None:
        """The first minute. None for a log without times."""
        return _moment(self._minutes[0]) if self._minutes else None

    @property
    def last(self) -> datetime | None:
        """The last minute."""
        return _moment(self._minutes[-1]) if self._minutes else None

    def covers(self, minute: int) -> bool:
        """Whether it has no gap from just before this minute until long after it."""
        at = bisect_left(self._minutes, minute - QUIET_MINUTES)
        last = None
        for one in self._minutes[at : bisect_left(self._minutes, minute + AFTER_MINUTES) + 1]:
            if last is None and one > minute - BEFORE_MINUTES:
                return False
            if last is not None and one - last > QUIET_MINUTES:
                return False
            if one >= minute + AFTER_MINUTES:
                return True
            last = one
        return False


def _moment(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC).replace(tzinfo=None)
