"""The source's side of a comparison with the ledger.

It gives rows by their keys, and rows that mean "not sent yet" in order.

What a status means is asked of the database, which compares it as the source does. Keys are compared in Python, byte
for byte, because a collation may take two keys for one.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Connection, FromClause, Row, Select, and_, bindparam, case, func, null, or_, select
from sqlalchemy.sql.elements import ColumnElement

from eed_delivery.config import SourceSettings
from eed_delivery.model import END_STATES, EmailState
from eed_delivery.source.keys import as_stored_key, same_bytes
from eed_delivery.source.tables import Key, MappedTables, native

WENT_OUT = frozenset({EmailState.SENT, EmailState.IN_DOUBT})
"""The states of an email that has gone to its address, or may have."""


@dataclass(frozen=True, slots=True)
class SourceEmail:
    """An email as the source has it now.

    `means` is `PENDING` for "not sent yet", or the state whose word the status is. None is any other word, and then the
    row was settled elsewhere. `status` is the word itself.
    """

    key: Key
    job: Key | None
    recipient: str
    status: str | None
    means: EmailState | None


@dataclass(frozen=True, slots=True)
class UnsentRow:
    """A row that means "not sent yet", and the ledger's email of the same key, if there is one."""

    key: Key
    job: Key | None
    email_id: int | None
    job_id: int | None


@dataclass(frozen=True, slots=True)
class UnsentPage:
    """A page of such rows, with how many there are, the last one's key, and those that the ledger may not have."""

    count: int
    last: Key | None
    rows: Sequence[UnsentRow]


