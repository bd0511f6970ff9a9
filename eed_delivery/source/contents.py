"""What emails contain."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Select, bindparam, case, select

from eed_delivery.database.multi_statement import BoundStatement, execute
from eed_delivery.model import AttachmentRef, Email
from eed_delivery.source.column_kinds import as_offered
from eed_delivery.source.files import AttachmentFiles, by_owner, files_of_emails, spelt_otherwise
from eed_delivery.source.rows import SourceRows
from eed_delivery.source.tables import Key, native
from eed_delivery.source.values import text_of


class SourceContents(SourceRows):
    """Reads emails with their attachments."""

    def emails(self, c: Connection, claimed: Sequence[Email]) -> list[Email]:
        """`claimed` with their content, in the same order. An email whose row has gone is left out.

        One request for the emails and their attachments, however many they are.
        """
        if not claimed:
            return []
        t, names = self._tables, self._settings.email.variable_columns
        keys = [native(email.content_key, t.email_key_type) for email in claimed]
        statements = [BoundStatement(statement, {"keys": keys}, rows=None) for statement in self._contents(c)]
        found, *of_files = [result.rows for result in execute(c, statements)]
        rows = {native(row.key, t.email_key_type): row for row in found}
        files = by_owner(chain.from_iterable(of_files), t.email_key_type, keys)
        problems = self._problems(c, files)
        return [
            replace(
                email,
                recipient=email.recipient if email.redirected else text_of(row.recipient) or "",
                recipient_name=text_of(row.recipient_name),
                variables=row.variables,
                columns={name: getattr(row, f"column_{n}") for n, name in enumerate(names)},
                attachments=(*self._own_file(row), *files.found.get(key, ())),
                settled_elsewhere=bool(row.settled) and email.resend_of is None,  # a resend's original is sent
                problem=problems.get(key, ""),
            )
            for email, key in zip(claimed, keys, strict=True)
            if (row := rows.get(key)) is not None
        ]

    def _problems(self, c: Connection, files: AttachmentFiles) -> Mapping[Key, str]:
        strays = files.strays(c, self._tables.email_id, self._tables.email_key_type)
        return {key: spelt_otherwise("email_id", named, key) for key, named in strays.items()}

    def recipients(self, c: Connection, keys: Iterable[str]) -> dict[str, str]:
        """The recipients of these emails as the source has them now, by their keys, without those that have gone."""
        t = self._tables
        wanted = {native(key, t.email_key_type): key for key in keys}
        recipient = t.email(self._settings.email.recipient).label("recipient")
        statement = select(t.email_id.label("key"), recipient).where(t.email_id.in_(list(wanted)))
        rows = c.execute(statement).all() if wanted else ()
        found = {native(row.key, t.email_key_type): text_of(row.recipient) or "" for row in rows}
        return {wanted[key]: recipient for key, recipient in found.items() if key in wanted}

    def _own_file(self, row: Any) -> tuple[AttachmentRef, ...]:
        e = self._settings.email
        location = text_of(row.location) if e.attachment_location else None
        if not location:
            return ()
        return (AttachmentRef(location, text_of(row.filename) if e.attachment_filename else None),)

    def _contents(self, c: Connection) -> list[Select[Any]]:
        """What is read for emails whose keys are given as `keys`.

        That is their rows, and attachments where emails have any. Made once a process."""
        if self._of_emails is None:
            self._of_emails = self._made_contents(c)
        return self._of_emails

    def _made_contents(self, c: Connection) -> list[Select[Any]]:
        t, e = self._tables, self._settings.email
        offered = [as_offered(t.email(column), self._live(c, column)) for column in e.variable_columns.values()]
        rows = select(
            t.email_id.label("key"),
            t.email(e.recipient).label("recipient"),
            t.email(e.recipient_name).label("recipient_name"),
            t.email(e.variables).label("variables"),
            *([t.email(e.attachment_location).label("location")] if e.attachment_location else []),
            *([t.email(e.attachment_filename).label("filename")] if e.attachment_filename else []),
            case((t.is_pending(), False), else_=True).label("settled"),
            *(column.label(f"column_{n}") for n, column in enumerate(offered)),
        ).where(t.email_id.in_(bindparam("keys", expanding=True)))
        files = files_of_emails(t)
        return [rows] if files is None else [rows, files]
