"""The audit for auditors, with rows of their own for what is only read, and the list of all acts, the newest first."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby, product
from typing import Any

from sqlalchemy import Connection, Row, select, union
from sqlalchemy.sql.elements import ColumnElement

from eed_delivery.database.clock import utc_in
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.acts import PAGE, Act, ActKind, ActObject, Particulars, is_noted, note
from eed_delivery.ledger.schema import eed_audit


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act as it stands in the audit. `at` is UTC. What earlier releases did not keep is None."""

    act_id: int
    at: datetime
    act: str
    user: str
    sudo_user: str | None
    host: str | None
    surface: str | None
    command: str | None
    object: str | None
    key: str | None
    reason: str | None
    count: int | None
    counts: Particulars | None
    before: Particulars | None
    after: Particulars | None
    operation: str | None

    @property
    def who(self) -> str:
        """For people."""
        return Actor(self.user, "service", sudo_user=self.sudo_user).name


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which acts. None does not narrow it.

    `job` and `email` are keys, `job_id` and `email_id` the ledger's ids of them, if it knows any. `person` is a user or
    who called by sudo. `since` and `until` are seconds before now, or times in UTC. `before_id` is the last page's end.
    """

    job: str | None = None
    job_id: int | None = None
    email: str | None = None
    email_id: int | None = None
    person: str | None = None
    kind: ActKind | None = None
    since: float | datetime | None = None
    until: float | datetime | None = None
    before_id: int | None = None


class AuditLedger:
    """Writes and reads the audit. Each call raises `DatabaseGone`."""

    def __init__(self, database: Database, who: Actor = SERVICE) -> None:
        self._database = database
        self._who = who

    def record(self, act: Act) -> None:
        """Write an act that is no change of the database, before it is done."""
        self._database.run(lambda c: self._record(c, act))

    def record_all(self, acts: Sequence[Act]) -> None:
        """Write the acts of one call, which have one operation, as `record` does."""
        if acts:
            self._database.run(lambda c: self._record(c, *acts))

    def _record(self, c: Connection, *acts: Act) -> None:
        if not is_noted(c, acts[0].operation):  # else the commit went through, and its answer was lost
            for act in acts:
                note(c, self._who, act)

    def has(self, operation: str, kind: ActKind) -> bool:
        """Whether a call of this name has done such an act."""
        a = eed_audit.c
        one = select(a.act_id).where(a.operation == operation, a.act == kind).limit(1)
        return self._database.run(lambda c: c.execute(one).first() is not None)

    def entries(self, wanted: AuditFilter, page: int = PAGE) -> Iterator[AuditEntry]:
        """The acts, the newest first. The chunks of one act are one entry, its first row with the sums of all.

        `page` rows are read at once."""
        for operation, group in groupby(self._rows(wanted, page), key=lambda entry: entry.operation):
            rows = list(group)
            yield from rows if operation is None else _summed(rows)

    def _rows(self, wanted: AuditFilter, page: int) -> Iterator[AuditEntry]:
        before_id = wanted.before_id
        while rows := self._page(wanted, before_id, page):
            yield from rows
            before_id = rows[-1].act_id

    def _page(self, wanted: AuditFilter, before_id: int | None, page: int) -> list[AuditEntry]:
        """The newest rows of each of the ways are found by its index, and the newest of all of them are the page."""
        a = eed_audit.c
        terms = _terms(wanted) if before_id is None else [*_terms(wanted), a.act_id < before_id]
        ids = [
            select(a.act_id).where(*way, *terms).order_by(a.act_id.desc()).limit(page).subquery()
            for way in product(*_ways(wanted))
        ]
        found = union(*(select(one.c.act_id) for one in ids)).subquery()
        newest = select(found.c.act_id).order_by(found.c.act_id.desc()).limit(page).subquery()
        statement = select(eed_audit).join(newest, newest.c.act_id == a.act_id).order_by(a.act_id.desc())
        return self._database.run(lambda c: [_entry(row) for row in c.execute(statement)])


def _ways(wanted: AuditFilter) -> list[list[ColumnElement[bool]]]:
    """For each filter that an act may fit in several ways, these ways. Each has an index."""
    a = eed_audit.c
    ways: list[list[ColumnElement[bool]]] = []
    if wanted.job is not None:
        by_key = (a.object_kind == ActObject.JOB) & (a.object_key == wanted.job)
        ways.append([by_key, *_by_id(a.job_id, wanted.job_id)])
    if wanted.email is not None:
        by_key = (a.object_kind == ActObject.EMAIL) & (a.object_key == wanted.email)
        ways.append([by_key, *_by_id(a.email_id, wanted.email_id)])
    if wanted.person is not None:
        # Earlier releases wrote "anna as eed" into one column.
        by_sudo = a.who.startswith(f"{wanted.person} as ", autoescape=True)
        ways.append([a.who == wanted.person, a.sudo_user == wanted.person, by_sudo])
    return ways


def _terms(wanted: AuditFilter) -> list[ColumnElement[bool]]:
    a = eed_audit.c
    terms: list[ColumnElement[bool]] = []
    if wanted.kind is not None:
        terms.append(a.act == wanted.kind)
    if wanted.since is not None:
        terms.append(a.at >= _moment(wanted.since))
    if wanted.until is not None:
        terms.append(a.at < _moment(wanted.until))
    return terms


def _by_id(column: ColumnElement[int], found: int | None) -> list[ColumnElement[bool]]:
    return [] if found is None else [column == found]


def _moment(moment: float | datetime) -> Any:
    return moment.replace(tzinfo=None) if isinstance(moment, datetime) else utc_in(-moment)


def _entry(row: Row[Any]) -> AuditEntry:
    return AuditEntry(
        act_id=row.act_id,
        at=row.at,
        act=row.act,
        user=row.who,
        sudo_user=row.sudo_user,
        host=row.host,
        surface=row.surface,
        command=row.command,
        object=row.object_kind,
        key=row.object_key,
        reason=row.reason,
        count=row._mapping[eed_audit.c.count],
        counts=_particulars(row.counts),
        before=_particulars(row.state_before),
        after=_particulars(row.state_after),
        operation=row.operation,
    )


def _particulars(text: str | None) -> Particulars | None:
    return None if text is None else dict(json.loads(text))


def _summed(rows: Sequence[AuditEntry]) -> Iterator[AuditEntry]:
    """The rows of one operation, those of one object together. They come in the order of the newest."""
    found: dict[tuple[str, str | None, str | None], AuditEntry] = {}
    for row in rows:
        which = (row.act, row.object, row.key)
        later = found.get(which)
        found[which] = row if later is None else _sum(row, later)
    yield from found.values()


def _sum(first: AuditEntry, later: AuditEntry) -> AuditEntry:
    count = None if first.count is None and later.count is None else (first.count or 0) + (later.count or 0)
    counts = dict(later.counts or {})
    for name, value in (first.counts or {}).items():
        both = counts.get(name, 0)
        counts[name] = value + both if isinstance(value, int) and isinstance(both, int) else value
    return replace(first, count=count, counts=counts or None)
