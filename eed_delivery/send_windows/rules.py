"""Windows by days, hours and zone, and the spans in UTC that they make.

The local clock counts as the latest time that it has shown, so it never goes back. A time that the clock skips in
spring is reached with the next one that it shows. The hour that comes twice in autumn counts when it comes first. So
each window opens once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from eed_delivery.send_windows.spans import Span, united

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)
_WIDEST = timedelta(days=2)
"""A window lasts a day at most, and no zone's clock is further than a day from UTC."""


@dataclass(frozen=True, slots=True)
class WindowRule:
    """Open on these `days` (0 is Monday) from `opens` on until before `closes`, by the clock of `zone`.

    `closes` at or before `opens` is on the following day. None is midnight, at the end of the same day.
    """

    days: frozenset[int]
    opens: time
    closes: time | None
    zone: ZoneInfo

    @property
    def words(self) -> str:
        """For people: `mon tue 08:00 to 20:00 Europe/Berlin`."""
        days = "every day" if len(self.days) == len(DAYS) else " ".join(DAYS[day] for day in sorted(self.days))
        until = "24:00" if self.closes is None else f"{self.closes:%H:%M}"
        return f"{days} {self.opens:%H:%M} to {until} {self.zone.key}"


@dataclass(frozen=True, slots=True)
class SendWindows:
    """Open when one of the `rules` is, and never on `excluded` dates. Without rules always open.

    On an excluded date nothing leaves and no window begins. A window of the evening before closes at midnight.
    """

    rules: tuple[WindowRule, ...] = ()
    excluded: frozenset[date] = field(default=frozenset())

    def spans(self, begin: datetime, end: datetime) -> tuple[Span, ...]:
        """The spans between two moments in UTC, cut off at both."""
        if not self.rules:
            return (Span(begin, end),)
        whole = united(span for rule in self.rules for span in self._of(rule, begin, end))
        return united(Span(max(span.start, begin), min(span.end, end)) for span in whole)

    def _of(self, rule: WindowRule, begin: datetime, end: datetime) -> Iterator[Span]:
        day, last = (begin - _WIDEST).date(), (end + _WIDEST).date()
        while day <= last:
            if day.weekday() in rule.days and day not in self.excluded:
                yield self._on(rule, day)
            day += _DAY

    def _on(self, rule: WindowRule, day: date) -> Span:
        midnight = datetime.combine(day + _DAY, time())
        closes = midnight
        if rule.closes is not None:
            over_midnight = rule.closes <= rule.opens
            closes = datetime.combine(day + _DAY if over_midnight else day, rule.closes)
        if day + _DAY in self.excluded:
            closes = min(closes, midnight)
        return Span(first_moment(datetime.combine(day, rule.opens), rule.zone), first_moment(closes, rule.zone))


def first_moment(local: datetime, zone: ZoneInfo) -> datetime:
    """When the clock of a zone first shows this time or a later one, in UTC."""
    # PEP 495: before a gap counts the offset of fold 0, behind it that of fold 1. Elsewhere fold 0 comes first.
    late = _utc(local, zone, 0)
    if _shown(late, zone) == local:
        return late
    early = _utc(local, zone, 1)
    while late - early > _SECOND:
        middle = early + (late - early) // 2
        middle -= timedelta(microseconds=middle.microsecond)
        early, late = (early, middle) if _shown(middle, zone) >= local else (middle, late)
    return late


def _utc(local: datetime, zone: ZoneInfo, fold: int) -> datetime:
    return local.replace(tzinfo=zone, fold=fold).astimezone(UTC).replace(tzinfo=None)


def _shown(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
