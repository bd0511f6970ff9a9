"""The emails of a job that are not sent yet, by their status."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, FromClause, Select, Subquery, exists, func, select

from eed_delivery.model import SourceRow
from eed_delivery.source.jobs import SourceJobs
from eed_delivery.source.keys import as_stored_key, same_bytes
from eed_delivery.source.live import Kind
from eed_delivery.source.tables import Key, native
from eed_delivery.source.values import text_of


@dataclass(frozen=True, slots=True)
class Known:
    """What the ledger has of a job. It is its tables of emails (`email_id`, `source_key`, `job_id`) and of refusals
    (`source_key`, `job_id`), and which job."""

    emails: FromClause
    refusals: FromClause
    job_id: int


class SourceRows(SourceJobs):
    """Lists them, for the ledger to enlist."""

    def unsent_count(self, c: Connection, job_key: Key) -> int:
        """How many emails of a job are not sent yet, by their status."""
        return c.execute(select(func.count()).select_from(self._unsent(job_key).subquery())).scalar_one()

    def unsent(self, c: Connection, job_key: Key, after: Key | None, size: int) -> list[SourceRow]:
        """The next `size` emails of a job that the source says are not sent yet, by key, starting after `after`.

        What the old server has sent already is left out. A job it had sent by half is never mailed twice. Emails
        without a recipient are listed with "", so that they fail with a reason instead of being forgotten.
        """
        t = self._tables
        if after is None:
            return self._rows(c, self._unsent(job_key).order_by(t.email_id).limit(size))
        return self._rows(c, self._unsent_beyond(job_key, after).order_by(t.email_job, t.email_id).limit(size))

    def copies_plainly(self, c: Connection) -> bool:
        """Whether the database can copy keys and recipients as `unsent` would give them. It can for numbers, and texts
        with a character set. Bytes are decoded here. In the database they could become another address."""
        e = self._settings.email
        key, recipient = self._live(c, e.id), self._live(c, e.recipient)
        return key is not None and recipient is not None and (key.kind, recipient.kind) == (Kind.INTEGER, Kind.TEXT)

    def unsent_until(self, c: Connection, job_key: Key, after: Key, size: int) -> tuple[int, Key | None]:
        """How many rows `unsent` would list, and the key of the last one. None when there are none."""
        t = self._tables
        chunk = self._unsent_beyond(job_key, after).order_by(t.email_job, t.email_id).limit(size)
        keys = chunk.with_only_columns(t.email_id.label("key")).subquery()
        rows, last = c.execute(select(func.count(), func.max(keys.c.key))).one()
        return rows, None if last is None else native(last, t.email_key_type)

    def unsent_between(self, job_key: Key, after: Key, last: Key) -> Subquery:
        """The rows that `unsent` would list, beyond `after` and up to `last`: `key` and `recipient`."""
        t = self._tables
        return self._unsent_beyond(job_key, after).where(t.email_id <= native(last, t.email_key_type)).subquery()

    def unknown(self, c: Connection, job_key: Key, known: Known, size: int) -> list[SourceRow]:
        """Up to `size` emails of a job that are not sent yet by their status, and neither in the ledger nor refused.

        Asked when a job is enlisted to its end, and before it is finished. A row that came behind the cursor, or after
        it, is found here.
        """
        t = self._tables
        emails, refusals = known.emails.alias(), known.refusals.alias()
        if t.email_key_type == "integer":
            same = emails.c.email_id == t.email_id
        else:
            same = (emails.c.source_key == as_stored_key(t.email_id)) & same_bytes(emails.c.source_key, t.email_id)
        enlisted = exists().where(same, emails.c.job_id == known.job_id)
        refused = exists().where(refusals.c.job_id == known.job_id, same_bytes(refusals.c.source_key, t.email_id))
        statement = self._unsent(job_key).where(~enlisted, ~refused).order_by(t.email_id).limit(size)
        return self._rows(c, statement)

    def spelt_otherwise(self, c: Connection, job_key: Key, size: int) -> list[tuple[SourceRow, Key]]:
        """Up to `size` unsent emails that only the database's collation takes for this job's, and the job that they
        name. None whose job is there letter for letter. Integer keys have none."""
        t = self._tables
        if t.single or t.job_key_type == "integer":
            return []
        statement = self._columns().add_columns(t.email_job.label("names")).order_by(t.email_id).limit(size)
        statement = statement.where(t.email_job == job_key, ~same_bytes(t.email_job, job_key), t.is_pending())
        found = [(self._row(row), native(row.names, t.job_key_type)) for row in c.execute(statement)]
        return [(row, named) for row, named in found if not self._has_job(c, named)]

    def _has_job(self, c: Connection, key: Key) -> bool:
        keys = c.execute(select(self._tables.job_id).where(self._tables.job_id == key)).scalars()
        return key in {native(found, self._tables.job_key_type) for found in keys}

    def _unsent_beyond(self, job_key: Key, after: Key) -> Select[Any]:
        """A job's unsent emails with keys beyond `after`. To be ordered by job and key, as the index is.

        `job >= key AND job <= key` is `job = key`, and not for the optimizer. With `=` MariaDB goes by the job alone
        (`ref`) and reads the job from its first email for each page. MySQL may go by the emails' key alone, and reads
        other jobs' emails. A range over both columns begins where the last page has ended, on both.
        """
        t = self._tables
        of_job, *letter_for_letter = self._of_job(job_key)
        if not t.single:
            key = native(job_key, t.job_key_type)
            of_job = (t.email_job >= key) & (t.email_job <= key)
        beyond = t.email_id > native(after, t.email_key_type)
        return self._columns().where(of_job, beyond, *letter_for_letter, t.is_pending())

    def _unsent(self, job_key: Key) -> Select[Any]:
        return self._columns().where(*self._of_job(job_key), self._tables.is_pending())

    def _columns(self) -> Select[Any]:
        recipient = func.coalesce(self._tables.email(self._settings.email.recipient), "")
        return select(self._tables.email_id.label("key"), recipient.label("recipient"))

    def _rows(self, c: Connection, statement: Select[Any]) -> list[SourceRow]:
        return [self._row(row) for row in c.execute(statement)]

    def _row(self, row: Any) -> SourceRow:
        return SourceRow(native(row.key, self._tables.email_key_type), text_of(row.recipient) or "")

    def already_settled_count(self, c: Connection, job_key: Key) -> int:
        """How many emails of a job `unsent` leaves out. To be asked before the first of them is sent by us."""
        statement = select(func.count()).where(*self._of_job(job_key), self._tables.is_settled())
        return c.execute(statement).scalar_one()
