"""The attachments that the source names for a job and for its emails."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, null, select
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.expression import TableClause

from eed_delivery.config import AttachmentSource
from eed_delivery.config.source_mapping import KeyType
from eed_delivery.errors import RenderError
from eed_delivery.model import AttachmentRef
from eed_delivery.source.tables import Key, MappedTables, native


def job_files(c: Connection, tables: MappedTables, job_key: Key) -> tuple[AttachmentRef, ...]:
    """The attachments of a whole job, which are those of its rows that name no email.

    Raises `RenderError` for an attachment that belongs to this job by the database's comparison alone.
    """
    a = tables.settings.attachment
    if tables.attachments is None or not a.job_id:
        return ()
    owner = tables.attachments.c[a.job_id]
    statement = _files(a, tables.attachments).add_columns(owner.label("owner")).where(owner == job_key)
    if a.email_id:
        statement = statement.where(tables.attachments.c[a.email_id].is_(None))
    files = by_owner(c.execute(statement), tables.job_key_type, [job_key])
    for key, named in files.strays(c, tables.job_id, tables.job_key_type).items():
        raise RenderError(spelt_otherwise("job_id", named, key))
    return tuple(files.found.get(job_key, ()))


def files_of_emails(tables: MappedTables) -> Select[Any] | None:
    """The attachments of all emails whose keys are given as `keys`, in the order of their locations. None where no
    attachment belongs to a single email."""
    a = tables.settings.attachment
    if tables.attachments is None or not a.email_id:
        return None
    owner = tables.attachments.c[a.email_id]
    files = _files(a, tables.attachments).add_columns(owner.label("owner"))
    return files.where(owner.in_(bindparam("keys", expanding=True)))


@dataclass(frozen=True, slots=True)
class AttachmentFiles:
    """Attachments by the keys that were asked for, and those that only the database's collation took for theirs, by the
    key that they name."""

    found: Mapping[Key, Sequence[AttachmentRef]]
    others: Mapping[Key, Sequence[Key]]
    """A key that an attachment names, and those of the keys asked for that it may have been meant to be."""

    def strays(self, c: Connection, keys: ColumnElement[Any], kind: KeyType) -> Mapping[Key, Key]:
        """The keys asked for that an attachment may have been meant for, and what that attachment names. Nearly always
        none. An attachment that names another row of `keys` letter for letter is that row's."""
        if not self.others:
            return {}
        there = {native(key, kind) for key in c.execute(select(keys).where(keys.in_(list(self.others)))).scalars()}
        return {key: named for named, meant in self.others.items() if named not in there for key in meant}


def by_owner(rows: Iterable[Any], kind: KeyType, keys: Sequence[Key]) -> AttachmentFiles:
    """The rows of attachments by the keys that were asked for. Keys are compared letter for letter."""
    asked = set(keys)
    found: defaultdict[Key, list[AttachmentRef]] = defaultdict(list)
    others: dict[Key, Sequence[Key]] = {}
    for row in rows:
        owner = native(row.owner, kind)
        if owner in asked:
            found[owner].append(_reference(row))
        else:
            others[owner] = [key for key in keys if _fold(key) == _fold(owner)] or keys
    return AttachmentFiles(found, others)


def spelt_otherwise(column: str, named: Key, meant: Key) -> str:
    """What to say of an attachment that may have been meant for this key."""
    return (
        f"an attachment's {column} is {named!r}, and the key here is {meant!r}. Keys are compared letter for letter. "
        f"Correct the attachment's {column}"
    )


def _files(a: AttachmentSource, table: TableClause) -> Select[Any]:
    optional = {"filename": a.filename, "content_type": a.content_type, "sha256": a.sha256}
    return select(
        table.c[a.location].label("location"),
        *((table.c[name] if name else null()).label(role) for role, name in optional.items()),
    ).order_by(table.c[a.location])


def _reference(row: Row[Any]) -> AttachmentRef:
    # A row without a location stays: the email must fail for it, rather than go out without its statement.
    return AttachmentRef(str(row.location or ""), row.filename or None, row.content_type or None, row.sha256 or None)


def _fold(key: Key) -> Key:
    """A key as most collations compare it, without case, accents and the blanks at its end."""
    if isinstance(key, int):
        return key
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", key) if not unicodedata.combining(letter))
    return plain.casefold().rstrip()