class SourceComparison:
    """Reads for comparing, inside the caller's transaction. Safe for many threads."""

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings
        self._tables = MappedTables(settings)
        words = settings.email.statuses
        self._words: dict[EmailState, int | str] = {
            EmailState.SENT: words.sent,
            EmailState.FAILED: words.failed,
            EmailState.IN_DOUBT: words.in_doubt,
            EmailState.SUPPRESSED: words.suppressed,
            EmailState.CANCELLED: words.cancelled,
        }

    @property
    def has_numbers(self) -> bool:
        """Whether keys are numbers, so that the database can join and compare both sides by itself. That is ten times
        as fast as reading them."""
        t = self._tables
        return t.email_key_type == "integer" and (t.single or t.job_key_type == "integer")

    @property
    def single_table(self) -> bool:
        """Whether each row is a job of one email."""
        return self._tables.single

    def key(self, key: object) -> Key:
        """An email's key of the ledger as the source has it."""
        return native(key, self._tables.email_key_type)

    def job_key(self, key: object) -> Key:
        """A job's key of the ledger as the source has it."""
        return native(key, self._tables.job_key_type)

    def same_word(self, one: EmailState, other: EmailState) -> bool:
        """Whether two end states are written with the same word."""
        return self._words.get(one) == self._words.get(other) if one in END_STATES else one is other

    def emails(self, c: Connection, keys: Collection[Key]) -> dict[Key, SourceEmail]:
        """The rows of these keys. A row whose key differs by a single byte is left out."""
        if not keys:
            return {}
        t = self._tables
        found = c.execute(self._columns().where(_one_of(t.email_id, keys)))
        wanted = frozenset(keys)
        return {email.key: email for row in found if (email := self._email(row)).key in wanted}

    def _columns(self) -> Select[Any]:
        t = self._tables
        return select(
            t.email_id.label("key"),
            t.email_job.label("job"),
            t.email(self._settings.email.recipient).label("recipient"),
            self._status.label("status"),
            self._means().label("means"),
        )

    @property
    def _status(self) -> ColumnElement[Any]:
        return self._tables.emails.c[self._settings.email.status]

    def _means(self) -> ColumnElement[Any]:
        t = self._tables
        words = [(self._status == word, state.value) for state, word in self._words.items()]
        return case((t.is_pending(), EmailState.PENDING.value), *words, else_=null())

    def _email(self, row: Row[Any]) -> SourceEmail:
        return SourceEmail(
            self.key(row.key),
            None if row.job is None else self.job_key(row.job),
            _text(row.recipient),
            None if row.status is None else _text(row.status),
            None if row.means is None else EmailState(row.means),
        )

    def differing(self, statement: Select[Any], emails: FromClause, state: EmailState) -> Select[Any]:
        """`statement` over the ledger's `emails` in one state, cut down to those that are not surely the same in the
        source. Only where `has_numbers`. What is left may still agree, and must be compared."""
        t = self._tables
        same = [] if t.single else [t.email_job == emails.c.job_id]
        if state in self._words:
            same.append(self._status == self._words[state])
        if state in WENT_OUT:
            recipient = t.email(self._settings.email.recipient)
            same.append(same_bytes(func.coalesce(recipient, ""), emails.c.recipient))
        joined = emails.outerjoin(t.emails, t.email_id == emails.c.email_id)
        # What is NULL is not true either; a plain NOT would lose it.
        differs = case((and_(t.email_id.is_not(None), *same), 0), else_=1) == 1
        return statement.select_from(joined).where(differs)

    def unsent_page(
        self, c: Connection, known: FromClause, jobs: Sequence[Key], after: Key | None, size: int
    ) -> UnsentPage:
        """The next `size` rows of these jobs that mean "not sent yet", by key, beyond `after`.

        `known` is the ledger's table of emails. Rows of a job whose key differs by a single byte are among them. So may
        be rows that the ledger has in their job. Compare before you rely on it.
        """
        t = self._tables
        rows = select(t.email_id.label("key"), t.email_job.label("job")).where(
            _one_of(t.email_job, jobs), t.is_pending()
        )
        if after is not None:
            rows = rows.where(t.email_id > after)
        page = rows.order_by(t.email_id).limit(size).subquery()
        statement = (
            select(page, known.c.email_id, known.c.job_id, known.c.source_key)
            .select_from(page.outerjoin(known, self._is(page.c.key, known)))
            .order_by(page.c.key)
        )
        if not self.has_numbers:
            found = list(self._unsent(c.execute(statement)))
            return UnsentPage(len(found), found[-1].key if found else None, found)
        count, last = c.execute(select(func.count(), func.max(page.c.key))).one()
        its_job = known.c.email_id if t.single else known.c.job_id
        unknown = statement.where(or_(known.c.email_id.is_(None), its_job != page.c.job))
        return UnsentPage(count, None if last is None else self.key(last), list(self._unsent(c.execute(unknown))))

    def _is(self, key: ColumnElement[Any], known: FromClause) -> ColumnElement[bool]:
        if self._tables.email_key_type == "integer":
            return known.c.email_id == key
        return known.c.source_key == as_stored_key(key)

    def _unsent(self, rows: Any) -> Iterator[UnsentRow]:
        """One for each row of the source. Several emails of the ledger may be one to a collation. One is the row's."""
        last: UnsentRow | None = None
        for row in rows:
            key = self.key(row.key)
            is_it = row.email_id is not None and self.key(row.source_key or row.email_id) == key
            email_id, job_id = (row.email_id, row.job_id) if is_it else (None, None)
            this = UnsentRow(key, None if row.job is None else self.job_key(row.job), email_id, job_id)
            if last is not None and last.key == key:
                last = last if email_id is None else this
                continue
            if last is not None:
                yield last
            last = this
        if last is not None:
            yield last

    def jobs(self, c: Connection, keys: Collection[Key]) -> dict[Key, bool]:
        """Which of these jobs the source has, and whether each is in the ready state."""
        if not keys:
            return {}
        t = self._tables
        ready = case((t.job_status == self._settings.job.statuses.ready, True), else_=False)
        found = c.execute(select(t.job_id.label("key"), ready.label("ready")).where(_one_of(t.job_id, keys)))
        wanted = frozenset(keys)
        return {key: bool(row.ready) for row in found if (key := self.job_key(row.key)) in wanted}


def _one_of(column: ColumnElement[Any], keys: Collection[Key]) -> ColumnElement[bool]:
    """`column IN (keys)`. Numbers are written into the text. As parameters they cost more than their look-up."""
    if all(isinstance(key, int) for key in keys):
        return column.in_(bindparam(None, list(keys), expanding=True, literal_execute=True, type_=BigInteger()))
    return column.in_(list(keys))


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value)
