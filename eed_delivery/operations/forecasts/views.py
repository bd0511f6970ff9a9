"""What is answered of forecasts, and what they are made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from eed_delivery.forecast.deadlines import DailyDeadline
from eed_delivery.forecast.ends import JobEnd
from eed_delivery.forecast.sharing import Quota
from eed_delivery.forecast.speed import MeasuredSpeed
from eed_delivery.forecast.standstill import Standstill
from eed_delivery.forecast.verdicts import ForecastVerdict
from eed_delivery.ledger.job_lists import JobListLedger
from eed_delivery.ledger.progress import NO_RETRIES, ProgressLedger, WaitingRetries
from eed_delivery.model import WaitingJob
from eed_delivery.operations.forecasts.spans import SpanPlans
from eed_delivery.operations.job_counts import CountedJob
from eed_delivery.operations.keys import Keys
from eed_delivery.operations.standing import JobStanding

__all__ = ["ForecastSources", "ForecastVerdict", "ForecastsView", "JobEnd", "JobForecastView", "MeasuredSpeed"]


@dataclass(frozen=True, slots=True)
class JobForecastView:
    """When a job ends. Times are UTC.

    `speed` is that of all jobs of its channel together. `is_usual`: it is that of the last seven days, because this job
    has not begun. `deadline_by` says what the deadline is: "deadline", "category" or "expires_at". `opens_at` is when
    its emails may leave again, if they may not now.
    """

    job_id: int | None
    key: str
    name: str
    as_of: datetime
    verdict: ForecastVerdict
    left: int
    total: int
    end: JobEnd | None = None
    speed: MeasuredSpeed | None = None
    is_usual: bool = False
    deadline: datetime | None = None
    deadline_by: str = ""
    margin: float | None = None
    needed: float | None = None
    would_help: tuple[str, ...] = ()
    stands: Standstill | None = None
    opens_at: datetime | None = None
    retries: WaitingRetries = NO_RETRIES
    shares_with: tuple[str, ...] = ()
    is_enlisted: bool = True
    is_counted: bool = True


@dataclass(frozen=True, slots=True)
class ForecastsView:
    """The forecasts of all unfinished jobs, the newest first, 50 at most. `more_jobs`: there are more."""

    at: datetime
    jobs: tuple[JobForecastView, ...]
    more_jobs: bool = False


@dataclass(frozen=True, slots=True)
class ForecastSources:
    """What forecasts are made of. Each call may raise `DatabaseGone`.

    `limits` are allowed emails a second by channel. `quota` is SES's, of the default channel. `rules` are
    deadlines by category.
    """

    lists: JobListLedger
    progress: ProgressLedger
    keys: Keys
    plans: SpanPlans
    standings_of: Callable[[Sequence[CountedJob]], Sequence[JobStanding]]
    limits: Callable[[], Mapping[str, float]]
    quota: Callable[[str, datetime], Quota | None]
    waiting: Callable[[str], "tuple[WaitingJob, int] | None"]
    rules: Mapping[str, DailyDeadline]
    now: Callable[[], datetime]
