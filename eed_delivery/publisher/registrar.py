"""Registers the jobs that the source has made ready, and holds those whose channel is not there."""

import time
from collections.abc import Callable, Collection

import structlog

from eed_delivery.config import PublisherSettings
from eed_delivery.ledger.publishing.ledger import PublishingLedger
from eed_delivery.ledger.publishing.served_channels import ChangedJob
from eed_delivery.model import DEFAULT_CHANNEL
from eed_delivery.publisher.ailing import Ailing
from eed_delivery.runtime import failpoints
from eed_delivery.runtime.poll_interval import PollInterval

log = structlog.get_logger(__name__)

NEW_JOBS_AT_ONCE = 500
"""In a single-table schema each row is a job: they come by the thousand."""
CHANNELS_SECONDS = 3.0
"""How often jobs are compared with the channels that are there."""
FORGETTING_SECONDS = 3600.0
ALIVE_SECONDS = 60.0
"""A worker whose heartbeat is younger serves its channel, whatever this host's files say."""


class Registrar:
    """Looks for new jobs of all channels. `look()` does nothing until the next look is due."""

    def __init__(
        self,
        ledger: PublishingLedger,
        settings: PublisherSettings,
        clock: Callable[[], float] = time.monotonic,
        *,
        known: Callable[[], Collection[str] | None] = lambda: (DEFAULT_CHANNEL,),
        file_channels: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """`known` gives the channels that this host knows, or None while it does not know them yet. `file_channels` are
        those of them that put files."""
        self._ledger = ledger
        self._file_channels = file_channels
        self._known = known
        self._ailing = Ailing(clock)
        self._interval = PollInterval(settings.poll_seconds, clock)
        self._channels_interval = PollInterval(CHANNELS_SECONDS, clock)
        self._forgetting_interval = PollInterval(FORGETTING_SECONDS, clock)

    def look(self) -> None:
        """Register what is new, and hold or release what the channels require. Raises `DatabaseGone`."""
        if self._interval.wait == 0:
            self._register()
        known = self._known()
        if known is not None and self._channels_interval.wait == 0:
            self._compare_channels(known)
        if self._forgetting_interval.wait == 0:
            with self._forgetting_interval.polling():
                self._ledger.forget_destinations()

    def _register(self) -> None:
        with self._interval.polling():
            jobs = self._ledger.new_jobs(NEW_JOBS_AT_ONCE)
        for job in self._ledger.register([job for job in jobs if job.key not in self._ailing]):
            self._ailing.add(job.key)
        failpoints.reach("publisher.registered")
        if len(jobs) == NEW_JOBS_AT_ONCE:
            self._interval.hurry()
        if {job.channel for job in jobs} - set(self._known() or ()):
            self._channels_interval.hurry()

    def _compare_channels(self, known: Collection[str]) -> None:
        with self._channels_interval.polling():
            changed = self._ledger.compare_channels(known, ALIVE_SECONDS)
            for target in self._ledger.look_at_holds(self._file_channels):
                log.info("hold_ended", scope=target.scope, subject=target.subject)
            self._ledger.look_at_windows()
            for name in self._ledger.end_paces():
                log.info("pace_ended", channel=name)
            for domain in self._ledger.end_domain_paces():
                log.info("domain_pace_ended", domain=domain)
        for job in changed:
            _report(job)


def _report(job: ChangedJob) -> None:
    facts = {"job": job.key, "job_id": job.job_id, "channel": job.channel}
    if job.reason is None:
        log.info("job_released", **facts)
    else:
        log.warning("job_held", **facts, reason=job.reason, todo="create the channel, or correct the job's")
