"""The counts of jobs that still run, for all viewers at once, and how fast they are."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from eed_delivery.ledger.job_lists import JobListLedger, ListedJob
from eed_delivery.ledger.reporting import JobReport
from eed_delivery.model import EmailState
from eed_delivery.operations.snapshots import COST_FACTOR, SECONDS
from eed_delivery.operations.watching import EmailRate

KEPT = 1000
"""Limit: jobs whose counts are kept."""


@dataclass(frozen=True, slots=True)
class CountedJob:
    """A job with its counts, which are of `counted_at` (UTC; None: of its end). `rate` is emails that ended a second,
    over the last half minute in which somebody looked. None: it was counted once only."""

    report: JobReport
    counted_at: datetime | None
    rate: float | None
    expires_at: datetime | None
    is_expired: bool
    category: str


@dataclass(slots=True)
class _Kept:
    counts: dict[str, int]
    at: datetime
    until: float
    facts: object
    rate: EmailRate
    per_second: float | None = None


class JobCounts:
    """Counts jobs, at most every two seconds each, and less often if that takes long. Raises `DatabaseGone`."""

    def __init__(
        self, lists: JobListLedger, now: Callable[[], datetime], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`now` is the database's clock."""
        self._lists = lists
        self._now = now
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, _Kept] = OrderedDict()

    def of(self, jobs: Sequence[ListedJob]) -> list[CountedJob]:
        """Each with its counts. All that have to be counted are counted by one statement."""
        with self._lock:
            due = [job for job in jobs if not job.is_counted and self._is_due(job)]
            if due:
                self._count(due)
            return [self._counted(job) for job in jobs]

    def _is_due(self, job: ListedJob) -> bool:
        kept = self._kept.get(job.report.job_id)
        if kept is None or kept.facts != _facts(job):
            return True
        settled = job.report.finished_at is not None and not kept.counts.get(EmailState.IN_DOUBT)
        return not settled and self._clock() >= kept.until

    def _count(self, due: Sequence[ListedJob]) -> None:
        began = self._clock()
        counts = self._lists.counts(due)
        at, now = self._now(), self._clock()
        until = now + max(SECONDS, COST_FACTOR * (now - began))
        for job in due:
            job_id = job.report.job_id
            before = self._kept.pop(job_id, None)
            rate = before.rate if before is not None else EmailRate()
            kept = self._kept[job_id] = _Kept(counts[job_id], at, until, _facts(job), rate)
            done = _with(job, kept).done
            per_second = rate.rate(now, done)
            kept.per_second = None if before is None else per_second
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def _counted(self, job: ListedJob) -> CountedJob:
        kept = None if job.is_counted else self._kept[job.report.job_id]
        runs = job.report.finished_at is None
        return CountedJob(
            report=job.report if kept is None else _with(job, kept),
            counted_at=None if kept is None else kept.at,
            rate=kept.per_second if kept is not None and runs else None,
            expires_at=job.expires_at,
            is_expired=job.is_expired,
            category=job.category,
        )


def _facts(job: ListedJob) -> object:
    """What changes when a job's counts do, once it has finished."""
    report = job.report
    return (report.finished_at, report.total, report.rounds, report.moved)


def _with(job: ListedJob, kept: _Kept) -> JobReport:
    return replace(job.report, counts={state: kept.counts.get(state, 0) for state in EmailState})
