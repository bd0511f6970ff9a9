"""Register a job now, before the publisher looks for it: by one lookup of its key, whatever index the source has."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from eed_delivery.ledger.publishing.nudging import NudgeLedger
from eed_delivery.ledger.reporting import ReportingLedger
from eed_delivery.ledger.workers import WorkerLedger
from eed_delivery.model import JobState
from eed_delivery.operations.keys import Keys
from eed_delivery.operations.refusals import JobNotStarted, JobWaits, OperationRefused, WrongState

__all__ = ["NudgeRefusal", "NudgeResult", "Nudging", "WhyNotNudged"]


class WhyNotNudged(StrEnum):
    """Why a job is not sent now."""

    NOT_READY = "not_ready"
    SCHEDULED_FOR = "scheduled_for"
    EXPIRED = "expired"


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
    """The source has the job, and it is not to be sent now. `scheduled_at` is UTC."""

    def __init__(
        self, what: str, key: str, why: WhyNotNudged, *, do: str = "", scheduled_at: datetime | None = None
    ) -> None:
        super().__init__(what, which=f"job {key}", do=do)
        self.why = why
        self.scheduled_at = scheduled_at


class Nudging:
    """Registers jobs. Each call raises `DatabaseGone`."""

    def __init__(self, keys: Keys, reporting: ReportingLedger, nudges: NudgeLedger, workers: WorkerLedger) -> None:
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
        ages = [process.age for process in self._workers.all() if process.role == "publisher"]
        return NudgeResult(key, state, now, min(ages, default=None))

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
