"""When jobs may leave over the next days: their windows, what people opened for a while, and holds that end."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from eed_delivery.ledger.holds.ledger import StoredHold
from eed_delivery.ledger.job_lists import ListedJob
from eed_delivery.ledger.windows.marking import own_windows
from eed_delivery.ledger.windows.reading import JobWindow
from eed_delivery.model import HoldScope, HoldTarget, WaitingJob
from eed_delivery.send_windows.plan import EVER, WindowPlan
from eed_delivery.send_windows.spans import Span, intersected, united

AHEAD = timedelta(days=14)


class SpanPlans:
    """Says it by what is configured and held now."""

    def __init__(self, plan: Callable[[], WindowPlan], holds: Callable[[], Sequence[StoredHold]]) -> None:
        self._plan = plan
        self._holds = holds

    def of(self, job: ListedJob, now: datetime) -> tuple[Span, ...]:
        """Of a job that is registered. Empty: when it may leave is not known."""
        spans = self._windows(job.report.window, job.report.channel, job.category, job.send_window, now)
        return intersected(spans, self._not_held(job.report.channel, job.category))

    def of_waiting(self, job: WaitingJob, now: datetime) -> tuple[Span, ...]:
        """Of a job whose time has not come."""
        if job.scheduled_at is None:
            return ()
        spans = self._planned(job.channel, job.category, job.send_window, now)
        spans = intersected(spans, self._not_held(job.channel, job.category))
        return intersected(spans, [Span(job.scheduled_at, EVER.end)])

    def _windows(
        self, window: JobWindow | None, channel: str, category: str, own: str | None, now: datetime
    ) -> tuple[Span, ...]:
        """The job's own spans are what counts now. Those of later days are of the configuration."""
        if window is None:
            return (EVER,)
        if not window.is_known or (not window.is_open and window.changes_at is None):
            return ()
        planned = self._planned(channel, category, own, now)
        if window.is_open and window.changes_at is not None:
            planned = united(
                [Span(now, window.changes_at), *(span for span in planned if span.end > window.changes_at)]
            )
        elif window.changes_at is not None:
            planned = tuple(span for span in planned if span.start >= window.changes_at)
        return planned

    def _planned(self, channel: str, category: str, own: str | None, now: datetime) -> tuple[Span, ...]:
        given, problem = own_windows(own)
        plan = self._plan()
        return () if problem else plan.spans(channel, category, given, now, now + AHEAD)

    def _not_held(self, channel: str, category: str) -> tuple[Span, ...]:
        """From the end of all holds that concern it. Empty: one of them has no end."""
        targets = {
            HoldTarget(HoldScope.ALL),
            HoldTarget(HoldScope.CHANNEL, channel),
            HoldTarget(HoldScope.CATEGORY, category),
        }
        ends = [hold.until_at for hold in self._holds() if hold.target in targets]
        known = [end for end in ends if end is not None]
        if len(known) < len(ends):
            return ()
        return (Span(max(known), EVER.end),) if known else (EVER,)
