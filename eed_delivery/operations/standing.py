"""Why a job stands still, or that it does not: the first reason that fits, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from eed_delivery.ledger.acts import ActReport
from eed_delivery.ledger.holds.ledger import StoredHold
from eed_delivery.ledger.shut_gates import ShutGate
from eed_delivery.ledger.workers import FUNCTION, INVOKED_SECONDS, SeenProcess
from eed_delivery.model import EmailState, HoldScope, HoldTarget, JobState
from eed_delivery.operations.gates import gate_words
from eed_delivery.operations.holds import called
from eed_delivery.operations.job_counts import CountedJob
from eed_delivery.reports.moments import when


class StandingKind(StrEnum):
    """How a job stands. For MOVES, WAITS and WINDOW_CLOSED there is nothing to do."""

    MOVES = "moves"
    PAUSED = "paused"
    NO_CHANNEL = "no_channel"
    ENDING = "ending"
    HELD = "held"
    EXPIRES_UNSENT = "expires_unsent"
    WINDOW_CLOSED = "window_closed"
    EXPIRED = "expired"
    GATE_SHUT = "gate_shut"
    BREAKER = "breaker"
    NO_WORKER = "no_worker"
    NO_PUBLISHER = "no_publisher"
    QUEUE_REFUSES = "queue_refuses"
    NO_SWEEPER = "no_sweeper"
    WAITS = "waits"


GOES_ON = (StandingKind.MOVES, StandingKind.WAITS, StandingKind.ENDING, StandingKind.WINDOW_CLOSED)
NEEDS_SOMEBODY = frozenset(StandingKind) - {*GOES_ON}


@dataclass(frozen=True, slots=True)
class JobStanding:
    """How a job stands and why, in a sentence. `do` is what to do about it, "" for nothing."""

    standing: StandingKind
    why: str
    do: str = ""
    bound: str = ""
    """The destination domain that holds up a job which goes on, and how. "": none is known to."""

    @property
    def needs_somebody(self) -> bool:
        """Whether it goes on by itself."""
        return self.standing in NEEDS_SOMEBODY


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """What is known of the service while a job is looked at. `alive` are processes with a heartbeat."""

    alive: Sequence[SeenProcess]
    holds: Sequence[StoredHold]
    last_stops: Mapping[int, ActReport] = field(default_factory=dict)
    gates: Mapping[str, ShutGate] = field(default_factory=dict)
    """Those that are shut, by channel."""
    functions: bool = False
    """Whether functions are at work, or were within a day."""
    queued_seconds: float = 0.0
    """For how long the oldest queued email has been due, where there are functions."""
    bounds: Mapping[int, str] = field(default_factory=dict)
    """By job, the destination domain that takes the longest, in words."""

    def roles(self, role: str, channel: str | None = None) -> list[SeenProcess]:
        """Those of a role, of one channel or of any."""
        return [one for one in self.alive if one.role == role and channel in (None, one.channel)]


def standing_of(job: CountedJob, facts: ServiceFacts) -> JobStanding:
    """The first reason that fits. A job that has finished is none of this function's."""
    stands = _decided(job, facts) or _held(job, facts) or _closed(job, facts) or _of_processes(job, facts)
    return stands or _moving(job, facts)


def _decided(job: CountedJob, facts: ServiceFacts) -> JobStanding | None:
    """By a person, or by the service."""
    report = job.report
    if report.state is JobState.PAUSED:
        return JobStanding(StandingKind.PAUSED, _stopped("Paused", job, facts), "Resume it once the cause is mended.")
    if report.state is JobState.HELD:
        why = f"There is no channel {report.channel}."
        return JobStanding(StandingKind.NO_CHANNEL, why, "Create the channel. The job goes on by itself then.")
    if report.state in (JobState.CANCELLED, JobState.FAILED):
        words = "Cancelled" if report.state is JobState.CANCELLED else "It could not start"
        return JobStanding(StandingKind.ENDING, f"{_stopped(words, job, facts)} Its unsent emails are being ended.")
    return None


def _stopped(word: str, job: CountedJob, facts: ServiceFacts) -> str:
    act = facts.last_stops.get(job.report.job_id)
    by = "" if act is None else f" by {act.who} at {when(act.at)}"
    return f"{word}{by}: {job.report.reason or 'no reason was given'}."


def _held(job: CountedJob, facts: ServiceFacts) -> JobStanding | None:
    targets = (
        HoldTarget(HoldScope.ALL),
        HoldTarget(HoldScope.CHANNEL, job.report.channel),
        HoldTarget(HoldScope.CATEGORY, job.category),
    )
    hold = next((hold for hold in facts.holds if hold.target in targets), None)
    if hold is None:
        return _expired(job)
    what = called(hold.target)
    until = "until it is released" if hold.until_at is None else f"until {when(hold.until_at)}"
    why = f"{what[0].upper()}{what[1:]} is held by {hold.who} since {when(hold.held_at)}, {until}: {hold.reason}."
    return JobStanding(StandingKind.HELD, why, "Release the hold.")


def _expired(job: CountedJob) -> JobStanding | None:
    if not job.is_expired:
        return None
    why = f"It has expired at {when(job.expires_at)}. The sweeper ends its unsent emails."
    return JobStanding(StandingKind.EXPIRED, why)


