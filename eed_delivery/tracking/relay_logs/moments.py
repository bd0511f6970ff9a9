"""The times of log lines, as seconds since 1970.

Many logs leave out the zone, and syslog's older form the year as well (RFC 3164, 4.1.2). The zone is the caller's to
say. The year is the one that puts the line nearest before now.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

_MONTHS = {name: n for n, name in enumerate(b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(), start=1)}
_YEAR_10000 = 253_402_300_800 // 60
"""In minutes since 1970. A line of that time, or from before 1970, has no time."""
_AHEAD = timedelta(days=1)
"""A clock may be ahead, or in a zone of the east. What is later than that is of last year."""


class LineTimes:
    """Reads minutes. Safe to call for each of millions of lines: each minute is read once."""

    def __init__(self, zone: tzinfo, now: datetime) -> None:
        """`zone` is of times that name none. `now` has its own."""
        self._zone = zone
        self._now = now
        self._known: dict[tuple[bytes, bytes | None], int | None] = {}

    def minute(self, text: bytes, zone: bytes | None) -> int | None:
        """Minutes since 1970 of `2026-11-30T02:31`, `2026-11-30 02:31` or `Nov 30 02:31`. None for what is none."""
        key = (text, zone)
        if key not in self._known:
            self._known[key] = self._read(text, zone)
        return self._known[key]

    def _read(self, text: bytes, zone: bytes | None) -> int | None:
        try:
            moment = self._of_year(text) if text[:1].isalpha() else datetime.fromisoformat(text.decode("ascii"))
            offset = _offset(zone) if zone else self._zone
            minute = int(moment.replace(tzinfo=offset).timestamp()) // 60
            return minute if 0 <= minute < _YEAR_10000 else None
        except (ValueError, KeyError, OverflowError):
            return None

    def _of_year(self, text: bytes) -> datetime:
        month, day, clock = text.split()
        hour, minute = clock.split(b":")
        place = (_MONTHS[month], int(day), int(hour), int(minute))
        here = self._now.astimezone(self._zone).replace(tzinfo=None)
        found = _this_or_last(here.year, place, lambda moment: moment <= here + _AHEAD)
        if found is None:
            raise ValueError("no such day")
        return found


def _this_or_last(year: int, place: tuple[int, int, int, int], fits: Callable[[datetime], bool]) -> datetime | None:
    for one in (year + 1, year, year - 1, year - 2, year - 3, year - 4):  # 29 February is not in each
        try:
            moment = datetime(one, *place)  # noqa: DTZ001 - its zone comes behind it
        except ValueError:
            continue
        if fits(moment):
            return moment
    return None


def _offset(text: bytes) -> tzinfo:
    """Of `Z`, `+01:00` or `+0100`."""
    if text == b"Z":
        return UTC
    found = datetime.strptime(text.decode("ascii"), "%z").tzinfo
    assert found is not None  # noqa: S101 - %z always has one
    return found
