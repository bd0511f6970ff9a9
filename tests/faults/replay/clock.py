"""A clock that a replay moves, for the product's loops and for the database."""

import sqlite3
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, event

_BEGIN = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
_JULIAN_DAY_OF_1970 = 2440587.5


class VirtualClock:
    """Seconds since the beginning of the replay."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def at(self, seconds: float = 0.0) -> datetime:
        """The time of day, this many seconds from now."""
        return _BEGIN + timedelta(seconds=self.now + seconds)


class VirtualStop(threading.Event):
    """A stop event on which no thread waits longer than it takes to move the clock."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.now += timeout or 0.0
        return self.is_set()


def tell_time(engine: Engine, clock: VirtualClock) -> None:
    """From now on the SQLite database behind `engine` has this clock's now, and keeps nothing safe from a power cut."""

    def strftime(pattern: str, time: str, *modifiers: str | None) -> str | None:
        if None in modifiers:
            return None
        if time != "now":
            raise ValueError(f"a replay knows only the time of now, not {time!r}")
        seconds = sum(float((modifier or "").removesuffix(" seconds")) for modifier in modifiers)
        at = clock.at(seconds)
        return at.strftime(pattern.replace("%f", f"%S.{at.microsecond // 1000:03d}"))

    def julianday(time: str) -> float:
        at = clock.at() if time == "now" else datetime.fromisoformat(time).replace(tzinfo=UTC)
        return at.timestamp() / 86400 + _JULIAN_DAY_OF_1970

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        raw: sqlite3.Connection = connection
        raw.create_function("strftime", -1, strftime)
        raw.create_function("julianday", 1, lambda time: None if time is None else julianday(time))
        raw.execute("PRAGMA synchronous=OFF")
