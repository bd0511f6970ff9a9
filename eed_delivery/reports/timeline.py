"""How many emails were sent when.

They are counted by buckets that grow with the time they span, so that memory stays bounded.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

WIDTHS = (1, 2, 10, 30, 60, 300, 600, 1800, 3600, 10_800, 21_600, 43_200, 86_400, 604_800)
"""Seconds; each divides the next, so that narrow buckets fall into wide ones. Beyond them each is twice the last."""
BUCKETS_KEPT = 2000
MINUTE = 60


@dataclass(frozen=True, slots=True)
class Bucket:
    """`count` emails from `start` (UTC) on."""

    start: datetime
    count: int


class Timeline:
    """Counts moments. `width` is that of a bucket, in seconds."""

    def __init__(self) -> None:
        self.width = WIDTHS[0]
        self._counts: Counter[int] = Counter()

    def add(self, moment: datetime, count: int = 1) -> None:
        """Count a time of the ledger (UTC, without a zone)."""
        self._counts[int(moment.replace(tzinfo=UTC).timestamp()) // self.width] += count
        if len(self._counts) > BUCKETS_KEPT:
            self._widen()

    def buckets(self, most: int) -> list[Bucket]:
        """From the first to the last moment, the empty ones too, at most this many. Where there are more, the buckets
        are wider."""
        if not self._counts:
            return []
        while max(self._counts) - min(self._counts) >= most:
            self._widen()
        return list(self._from(min(self._counts), max(self._counts)))

    def _from(self, first: int, last: int) -> Iterator[Bucket]:
        for n in range(first, last + 1):
            yield Bucket(datetime.fromtimestamp(n * self.width, UTC).replace(tzinfo=None), self._counts[n])

    def _widen(self) -> None:
        wider = next((width for width in WIDTHS if width > self.width), self.width * 2)
        widened: Counter[int] = Counter()
        for n, count in self._counts.items():
            widened[n * self.width // wider] += count
        self.width, self._counts = wider, widened


def timeline_of(minutes: Mapping[datetime, int]) -> Timeline:
    """Of emails that were counted by minute. Its buckets are a minute at least."""
    timeline = Timeline()
    timeline.width = MINUTE
    for minute, count in minutes.items():
        timeline.add(minute, count)
    return timeline
