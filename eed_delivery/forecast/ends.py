"""When each of several jobs ends, with a band, and with the retries that its last emails wait for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from eed_delivery.forecast.sharing import NEARLY, Quota, SharedEnd, SharingJob, shared_ends
from eed_delivery.forecast.speed import MeasuredSpeed
from eed_delivery.send_windows.spans import Span, intersected


@dataclass(frozen=True, slots=True)
class ForecastJob:
    """A job with `left` emails of `total` that have not ended. `spans` are when it may leave.

    `retrying` of those left wait for a retry, the last of them until `retries_until`.
    """

    key: str
    left: int
    total: int
    spans: Sequence[Span]
    retrying: int = 0
    retries_until: datetime | None = None

    def shared(self) -> SharingJob:
        """The job without the emails that wait for their retry."""
        return SharingJob(self.key, max(0, self.left - self.retrying), self.total, self.spans, self.retrying)

    def open_seconds(self, begin: datetime, end: datetime) -> float:
        """For how long it may leave between two moments."""
        if end <= begin:
            return 0.0
        return sum((span.end - span.start).total_seconds() for span in intersected(self.spans, [Span(begin, end)]))


@dataclass(frozen=True, slots=True)
class JobEnd:
    """When a job ends. `early` and `late` are the ends of the band. `nearly` is when 99.9 % of its emails have ended.

    None: not within the time whose windows are known.
    """

    early: datetime | None
    likely: datetime | None
    late: datetime | None
    nearly: datetime | None

    def not_before(self, moment: datetime) -> "JobEnd":
        """What should have ended before ends now."""
        return JobEnd(*(None if end is None else max(end, moment) for end in self._all))

    @property
    def _all(self) -> tuple[datetime | None, ...]:
        return (self.early, self.likely, self.late, self.nearly)


def job_ends(
    jobs: Sequence[ForecastJob], speed: MeasuredSpeed, now: datetime, quota: Quota | None = None
) -> Mapping[str, JobEnd]:
    """When each ends. `speed` is that of all together."""
    shared = [job.shared() for job in jobs]
    early, likely, late = (
        shared_ends(shared, per_second, now, quota) for per_second in (speed.most, speed.per_second, speed.least)
    )
    return {
        job.key: JobEnd(
            early=_with_retries(job, early[job.key].whole),
            likely=_with_retries(job, likely[job.key].whole),
            late=_with_retries(job, late[job.key].whole),
            nearly=_nearly(job, likely[job.key], now),
        )
        for job in jobs
    }


def _with_retries(job: ForecastJob, end: datetime | None) -> datetime | None:
    """The last retry may come behind all else."""
    return end if end is None or job.retries_until is None else max(end, job.retries_until)


def _nearly(job: ForecastJob, end: SharedEnd, now: datetime) -> datetime | None:
    """Retries are due evenly until the last one, as far as is known."""
    needed = job.retrying - (1 - NEARLY) * job.total
    if end.nearly is None or job.retries_until is None or needed <= 0:
        return end.nearly
    waits = max(timedelta(0), job.retries_until - now)
    return max(end.nearly, now + waits * (needed / job.retrying))
