"""The watch on running jobs. One whose emails bounce hard or are complained about warns, and then pauses itself.

Each host's sweeper process runs it. They agree by the ledger. A warning or a pause is one conditional UPDATE, and only
the process that has made it logs it.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from eed_delivery.config import WatchSettings
from eed_delivery.events import DeliveryOutcome
from eed_delivery.ledger.job_watch import OutcomeCounts, WatchedJob, WatchLedger
from eed_delivery.runtime.poll_interval import PollInterval

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Limit:
    """From which percent of what was sent an outcome is warned of, and from which the job is paused. 0 means never."""

    outcome: DeliveryOutcome
    what: str
    warn_percent: float
    pause_percent: float

    def is_warned_of(self, tally: OutcomeCounts) -> bool:
        return self._reaches(tally, self.warn_percent)

    def pauses(self, tally: OutcomeCounts) -> bool:
        return self._reaches(tally, self.pause_percent)

    def _reaches(self, tally: OutcomeCounts, percent: float) -> bool:
        return percent > 0 and tally.of(self.outcome) * 100 >= percent * tally.sent


def limits(settings: WatchSettings) -> tuple[Limit, ...]:
    """What a job is watched for. Empty when the watch is turned off."""
    found = (
        Limit(
            DeliveryOutcome.HARD_BOUNCED,
            "bounced hard",
            settings.bounces_warn_percent,
            settings.bounces_pause_percent,
        ),
        Limit(
            DeliveryOutcome.COMPLAINED,
            "were complained about",
            settings.complaints_warn_percent,
            settings.complaints_pause_percent,
        ),
    )
    return tuple(limit for limit in found if limit.warn_percent or limit.pause_percent)


class JobWatch:
    """One process's watch. `step()` checks every running job once.

    What a job has sent is a long count, so it is made only where it may matter. Emails that were sent stay sent. So a
    share of what had been sent at the last count is the highest that the share can be now.
    """

    def __init__(self, ledger: WatchLedger, settings: WatchSettings) -> None:
        self._ledger = ledger
        self._settings = settings
        self._limits = limits(settings)
        self._interval = PollInterval(settings.interval_seconds, time.monotonic)
        self._sent: dict[int, int] = {}

    def step(self) -> float:
        """One look. Raises `DatabaseGone`."""
        with self._interval.polling():
            self._look()
        return self._interval.wait

    def _look(self) -> None:
        jobs = self._ledger.jobs(self._settings.after_sent)
        harmed = self._ledger.harmed(jobs)
        self._sent = {job.job_id: self._sent.get(job.job_id, 0) for job in jobs}
        for job in jobs:
            if job.job_id in harmed and self._may_matter(job, harmed[job.job_id]):
                self._judge(job)

    def _may_matter(self, job: WatchedJob, at_most: OutcomeCounts) -> bool:
        sent_at_least = max(self._settings.after_sent, self._sent[job.job_id] - job.sent_before)
        worst = OutcomeCounts(sent_at_least, at_most.complained, at_most.hard_bounced)
        return any(limit.pauses(worst) for limit in self._limits) or any(self._to_warn_of(job, worst))

    def _to_warn_of(self, job: WatchedJob, tally: OutcomeCounts) -> Iterator[Limit]:
        return (limit for limit in self._limits if limit.outcome not in job.warned_of and limit.is_warned_of(tally))

    def _judge(self, job: WatchedJob) -> None:
        self._sent[job.job_id] = self._ledger.sent(job)
        tally = self._ledger.tally(job, self._sent[job.job_id])
        if tally.sent < self._settings.after_sent:
            return
        for limit in self._limits:
            if limit.pauses(tally):
                self._pause(job, tally, limit)
                return
        for limit in self._to_warn_of(job, tally):
            if self._ledger.warn(job, limit.outcome):
                log.warning("job_watch_warning", **_facts(job, tally), reason=_words(job, tally, limit))

    def _pause(self, job: WatchedJob, tally: OutcomeCounts, limit: Limit) -> None:
        reason = f"{_words(job, tally, limit)}, and the job watch pauses a job at {limit.pause_percent:g} %"
        if self._ledger.pause(job, reason):
            log.error("job_paused_by_watch", **_facts(job, tally), reason=reason)


def _facts(job: WatchedJob, tally: OutcomeCounts) -> dict[str, object]:
    return {
        "job_id": job.job_id,
        "job": job.key,
        "sent": tally.sent,
        "hard_bounced": tally.hard_bounced,
        "complained": tally.complained,
    }


def _words(job: WatchedJob, tally: OutcomeCounts, limit: Limit) -> str:
    count = tally.of(limit.outcome)
    since = " since it was resumed" if job.since else ""
    return f"{count:,} of {tally.sent:,} emails sent{since} {limit.what}: {100 * count / tally.sent:.3g} %"