def _closed(job: CountedJob, facts: ServiceFacts) -> JobStanding | None:
    window = job.report.window
    if window is None or window.is_open or job.report.balanced:
        return None
    if not window.is_known:
        if facts.roles("sweeper"):
            return JobStanding(StandingKind.WAITS, "When its send window opens is being calculated.")
        why = "When its send window opens is not calculated, because no sweeper is alive."
        return JobStanding(StandingKind.NO_SWEEPER, why, "Start the service.")
    if window.problem and window.changes_at is None:
        why = f"It stands still: its own send window cannot be used: {window.problem}."
        return JobStanding(StandingKind.EXPIRES_UNSENT, why, "Override its send window.")
    if window.changes_at is None:
        why = "It stands still: its send window never opens, by what is configured."
        return JobStanding(StandingKind.EXPIRES_UNSENT, why, _OVERRIDE)
    why = f"It stands still: its send window is closed until {when(window.changes_at)}."
    if window.opens_after(job.expires_at):
        why = f"{why} It expires at {when(job.expires_at)}, and will expire unsent."
        return JobStanding(StandingKind.EXPIRES_UNSENT, why, _OVERRIDE)
    return JobStanding(StandingKind.WINDOW_CLOSED, why)


_OVERRIDE = "Override its send window, or correct the windows."


def _of_processes(job: CountedJob, facts: ServiceFacts) -> JobStanding | None:
    report = job.report
    waiting = report.counts[EmailState.PENDING] + report.counts[EmailState.QUEUED] + report.counts[EmailState.SENDING]
    if report.balanced:
        if facts.roles("sweeper"):
            return JobStanding(StandingKind.ENDING, "All its emails have ended. The sweeper finishes it.")
        why = "All its emails have ended, and no sweeper is alive to finish it."
        return JobStanding(StandingKind.NO_SWEEPER, why, "Start the service.")
    if waiting and (gate := facts.gates.get(report.channel)) is not None and gate.reason is not None:
        todo = "Emails go on by themselves once it answers. To try at once, open the gate."
        return JobStanding(StandingKind.GATE_SHUT, gate_words(gate), todo)
    workers = facts.roles("worker", report.channel)
    if facts.functions:
        return _of_functions(job, facts) or _of_publisher(job, facts)
    if waiting and not workers:
        why = f"No worker of its channel {report.channel} is alive."
        return JobStanding(StandingKind.NO_WORKER, why, "Start the service on a host.")
    if waiting and not any(worker.sending for worker in workers):
        why = next((worker.detail for worker in workers if worker.detail), None) or "they do not say why"
        return JobStanding(
            StandingKind.BREAKER, f"No worker sends now: {why}.", "Emails go on by themselves once it answers."
        )
    return _of_publisher(job, facts)


def _of_functions(job: CountedJob, facts: ServiceFacts) -> JobStanding | None:
    """They are invoked when there is something to send, and only then say that they live."""
    report = job.report
    sending = any(worker.sending for worker in facts.roles("worker", report.channel))
    if sending or facts.roles(FUNCTION, report.channel) or not report.counts[EmailState.QUEUED]:
        return None
    if facts.queued_seconds <= INVOKED_SECONDS:
        return None
    why = (
        f"No function of its channel {report.channel} has been invoked lately, and no worker sends, though emails wait."
    )
    return JobStanding(
        StandingKind.NO_WORKER, why, "See whether the event source mapping is on, and the function's log."
    )


def _of_publisher(job: CountedJob, facts: ServiceFacts) -> JobStanding | None:
    report = job.report
    if not facts.roles("publisher") and (report.counts[EmailState.PENDING] or not report.enlisted):
        return JobStanding(
            StandingKind.NO_PUBLISHER, "No publisher is alive to put its emails into the queue.", "Start one."
        )
    problems = [one.detail for one in facts.roles("publisher", report.channel)]
    if report.counts[EmailState.PENDING] and problems and all(problems):
        why = f"Its emails cannot be put into the queue: {problems[0]}."
        return JobStanding(StandingKind.QUEUE_REFUSES, why, "Emails go on by themselves once the queue accepts them.")
    return None


def _moving(job: CountedJob, facts: ServiceFacts) -> JobStanding:
    if not job.report.enlisted and not job.report.total:
        return JobStanding(StandingKind.WAITS, "The publisher is about to pick up its emails.")
    bound = facts.bounds.get(job.report.job_id, "")
    domain = f" {bound}." if bound else ""
    if job.rate:
        return JobStanding(StandingKind.MOVES, f"{job.rate:,.1f} emails a second.{domain}", bound=bound)
    if job.rate is None:
        return JobStanding(StandingKind.MOVES, f"Its speed is being measured.{domain}", bound=bound)
    return JobStanding(StandingKind.WAITS, f"{_STILL}{domain or _WAIT_FOR}", bound=bound)


_STILL = "No email has ended within the last half minute."
_WAIT_FOR = " They wait for a retry, for their domain, or for their turn."


def scheduled_words(at: datetime | None) -> str:
    """When a job that waits for its time begins."""
    return "More than 100 years away" if at is None else f"Waits for {when(at)}"
