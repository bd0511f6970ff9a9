"""The suppression list for people. Entries are made, removed, and read a page at a time. Works while the service runs.
An entry counts from the next claim on."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.sql.elements import ColumnElement

from eed_delivery.addresses import NotAnAddress, listed, shown
from eed_delivery.database.clock import utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.transactions import Database
from eed_delivery.errors import NotPossible
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, Particulars, new_operation, note
from eed_delivery.ledger.schema import eed_suppression
from eed_delivery.ledger.suppression import statements as sql
from eed_delivery.pseudonyms import NO_PSEUDONYMS, Pseudonyms, is_pseudonym

PAGE = 1000
LOOKED_AT_ONCE = 10_000
"""Entries that one statement reads where no index knows which of them match."""

_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class SuppressionEntry:
    """An address that is not mailed, or "@" and a domain of which none is. `category` names the jobs that it is not
    mailed for. "" means all.

    Times are UTC without a zone, as the database has them. `created_at` None means now. `expires_at` None means
    indefinitely.
    """

    address: str
    category: str
    reason: str
    source: str
    created_at: datetime | None = None
    expires_at: datetime | None = None

    @property
    def key(self) -> _Key:
        """What there is one entry of."""
        return self.address, self.category


@dataclass(frozen=True, slots=True)
class Entered:
    """What became of entries. It is how many are new, and how many last longer now. All others existed already,
    and are as they were, but for those that are `marked`: they are complaints or unsubscriptions now."""

    added: int = 0
    prolonged: int = 0
    marked: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.prolonged or self.marked)


@dataclass(frozen=True, slots=True)
class SuppressionFilter:
    """Which entries. None does not narrow it. `expired` selects those whose time is over, or those that count."""

    address: str | None = None
    domain: str | None = None
    category: str | None = None
    source: str | None = None
    expired: bool | None = None
    reason: str | None = None
    """A part of it."""

    @property
    def reads_all(self) -> bool:
        """Whether no index knows what matches, and every entry has to be read."""
        filters = (self.domain, self.category, self.source, self.expired, self.reason)
        return self.address is None and any(one is not None for one in filters)


class SuppressionList:
    """The entries of `eed_suppression`. Addresses are given as people write them (*@domain for every address of a
    domain), and kept as a claim compares them.

    Each call is one transaction (one a page for `entries`) and raises `DatabaseGone`.
    """

    def __init__(self, database: Database, who: Actor = SERVICE, pseudonyms: Pseudonyms = NO_PSEUDONYMS) -> None:
        """`who` acts, for the audit. `pseudonyms` find the entries of erased addresses."""
        self._database = database
        self._who = who
        self._pseudonyms = pseudonyms
        self._insert = unless_there(insert(eed_suppression))

    def add(self, entry: SuppressionEntry) -> Entered:
        """Enter one, as `enter` does."""
        act = Act(ActKind.SUPPRESSION_ADD, object=ActObject.ADDRESS, key=audited(entry.address), reason=entry.reason)
        return self._database.did(lambda c: self._enter(c, [entry], act))

    def enter(self, entries: Sequence[SuppressionEntry], act: Act | None = None) -> Entered:
        """Enter some, a thousand or so, as a part of `act`. Without one, it is an import of its own.

        What stands there already is prolonged where the new one lasts longer, and then has the new one's reason. It is
        never shortened. Raises `NotPossible` for one that can be no address, because it would keep nothing back.
        """
        part_of = act or Act(ActKind.SUPPRESSION_IMPORT, object=ActObject.SUPPRESSION_LIST)
        return self._database.did(lambda c: self._enter(c, entries, part_of))

    def _enter(self, c: Connection, entries: Sequence[SuppressionEntry], act: Act) -> Entered:
        wanted = _longest(replace(entry, address=_form(entry.address)) for entry in entries)
        there = self._there(c, wanted)
        new = [entry for key, entry in sorted(wanted.items()) if key not in there]
        longer = [entry for key, entry in sorted(wanted.items()) if key in there and _outlasts(entry, there[key])]
        added = self._add(c, new)
        if added < len(new):  # another process was faster with one of these
            longer += new
        prolonged = sum(_prolong(c, entry) for entry in longer)
        # A recipient's wish marks what stands there already, whoever has entered it meanwhile.
        marked = [entry for _, entry in sorted(wanted.items()) if _mark_wish(c, entry)]
        entered = Entered(added, prolonged, len(marked))
        if entered:
            act = replace(act, operation=act.operation or new_operation())
            note(c, self._who, _with_change(act, entered, wanted, there))
            for entry in marked if act.object is not ActObject.ADDRESS else ():
                note(c, self._who, _mark(entry, there.get(entry.key), act))
        return entered

    def _there(self, c: Connection, wanted: Mapping[_Key, SuppressionEntry]) -> dict[_Key, SuppressionEntry]:
        addresses = sorted({address for address, _ in wanted})
        rows = c.execute(select(eed_suppression).where(eed_suppression.c.address.in_(addresses)))
        return {entry.key: entry for entry in (SuppressionEntry(**row._mapping) for row in rows)}

    def _add(self, c: Connection, new: Sequence[SuppressionEntry]) -> int:
        if not new:
            return 0
        now = c.execute(select(utc_now())).scalar_one()
        rows = [
            {
                "address": entry.address,
                "category": entry.category,
                "reason": entry.reason,
                "source": entry.source,
                "created_at": entry.created_at or now,
                "expires_at": entry.expires_at,
            }
            for entry in new
        ]
        return c.execute(self._insert, rows).rowcount

    def remove(
        self,
        address: str,
        category: str | None,
        reason: str | None = None,
        evidence: str | None = None,
        *,
        spares: Collection[str] = (),
    ) -> int:
        """Take an address off the list for a category, or with None for all. Returns how many entries went.

        Without `evidence` those stay that their recipient asked for. Those of the sources in `spares` stay anyway."""
        kept = {*spares, *(sql.ASKED_FOR if evidence is None else ())}

        def work(c: Connection) -> int:
            which: list[ColumnElement[bool]] = [eed_suppression.c.address.in_(self._forms(address))]
            if category is not None:
                which.append(eed_suppression.c.category == category)
            if kept:
                which.append(eed_suppression.c.source.not_in(sorted(kept)))
            going = select(eed_suppression).where(*which).with_for_update()
            there = [SuppressionEntry(**row._mapping) for row in c.execute(going)]
            gone = c.execute(delete(eed_suppression).where(*which)).rowcount
            if gone:
                note(c, self._who, replace(_removal(address, gone, there, evidence), reason=reason))
            return gone

        return self._database.did(work)

    def remove_entries(
        self,
        c: Connection,
        entries: Sequence[SuppressionEntry],
        reason: str | None,
        operation: str,
        evidence: str | None = None,
    ) -> int:
        """Take these off the list in the caller's transaction. Returns how many were still as they were seen."""
        gone = 0
        columns = eed_suppression.c
        for entry in entries:
            which = (columns.address == entry.address, columns.category == entry.category)
            if c.execute(delete(eed_suppression).where(*which, columns.source == entry.source)).rowcount != 1:
                continue
            act = replace(_removal(shown(entry.address), 1, [entry], evidence), reason=reason, operation=operation)
            note(c, self._who, act)
            gone += 1
        return gone

    def count(self, wanted: SuppressionFilter, since: datetime | None = None) -> int:
        """How many entries there are. With `since`, of those that were made since then."""
        statement = select(func.count()).select_from(eed_suppression)
        if since is not None:
            statement = statement.where(eed_suppression.c.created_at > since)
        return self._database.run(lambda c: c.execute(statement.where(*self._terms(wanted))).scalar_one())

    def _forms(self, address: str) -> tuple[str, ...]:
        """How an address may stand on the list: as it is, or as the pseudonym that it got when it was erased."""
        form = as_listed(address)
        return (form, *(one for one in self._pseudonyms.all_of(form) if one != form))

    def of(self, address: str) -> list[SuppressionEntry]:
        """The entries of one address, those whose time is over too."""
        return list(self.entries(SuppressionFilter(address=address)))

    def entries(self, wanted: SuppressionFilter, after: str = "", page: int = PAGE) -> Iterator[SuppressionEntry]:
        """Entries in the order of their addresses, a page at a time, so that a million never stand in memory at once.

        `after` means only addresses beyond this one.
        """
        at: str | None = after
        while at is not None:
            found, at = self.part(wanted, at, page)
            yield from found

    def part(self, wanted: SuppressionFilter, after: str, page: int) -> tuple[list[SuppressionEntry], str | None]:
        """About `page` entries beyond an address, of the next `LOOKED_AT_ONCE` ones of the list.

        Also how far it has looked. None: to the end. The entries of one address are never in two parts.
        """
        end = self._address_at(after, LOOKED_AT_ONCE) if wanted.reads_all else None
        columns = eed_suppression.c
        which = [columns.address > as_listed(after)] if after else []
        if end is not None:
            which.append(columns.address <= end)
        found = self._read(wanted, which, page + 1)
        if len(found) <= page:
            return found, end
        last = found[-2].address
        if found[-1].address != last:
            return found[:-1], last
        whole = [one for one in found if one.address != last]
        whole += self._read(wanted, [columns.address == last])
        follows = self._read(wanted, [*which, columns.address > last], 1)
        return whole, last if follows else end

    def _address_at(self, after: str, distance: int) -> str | None:
        """The address that far behind another one. None if the list ends before."""
        statement = select(eed_suppression.c.address).order_by(eed_suppression.c.address, eed_suppression.c.category)
        if after:
            statement = statement.where(eed_suppression.c.address > as_listed(after))
        return self._database.run(lambda c: c.execute(statement.offset(distance).limit(1)).scalar())

    def _read(
        self, wanted: SuppressionFilter, which: Sequence[ColumnElement[bool]], limit: int | None = None
    ) -> list[SuppressionEntry]:
        statement = select(eed_suppression).order_by(eed_suppression.c.address, eed_suppression.c.category)
        statement = statement.where(*which).limit(limit)

        def read(c: Connection) -> list[SuppressionEntry]:
            return [SuppressionEntry(**row._mapping) for row in c.execute(statement.where(*self._terms(wanted)))]

        return self._database.run(read)

    def _terms(self, wanted: SuppressionFilter) -> list[ColumnElement[bool]]:
        columns = eed_suppression.c
        terms: list[ColumnElement[bool]] = []
        if wanted.address is not None:
            terms.append(columns.address.in_(self._forms(wanted.address)))
        if wanted.domain is not None:
            terms.append(columns.address.endswith(as_listed(f"@{wanted.domain}"), autoescape=True))
        if wanted.category is not None:
            terms.append(columns.category == wanted.category)
        if wanted.source is not None:
            terms.append(columns.source == wanted.source)
        if wanted.expired is not None:
            terms.append(columns.expires_at <= utc_now() if wanted.expired else sql.in_force())
        if wanted.reason is not None:
            terms.append(columns.reason.icontains(wanted.reason, autoescape=True))
        return terms


