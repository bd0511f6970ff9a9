"""Register a job now, before the publisher looks for it: by one lookup of its key, whatever index the source has."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from eed_delivery.ledger.job_lists import JobFilter, JobListLedger
from eed_delivery.ledger.publishing.nudging import NudgeLedger
from eed_delivery.ledger.reporting import ReportingLedger
from eed_delivery.ledger.workers import WorkerLedger
from eed_delivery.model import JobState
from eed_delivery.operations.keys import Keys
from eed_delivery.operations.refusals import JobNotStarted, JobWaits, OperationRefused, WrongState
from eed_delivery.reports.moments import when

__all__ = ["NudgeRefusal", "NudgeResult", "Nudging", "WhyNotNudged"]


class WhyNotNudged(StrEnum):
    """Why a job is not sent now."""

    NOT_READY = "not_ready"
    SCHEDULED_FOR = "scheduled_for"
    EXPIRED = "expired"
    WINDOW_CLOSED = "window_closed"


@dataclass(frozen=True, slots=True)
class NudgeResult:
    """A job that is registered. `now` is False for one that was registered before.

    `publisher_age` is seconds since the last heartbeat of any publisher. None: none was seen within a day.
    """

    job: str
    state: JobState
    now: bool
    publisher_age: float | None


class NudgeRefusal(WrongState):
    """The source has the job, and it is not to be sent now. `scheduled_at` and `opens_at` are UTC."""

    def __init__(
        self,
        what: str,
        key: str,
        why: WhyNotNudged,
        *,
        do: str = "",
        scheduled_at: datetime | None = None,
        opens_at: datetime | None = None,
    ) -> None:
        super().__init__(what, which=f"job {key}", do=do)
        self.why = why
        self.scheduled_at = scheduled_at
        self.opens_at = opens_at


class Nudging:
    """Registers jobs. Each call raises `DatabaseGone`."""

    def __init__(
        self,
        keys: Keys,
        reporting: ReportingLedger,
        nudges: NudgeLedger,
        workers: WorkerLedger,
        lists: JobListLedger,
    ) -> None:
        self._lists = lists
        self._workers = workers
        self._keys = keys
        self._reporting = reporting
        self._nudges = nudges

    def nudge(self, key: str) -> NudgeResult:
        """Register a job that is ready and due. One that is registered stays unchanged.

        The publisher takes it with its next look, within `publisher.poll_seconds`. Raises `NudgeRefusal`,
        `JobNotStarted` for a job whose key cannot be kept, or `UnknownKey`.
        """
        now = self._nudges.register(key)
        job_id = self._reporting.job_id(key)
        state = None if job_id is None else self._nudges.state(job_id)
        if state is None:
            raise self._refusal(key)
        if now and state is JobState.CANCELLED:
            what = f"job {key} has expired, and none of its emails is sent"
            raise NudgeRefusal(what, key, WhyNotNudged.EXPIRED)
        if state is JobState.ACTIVE:
            self._must_be_open(key, job_id)
        ages = [process.age for process in self._workers.all() if process.role == "publisher"]
        return NudgeResult(key, state, now, min(ages, default=None))

    def _must_be_open(self, key: str, job_id: int | None) -> None:
        job = None if job_id is None else self._lists.jobs(JobFilter(job_ids=[job_id]), 1)
        window = job[0].report.window if job else None
        if not job or window is None or window.is_open or not window.is_known:
            return
        opens = "never opens" if window.changes_at is None else f"opens at {when(window.changes_at)}"
        what, do = f"job {key} is registered, and its send window {opens}", "It goes on by itself then."
        if window.opens_after(job[0].expires_at):
            what, do = f"{what}. It will expire unsent at {when(job[0].expires_at)}", "Override its window."
        raise NudgeRefusal(what, key, WhyNotNudged.WINDOW_CLOSED, do=do, opens_at=window.changes_at)

    def _refusal(self, key: str) -> OperationRefused:
        """Why there is nothing to register."""
        try:
            self._keys.job_id(key)
        except JobWaits as waits:
            at, do = waits.scheduled_at, "It starts by itself at that time."
            return NudgeRefusal(waits.what, key, WhyNotNudged.SCHEDULED_FOR, do=do, scheduled_at=at)
        except JobNotStarted as not_started:
            if not_started.was_refused:
                return not_started
            what = f"job {key} is in the source, and its status does not say that it is ready"
            do = "Set it to ready, commit, and call again."
            return NudgeRefusal(what, key, WhyNotNudged.NOT_READY, do=do)
        except OperationRefused as unknown:
            unknown.do = "Commit the job before you call. An uncommitted one is not seen."
            return unknown
        return JobNotStarted(f"job {key} has just been registered by another process", which=f"job {key}")
