"""A job while its forecast is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from eed_delivery.forecast.ends import ForecastJob
from eed_delivery.forecast.speed import STILL_SECONDS, MeasuredSpeed
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
    StandingKind.QUEUE_REFUSES: StandstillReason.QUEUE_REFUSES,
    StandingKind.NO_SWEEPER: StandstillReason.UNEXPLAINED,
}
MOST_NAMED = 5
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
    why_still: Mapping[StandstillReason, str] = field(default_factory=dict)

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
        return first_standstill({**self.why_still, StandstillReason.UNEXPLAINED: _UNEXPLAINED})


def why_still(
    one: RunningJob, limit: float | None, limit_name: str, moving: Sequence[str]
) -> Mapping[StandstillReason, str]:
    """Why none of its emails has ended for a while. `limit` is emails a second, and `moving` are
    other jobs of its channel."""
    found: dict[StandstillReason, str] = {}
    if limit is not None and limit * STILL_SECONDS < 1:
        words = f"{limit_name[0].upper()}{limit_name[1:]} allows {limit * 60:,.2g} emails a minute."
        found[StandstillReason.RATE_LIMIT] = words
    if one.standing.bound:
        found[StandstillReason.DOMAIN] = f"{one.standing.bound}."
    if not one.listed.report.enlisted and not one.job.left:
        words = "All emails that were picked up have ended, and the source gives no more for now."
        found[StandstillReason.SOURCE_SLOW] = words
    if moving:
        found[StandstillReason.OTHERS_SHARE] = f"Other jobs take the turns: {', '.join(moving[:MOST_NAMED])}."
    return found


def as_counted(listed: ListedJob, left: int, now: datetime) -> CountedJob:
    """For the question how it stands. Where its emails stand exactly is not needed for that."""
    counts = dict.fromkeys(EmailState, 0)
    counts[EmailState.PENDING] = left
    counts[EmailState.SENT] = max(0, listed.report.total - left)
    report = replace(listed.report, counts=counts)
    return CountedJob(report, now, None, listed.expires_at, listed.is_expired, listed.category)
