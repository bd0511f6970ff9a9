"""What reading and writing the source have in common."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Select
from sqlalchemy.sql.elements import ColumnElement

from eed_delivery.config import SourceSettings
from eed_delivery.config.source_mapping import KnownRows
from eed_delivery.source.keys import same_bytes
from eed_delivery.source.live import LiveColumn, read_table
from eed_delivery.source.tables import Key, MappedTables, native


class MappedSource:
    """The mapped tables, and what the database really has of them."""

    def __init__(self, settings: SourceSettings) -> None:
        self._settings = settings
        self._tables = MappedTables(settings)
        self._limits: Mapping[str, LiveColumn] | None = None
        self._of_emails: list[Select[Any]] | None = None

    @property
    def known_rows(self) -> KnownRows:
        """What becomes of a row that the ledger knows, when the source says once more that it is not sent yet."""
        return self._settings.job.known_rows

    @property
    def single(self) -> bool:
        """Whether each row is a job of one email."""
        return self._tables.single

    def email_key(self, key: str) -> Key:
        """An email's key as the source has it."""
        return native(key, self._tables.email_key_type)

    def is_job_key(self, key: str) -> bool:
        """Whether this can be a job's key at all."""
        return self._tables.is_job_key(key)

    def _is_key(self, key: str) -> list[ColumnElement[bool]]:
        """That a job has this key, letter for letter. The first comparison is for the index."""
        t = self._tables
        own = native(key, t.job_key_type)
        return [t.job_id == own] if isinstance(own, int) else [t.job_id == own, same_bytes(t.job_id, own)]

    def _of_job(self, job_key: Key) -> list[ColumnElement[bool]]:
        """An email's job, letter for letter. The first comparison is for the index, and may take two for one."""
        t = self._tables
        key = native(job_key, t.job_key_type)
        plain = t.email_job == key
        return [plain] if isinstance(key, int) else [plain, same_bytes(t.email_job, key)]

    def _fit(self, c: Connection, column: str, words: str) -> str:
        """`words` as the live column can hold them. The table is inspected once a process."""
        limit = self._live(c, column)
        return limit.fit(words) if limit else words

    def _live(self, c: Connection, column: str) -> LiveColumn | None:
        if self._limits is None:
            live = read_table(c, self._settings.email.table)
            self._limits = live.columns if live else {}
        return self._limits.get(column.lower())
