"""Deadlines at a time of day, such as "by 06:00"."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from eed_delivery.send_windows.rules import first_moment


@dataclass(frozen=True, slots=True)
class DailyDeadline:
    """At this time of each day, by the clock of `zone`."""

    by: time
    zone: ZoneInfo

    def after(self, moment: datetime) -> datetime:
        """The first one behind a moment. Both are UTC without a zone."""
        day = moment.replace(tzinfo=UTC).astimezone(self.zone).date()
        while True:
            found = first_moment(datetime.combine(day, self.by), self.zone)
            if found > moment:
                return found
            day += timedelta(days=1)
