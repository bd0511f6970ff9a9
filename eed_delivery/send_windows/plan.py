"""Which windows concern a job, and how they combine.

The window of a job is its own, else its category's, else the installation's. The window of its channel must be open
too. A category that ignores windows is open at any time, whatever the channel says. An override opens all of it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from typing import NamedTuple

from eed_delivery.send_windows.rules import SendWindows
from eed_delivery.send_windows.spans import Span, intersected, united

ALWAYS = SendWindows()
EVER = Span(datetime(1970, 1, 1), datetime(9999, 12, 31))  # noqa: DTZ001 - as the ledger keeps times
"""Of a job that no window concerns."""
NEVER = Span(EVER.end, EVER.end)
"""Of a job whose windows do not open within the days that are looked ahead."""
LOOKED_AHEAD_DAYS = (10, 60, 400)
"""If there are no two openings within the first of these, the next one counts."""
_LOOKED_BACK = timedelta(days=2)


class NextSpans(NamedTuple):
    """The span that is open or opens next, and the one behind it. None: it is not known yet."""

    first: Span
    second: Span | None = None

    def is_open(self, moment: datetime) -> bool:
        """Whether it is open at a moment."""
        return self.first.has(moment) or (self.second is not None and self.second.has(moment))


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """All windows that are configured. `channels` has each channel that there is.

    `of_jobs`: jobs may have windows of their own. `ignoring` are categories that ignore windows.
    """

    installation: SendWindows = ALWAYS
    channels: Mapping[str, SendWindows] = field(default_factory=dict)
    categories: Mapping[str, SendWindows] = field(default_factory=dict)
    ignoring: Collection[str] = frozenset()
    of_jobs: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether no job can have a window."""
        given = (self.installation, *self.channels.values(), *self.categories.values())
        return not self.of_jobs and all(not one.rules for one in given)

    def of_job(self, category: str, own: SendWindows | None) -> SendWindows:
        """The window of a job, without its channel's. `own` is the job's."""
        if own is not None and own.rules:
            return self._with_holidays(own)
        if category in self.categories:
            return self._with_holidays(self.categories[category])
        return self.installation

    def _with_holidays(self, windows: SendWindows) -> SendWindows:
        """The installation's excluded dates count for all jobs."""
        return replace(windows, excluded=windows.excluded | self.installation.excluded)

    def spans(
        self, channel: str, category: str, own: SendWindows | None, begin: datetime, end: datetime
    ) -> tuple[Span, ...]:
        """All spans in which a job may leave between two moments in UTC."""
        of_channel, of_job = self.channels.get(channel, ALWAYS), self.of_job(category, own)
        if category in self.ignoring or not (of_channel.rules or of_job.rules):
            return (EVER,)
        return intersected(of_channel.spans(begin, end), of_job.spans(begin, end))

    def next_spans(
        self, now: datetime, channel: str, category: str, own: SendWindows | None, overrides: Sequence[Span] = ()
    ) -> NextSpans:
        """When a job is open, from `now` in UTC. Spans that are open keep their beginning for a day in UTC."""
        of_channel, of_job = self.channels.get(channel, ALWAYS), self.of_job(category, own)
        if category in self.ignoring or not (of_channel.rules or of_job.rules):
            return NextSpans(EVER)
        today = datetime.combine(now.date(), time())
        begin = today - _LOOKED_BACK
        found: list[Span] = []
        for days in LOOKED_AHEAD_DAYS:
            end = today + timedelta(days=days)
            both = self.spans(channel, category, own, begin, end)
            found = [span for span in united([*both, *overrides]) if span.end > now]
            if len(found) > 1 or (found and found[0].end >= end):
                break
        return NextSpans(*found[:2]) if found else NextSpans(NEVER)
