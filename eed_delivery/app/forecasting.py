"""What forecasts are made of, and the watch that keeps them."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from eed_delivery.database.transactions import Database
from eed_delivery.forecast.sharing import Quota
from eed_delivery.ledger.duties import DutyLedger
from eed_delivery.ledger.forecasts import ForecastLedger, ForecastLook
from eed_delivery.ledger.job_lists import JobListLedger
from eed_delivery.ledger.progress import ProgressLedger
from eed_delivery.model import DEFAULT_CHANNEL, WaitingJob
from eed_delivery.operations.aws_figures import AllowedRates, AwsFigures
from eed_delivery.operations.forecasts.queries import ForecastQueries
from eed_delivery.operations.forecasts.spans import SpanPlans
from eed_delivery.operations.forecasts.views import ForecastSources
from eed_delivery.operations.snapshots import SharedFigures
from eed_delivery.send_windows.plan import WindowPlan

if TYPE_CHECKING:
    from eed_delivery.app.job_operations import JobOperations
    from eed_delivery.app.parts import App
    from eed_delivery.sweeper.forecast_watch import ForecastWatch

KEPT_SECONDS = 60.0
"""Limits and quotas change seldom."""
_HOURS = 24


def forecast_sources(
    operations: "JobOperations",
    database: Database,
    lists: JobListLedger,
    plan: Callable[[], WindowPlan],
    rates: AllowedRates,
    figures: AwsFigures,
) -> ForecastSources:
    """Put together for one process. `plan` is the send windows that are configured now."""
    jobs = operations.jobs

    def waiting(key: str) -> tuple[WaitingJob, int] | None:
        view = jobs.waiting(key)
        return None if view is None else (view.job, view.emails)

    settings = operations.settings
    limits = _Limits(rates, figures)
    return ForecastSources(
        lists=lists,
        progress=ProgressLedger(database),
        keys=operations.keys,
        plans=SpanPlans(plan, operations.holds.all),
        standings_of=operations.tonight.standings_of,
        limits=limits.rates,
        quota=limits.quota,
        waiting=waiting,
        rules={category: rule.made() for category, rule in settings.deadlines.category.items()},
        now=jobs.now,
    )


def forecast_watch(app: "App") -> "ForecastWatch":
    """What the sweeper does with them."""
    from eed_delivery.app.operations import Operations
    from eed_delivery.ledger.actor import SERVICE
    from eed_delivery.sweeper.forecast_watch import ForecastWatch

    database = app.database(connections=1)
    queries = Operations(app.settings, SERVICE, database).forecasts
    return ForecastWatch(ForecastLedger(database, app.outbox), DutyLedger(database), lambda: _looks(queries))


def _looks(queries: ForecastQueries) -> list[ForecastLook]:
    return [
        ForecastLook(
            one.job_id,
            one.key,
            None if one.end is None else one.end.likely,
            one.margin,
            one.verdict,
            one.deadline,
            one.needed,
        )
        for one in queries.all().jobs
        if one.job_id is not None
    ]


class _Limits:
    """Limits and quota, read once a minute for all who look."""

    def __init__(self, rates: AllowedRates, figures: AwsFigures) -> None:
        self._rates = SharedFigures(rates.now, KEPT_SECONDS)
        self._ses = SharedFigures(figures.limits, KEPT_SECONDS)

    def rates(self) -> Mapping[str, float]:
        """Allowed emails a second by channel, as far as they are known."""
        return self._rates.get()

    def quota(self, channel: str, now: datetime) -> Quota | None:
        """SES says how much was sent within 24 hours, and not when. It counts as spread evenly over them."""
        ses = self._ses.get() if channel == DEFAULT_CHANNEL else None
        if ses is None or ses.max_24_hour_send <= 0:  # no limit
            return None
        each = ses.sent_last_24_hours / _HOURS
        used = [(now - timedelta(hours=hour), each) for hour in range(_HOURS - 1, -1, -1)]
        return Quota(ses.max_24_hour_send, used)
