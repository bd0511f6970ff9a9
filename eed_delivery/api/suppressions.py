"""Addresses that are not mailed. An address is never in a URL, so searching and removing are POSTs."""

import io
from hashlib import sha256
from typing import Annotated, Any, Self

from flask import Response, request
from flask_openapi3.models import RawModel
from pydantic import Field, model_validator

from eed_delivery.access.rights import Right
from eed_delivery.api.cursors import Cursors
from eed_delivery.api.keyed import once
from eed_delivery.api.masking import shown
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Asked, Cursor, Moment, PageSize, Reason, Told, Utc, as_json
from eed_delivery.operations.suppression.listing import (
    EVERY_EMAIL,
    EntriesPage,
    EntriesRequest,
    RemoveRequest,
    SuppressionEntry,
    SuppressRequest,
)
from eed_delivery.operations.suppression.moving import LARGEST_UPLOAD, UploadedEntries
from eed_delivery.operators.problems import HttpProblem
from eed_delivery.operators.routes import takes_up_to
from eed_delivery.operators.shell import json_answer, operations_now

CSV_TYPES = ["text/csv", "text/plain", "application/octet-stream"]
Address = Annotated[str, Field(min_length=3, max_length=320, description="An address, or *@domain.")]
Addresses = Annotated[tuple[Address, ...], Field(min_length=1, max_length=1000)]


class EntriesQuery(Asked):
    """Which entries, in the order of their addresses."""

    domain: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    category: Annotated[str, Field(max_length=191)] | None = None
    source: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    expired: bool = False
    limit: PageSize = 100
    after: Cursor | None = None


class EntryAnswer(Told):
    """An entry. `category` "": for every email."""

    address: str
    category: str
    reason: str
    source: str
    created_at: Utc | None
    expires_at: Utc | None


class EntriesAnswer(Told):
    """A page of entries. Those of one address are never on two pages."""

    items: list[EntryAnswer]
    next: str | None


class FurtherQuery(Asked):
    """Where the page before has ended."""

    after: Cursor | None = None


class SearchEntriesBody(Asked):
    """What to look for: an address, a part of the reason, or both."""

    address: Address | None = None
    reason_contains: Annotated[str, Field(min_length=1, max_length=400)] | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if self.address is None and self.reason_contains is None:
            raise ValueError("name address or reason_contains")
        return self


class SuppressBody(Asked):
    """Addresses to put on the list."""

    addresses: Addresses
    reason: Reason
    category: Annotated[str, Field(max_length=191)] = EVERY_EMAIL
    expires_at: Moment | None = None


class SuppressedAnswer(Told):
    """What became of them, in numbers: the answer is kept for a day, and names no address."""

    added: int
    prolonged: int
    unchanged: int


class RemoveBody(Asked):
    """Addresses to take off the list. `category` null: all of their entries. `evidence` says where a recipient's wish
    is kept. It is needed for what a complaint or an unsubscription has made."""

    addresses: Addresses
    reason: Reason | None = None
    evidence: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    category: Annotated[str, Field(max_length=191)] | None = EVERY_EMAIL


class RemovedAnswer(Told):
    """How many addresses had an entry that is gone, and how many had none."""

    removed: int
    without_entry: int


class ImportQuery(Asked):
    """What entries get for the columns that the file does not have. `dry_run`: only check it."""

    category: Annotated[str, Field(max_length=191)] | None = None
    reason: Reason | None = None
    expires_at: Moment | None = None
    encoding: Annotated[str, Field(max_length=40, description="Default: its BOM's, or UTF-8.")] | None = None
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] | None = None
    dry_run: bool = False


class BadRowAnswer(Told):
    """A row that cannot be entered, by the line where it begins."""

    line: int
    what: str


class ImportedAnswer(Told):
    """What became of the rows. `bad_rows` are the first 100 of them."""

    read: int
    good: int
    bad: int
    added: int
    prolonged: int
    bad_rows: list[BadRowAnswer]
    hint: str | None


class EntriesText(RawModel):
    """A CSV whose first line names its columns, or an address a line. Up to 8 MiB."""

    mimetypes: list[str] = CSV_TYPES


def routes(cursors: Cursors) -> ApiRoutes:
    """The routes of this subject."""
    r = ApiRoutes("suppressions", "Addresses that are not mailed.")
    _add_lists(r, cursors)
    _add_changes(r)
    _add_import(r)
    return r


