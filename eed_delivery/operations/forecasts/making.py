"""How forecasts are made: the jobs of a channel share its speed."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from eed_delivery.forecast.ends import ForecastJob, JobEnd, job_ends
from eed_delivery.forecast.speed import STILL_SECONDS, MeasuredSpeed, ProgressCount, measured_speed, still_seconds
from eed_delivery.forecast.usual import usual_speed
from eed_delivery.forecast.verdicts import ForecastVerdict, JudgedForecast, SpeedBounds, judged, what_would_help
from eed_delivery.ledger.job_lists import ListedJob
from eed_delivery.ledger.paces import TOGETHER
from eed_delivery.ledger.progress import NO_RETRIES, RETRIES_LOOKED_AT, JobCount
from eed_delivery.model import WaitingJob
from eed_delivery.operations.forecasts.running import RunningJob, as_counted, why_still
from eed_delivery.operations.forecasts.views import ForecastSources, JobForecastView
from eed_delivery.operations.standing import JobStanding

HISTORY_DAYS = 7
FRESH_SECONDS = 60.0
FRESH_INTERVALS = 3
USUAL_SECONDS = 300.0
"""How long the usual speed of a channel is kept. It is of many rows."""


class ForecastMaking:
    """Makes them. Each call raises `DatabaseGone`."""

    def __init__(self, sources: ForecastSources) -> None:
        self._sources = sources
        self._histories: dict[str, tuple[float, Mapping[int, Sequence[ProgressCount]]]] = {}

    def views(self, listed: Sequence[ListedJob], now: datetime) -> list[JobForecastView]:
        counts = self._sources.progress.of([one.report.job_id for one in listed])
        known = [counts.get(one.report.job_id) or JobCount(one.report.total, 0, ()) for one in listed]
        wanted = [as_counted(one, count.left, now) for one, count in zip(listed, known, strict=True)]
        stand = self._sources.standings_of(wanted)
        running = [self._running(*one, now) for one in zip(listed, known, stand, strict=True)]
        found: dict[str, JobForecastView] = {}
        for channel in {one.listed.report.channel for one in running}:
            of_channel = [one for one in running if one.listed.report.channel == channel]
            found.update(self._of_channel(channel, of_channel, now))
        return [found[one.key] for one in running]

    def _running(self, listed: ListedJob, count: JobCount, standing: JobStanding, now: datetime) -> RunningJob:
        left = count.left
        stood = still_seconds(count.counts) >= STILL_SECONDS
        few = count.counts and 0 < left <= RETRIES_LOOKED_AT
        retries = self._sources.progress.retries(listed.report.job_id) if few or stood else NO_RETRIES
        spans = self._sources.plans.of(listed, now)
        job = ForecastJob(listed.report.key, left, count.total, spans, min(retries.emails, left), retries.last_at)
        is_still = stood and not 0 < min(left, RETRIES_LOOKED_AT) <= retries.emails
        speed = measured_speed(count.counts)
        return RunningJob(listed, count, standing, job, retries, speed, is_still, _is_fresh(count, now))

    def _of_channel(self, channel: str, running: Sequence[RunningJob], now: datetime) -> dict[str, JobForecastView]:
        sharing = [one for one in running if one.shares]
        measured = [one.speed for one in sharing if one.speed is not None and not one.is_still]
        speed = _together(measured) if measured else self._usual(channel, now)
        jobs = [one.job for one in sharing]
        quota = self._sources.quota(channel, now)
        if quota is not None and quota.is_used_up:
            for one in running:
                one.is_still = False  # it goes on when the quota has places again, and that is in the forecast
        moving = [one.key for one in running if one.speed is not None and not one.is_still]
        for one in (one for one in running if one.is_still):
            one.why_still = why_still(one, self._limit(channel), self._limit_name(channel), moving)
        begin = max((one.count.counts[-1].at for one in sharing if one.is_known), default=now)
        ends = job_ends(jobs, speed, min(begin, now), quota) if speed is not None else {}
        found = {}
        for one in running:
            others = tuple(other.key for other in sharing if other is not one and other.job.left and one.shares)
            end = ends[one.key].not_before(now) if one.is_known and one.key in ends else None
            view = self._view(one, end, speed, is_usual=not measured, others=others, now=now)
            if view.verdict in (ForecastVerdict.TOO_LATE, ForecastVerdict.AT_RISK) and speed is not None:
                assert view.deadline is not None  # noqa: S101 - without a deadline it is neither
                alone = job_ends([one.job], speed, now, quota)[one.key].likely
                limit = self._limit(channel)
                bounds = SpeedBounds(speed.per_second, limit, self._limit_name(channel), alone, others)
                verdict = JudgedForecast(view.verdict, view.margin, view.needed)
                view = replace(view, would_help=what_would_help(one.job, verdict, view.deadline, now, bounds))
            found[one.key] = view
        return found

    def _view(
        self,
        one: RunningJob,
        end: JobEnd | None,
        speed: MeasuredSpeed | None,
        *,
        is_usual: bool,
        others: tuple[str, ...],
        now: datetime,
    ) -> JobForecastView:
        report = one.listed.report
        deadline, by = self._deadline(one.listed)
        last = one.speed or speed
        verdict = judged(one.job, end, deadline, now, one.stands, last.per_second if last else None)
        begins = next((span.start for span in one.job.spans if span.end > now), None)
        return JobForecastView(
            job_id=report.job_id,
            key=report.key,
            name=report.name,
            as_of=one.count.counts[-1].at if one.count.counts else now,
            verdict=verdict.verdict,
            left=one.job.left,
            total=one.job.total,
            end=end,
            speed=speed,
            is_usual=is_usual and speed is not None,
            deadline=deadline,
            deadline_by=by,
            margin=verdict.margin,
            needed=verdict.needed,
            stands=one.stands,
            opens_at=begins if begins is not None and begins > now else None,
            retries=one.retries,
            shares_with=others,
            is_enlisted=report.enlisted,
            is_counted=one.is_fresh,
        )

    def has_deadline(self, listed: ListedJob) -> bool:
        """Whether it is to have ended by some time."""
        return self._deadline(listed)[0] is not None

    def _deadline(self, listed: ListedJob) -> tuple[datetime | None, str]:
        """The earlier one of its deadline and of its end."""
        rule = self._sources.rules.get(listed.category)
        own = listed.deadline
        found: tuple[datetime | None, str] = (own, "deadline")
        if own is None and rule is not None:
            found = (rule.after(listed.report.created_at), "category")
        if listed.expires_at is not None and (found[0] is None or listed.expires_at < found[0]):
            found = (listed.expires_at, "expires_at")
        return found if found[0] is not None else (None, "")

    def _usual(self, channel: str, at: datetime) -> MeasuredSpeed | None:
        """That of the last seven days, as far as the limit allows it."""
        found = usual_speed(self._history(channel), at)
        limit = None if found is None else self._limit(channel)
        if found is None or limit is None:
            return found
        return found if found.per_second <= limit else MeasuredSpeed(limit, found.error, found.window)

    def _history(self, channel: str) -> Mapping[int, Sequence[ProgressCount]]:
        until, found = self._histories.get(channel, (0.0, {}))
        if time.monotonic() >= until:
            found = self._sources.progress.history(channel, HISTORY_DAYS)
            self._histories[channel] = (time.monotonic() + USUAL_SECONDS, found)
        return found

    def _limit(self, channel: str) -> float | None:
        limits = self._sources.limits()
        return min((limits[name] for name in (channel, TOGETHER) if name in limits), default=None)

    def _limit_name(self, channel: str) -> str:
        limits = self._sources.limits()
        together, own = limits.get(TOGETHER), limits.get(channel)
        if together is not None and (own is None or together < own):
            return "the pace of all channels"
        return f"the rate of channel {channel}"

    def of_waiting(self, job: WaitingJob, emails: int) -> JobForecastView:
        """Of a job that waits for its time."""
        now = self._sources.now()
        begins = job.scheduled_at or now
        speed = self._usual(job.channel, begins)
        key = str(job.key)
        wanted = ForecastJob(key, emails, emails, self._sources.plans.of_waiting(job, now))
        end = job_ends([wanted], speed, now, self._sources.quota(job.channel, now))[key] if speed is not None else None
        deadline, by = None, ""
        if job.due_in_seconds is not None:
            deadline, by = now + timedelta(seconds=job.due_in_seconds), "deadline"
        elif job.category in self._sources.rules:
            deadline, by = self._sources.rules[job.category].after(begins), "category"
        if job.expires_in_seconds is not None:
            expires = now + timedelta(seconds=job.expires_in_seconds)
            deadline, by = (expires, "expires_at") if deadline is None or expires < deadline else (deadline, by)
        verdict = judged(wanted, end, deadline, now)
        opens = next((span.start for span in wanted.spans), None)
        return JobForecastView(
            job_id=None,
            key=key,
            name=job.name,
            as_of=now,
            verdict=verdict.verdict,
            left=emails,
            total=emails,
            end=end,
            speed=speed,
            is_usual=True,
            deadline=deadline,
            deadline_by=by,
            margin=verdict.margin,
            needed=verdict.needed,
            opens_at=opens,
            is_enlisted=False,
        )


def _is_fresh(count: JobCount, now: datetime) -> bool:
    """Whether the last count is not older than three times the interval between two, and a minute at least."""
    if not count.counts:
        return False
    between = (count.counts[-1].at - count.counts[-2].at).total_seconds() if len(count.counts) > 1 else 0.0
    return (now - count.counts[-1].at).total_seconds() <= max(FRESH_SECONDS, FRESH_INTERVALS * between)


def _together(speeds: Sequence[MeasuredSpeed]) -> MeasuredSpeed:
    """Of several jobs. Their errors are independent."""
    if len(speeds) == 1:
        return speeds[0]
    error = sum(one.error**2 for one in speeds) ** 0.5
    return MeasuredSpeed(sum(one.per_second for one in speeds), error, min(one.window for one in speeds))
