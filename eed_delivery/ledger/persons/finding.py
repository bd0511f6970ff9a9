"""Everything that the ledger stores about one address, row by row."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Select, Table, func, select
from sqlalchemy.sql.elements import ColumnElement

from eed_delivery.addresses import domain_of, wire_form
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.acts import ActKind
from eed_delivery.ledger.addresses import of_generations
from eed_delivery.ledger.keys import job_keys
from eed_delivery.ledger.persons.personal_data import shown_columns
from eed_delivery.ledger.schema import (
    eed_attempt,
    eed_audit,
    eed_domain_hold,
    eed_email,
    eed_event,
    eed_file,
    eed_former_address,
    eed_job,
    eed_refusal,
    eed_suppression,
    eed_webhook,
)
from eed_delivery.ledger.suppression.statements import in_force
from eed_delivery.model import OPEN_STATES, EmailState
from eed_delivery.pseudonyms import Pseudonyms

PAGE = 200
"""Emails that are read with all that belongs to them in one transaction."""
JOBS_NAMED = 20

_UNSETTLED = frozenset({*OPEN_STATES, EmailState.IN_DOUBT})


@dataclass(frozen=True, slots=True)
class StoredRow:
    """One row of the ledger: the columns that tell something of the person."""

    table: str
    values: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AddressStanding:
    """How it stands with an address. `erased_at`: the times of its erasures. `suppressed`: it gets no email, at least
    of one category or of jobs to its domain."""

    erased_at: tuple[datetime, ...]
    suppressed: bool


class PersonLedger:
    """Finds all about one canonical address, also after its erasure. Each call raises `DatabaseGone`."""

    def __init__(self, database: Database, pseudonyms: Pseudonyms) -> None:
        self._database = database
        self._pseudonyms = pseudonyms

    def forms(self, address: str) -> tuple[str, ...]:
        """The address, and each pseudonym that it may have got."""
        return (address, *(one for one in self._pseudonyms.all_of(address) if one != address))

    def unsettled_jobs(self, address: str) -> tuple[int, list[str]]:
        """How many emails to the address are open or in doubt, and the keys of their first jobs."""
        which = (eed_email.c.address == address, eed_email.c.state.in_(sorted(_UNSETTLED)))
        jobs = select(eed_email.c.job_id).where(*which).distinct().order_by(eed_email.c.job_id).limit(JOBS_NAMED)

        def read(c: Connection) -> tuple[int, list[str]]:
            count = c.execute(select(func.count()).select_from(eed_email).where(*which)).scalar_one()
            keys = job_keys(c, list(c.execute(jobs).scalars())) if count else {}
            return count, [keys[job_id] for job_id in sorted(keys)]

        return self._database.run(read)

    def standing(self, address: str) -> AddressStanding:
        """Whether it was erased, and whether it is suppressed."""
        forms = self.forms(address)
        erased = select(eed_audit.c.at).where(
            eed_audit.c.object_key.in_(forms), eed_audit.c.act == ActKind.PERSON_ERASE, eed_audit.c.counts.is_not(None)
        )
        domain = f"@{address.rpartition('@')[2]}"
        listed = select(eed_suppression.c.address).where(eed_suppression.c.address.in_([*forms, domain]), in_force())

        def read(c: Connection) -> AddressStanding:
            times = c.execute(erased.order_by(eed_audit.c.act_id)).scalars().all()
            return AddressStanding(tuple(times), c.execute(listed.limit(1)).first() is not None)

        return self._database.run(read)

    def rows(self, address: str, typed: str) -> Iterator[StoredRow]:
        """Each row. `typed` is the address as it was asked for: older acts have it as it was typed then."""
        forms = self.forms(address)
        yield from self._read(_all_of(eed_suppression, eed_suppression.c.address.in_(forms)))
        jobs: set[int] = set()
        for column in (eed_email.c, eed_former_address.c):
            for ids in self._emails(column, forms):
                yield from self._database.run(partial(_of_emails, forms=forms, ids=ids, jobs=jobs))
        yield from self._read(_all_of(eed_event, eed_event.c.address.in_(forms), eed_event.c.email_id.is_(None)))
        numbers = sorted(jobs)
        for start in range(0, len(numbers), PAGE):
            yield from self._read(_all_of(eed_job, eed_job.c.job_id.in_(numbers[start : start + PAGE])))
        yield from self._read(_holds(address))
        named = {*forms, typed, typed.strip(), wire_form(typed) if "@" in typed else typed}
        yield from self._read(
            _all_of(eed_audit, eed_audit.c.email_id.is_(None), eed_audit.c.object_key.in_(sorted(named)))
        )

    def _emails(self, column: Any, forms: Sequence[str]) -> Iterator[list[int]]:
        """The ids of emails whose present or former address it is, a page at a time."""
        for form in forms:
            after = 0
            while True:
                statement = select(column.email_id).where(column.address == form, column.email_id > after)
                ids = self._database.run(
                    lambda c, s=statement: list(c.execute(s.order_by(column.email_id).limit(PAGE)).scalars())  # type: ignore[misc]
                )
                if not ids:
                    break
                yield ids
                after = ids[-1]

    def _read(self, statement: tuple[str, Select[Any]]) -> list[StoredRow]:
        return self._database.run(lambda c: _stored(c, statement))


def _stored(c: Connection, statement: tuple[str, Select[Any]]) -> list[StoredRow]:
    table, select_ = statement
    return [StoredRow(table, dict(row._mapping)) for row in c.execute(select_)]


def _all_of(table: Table, *which: ColumnElement[bool]) -> tuple[str, Select[Any]]:
    columns = [table.c[name] for name in shown_columns(table.name)]
    return table.name, select(*columns).where(*which).order_by(*table.primary_key.columns)


def _holds(address: str) -> tuple[str, Select[Any]]:
    """The holds of the address's domain, where a reply with the address in it is its reason."""
    said = func.lower(eed_domain_hold.c.reason).contains(address, autoescape=True)
    return _all_of(eed_domain_hold, eed_domain_hold.c.domain == domain_of(address), said)


