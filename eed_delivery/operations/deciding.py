"""An operator's decision on a job or on emails in doubt: settle, pause, resume, cancel. Felt at the next wire grant."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from eed_delivery.ledger.operating import JobChanged, OperatingLedger
from eed_delivery.ledger.publishing.scheduling import SchedulingLedger
from eed_delivery.ledger.reporting import ReportingLedger
from eed_delivery.model import EmailState, JobState, WaitingJob
from eed_delivery.operations.keys import Keys
from eed_delivery.operations.long_acts.second_person import (
    NOBODY_ELSE,
    SecondPerson,
    SecondPersonNeeded,
    SecondPersonRule,
)
from eed_delivery.operations.refusals import InvalidRequest, WrongState
from eed_delivery.operations.values import reason

__all__ = [
    "WAITS", "Deciding", "JobChanged", "ResumeRequest", "ResumeResult", "SettleRequest", "SettleResult", "StopRequest",
    "StopResult",
]  # fmt: skip

WAITS = "waits"
"""The version of a job that waits for its time."""
SETTLED_AS = (EmailState.SENT, EmailState.FAILED)


@dataclass(frozen=True, slots=True)
class SettleRequest:
    """What has become of emails in doubt, by their keys: `sent` or `failed`. `reason` says how that is known.

    Raises `InvalidRequest`.
    """

    emails: tuple[str, ...]
    state: EmailState
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.state not in SETTLED_AS:
            raise InvalidRequest("an email in doubt is settled as sent or as failed", which="state")
        if self.reason is not None:
            reason(self.reason)


@dataclass(frozen=True, slots=True)
class SettleResult:
    """The keys of the emails that are settled now, and the error that says why others are not. None if all are."""

    settled: tuple[str, ...]
    refusal: WrongState | None


@dataclass(frozen=True, slots=True)
class StopRequest:
    """A job to pause or to cancel, and why. `version` is `Deciding.version` as the caller saw it. None: any. Raises
    `InvalidRequest`."""

    job: str
    reason: str
    version: str | None = None

    def __post_init__(self) -> None:
        reason(self.reason)


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """A job to resume. With `watched` False, its bounces and complaints do not pause it again. With `rehearsed` False
    it starts without a rehearsal. `version` as in `StopRequest`."""

    job: str
    watched: bool = True
    reason: str | None = None
    version: str | None = None
    rehearsed: bool = True

    def __post_init__(self) -> None:
        if not self.rehearsed and not self.watched:
            raise InvalidRequest("a job is resumed unwatched or unrehearsed, and not both at once", which="rehearsed")
        if self.reason is not None:
            reason(self.reason)


@dataclass(frozen=True, slots=True)
class StopResult:
    """What became of it. `before_its_time` means that the job had not begun, and none of its emails is on the wire."""

    before_its_time: bool


@dataclass(frozen=True, slots=True)
class ResumeResult:
    """What became of it. `waiting` is the job if it waits for its time again. `watched` says nothing then."""

    waiting: WaitingJob | None


class Deciding:
    """Carries out decisions. Each call raises `DatabaseGone`, and `OperationRefused` where the state forbids it.

    Where a request names a version, it raises `JobChanged` if the job has another one by now.
    """

    def __init__(
        self,
        keys: Keys,
        reporting: ReportingLedger,
        operating: OperatingLedger,
        scheduling: SchedulingLedger,
        file_channels: Callable[[], Collection[str]],
        second: SecondPerson = NOBODY_ELSE,
    ) -> None:
        """`file_channels` names the channels that put files. `second` says what another person has to approve."""
        self._second = second
        self._file_channels = file_channels
        self._keys = keys
        self._reporting = reporting
        self._operating = operating
        self._scheduling = scheduling

    def settle(self, request: SettleRequest) -> SettleResult:
        """Settle those of the emails that are in doubt. As failed, they can be requeued afterwards. Raises
        `NotPossible` for one as sent whose channel puts files, and `SecondPersonNeeded`."""
        if request.state is EmailState.FAILED:
            self._second.demand(SecondPersonRule.RESEND_DOUBTS)
        ids = {self._keys.email_id(key): key for key in request.emails}
        words = f"settled as {request.state} by an operator"
        why = f"{words}: {request.reason}" if request.reason else words
        done = self._operating.settle(list(ids), request.state, why, self._file_channels())
        left = {email_id: key for email_id, key in ids.items() if email_id not in done}
        return SettleResult(tuple(ids[email_id] for email_id in done), self._not_in_doubt(left) if left else None)

    def _not_in_doubt(self, left: dict[int, str]) -> WrongState:
        standing = ", ".join(self._standing(email_id, key) for email_id, key in left.items())
        which = ", ".join(f"email {key}" for key in left.values())
        return WrongState(f"only emails in doubt can be settled: {standing}", which=which)

    def _standing(self, email_id: int, key: str) -> str:
        report = self._reporting.email(email_id)
        return f"email {key} is {report.state}" if report else f"email {key} has gone"

    def version(self, key: str) -> str:
        """What changes with each decision on a job. Raises `OperationRefused`."""
        if self._keys.waiting_job(key) is not None:
            return WAITS
        return self._operating.version(self._keys.job_id(key)) or ""

    def pause(self, request: StopRequest) -> StopResult:
        """Stop sending a job for a while. One that waits for its time is not started until it is resumed."""
        key = request.job
        waiting = self._keys.waiting_job(key)
        if waiting is not None and _is_seen(request.version) and self._scheduling.pause(waiting, request.reason):
            return StopResult(before_its_time=True)
        job_id = self._keys.job_id(key)
        if not self._operating.pause(job_id, request.reason, version=request.version):
            raise self._impossible(job_id, key, "only an active or held job can be paused")
        return StopResult(before_its_time=False)

    def resume(self, request: ResumeRequest) -> ResumeResult:
        """Resume a paused job. One that was paused before its scheduled time waits for it again."""
        key = request.job
        if not request.watched:
            self._second.demand(SecondPersonRule.RESUME_UNWATCHED)
        job_id = self._keys.job_id(key)
        if request.version is not None and request.version != self._operating.version(job_id):
            raise JobChanged("the job has changed since you looked at it. Look again, then decide")
        if (waiting := self._scheduling.let_wait(job_id, key, request.reason)) is not None:
            return ResumeResult(waiting)
        how = {"watched": request.watched, "rehearsed": request.rehearsed}
        if not self._operating.resume(job_id, **how, reason=request.reason, version=request.version):
            raise self._impossible(job_id, key, "only a paused job can be resumed")
        return ResumeResult(None)

    def cancel(self, request: StopRequest) -> StopResult:
        """End a job for good. What is not on the wire yet will not be sent."""
        key = request.job
        if (rule := self.rule_of_cancel(key)) is not None:
            raise SecondPersonNeeded(rule)
        waiting = self._keys.waiting_job(key)
        if waiting is not None and _is_seen(request.version) and self._scheduling.cancel(waiting, request.reason):
            return StopResult(before_its_time=True)
        job_id = self._keys.job_id(key)
        if not self._operating.cancel(job_id, request.reason, request.version):
            raise self._impossible(job_id, key, "only a job that has not ended can be cancelled")
        return StopResult(before_its_time=False)

    def rule_of_cancel(self, key: str) -> SecondPersonRule | None:
        """The rule by which another person has to approve a job's end. None: one person may do it.

        It counts emails that are not sent yet.
        """
        rule = SecondPersonRule.CANCEL
        if not self._second.wants(rule):
            return None
        if self._keys.waiting_job(key) is not None:
            return rule  # how many it will have is not known before its time
        report = self._reporting.job(self._keys.job_id(key))
        unsent = 0 if report is None else report.total - report.done
        return rule if report is not None and (unsent > self._second.cancel_above or not report.enlisted) else None

    def _impossible(self, job_id: int, key: str, rule: str) -> WrongState:
        which, report = f"job {key}", self._reporting.job(job_id)
        if report is None:
            return WrongState(f"{rule}, and job {key} has gone", which=which)
        ended = report.finished_at is not None and report.state not in (JobState.FINISHED, JobState.CANCELLED)
        because = f" ({report.reason})" if report.reason else ""
        what = f"{rule}: job {report.key} is {report.state}{' and has ended' if ended else ''}{because}"
        return WrongState(what, which=which)


def _is_seen(version: str | None) -> bool:
    """Whether a job that waits is as the caller saw it. Raises `JobChanged`."""
    if version not in (None, WAITS):
        raise JobChanged("the job waits for its time again. Look again, then decide")
    return True
