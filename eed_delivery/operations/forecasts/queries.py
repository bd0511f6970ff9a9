"""Forecasts of jobs, once for all who ask within a moment.

They are made of counts that the sweeper writes every few seconds. To look counts no emails.
"""

from eed_delivery.ledger.job_lists import JobFilter, ListedJob
from eed_delivery.model import JobState
from eed_delivery.operations.forecasts.making import ForecastMaking
from eed_delivery.operations.forecasts.views import ForecastSources, ForecastsView, JobForecastView
from eed_delivery.operations.keys import unknown_job
from eed_delivery.operations.refusals import WrongState
from eed_delivery.operations.snapshots import SharedFigures

JOBS_FORECAST = 50
JOBS_LOOKED_AT = 1000
_ENDING = (JobState.CANCELLED, JobState.FAILED)
SHARED_SECONDS = 5.0


class ForecastQueries:
    """Forecasts, once for all who ask within five seconds. Each call raises `DatabaseGone`."""

    def __init__(self, sources: ForecastSources) -> None:
        self._sources = sources
        self._making = ForecastMaking(sources)
        self._shared = SharedFigures(self._look, SHARED_SECONDS)

    def all(self) -> ForecastsView:
        """Those of all unfinished jobs."""
        return self._shared.get()

    def of(self, key: str) -> JobForecastView:
        """That of one job. Raises `OperationRefused` if there is none, or if it has finished."""
        found = self._sources.waiting(key)
        if found is not None:
            return self._making.of_waiting(*found)
        job_id = self._sources.keys.job_id(key)
        view = self.known(key)
        if view is None:
            listed = self._sources.lists.jobs(JobFilter(job_ids=(job_id,)), 1)
            if not listed:
                raise unknown_job(key)
            if listed[0].report.state in _ENDING:
                raise WrongState(f"job {key} is {listed[0].report.state}", which=key)
            if listed[0].report.finished_at is not None:
                raise WrongState(f"job {key} has finished", which=key, do="Look at the job. It has its end.")
            view = self._making.views([*self._unfinished(), listed[0]], self._sources.now())[-1]
        return view

    def known(self, key: str) -> JobForecastView | None:
        """That of one of the jobs that all viewers share. None: it is not among them."""
        return next((one for one in self.all().jobs if one.key == key), None)

    def _look(self) -> ForecastsView:
        found = self._unfinished(JOBS_FORECAST + 1)
        now = self._sources.now()
        return ForecastsView(now, tuple(self._making.views(found[:JOBS_FORECAST], now)), len(found) > JOBS_FORECAST)

    def _unfinished(self, limit: int = JOBS_FORECAST) -> list[ListedJob]:
        """Those that matter most, the newest first: first those with a deadline, then the largest."""
        found = self._sources.lists.jobs(JobFilter(unfinished_only=True), JOBS_LOOKED_AT)
        found = [one for one in found if one.report.state not in _ENDING]
        matter = sorted(found, key=lambda one: (self._making.has_deadline(one), one.report.total), reverse=True)[:limit]
        chosen = {one.report.job_id for one in matter}
        return [one for one in found if one.report.job_id in chosen]
