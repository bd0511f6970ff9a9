"""Keys that enlisting would refuse, found before the first job: for `eed-delivery db check`."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from eed_delivery.checks.findings import Finding
from eed_delivery.config import SourceSettings
from eed_delivery.model import LARGEST_KEY, RESEND_IDS
from eed_delivery.source.live import LiveColumn, read_table
from eed_delivery.source.tables import MappedTables, native

_LETTER_FOR_LETTER = (
    "Keys are compared letter for letter: a row that only the collation joins is refused, and an email whose attachment"
    " only the collation joins fails. Nothing to do where both tables spell their keys alike."
)


@dataclass(frozen=True, slots=True)
class _KeyColumn:
    setting: str
    table: str
    column: str
    is_text: bool

    def live(self, c: Connection) -> LiveColumn | None:
        table = read_table(c, self.table)
        return table.column(self.column) if table and self.column else None

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"


def key_findings(c: Connection, settings: SourceSettings) -> Iterator[Finding]:
    """Keys in the tables that the ledger cannot keep exactly, and joined columns that compare by different rules."""
    tables = MappedTables(settings)
    job = _KeyColumn("source.job.id", settings.job.table, settings.job.id, tables.job_key_type == "string")
    email = _KeyColumn("source.email.id", settings.email.table, settings.email.id, tables.email_key_type == "string")
    owned = [] if settings.single_table else [(job, tables.job_id)]
    for key, column in [*owned, (email, tables.email_id)]:
        if key.live(c) is not None:
            yield from _unkept(c, key, column)
    for one, other in _joined(settings, job, email):
        yield from _compared_differently(c, one, other)


def _joined(settings: SourceSettings, job: _KeyColumn, email: _KeyColumn) -> Iterator[tuple[_KeyColumn, _KeyColumn]]:
    """Pairs of columns that are joined, where their keys are text."""
    e, a = settings.email, settings.attachment
    if job.is_text and not settings.single_table:
        yield job, _KeyColumn("source.email.job_id", e.table, e.job_id, is_text=True)
    if email.is_text and a.table:
        yield email, _KeyColumn("source.attachment.email_id", a.table, a.email_id, is_text=True)
    if job.is_text and a.table:
        owner = email if settings.single_table else job
        yield owner, _KeyColumn("source.attachment.job_id", a.table, a.job_id, is_text=True)


def _unkept(c: Connection, key: _KeyColumn, column: Any) -> Iterator[Finding]:
    if key.is_text:
        # A look along the index, to its end where there is none.
        found = c.execute(select(column).where(column.like("% ")).limit(1)).scalar()
        if found is not None:
            what = f"{key} has a key with a blank at its end: {found!r}"
            yield _refused(key, what, "most collations do not compare that blank")
        return
    reserved = c.execute(select(column).where(column.between(RESEND_IDS[0], RESEND_IDS[-1])).limit(1)).scalar()
    if reserved is not None and key.setting == "source.email.id":
        numbers = f"{RESEND_IDS[0]} to {RESEND_IDS[-1]}"
        yield _refused(key, f"{key} has the key {reserved}", f"the numbers {numbers} are those of resends")
    smallest, largest = c.execute(select(func.min(column), func.max(column))).one()
    if largest is not None and int(native(largest, "integer")) > LARGEST_KEY:
        yield _refused(key, f"{key} has the key {largest}", f"the ledger's largest number is {LARGEST_KEY}")
    if smallest is not None and int(native(smallest, "integer")) < 1:
        yield _refused(key, f"{key} has the key {smallest}", "the ledger's numbers begin with 1")


def _refused(key: _KeyColumn, what: str, why: str) -> Finding:
    remedy = "Give it another key, or its row is refused and marked failed, with the reason."
    return Finding("error", key.setting, f"{what}; {why}", remedy)


def _compared_differently(c: Connection, one: _KeyColumn, other: _KeyColumn) -> Iterator[Finding]:
    first, second = one.live(c), other.live(c)
    if first is None or second is None or first.collation == second.collation:
        return
    what = f"{one} is {first.collation} and {other} is {second.collation}, and the two compare differently"
    yield Finding("warning", other.setting, what, _LETTER_FOR_LETTER)
