"""The mapping as light SQLAlchemy tables: names only, no types, every name quoted (`order`, `key` and `group` too)."""

from collections.abc import Iterable
from functools import cached_property
from typing import Any

from sqlalchemy import column, null, or_, table
from sqlalchemy.sql.elements import ColumnElement, quoted_name
from sqlalchemy.sql.expression import TableClause

from eed_delivery.config import SourceSettings
from eed_delivery.config.source_mapping import KeyType

Key = int | str
LARGEST_UNSIGNED = 2**64 - 1
"""The largest number that any column of the source holds."""


def light_table(name: str, columns: Iterable[str]) -> TableClause:
    """A table by its name, `schema.table` allowed, with those of `columns` that are not ""."""
    schema, _, short = name.rpartition(".")
    return table(
        quoted_name(short, quote=True),
        *[column(quoted_name(name, quote=True)) for name in dict.fromkeys(columns) if name],
        schema=quoted_name(schema, quote=True) if schema else None,
    )


def native(key: object, kind: KeyType) -> Key:
    """A key as Python and the driver handle it, an int where the source has integers, else a str."""
    return int(str(key)) if kind == "integer" else str(key)


class MappedTables:
    """The source's tables and those of their columns that have a part to play.

    In a single table `jobs` and `emails` are the same table, and so are their keys and statuses.
    """

    def __init__(self, settings: SourceSettings) -> None:
        self.settings = settings
        self.single = settings.single_table
        self.job_key_type: KeyType = settings.email.key_type if self.single else settings.job.key_type
        self.email_key_type: KeyType = settings.email.key_type

    @cached_property
    def emails(self) -> TableClause:
        return light_table(
            self.settings.email.table, [*self._email_columns(), *(self._job_columns() if self.single else ())]
        )

    @cached_property
    def jobs(self) -> TableClause:
        if self.single:
            return self.emails
        job = self.settings.job
        return light_table(job.table, [job.id, job.status, *self._job_columns()])

    @cached_property
    def attachments(self) -> TableClause | None:
        a = self.settings.attachment
        if not a.table:
            return None
        return light_table(a.table, [a.job_id, a.email_id, a.location, a.filename, a.content_type, a.sha256])

    def _job_columns(self) -> tuple[str, ...]:
        j = self.settings.job
        names = (j.name, j.sender, j.reply_to, j.subject, j.html_template, j.text_template, j.send_window)
        return (*names, j.scheduled_for, j.expires_at, j.deadline, j.category, j.channel, j.track_opens, j.track_clicks)

    def _email_columns(self) -> tuple[str, ...]:
        e = self.settings.email
        read = (e.id, "" if self.single else e.job_id, e.recipient, e.recipient_name, e.variables)
        written = (e.status, e.status_detail, e.attempts, e.message_id, e.sent_at, e.outcome)
        files = (e.attachment_location, e.attachment_filename)
        return (*read, *e.variable_columns.values(), *files, *written)

    def is_job_key(self, key: str) -> bool:
        """Whether this can be a job's key at all. It must be a number where they are numbers, as the database writes
        it: 042 and ４２ are not 42."""
        if self.job_key_type != "integer":
            return True
        return key.isascii() and key.isdecimal() and (key == "0" or key[0] != "0") and int(key) <= LARGEST_UNSIGNED

    def job(self, name: str) -> ColumnElement[Any]:
        """A column of the jobs, or NULL where the mapping has "" for it."""
        return self.jobs.c[name] if name else null()

    def email(self, name: str) -> ColumnElement[Any]:
        """A column of the emails, or NULL where the mapping has "" for it."""
        return self.emails.c[name] if name else null()

    @property
    def job_id(self) -> ColumnElement[Any]:
        """The jobs' key."""
        return self.emails.c[self.settings.email.id] if self.single else self.jobs.c[self.settings.job.id]

    @property
    def job_status(self) -> ColumnElement[Any]:
        """The jobs' status."""
        return self.emails.c[self.settings.email.status] if self.single else self.jobs.c[self.settings.job.status]

    @property
    def email_id(self) -> ColumnElement[Any]:
        """The emails' key."""
        return self.emails.c[self.settings.email.id]

    @property
    def email_job(self) -> ColumnElement[Any]:
        """The key of the job that an email belongs to, its own in a single table."""
        return self.email_id if self.single else self.emails.c[self.settings.email.job_id]

    def is_pending(self) -> ColumnElement[bool]:
        """True for emails that are not sent yet, by their status."""
        status, words = self.emails.c[self.settings.email.status], self.settings.email.statuses
        named = status.in_(words.pending)
        return or_(named, status.is_(None)) if words.include_null else named

    def is_settled(self) -> ColumnElement[bool]:
        """The opposite, NULL included. A plain NOT would be neither true nor false for it."""
        status, words = self.emails.c[self.settings.email.status], self.settings.email.statuses
        other = status.not_in(words.pending)
        return other & status.is_not(None) if words.include_null else or_(other, status.is_(None))