def _of_emails(c: Connection, *, forms: Sequence[str], ids: Sequence[int], jobs: set[int]) -> list[StoredRow]:
    """Emails with what belongs to them, as far as it is about this address: an email may have had others before."""
    found = _stored(c, _all_of(eed_email, eed_email.c.email_id.in_(ids)))
    rows = [row for row in found if row.values["address"] in forms]
    jobs.update(row.values["job_id"] for row in rows)
    rows += _stored(
        c, _all_of(eed_former_address, eed_former_address.c.email_id.in_(ids), eed_former_address.c.address.in_(forms))
    )
    present = {row.values["email_id"]: row.values["address"] for row in found}
    tables = (eed_attempt, eed_event, eed_webhook, eed_file)
    belonging = [row for table in tables for row in _stored(c, _of_ids(table, ids))]
    generations = {(row.values["email_id"], row.values["gen"]) for row in belonging if row.values["gen"] is not None}
    went_to = of_generations(c, generations)
    rows += [
        row
        for row in belonging
        if went_to.get((row.values["email_id"], row.values["gen"]), present.get(row.values["email_id"])) in forms
    ]
    keys = [row.values["source_key"] or str(row.values["email_id"]) for row in rows if row.table == eed_email.name]
    rows += _stored(c, _refusals(keys, {row.values["job_id"] for row in rows if row.table == eed_email.name}))
    return rows + _stored(c, _of_ids(eed_audit, [row.values["email_id"] for row in rows if row.table == "eed_email"]))


def _of_ids(table: Table, ids: Collection[int]) -> tuple[str, Select[Any]]:
    return _all_of(table, table.c.email_id.in_(ids))


def _refusals(keys: Sequence[str], jobs: Collection[int]) -> tuple[str, Select[Any]]:
    return _all_of(eed_refusal, eed_refusal.c.job_id.in_(jobs), eed_refusal.c.source_key.in_(keys))
