"""What runs tonight, what stands still and why, and whether anything needs a person. All viewers share one look."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from eed_delivery.ledger.alerts.facts import AlertFacts
from eed_delivery.ledger.holds.ledger import StoredHold
from eed_delivery.ledger.job_lists import JobFilter, JobListLedger
from eed_delivery.ledger.shut_gates import ShutGate
from eed_delivery.ledger.workers import FUNCTIONS
from eed_delivery.model import EmailState, JobState, WaitingJob
from eed_delivery.operations.aws_figures import QueueFigures
from eed_delivery.operations.job_counts import CountedJob, JobCounts
from eed_delivery.operations.processes import ProcessView
from eed_delivery.operations.snapshots import SharedFigures
from eed_delivery.operations.standing import JobStanding, ServiceFacts, standing_of

JOBS_SHOWN = 50
NEEDED = ("publisher", "sweeper", "worker")
"""Roles without which nothing leaves."""
_STOPPED = (JobState.PAUSED, JobState.CANCELLED, JobState.FAILED)


@dataclass(frozen=True, slots=True)
class StandingJob:
    """A job that has not finished, and how it stands."""

    job: CountedJob
    standing: JobStanding


@dataclass(frozen=True, slots=True)
class RoleView:
    """The processes of one role on all hosts. `sending` is how many workers send; None for other roles. `details` say
    why others do not. `seen` is seconds since the latest heartbeat, None if there was none within a day."""

    role: str
    alive: int
    gone: int
    hosts: tuple[str, ...]
    sending: int | None
    details: tuple[str, ...]
    seen: float | None
    replaced: bool = False
    """Functions do its work."""

    @property
    def is_missing(self) -> bool:
        """Whether it is needed, and not there."""
        return self.role in NEEDED and not self.alive and not self.replaced


@dataclass(frozen=True, slots=True)
class TonightView:
    """Everything of one moment. Lengths of time are in seconds. `more_jobs`: there are more than these."""

    at: datetime
    jobs: tuple[StandingJob, ...]
    more_jobs: bool
    scheduled: tuple[WaitingJob, ...]
    scheduled_problem: str | None
    roles: tuple[RoleView, ...]
    differing_channels: Mapping[str, tuple[str, ...]]
    """Channels whose workers have different settings, with their hosts."""
    differing: tuple[str, ...]
    """Hosts with processes whose release or configuration is not that of most others."""
    holds: tuple[StoredHold, ...]
    gates: tuple[ShutGate, ...]
    in_doubt: int
    oldest_queued: float
    silence: float

    @property
    def open_emails(self) -> Mapping[EmailState, int]:
        """Emails of these jobs that have not ended, by state."""
        states = (EmailState.PENDING, EmailState.QUEUED, EmailState.SENDING)
        return {state: sum(one.job.report.counts[state] for one in self.jobs) for state in states}

    @property
    def needing(self) -> tuple[StandingJob, ...]:
        """Jobs that do not go on by themselves."""
        return tuple(one for one in self.jobs if one.standing.needs_somebody)

    @property
    def missing(self) -> tuple[RoleView, ...]:
        """Roles that are needed, and not there."""
        return tuple(role for role in self.roles if role.is_missing)

    @property
    def is_well(self) -> bool:
        """Whether nothing needs a person."""
        return not (self.needing or self.missing or self.holds or self.gates)


class TonightQueries:
    """Looks, once for all who ask within two seconds. Each call raises `DatabaseGone`."""

    def __init__(
        self,
        lists: JobListLedger,
        counts: JobCounts,
        waiting: Callable[[int], tuple[tuple[WaitingJob, ...], str | None]],
        processes: Callable[[], tuple[ProcessView, ...]],
        gates: Callable[[], tuple[ShutGate, ...]],
        holds: Callable[[], tuple[StoredHold, ...]],
        facts: AlertFacts,
        queues: Callable[[], QueueFigures],
        bounds: Callable[[Sequence[int]], Mapping[int, str]],
        now: Callable[[], datetime],
    ) -> None:
        self._lists = lists
        self._counts = counts
        self._waiting = waiting
        self._processes = processes
        self._gates = gates
        self._holds = holds
        self._facts = facts
        self._queues = SharedFigures(queues)
        self._bounds = bounds
        self._now = now
        self._shared = SharedFigures(self._look)
        self._service = SharedFigures(self._look_at_service)

    def look(self) -> TonightView:
        """The present figures. They are two seconds old at most, or older where counting takes long."""
        return self._shared.get()

    def standing_of(self, job: CountedJob) -> JobStanding:
        """How one job that has not finished stands."""
        _, facts = self._service.get()
        return standing_of(job, self._with_jobs(facts, [job]))

    def standings_of(self, jobs: Sequence[CountedJob]) -> list[JobStanding]:
        """How jobs that have not finished stand."""
        _, facts = self._service.get()
        with_stops = self._with_jobs(facts, jobs)
        return [standing_of(job, with_stops) for job in jobs]

    def queues(self) -> QueueFigures:
        """What SQS said of each queue last."""
        return self._queues.get()

    def _look(self) -> TonightView:
        found = self._lists.jobs(JobFilter(unfinished_only=True), JOBS_SHOWN + 1)
        counted = self._counts.of(found[:JOBS_SHOWN])
        seen, service = self._service.get()
        facts = self._with_jobs(service, counted)
        scheduled, problem = self._waiting(JOBS_SHOWN)
        return TonightView(
            at=self._now(),
            jobs=tuple(StandingJob(job, standing_of(job, facts)) for job in counted),
            more_jobs=len(found) > JOBS_SHOWN,
            scheduled=scheduled,
            scheduled_problem=problem,
            roles=roles_of(seen),
            differing_channels=_differing(facts),
            differing=tuple(sorted({one.process.host for one in seen if one.differs})),
            holds=tuple(facts.holds),
            gates=tuple(facts.gates.values()),
            in_doubt=round(self._facts.in_doubt()),
            oldest_queued=self._facts.oldest_queued_seconds(),
            silence=self._facts.silence_seconds(),
        )

    def _look_at_service(self) -> tuple[tuple[ProcessView, ...], ServiceFacts]:
        seen = self._processes()
        gates = {gate.channel: gate for gate in self._gates()}
        alive, functions = [one.process for one in seen if one.alive], _has_functions(seen)
        queued = self._facts.oldest_queued_seconds() if functions else 0.0
        return seen, ServiceFacts(alive, self._holds(), gates=gates, functions=functions, queued_seconds=queued)

    def _with_jobs(self, facts: ServiceFacts, jobs: Sequence[CountedJob]) -> ServiceFacts:
        """Who stopped those of the jobs that were stopped, and the domains that hold up the others."""
        stopped = [job.report.job_id for job in jobs if job.report.state in _STOPPED]
        bounds = self._bounds([job.report.job_id for job in jobs if job.report.state not in _STOPPED])
        return replace(facts, last_stops=self._lists.last_stops(stopped), bounds=bounds)


def roles_of(seen: Sequence[ProcessView]) -> tuple[RoleView, ...]:
    """Processes by role. The needed roles come first, also where there is none of them."""
    others = sorted({one.process.role for one in seen} - set(NEEDED))
    functions = _has_functions(seen)
    roles = [_role(role, [one for one in seen if one.process.role == role]) for role in (*NEEDED, *others)]
    return tuple(replace(role, replaced=functions and role.role == "worker") for role in roles)


def _has_functions(seen: Sequence[ProcessView]) -> bool:
    return any(one.process.host == FUNCTIONS for one in seen)


def _role(role: str, seen: Sequence[ProcessView]) -> RoleView:
    alive = [one for one in seen if one.alive]
    details = dict.fromkeys(one.process.detail for one in alive if one.process.detail and not one.sending)
    return RoleView(
        role=role,
        alive=len(alive),
        gone=len(seen) - len(alive),
        hosts=tuple(sorted({one.process.host for one in alive})),
        sending=sum(one.sending for one in alive) if role == "worker" else None,
        details=tuple(details),
        seen=min((one.process.age for one in seen), default=None),
    )


def _differing(facts: ServiceFacts) -> dict[str, tuple[str, ...]]:
    """Workers of one channel whose settings have different marks."""
    of_channel: dict[str, dict[str | None, set[str]]] = {}
    for worker in facts.roles("worker"):
        of_channel.setdefault(worker.channel, {}).setdefault(worker.mark, set()).add(worker.host)
    return {
        channel: tuple(sorted(set().union(*hosts.values()))) for channel, hosts in of_channel.items() if len(hosts) > 1
    }
