"""Times of the ledger for people, in UTC and in the local time of the machine that makes the report."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo


@dataclass(frozen=True, slots=True)
class Moments:
    """Writes times. `zone` None is the machine's own. `name` says which that is."""

    zone: tzinfo | None = None
    name: str = ""

    @classmethod
    def here(cls) -> "Moments":
        """As this machine's clock has it. Of a zone with summer time both names are given, as in CET/CEST."""
        return cls(name="/".join(dict.fromkeys(time.tzname)))

    def utc(self, moment: datetime | None) -> str:
        """ "" for none."""
        return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"

    def local(self, moment: datetime | None) -> str:
        """With its offset, because a zone has two of them. "" for none, and where the offset is none."""
        if moment is None:
            return ""
        here = moment.replace(tzinfo=UTC).astimezone(self.zone)
        if not here.utcoffset():
            return ""
        offset = f"{here:%z}"
        same_day = here.date() == moment.date()
        return f"{here:{'%H:%M:%S' if same_day else '%Y-%m-%d %H:%M:%S'}} {offset[:3]}:{offset[3:5]}"

    def both(self, moment: datetime | None) -> str:
        """UTC, and the local time behind it where that is another."""
        local = self.local(moment)
        return f"{self.utc(moment)} ({local})" if local else self.utc(moment)


def when(moment: datetime | None, timespec: str = "seconds") -> str:
    """A UTC time of the ledger, with a Z. "" for none."""
    return "" if moment is None else moment.isoformat(timespec=timespec) + "Z"


def both_times(moment: datetime | None, timespec: str = "seconds") -> str:
    """A UTC time of the ledger, and behind it the same in this host's time zone where that is another, as the report
    has it. "" for none."""
    local = Moments().local(moment)
    return f"{when(moment, timespec)} ({local})" if local else when(moment, timespec)
