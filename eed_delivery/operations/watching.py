"""Follow a job until it has finished, with each change, and what there is to say of the database meanwhile."""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import TypeVar

from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger.reporting import JobReport, ReportingLedger

__all__ = [
    "DatabaseAway",
    "DatabaseBack",
    "DatabaseNews",
    "EmailRate",
    "JobProgress",
    "JobReport",
    "ProgressNews",
    "Watching",
]

T = TypeVar("T")

RATE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class JobProgress:
    """The job has changed. `rate` is in emails a second over the last half minute."""

    report: JobReport
    rate: float


@dataclass(frozen=True, slots=True)
class DatabaseAway:
    """The database does not answer. It is asked again at each look, and this is said once."""

    reason: str


@dataclass(frozen=True, slots=True)
class DatabaseBack:
    """The database answers again."""


DatabaseNews = DatabaseAway | DatabaseBack
ProgressNews = JobProgress | DatabaseNews


class EmailRate:
    """Emails a second over the last half minute, from samples of the count."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque()

    def rate(self, now: float, done: int) -> float:
        """The rate with this count. `now` is in seconds of a clock that never jumps."""
        self._looks.append((now, done))
        while now - self._looks[0][0] > RATE_SECONDS:
            self._looks.popleft()
        first, before = self._looks[0]
        return max(0.0, (done - before) / (now - first)) if now > first else 0.0


class Watching:
    """Polls a job until it has finished. A database that is away does not end it."""

    def __init__(self, reporting: ReportingLedger) -> None:
        self._reporting = reporting

    def follow(self, job_id: int, pause: Callable[[], object]) -> Iterator[ProgressNews]:
        """Each change of the job, the last one when it has finished. Nothing more once it has gone. `pause` waits until
        the next look."""
        told: object = None
        rates = EmailRate()
        while True:
            report = yield from self._look(job_id, pause)
            if report is None:
                return
            news = (report.counts, report.state, report.total, report.finished_at)
            rate = rates.rate(time.monotonic(), report.done)
            if news != told:
                yield JobProgress(report, rate)
            told = news
            if report.finished_at is not None:
                return
            pause()

    def _look(self, job_id: int, pause: Callable[[], object]) -> Generator[DatabaseNews, None, JobReport | None]:
        return looked(lambda: self._reporting.job(job_id), pause)


def looked(look: Callable[[], T], pause: Callable[[], object]) -> Generator[DatabaseNews, None, T]:
    """What `look` returns, once the database answers. Yields what there is to say of it until then. `pause` waits until
    the next look."""
    away = False
    while True:
        try:
            found = look()
        except DatabaseGone as gone:
            if not away:
                yield DatabaseAway(str(gone))
            away = True
            pause()
        else:
            if away:
                yield DatabaseBack()
            return found
