"""Pending emails of a job by their destination, for a publisher that publishes no more of one than may go.

All of it is read along `eed_email_by_job_state`, from a cursor on. What may be passed over is named, so that a job most
of whose emails wait for one destination is passed over once, and not with each look. No statement reads more than a
block of rows.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, func, not_, or_, select

from eed_delivery.database.clock import utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.destinations import BELOW, Destination, DestinationRules
from eed_delivery.ledger.address_sql import domain_entry
from eed_delivery.ledger.publishing.ledger import publishable
from eed_delivery.ledger.schema import eed_email, eed_job
from eed_delivery.model import EmailState, Ticket

BLOCK = 50_000
"""Limit: rows that one statement passes over."""
_e = eed_email.c
_DOMAIN: ColumnElement[str] = func.coalesce(domain_entry(_e.address), "@")
_DUE = or_(_e.not_before.is_(None), _e.not_before <= utc_now())


@dataclass(frozen=True, slots=True)
class PendingRow:
    """A pending email, its job and its destination. None: any number of emails may go there."""

    email_id: int
    job_id: int
    destination: Destination | None


@dataclass(frozen=True, slots=True)
class PendingRows:
    """Some pending emails in order. What comes next stands behind the email `last`. `at_end`: nothing does now."""

    rows: tuple[PendingRow, ...]
    last: int
    at_end: bool


class DestinationReading:
    """Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, *, windows_count: bool = False, block: int = BLOCK) -> None:
        """`windows_count`: jobs without spans of their send windows wait."""
        self._database = database
        self._may_go = publishable(windows_count)
        self._block = block

    def behind(
        self, job_id: int, after: int, size: int, rules: DestinationRules, without: Collection[str] = ()
    ) -> PendingRows:
        """Up to `size` of a job behind an email, `without` those of some destinations."""
        passes = [not_(within(name, rules)) for name in sorted(without)]
        return self._database.run(lambda c: self._read(c, job_id, after, size, rules, passes))

    def of(self, job_id: int, name: str, after: int, size: int, rules: DestinationRules) -> PendingRows:
        """Likewise, those of one destination."""
        return self._database.run(lambda c: self._read(c, job_id, after, size, rules, [within(name, rules)]))

    def _read(
        self,
        c: Connection,
        job_id: int,
        after: int,
        size: int,
        rules: DestinationRules,
        which: Sequence[ColumnElement[bool]],
    ) -> PendingRows:
        end = self._end_of_block(c, job_id, after) if which else None
        of_block = [] if end is None else [_e.email_id <= end]
        statement = _forced(
            select(_e.email_id, _e.job_id, _DOMAIN.label("domain"))
            .join(eed_job, eed_job.c.job_id == _e.job_id)
            .where(_e.job_id == job_id, _e.state == EmailState.PENDING, _e.email_id > after, *of_block, _DUE)
            .where(*self._may_go, *which)
            .order_by(_e.email_id)
            .limit(size)
        )
        rows = tuple(_row(row, rules) for row in c.execute(statement))
        if len(rows) == size:
            return PendingRows(rows, rows[-1].email_id, at_end=False)
        if end is not None:
            return PendingRows(rows, end, at_end=False)
        return PendingRows(rows, rows[-1].email_id if rows else after, at_end=True)

    def _end_of_block(self, c: Connection, job_id: int, after: int) -> int | None:
        """The last email of the next block. None: the rest of the job is smaller than one."""
        statement = _forced(
            select(_e.email_id)
            .where(_e.job_id == job_id, _e.state == EmailState.PENDING, _e.email_id > after)
            .order_by(_e.email_id)
            .limit(1)
            .offset(self._block - 1)
        )
        return c.execute(statement).scalar()

    def of_small(self, job_ids: Sequence[int], size: int, rules: DestinationRules) -> list[PendingRow]:
        """Of small jobs, all in one."""
        statement = (
            select(_e.email_id, _e.job_id, _DOMAIN.label("domain"))
            .join(eed_job, eed_job.c.job_id == _e.job_id)
            .where(_e.job_id.in_(job_ids), _e.state == EmailState.PENDING, _DUE, *self._may_go)
            .order_by(_e.email_id)
            .limit(size)
        )
        return self._database.run(lambda c: [_row(row, rules) for row in c.execute(statement)])

    def tickets(self, email_ids: Sequence[int]) -> list[Ticket]:
        """Those of these emails that may be published still, in this order."""
        if not email_ids:
            return []
        statement = (
            select(_e.email_id, _e.gen, _e.attempts, _e.job_id, _e.token)
            .join(eed_job, eed_job.c.job_id == _e.job_id)
            .where(_e.email_id.in_(email_ids), _e.state == EmailState.PENDING, _DUE, *self._may_go)
        )
        rows = {row.email_id: row for row in self._database.run(lambda c: c.execute(statement).all())}
        found = (rows[email_id] for email_id in email_ids if email_id in rows)
        return [Ticket(row.email_id, row.gen, row.attempts, str(row.job_id), row.token) for row in found]

    def ahead(self, job_ids: Sequence[int], names: Collection[str], rules: DestinationRules) -> Counter[str]:
        """How many emails of these jobs to some destinations have a message that a worker may have, or are with one."""
        statement = (
            select(_DOMAIN.label("domain"), func.count().label("emails"))
            .where(_e.job_id.in_(job_ids), _e.state.in_([EmailState.QUEUED, EmailState.SENDING]), _DUE)
            .where(or_(*(within(name, rules) for name in sorted(names))))
            .group_by(_DOMAIN)
        )
        found: Counter[str] = Counter()
        for row in self._database.run(lambda c: c.execute(statement).all()):
            destination = rules.of(row.domain[1:])
            if destination is not None:
                found[destination.name] += row.emails
        return found

    def counted(self, job_id: int, after: int, rules: DestinationRules) -> tuple[Counter[Destination], int | None]:
        """How many emails of the next block wait for each destination. And its last email, None at the end."""
        piece = _forced(
            select(_e.email_id, _e.address)
            .where(_e.job_id == job_id, _e.state == EmailState.PENDING, _e.email_id > after)
            .order_by(_e.email_id)
            .limit(self._block)
        ).subquery()
        domain = func.coalesce(domain_entry(piece.c.address), "@")

        def read(c: Connection) -> tuple[Counter[Destination], int | None]:
            last, rows = c.execute(select(func.max(piece.c.email_id), func.count()).select_from(piece)).one()
            counts: Counter[Destination] = Counter()
            for row in c.execute(select(domain.label("domain"), func.count().label("emails")).group_by(domain)):
                if (destination := rules.of(row.domain[1:])) is not None:
                    counts[destination] += row.emails
            return counts, last if rows == self._block else None

        return self._database.run(read)


def within(name: str, rules: DestinationRules) -> ColumnElement[bool]:
    """Whether an email goes to a destination."""
    return and_(_is_of(name), *(not_(_is_of(one)) for one in rules.within(name)))


def _is_of(name: str) -> ColumnElement[bool]:
    """Whether it goes to a domain, or below one."""
    if name.startswith(BELOW):
        return _DOMAIN.endswith(name[1:], autoescape=True)
    return _DOMAIN.in_([f"@{name}"])


def _row(row: Any, rules: DestinationRules) -> PendingRow:
    return PendingRow(row.email_id, row.job_id, rules.of(row.domain[1:]))


def _forced(statement: Select[Any]) -> Select[Any]:
    """Along the index, whatever the optimizer thinks of a primary key that is in the right order."""
    for dialect in ("mysql", "mariadb"):
        statement = statement.with_hint(eed_email, "FORCE INDEX (eed_email_by_job_state)", dialect)
    return statement
