"""What forecasts are made of, and the watch that keeps them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from eed_delivery.app.allowed_rates import AllowedRates
from eed_delivery.database.transactions import Database
from eed_delivery.forecast.sharing import Quota
from eed_delivery.ledger.duties import DutyLedger
from eed_delivery.ledger.forecasts import ForecastLedger, ForecastLook
from eed_delivery.ledger.job_lists import JobListLedger
from eed_delivery.ledger.progress import ProgressLedger
from eed_delivery.model import DEFAULT_CHANNEL, WaitingJob
from eed_delivery.operations.forecasts.queries import ForecastQueries
from eed_delivery.operations.forecasts.spans import SpanPlans
from eed_delivery.operations.forecasts.views import ForecastSources
from eed_delivery.operations.snapshots import FiguresByTheSide
from eed_delivery.send_windows.plan import WindowPlan
from eed_delivery.sweeper.forecast_watch import ForecastWatch
from eed_delivery.transports.ses.answers import SesAccount
from eed_delivery.transports.ses.transport import account

if TYPE_CHECKING:
    from eed_delivery.app.job_operations import JobOperations
    from eed_delivery.app.parts import App

KEPT_SECONDS = 60.0
"""Limits and quotas are asked for once a minute, and so is one that failed."""
WAIT_SECONDS = 0.5
"""Where nothing has been asked for yet."""
_HOURS = 24


def forecast_sources(
    operations: "JobOperations",
    app: "App",
    database: Database,
    lists: JobListLedger,
    plan: Callable[[], WindowPlan],
    figures_of: "Callable[[Callable[[str], AskedLimits], float], FiguresByTheSide[str, AskedLimits]]",
    *,
    in_function: bool,
) -> ForecastSources:
    """Put together for one process. `plan` is the send windows that are configured now, and `figures_of` makes figures
    by the side. `in_function`: no limits are asked for, because who looks would wait for them."""
    jobs = operations.jobs

    def waiting(key: str) -> tuple[WaitingJob, int] | None:
        view = jobs.waiting(key)
        return None if view is None else (view.job, view.emails)

    settings = operations.settings
    rates = AllowedRates(app, database)
    by_ses = settings.transport.kind == "ses" and not in_function

    def asked(_: str) -> AskedLimits:
        return AskedLimits({} if in_function else rates.now(), account(app.ses_client()) if by_ses else None)

    limits = _Limits(figures_of(asked, KEPT_SECONDS))
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


class _Limits:
    """Limits and quota, made by the side. SES may be away, and a person who looks does not wait for it."""

    def __init__(self, found: "FiguresByTheSide[str, AskedLimits]") -> None:
        self._found = found

    def rates(self) -> Mapping[str, float]:
        """Allowed emails a second by channel, as far as they are known."""
        asked = self._found.get("all", WAIT_SECONDS).value
        return {} if asked is None else asked.rates

    def quota(self, channel: str, now: datetime) -> Quota | None:
        """SES says how much was sent within 24 hours, and not when. It counts as spread evenly over them."""
        asked = self._found.get("all", WAIT_SECONDS).value if channel == DEFAULT_CHANNEL else None
        if asked is None or asked.account is None or asked.account.max_24_hour_send <= 0:  # no limit
            return None
        each = asked.account.sent_last_24_hours / _HOURS
        used = [(now - timedelta(hours=hour), each) for hour in range(_HOURS - 1, -1, -1)]
        return Quota(asked.account.max_24_hour_send, used)


@dataclass(frozen=True, slots=True)
class AskedLimits:
    """What was asked for. `account` is SES's, None without SES."""

    rates: Mapping[str, float]
    account: SesAccount | None
