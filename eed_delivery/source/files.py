"""The attachments that the source names for a job and for its emails."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, null, select
from sqlalchemy.sql.expression import TableClause

from eed_delivery.config import AttachmentSource
from eed_delivery.model import AttachmentRef
from eed_delivery.source.tables import Key, MappedTables, native


def job_files(c: Connection, tables: MappedTables, job_key: Key) -> tuple[AttachmentRef, ...]:
    """The attachments of a whole job: those of its rows that name no email."""
    a = tables.settings.attachment
    if tables.attachments is None or not a.job_id:
        return ()
    statement = _files(a, tables.attachments).where(tables.attachments.c[a.job_id] == job_key)
    if a.email_id:
        statement = statement.where(tables.attachments.c[a.email_id].is_(None))
    return tuple(_reference(row) for row in c.execute(statement))


def files_of_emails(tables: MappedTables) -> Select[Any] | None:
    """The attachments of all emails whose keys are given as `keys`, in the order of their locations; None where no
    attachment belongs to a single email."""
    a = tables.settings.attachment
    if tables.attachments is None or not a.email_id:
        return None
    owner = tables.attachments.c[a.email_id]
    files = _files(a, tables.attachments).add_columns(owner.label("owner"))
    return files.where(owner.in_(bindparam("keys", expanding=True)))


def by_email(rows: Iterable[Any], tables: MappedTables, keys: Sequence[Key]) -> Mapping[Key, Sequence[AttachmentRef]]:
    """The rows of `files_of_emails` by the keys that were asked for."""
    same = _Same(keys)
    found: defaultdict[Key, list[AttachmentRef]] = defaultdict(list)
    for row in rows:
        found[same.as_asked(native(row.owner, tables.email_key_type))].append(_reference(row))
    return found


def _files(a: AttachmentSource, table: TableClause) -> Select[Any]:
    optional = {"filename": a.filename, "content_type": a.content_type, "sha256": a.sha256}
    return select(
        table.c[a.location].label("location"),
        *((table.c[name] if name else null()).label(role) for role, name in optional.items()),
    ).order_by(table.c[a.location])


def _reference(row: Row[Any]) -> AttachmentRef:
    # A row without a location stays: the email must fail for it, rather than go out without its statement.
    return AttachmentRef(str(row.location or ""), row.filename or None, row.content_type or None, row.sha256 or None)


class _Same:
    """Finds the key that the database meant.

    Its comparison may take "Ab-1" and "AB-1" for the same key, and so may two tables that spell it differently.
    """

    def __init__(self, keys: Iterable[Key]) -> None:
        self._exact = set(keys)
        self._folded = {_fold(key): key for key in self._exact}

    def as_asked(self, key: Key) -> Key:
        return key if key in self._exact else self._folded.get(_fold(key), key)


def _fold(key: Key) -> Key:
    if isinstance(key, int):
        return key
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", key) if not unicodedata.combining(letter))
    return plain.casefold().rstrip()
