"""Addresses that are not mailed. An address is never in a URL, so searching and removing are POSTs."""

from typing import Annotated, Any

from flask import Response
from pydantic import Field

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
from eed_delivery.operators.shell import json_answer, operations_now

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


class AddressBody(Asked):
    """The address to look for."""

    address: Address


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
    """Addresses to take off the list. `category` null: all of their entries."""

    addresses: Addresses
    category: Annotated[str, Field(max_length=191)] | None = EVERY_EMAIL


class RemovedAnswer(Told):
    """How many addresses had an entry that is gone, and how many had none."""

    removed: int
    without_entry: int


def routes(cursors: Cursors) -> ApiRoutes:
    """The routes of this subject."""
    r = ApiRoutes("suppressions", "Addresses that are not mailed.")

    @r.get("/suppressions", Right.VIEW, EntriesAnswer, "suppression list")
    def list_suppressions(query: EntriesQuery) -> Response:
        """List suppressed addresses. It is in the audit."""
        after = cursors.after(query.after)
        wanted = EntriesRequest(None, query.domain, query.category, query.source, query.expired, after)
        return _page(operations_now().suppression.page(wanted, query.limit), cursors)

    @r.post("/suppressions/search", Right.SEE_RECIPIENTS, EntriesAnswer, "suppression list --address ADDRESS")
    def search_suppressions(body: AddressBody) -> Response:
        """Find the entries of an address. It is in the audit."""
        wanted = EntriesRequest(address=body.address, expired=None)
        return _page(operations_now().suppression.page(wanted, 1000), None)

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
        wanted, suppression = RemoveRequest(body.addresses, body.category), operations_now().suppression
        counted = {"removed": 0, "without_entry": len(body.addresses)}

        def act() -> None:
            done = suppression.remove(wanted)
            removed = sum(bool(one.gone) for one in done.removed)
            counted.update(removed=removed, without_entry=len(done.removed) - removed)

        return once(act, lambda: as_json(RemovedAnswer(**counted)), again=True)

    return r


def _page(page: EntriesPage, cursors: Cursors | None) -> Response:
    items = [_entry(one) for one in page.entries]
    following = cursors.next(page.next_after) if cursors is not None else None
    return json_answer(as_json(EntriesAnswer(items=items, next=following)))


def _entry(entry: SuppressionEntry) -> EntryAnswer:
    return EntryAnswer(
        address=shown(entry.address),
        category=entry.category,
        reason=shown(entry.reason),
        source=entry.source,
        created_at=entry.created_at,
        expires_at=entry.expires_at,
    )