def _with_change(
    act: Act, entered: Entered, wanted: Mapping[_Key, SuppressionEntry], there: Mapping[_Key, SuppressionEntry]
) -> Act:
    """The act with its counts, and for a single entry with what stood there before and stands there now."""
    counts = {"added": entered.added, "prolonged": entered.prolonged}
    if entered.marked:
        counts["marked"] = entered.marked
    act = replace(act, count=entered.added + entered.prolonged, counts=counts)
    if act.object is not ActObject.ADDRESS:
        return act
    ((key, entry),) = wanted.items()
    return replace(act, before=_stated(there[key]) if key in there else None, after=_stated(entry))


def _removal(address: str, gone: int, there: Sequence[SuppressionEntry], evidence: str | None) -> Act:
    """The act. One that was erased stays erased: its pseudonym names it."""
    before: Particulars = _stated(there[0]) if len(there) == 1 else {"entries": gone}
    key = next((entry.address for entry in there if is_pseudonym(entry.address)), audited(address))
    after: Particulars | None = None if evidence is None else {"evidence": evidence}
    return Act(ActKind.SUPPRESSION_REMOVE, object=ActObject.ADDRESS, key=key, count=gone, before=before, after=after)


def _stated(entry: SuppressionEntry) -> Particulars:
    """What is to be known of an entry beside its address."""
    until = entry.expires_at.isoformat(timespec="seconds") + "Z" if entry.expires_at else None
    return {"category": entry.category, "reason": entry.reason, "source": entry.source, "expires_at": until}


