"""The pace of destination domains: what is configured, what people set in its place, and what waits for it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from eed_delivery.config.domain_paces import FASTEST, MOST_AT_ONCE, SLOWEST
from eed_delivery.destinations import Destination, DestinationRules, DomainPace, domain_rule
from eed_delivery.ledger.domain_paces.backlogs import BacklogCounts, DestinationBacklog
from eed_delivery.ledger.domain_paces.stored import DomainPaceLedger, StoredDomainPace
from eed_delivery.operations.refusals import InvalidRequest, WrongState
from eed_delivery.operations.values import reason, seconds_until_moment

__all__ = [
    "DestinationBacklog", "DomainPace", "DomainPaceOperations", "DomainPaceRequest", "DomainPaceView",
    "DomainPacesView", "StoredDomainPace", "bound_of", "bound_words",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class DomainPaceRequest:
    """What may go to a domain, to all below one (`*.example.com`), or to each other one (`*`).

    Without both limits the configuration's pace counts again. `lasts` is seconds, or a time in UTC with its zone. None:
    until it is cleared. Raises `InvalidRequest`.
    """

    domain: str
    per_second: float | None
    concurrency: int | None
    reason: str
    lasts: float | datetime | None = None

    def __post_init__(self) -> None:
        reason(self.reason)
        rule_of(self.domain)
        if self.per_second is not None and not SLOWEST <= self.per_second <= FASTEST:
            what = f"a pace is {SLOWEST:g} to {FASTEST:,.0f} emails a second. To send nothing, hold the domain"
            raise InvalidRequest(what, which="per_second")
        if self.concurrency is not None and not 1 <= self.concurrency <= MOST_AT_ONCE:
            what = f"1 to {MOST_AT_ONCE:,} emails may be on the wire at one time. To send nothing, hold the domain"
            raise InvalidRequest(what, which="concurrency")

    @property
    def pace(self) -> DomainPace | None:
        """What is wanted. None: what is configured."""
        wanted = DomainPace(self.per_second, self.concurrency)
        return None if wanted == DomainPace() else wanted


def rule_of(text: str) -> str:
    """What a pace is of, as the ledger has it. Raises `InvalidRequest`."""
    try:
        return domain_rule(text)
    except ValueError as error:
        raise InvalidRequest(str(error), which="domain") from error


@dataclass(frozen=True, slots=True)
class DomainPaceView:
    """The pace of a domain that counts now. `set` is what a person has set. None: it is the configuration's."""

    domain: str
    pace: DomainPace
    configured: DomainPace | None
    set: StoredDomainPace | None


@dataclass(frozen=True, slots=True)
class DomainPacesView:
    """All of them, by domain."""

    paces: tuple[DomainPaceView, ...]


class DomainPaceOperations:
    """Sets and clears paces. Each call raises `DatabaseGone`, and `OperationRefused` for what cannot be done."""

    def __init__(
        self,
        paces: DomainPaceLedger,
        backlogs: BacklogCounts,
        configured: Mapping[str, DomainPace],
        now: Callable[[], datetime],
    ) -> None:
        """`configured` are the paces of the configuration. `now` is the database's clock."""
        self._paces = paces
        self._backlogs = backlogs
        self._configured = configured
        self._now = now

    def view(self) -> DomainPacesView:
        """What counts now."""
        by_people = {one.domain: one for one in self._paces.all()}
        found = []
        for name in sorted({*self._configured, *by_people}):
            configured, own = self._configured.get(name), by_people.get(name)
            pace = own.pace if own is not None else configured
            if pace is not None:
                found.append(DomainPaceView(name, pace, configured, own))
        return DomainPacesView(tuple(found))

    def pace_of(self, domains: Sequence[str]) -> Mapping[str, str]:
        """The paces of some domains, in words. Those without a pace are left out."""
        rules = DestinationRules({one.domain: one.pace for one in self.view().paces})
        found = ((domain, rules.of(domain)) for domain in domains)
        return {domain: _words_of(domain, one) for domain, one in found if one is not None}

    def set(self, request: DomainPaceRequest) -> DomainPacesView:
        """Set a pace, or clear it. Workers heed it with their next heartbeat, and the publisher within a second."""
        domain, pace = rule_of(request.domain), request.pace
        if pace is None:
            if not self._paces.clear(domain, reason(request.reason)):
                raise WrongState(f"no person has set a pace of {domain}", which="domain pace")
            return self.view()
        seconds = seconds_until_moment(request.lasts, self._now())
        if seconds is not None and seconds <= 0:
            raise InvalidRequest("the end of the pace has passed", which="lasts")
        self._paces.set(domain, pace, reason(request.reason), seconds)
        return self.view()

    def waiting(self, job_ids: Sequence[int]) -> Mapping[int, Sequence[DestinationBacklog]]:
        """How many emails of each of these jobs wait for a destination, as a publisher counted them last."""
        return self._backlogs.of(job_ids)

    def bounds_of(self, job_ids: Sequence[int]) -> Mapping[int, str]:
        """As `bound_words`, by job. Jobs that nothing holds up are left out."""
        return {job_id: bound_words(backlogs) for job_id, backlogs in self.waiting(job_ids).items()}

    def bound_of_job(self, job_id: int) -> str:
        """As `bound_words`."""
        return self.bounds_of([job_id]).get(job_id, "")


def _words_of(domain: str, destination: Destination) -> str:
    shared = "" if destination.name == domain else f", shared by {destination.name}"
    return f"{destination.pace.words}{shared}"


def bound_of(backlogs: Sequence[DestinationBacklog]) -> DestinationBacklog | None:
    """The destination that takes the longest. None: no destination is known to hold its emails up."""
    timed = [one for one in backlogs if one.pace.per_second]
    if timed:
        return max(timed, key=lambda one: one.waiting / (one.pace.per_second or 1.0))
    return max(backlogs, key=lambda one: one.waiting, default=None)


def bound_words(backlogs: Sequence[DestinationBacklog]) -> str:
    """For people: `gmail.com is the bound: 20 a second, 280,000 left`. Empty where nothing is."""
    bound = bound_of(backlogs)
    if bound is None:
        return ""
    if bound.pace.is_closed:
        return f"{bound.name} is held: {bound.waiting:,} left"
    return f"{bound.name} is the bound: {bound.pace.words}, {bound.waiting:,} left"
