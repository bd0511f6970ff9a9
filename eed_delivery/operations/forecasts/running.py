"""A job while its forecast is made."""

from dataclasses import dataclass, replace
from datetime import datetime

from eed_delivery.forecast.ends import ForecastJob
from eed_delivery.forecast.speed import MeasuredSpeed
from eed_delivery.forecast.standstill import Standstill, StandstillReason, first_standstill
from eed_delivery.ledger.job_lists import ListedJob
from eed_delivery.ledger.progress import JobCount, WaitingRetries
from eed_delivery.model import EmailState
from eed_delivery.operations.job_counts import CountedJob
from eed_delivery.operations.standing import GOES_ON, JobStanding, StandingKind

_REASONS = {
    StandingKind.PAUSED: StandstillReason.PAUSED,
    StandingKind.HELD: StandstillReason.HELD,
    StandingKind.NO_CHANNEL: StandstillReason.HELD,
    StandingKind.EXPIRES_UNSENT: StandstillReason.WINDOW_CLOSED,
    StandingKind.WINDOW_CLOSED: StandstillReason.WINDOW_CLOSED,
    StandingKind.EXPIRED: StandstillReason.EXPIRED,
    StandingKind.GATE_SHUT: StandstillReason.BREAKER_OPEN,
    StandingKind.BREAKER: StandstillReason.BREAKER_OPEN,
    StandingKind.NO_WORKER: StandstillReason.NO_WORKER,
    StandingKind.NO_PUBLISHER: StandstillReason.NO_PUBLISHER,
    StandingKind.NO_SWEEPER: StandstillReason.UNEXPLAINED,
}
_UNEXPLAINED = "No email has ended for half a minute. They wait for a retry, for their domain, or for their turn."


@dataclass(slots=True)
class RunningJob:
    """A job while its forecast is made."""

    listed: ListedJob
    count: JobCount
    standing: JobStanding
    job: ForecastJob
    retries: WaitingRetries
    speed: MeasuredSpeed | None
    is_still: bool

    @property
    def key(self) -> str:
        return self.listed.report.key

    is_fresh: bool = True
    """Whether it was counted a moment ago."""

    @property
    def is_known(self) -> bool:
        """Whether all its emails are known, and where they stand."""
        return self.is_fresh and self.listed.report.enlisted

    @property
    def shares(self) -> bool:
        """Whether it takes part of the speed, now or once its window opens."""
        return self.stands is None

    @property
    def stands(self) -> Standstill | None:
        """Why it does not move, if it does not go on by itself at a known time."""
        kind = self.standing.standing
        if kind is StandingKind.HELD and self.job.spans:
            return None  # the hold has an end
        if kind not in GOES_ON:
            return first_standstill({_REASONS[kind]: self.standing.why})
        if kind is StandingKind.WINDOW_CLOSED or not self.is_still:
            return None
        return Standstill(StandstillReason.UNEXPLAINED, _UNEXPLAINED)


def as_counted(listed: ListedJob, left: int, now: datetime) -> CountedJob:
    """For the question how it stands. Where its emails stand exactly is not needed for that."""
    counts = dict.fromkeys(EmailState, 0)
    counts[EmailState.PENDING] = left
    counts[EmailState.SENT] = max(0, listed.report.total - left)
    report = replace(listed.report, counts=counts)
    return CountedJob(report, now, None, listed.expires_at, listed.is_expired, listed.category)