def as_listed(address: str) -> str:
    """An address as it stands on the list. What can be none stands there as earlier releases kept it, if at all."""
    try:
        return listed(address)
    except NotAnAddress:
        return address.strip().lower()


def audited(address: str) -> str:
    """An address as the audit has it, however it was typed. All acts about it are found by one key."""
    return shown(as_listed(address))


def _form(address: str) -> str:
    try:
        return listed(address)
    except NotAnAddress as error:
        raise NotPossible(f"{address!r} cannot be on the list: {error}") from error


def _longest(entries: Iterable[SuppressionEntry]) -> dict[_Key, SuppressionEntry]:
    """Each once. Of two the first, unless the other lasts longer, by the wish of its recipient if one of them is."""
    found: dict[_Key, SuppressionEntry] = {}
    for entry in entries:
        first = found.setdefault(entry.key, entry)
        longer = entry if _outlasts(entry, first) else first
        why = max((first, entry), key=lambda one: _WEIGHTS.get(one.source, 0))
        found[entry.key] = replace(longer, reason=why.reason, source=why.source) if _is_wish(why) else longer
    return found


_WEIGHTS = {sql.UNSUBSCRIBE: 1, sql.COMPLAINT: 2}


def _is_wish(entry: SuppressionEntry) -> bool:
    return entry.source in sql.ASKED_FOR


def _outlasts(entry: SuppressionEntry, other: SuppressionEntry) -> bool:
    return other.expires_at is not None and (entry.expires_at is None or entry.expires_at > other.expires_at)


def _mark_wish(c: Connection, entry: SuppressionEntry) -> bool:
    return sql.mark_wish(c, entry.address, entry.category, entry.reason, entry.source)


def _mark(entry: SuppressionEntry, before: SuppressionEntry | None, act: Act) -> Act:
    """What a file has made of one entry: its reason and its source are other ones now."""
    after = replace(before or entry, reason=entry.reason, source=entry.source)
    was = None if before is None else _stated(before)
    key = audited(shown(entry.address))
    of_entry = Act(ActKind.SUPPRESSION_ADD, object=ActObject.ADDRESS, key=key, operation=act.operation)
    return replace(of_entry, before=was, after=_stated(after))


def _prolong(c: Connection, entry: SuppressionEntry) -> bool:
    values = {"its_address": entry.address, "its_category": entry.category, "why": entry.reason, "by": entry.source}
    if entry.expires_at is None:
        return c.execute(sql.FOR_EVER, values).rowcount == 1
    return c.execute(sql.PROLONG_UNTIL, {**values, "until": entry.expires_at}).rowcount == 1
