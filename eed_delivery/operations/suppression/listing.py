"""List, add and remove suppressed addresses. A change applies at the next claim."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from eed_delivery.addresses import shown
from eed_delivery.errors import NotPossible
from eed_delivery.ledger.acts import Act, ActKind, ActObject, new_operation
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.ledger.reporting import ReportingLedger
from eed_delivery.ledger.suppression.listing import (
    Entered,
    SuppressionEntry,
    SuppressionFilter,
    SuppressionList,
    audited,
)
from eed_delivery.ledger.suppression.statements import ASKED_FOR, COMPLAINT, EVERY_EMAIL
from eed_delivery.operations.long_acts.second_person import NOBODY_ELSE, SecondPerson, SecondPersonRule
from eed_delivery.operations.looks import looks
from eed_delivery.operations.refusals import InvalidRequest, UnknownKey
from eed_delivery.operations.values import category, evidence, listed_address, moment_after, reason

__all__ = [
    "ASKED_FOR",
    "COMPLAINT",
    "EVERY_EMAIL",
    "EntriesPage",
    "EntriesRequest",
    "EntryPast",
    "EvidenceNeeded",
    "RemoveRequest",
    "RemoveResult",
    "RemovedAddress",
    "SuppressRequest",
    "SuppressedAddress",
    "Suppression",
    "SuppressionEntry",
    "entry_end",
]  # fmt: skip

SOURCE = "operator"
READ_AT_ONCE = 1000


class EvidenceNeeded(InvalidRequest):
    """An entry that its recipient asked for goes with evidence only."""


class EntryPast(InvalidRequest):
    """The entry would count for nothing, because its time is over."""


@dataclass(frozen=True, slots=True)
class EntriesRequest:
    """Which entries, in the order of their addresses. None does not narrow it. `expired` selects those whose time is
    over, or those that count, or with None both. `reason` is a part of it. `after`: only addresses beyond this one."""

    address: str | None = None
    domain: str | None = None
    category: str | None = None
    source: str | None = None
    expired: bool | None = None
    after: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class EntriesPage:
    """Entries as people read them. `next_after` is None on the last page. Where no index knows which entries match, a
    page may have fewer than were asked for, or none, and others may follow."""

    entries: tuple[SuppressionEntry, ...]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class SuppressRequest:
    """Addresses to put on the list, each an address or *@domain. Raises `InvalidRequest`.

    `expires` is seconds from now, or a time in UTC, or None for indefinitely.
    """

    addresses: tuple[str, ...]
    reason: str
    category: str = EVERY_EMAIL
    expires: float | datetime | None = None

    def __post_init__(self) -> None:
        reason(self.reason)
        category(self.category)
        for each in self.addresses:
            listed_address(each)


@dataclass(frozen=True, slots=True)
class SuppressedAddress:
    """What became of one address.

    It is `added`, or `prolonged`, or neither, because its entry lasts longer. `entry` is the one that stands there
    now."""

    address: str
    added: bool
    prolonged: bool
    entry: SuppressionEntry | None


@dataclass(frozen=True, slots=True)
class RemoveRequest:
    """Addresses to take off the list, with their entry for a category, or with None all of their entries.

    `evidence` says where a recipient's wish is kept. It is needed for what a complaint or an unsubscription has made.
    Raises `InvalidRequest`."""

    addresses: tuple[str, ...]
    category: str | None = EVERY_EMAIL
    reason: str | None = None
    evidence: str | None = None

    def __post_init__(self) -> None:
        if self.category is not None:
            object.__setattr__(self, "category", category(self.category))
        if self.evidence is not None:
            object.__setattr__(self, "evidence", evidence(self.evidence))


@dataclass(frozen=True, slots=True)
class RemovedAddress:
    """How many entries of one address are gone, and those that are left."""

    address: str
    gone: int
    left: tuple[SuppressionEntry, ...]


@dataclass(frozen=True, slots=True)
class RemoveResult:
    """What became of each address, and the error that names those without an entry. None if each had one."""

    removed: tuple[RemovedAddress, ...]
    refusal: UnknownKey | None


class Suppression:
    """Reads and changes the list. Each call raises `DatabaseGone`."""

    def __init__(
        self,
        entries: SuppressionList,
        reporting: ReportingLedger,
        audit: AuditLedger,
        second: SecondPerson = NOBODY_ELSE,
    ) -> None:
        """`second` says what another person has to approve."""
        self._second = second
        self._entries = entries
        self._reporting = reporting
        self._audit = audit

    def each(self, request: EntriesRequest) -> Iterator[SuppressionEntry]:
        """All of them, read a page at a time, so that a million never stand in memory at once."""
        self._record(request)
        return self._each(request, READ_AT_ONCE)

    def _record(self, request: EntriesRequest) -> None:
        about = ActObject.ADDRESS if request.address else ActObject.SUPPRESSION_LIST
        key = audited(request.address) if request.address else None
        looked = Act(ActKind.SUPPRESSION_LIST, object=about, key=key, operation=new_operation())
        searched = [] if request.reason is None else looks(request.reason)
        self._audit.record_all([looked, *(replace(one, operation=looked.operation) for one in searched)])

    def _each(self, request: EntriesRequest, page: int) -> Iterator[SuppressionEntry]:
        for entry in self._found(request, page):
            yield replace(entry, address=shown(entry.address))

    def _found(self, request: EntriesRequest, page: int) -> Iterator[SuppressionEntry]:
        return self._entries.entries(_wanted(request), request.after or "", page)

    def page(self, request: EntriesRequest, limit: int) -> EntriesPage:
        """About `limit` of them, of as many as are read at once. The entries of one address are never on two pages."""
        self._record(request)
        return self._page(request, limit)

    def full_page(self, request: EntriesRequest, limit: int) -> EntriesPage:
        """The same, and it reads on until the page is full or the list ends. For who can wait."""
        self._record(request)
        found: list[SuppressionEntry] = []
        after = request.after
        while True:
            page = self._page(replace(request, after=after), limit - len(found))
            found += page.entries
            after = page.next_after
            if after is None or len(found) >= limit:
                return EntriesPage(tuple(found), after)

    def _page(self, request: EntriesRequest, limit: int) -> EntriesPage:
        entries, end = self._entries.part(_wanted(request), request.after or "", limit)
        readable = tuple(replace(entry, address=shown(entry.address)) for entry in entries)
        return EntriesPage(readable, None if end is None else shown(end))

    def add(self, request: SuppressRequest) -> tuple[SuppressedAddress, ...]:
        """Put addresses on the list. An entry that is there is prolonged, never shortened. Raises `EntryPast`."""
        until = entry_end(request.expires, self._reporting)
        return tuple(self._add(each, request, until) for each in request.addresses)

    def _add(self, address: str, request: SuppressRequest, until: datetime | None) -> SuppressedAddress:
        new = SuppressionEntry(address, request.category, request.reason, SOURCE, expires_at=until)
        entered: Entered = self._entries.add(new)
        there = [entry for entry in self._entries.of(address) if entry.category == request.category]
        return SuppressedAddress(address, bool(entered.added), bool(entered.prolonged), there[0] if there else None)

    def remove(self, request: RemoveRequest) -> RemoveResult:
        """Take addresses off the list. What is suppressed in a job already stays so. Raises `InvalidRequest` for one
        that is none and has no entry, and `EvidenceNeeded`."""
        sources = self._sources(request)
        if sources & ASKED_FOR:
            self._about_wishes(request, sources)
        removed = tuple(self._remove(each, request) for each in request.addresses)
        missing = [each.address for each in removed if not each.gone]
        return RemoveResult(removed, _no_entry(missing, request.category) if missing else None)

    def _about_wishes(self, request: RemoveRequest, sources: set[str]) -> None:
        """Whoever is refused has learned who asked for it, and so it is in the audit."""
        try:
            if COMPLAINT in sources:
                self._second.demand(SecondPersonRule.UNSUPPRESS_COMPLAINTS)
            if request.evidence is None:
                raise evidence_needed()
        except NotPossible:
            self._audit.record_all(looks(None, request.addresses))
            raise

    def needs_another(self, request: RemoveRequest) -> bool:
        """Whether another person has to approve it."""
        wanted = self._second.wants(SecondPersonRule.UNSUPPRESS_COMPLAINTS)
        return wanted and COMPLAINT in self._sources(request)

    def _sources(self, request: RemoveRequest) -> set[str]:
        """What has made the entries that would go."""
        found: set[str] = set()
        for each in request.addresses:
            there = self._entries.of(each)
            if not there:  # an earlier release may have taken what can be no address
                listed_address(each)
            found.update(one.source for one in there if request.category in (None, one.category))
        return found

    def _remove(self, address: str, request: RemoveRequest) -> RemovedAddress:
        # Between the look and this, a complaint may have come.
        spares = {COMPLAINT} if self._second.wants(SecondPersonRule.UNSUPPRESS_COMPLAINTS) else ()
        gone = self._entries.remove(address, request.category, request.reason, request.evidence, spares=spares)
        return RemovedAddress(address, gone, tuple(self._entries.of(address)))


def _wanted(request: EntriesRequest) -> SuppressionFilter:
    filters = (request.address, request.domain, request.category, request.source, request.expired)
    return SuppressionFilter(*filters, reason=request.reason)


def evidence_needed() -> EvidenceNeeded:
    """The error."""
    what = "an entry that its recipient asked for, by a complaint or an unsubscription, goes with evidence only"
    return EvidenceNeeded(what, which="evidence", do="Say where their wish to get emails is kept, like a ticket.")


def _no_entry(missing: list[str], category: str | None) -> UnknownKey:
    what = f" for the category {category}" if category else "" if category is None else " for every email"
    return UnknownKey(f"there was no entry{what} of {', '.join(missing)}", which=", ".join(missing))


def entry_end(expires: float | datetime | None, reporting: ReportingLedger) -> datetime | None:
    """When an entry made now ends, by the database's clock and in UTC. None means never. Raises `EntryPast`."""
    if expires is None:
        return None
    now = reporting.now()
    until = moment_after(expires, now)
    if until is not None and until <= now:
        raise EntryPast("the entry would have no effect, because its end is in the past", which="expires")
    return until