def _add_lists(r: ApiRoutes, cursors: Cursors) -> None:
    @r.get("/suppressions", Right.VIEW, EntriesAnswer, "suppression list")
    def list_suppressions(query: EntriesQuery) -> Response:
        """List suppressed addresses. It is in the audit."""
        after = cursors.after(query.after)
        wanted = EntriesRequest(None, query.domain, query.category, query.source, query.expired, after)
        return _page(operations_now().suppression.page(wanted, query.limit), cursors)

    @r.post("/suppressions/search", Right.SEE_RECIPIENTS, EntriesAnswer, "suppression list --address ADDRESS")
    def search_suppressions(query: FurtherQuery, body: SearchEntriesBody) -> Response:
        """Find the entries of an address, or by a part of their reason, up to 1,000. It is in the audit.

        A page of those by reason may have none of them, and others may follow."""
        after = cursors.after(query.after)
        wanted = EntriesRequest(address=body.address, expired=None, after=after, reason=body.reason_contains)
        return _page(operations_now().suppression.page(wanted, 1000), cursors)


def _add_changes(r: ApiRoutes) -> None:
    @r.post("/suppressions", Right.OPERATE, SuppressedAnswer, "suppression add ADDRESS --reason WHY")
    def suppress(body: SuppressBody) -> Response:
        """Put addresses on the list. It needs an Idempotency-Key."""
        wanted = SuppressRequest(body.addresses, body.reason, body.category, body.expires_at)
        suppression = operations_now().suppression
        counted: dict[str, Any] = {"added": 0, "prolonged": 0, "unchanged": len(body.addresses)}

        def act() -> None:
            done = suppression.add(wanted)
            added, prolonged = sum(one.added for one in done), sum(one.prolonged for one in done)
            counted.update(added=added, prolonged=prolonged, unchanged=len(done) - added - prolonged)

        return once(act, lambda: as_json(SuppressedAnswer(**counted)), again=True, needed=True)

    @r.post("/suppressions/remove", Right.ADMIN, RemovedAnswer, "suppression remove ADDRESS")
    def unsuppress(body: RemoveBody) -> Response:
        """Take addresses off the list."""
        wanted = RemoveRequest(body.addresses, body.category, body.reason, body.evidence)
        suppression = operations_now().suppression
        counted = {"removed": 0, "without_entry": len(body.addresses)}

        def act() -> None:
            done = suppression.remove(wanted)
            removed = sum(bool(one.gone) for one in done.removed)
            counted.update(removed=removed, without_entry=len(done.removed) - removed)

        return once(act, lambda: as_json(RemovedAnswer(**counted)), again=True)


def _add_import(r: ApiRoutes) -> None:
    @r.post("/suppressions/import", Right.OPERATE, ImportedAnswer, "suppression import FILE")
    @takes_up_to(LARGEST_UPLOAD)
    def import_suppressions(query: ImportQuery, raw: EntriesText) -> Response:  # noqa: ARG001 - it describes the body
        """Enter the good rows of a file, and name the bad ones. A file may be sent again.

        With an Idempotency-Key, a repeat is answered as the first was.
        """
        if request.mimetype not in CSV_TYPES:
            raise HttpProblem(415, "wrong_type", "The body is a CSV.", "Send Content-Type: text/csv.")
        facts = (query.category, query.reason, query.expires_at, query.dry_run, query.encoding, query.delimiter)
        moving, content = operations_now().suppression_moving, request.get_data()
        told: list[dict[str, Any]] = []

        def act() -> None:
            done, bad = moving.upload(UploadedEntries(io.BytesIO(content), *facts))
            rows = [BadRowAnswer(line=row.line, what=shown(row.what)) for row in bad]
            counts = {name: getattr(done, name) for name in ("read", "good", "bad", "added", "prolonged", "hint")}
            told[:] = [as_json(ImportedAnswer(bad_rows=rows, **counts))]

        digest = sha256(content).hexdigest()
        return once(act, lambda: told[0], again=True, kept=lambda: _without_rows(told[0]), body=digest)


def _without_rows(answer: dict[str, Any]) -> dict[str, Any]:
    """For a repeat. Bad rows may name persons, and are too long to be kept."""
    return {**answer, "bad_rows": []}


def _page(page: EntriesPage, cursors: Cursors) -> Response:
    items = [_entry(one) for one in page.entries]
    return json_answer(as_json(EntriesAnswer(items=items, next=cursors.next(page.next_after))))


def _entry(entry: SuppressionEntry) -> EntryAnswer:
    return EntryAnswer(
        address=shown(entry.address),
        category=entry.category,
        reason=shown(entry.reason),
        source=entry.source,
        created_at=entry.created_at,
        expires_at=entry.expires_at,
    )
