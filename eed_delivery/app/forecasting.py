"""What forecasts are made of, and the watch that keeps them."""

import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from eed_delivery.app.allowed_rates import AllowedRates
from eed_delivery.database.transactions import Database
from eed_delivery.errors import EedError
from eed_delivery.forecast.sharing import Quota
from eed_delivery.ledger.duties import DutyLedger
from eed_delivery.ledger.forecasts import ForecastLedger, ForecastLook
from eed_delivery.ledger.job_lists import JobListLedger
from eed_delivery.ledger.progress import ProgressLedger
from eed_delivery.model import DEFAULT_CHANNEL, WaitingJob
from eed_delivery.operations.forecasts.queries import ForecastQueries
from eed_delivery.operations.forecasts.spans import SpanPlans
from eed_delivery.operations.forecasts.views import ForecastSources
from eed_delivery.send_windows.plan import WindowPlan
from eed_delivery.sweeper.forecast_watch import ForecastWatch
from eed_delivery.transports.ses.transport import account

if TYPE_CHECKING:
    from eed_delivery.app.job_operations import JobOperations
    from eed_delivery.app.parts import App

log = structlog.get_logger(__name__)

KEPT_SECONDS = 60.0
"""Limits and quotas are asked for once a minute."""
_HOURS = 24


def forecast_sources(
    operations: "JobOperations", app: "App", database: Database, lists: JobListLedger, plan: Callable[[], WindowPlan]
) -> ForecastSources:
    """Put together for one process. `plan` is the send windows that are configured now."""
    jobs = operations.jobs

    def waiting(key: str) -> tuple[WaitingJob, int] | None:
        view = jobs.waiting(key)
        return None if view is None else (view.job, view.emails)

    settings = operations.settings
    rates = AllowedRates(app, database)
    return ForecastSources(
        lists=lists,
        progress=ProgressLedger(database),
        keys=operations.keys,
        plans=SpanPlans(plan, operations.holds.all),
        standings_of=operations.tonight.standings_of,
        limits=_Kept(rates.now),
        quota=_ses_quota(app) if settings.transport.kind == "ses" else _no_quota,
        waiting=waiting,
        rules={category: rule.made() for category, rule in settings.deadlines.category.items()},
        now=jobs.now,
    )


def forecast_watch(app: "App") -> ForecastWatch:
    """What the sweeper does with them."""
    from eed_delivery.app.operations import Operations
    from eed_delivery.ledger.actor import SERVICE

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


class _Kept:
    """Limits by channel, asked for once a minute."""

    def __init__(self, ask: Callable[[], Mapping[str, float]]) -> None:
        self._ask = ask
        self._until = float("-inf")
        self._found: Mapping[str, float] = {}

    def __call__(self) -> Mapping[str, float]:
        if time.monotonic() >= self._until:
            self._found, self._until = self._ask(), time.monotonic() + KEPT_SECONDS
        return self._found


def _no_quota(channel: str, now: datetime) -> Quota | None:
    assert channel  # noqa: S101
    assert now  # noqa: S101
    return None


def _ses_quota(app: "App") -> Callable[[str, datetime], Quota | None]:
    """SES says how much was sent within 24 hours, and not when. It counts as spread evenly over them."""
    kept: list[tuple[float, float, float]] = []

    def quota(channel: str, now: datetime) -> Quota | None:
        if channel != DEFAULT_CHANNEL:
            return None
        if not kept or time.monotonic() >= kept[0][0]:
            try:
                found = account(app.ses_client())
            except EedError as error:
                log.warning("ses_quota_unknown", reason=str(error).partition("\n")[0])
                return None
            kept[:] = [(time.monotonic() + KEPT_SECONDS, found.max_24_hour_send, found.sent_last_24_hours)]
        _, most, sent = kept[0]
        if most <= 0:  # no limit
            return None
        return Quota(most, [(now - timedelta(hours=hour), sent / _HOURS) for hour in range(_HOURS - 1, -1, -1)])

    return quota
