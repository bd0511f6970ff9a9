"""Search: a customer's emails over all jobs, by one form."""

from typing import Any

from flask import Response, request

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import FormError, FormField
from eed_delivery.console.rendering import page
from eed_delivery.console.routes import PageRoutes
from eed_delivery.errors import NotPossible
from eed_delivery.operations.searching import LONGEST, SearchKind, SearchRequest, SearchResult
from eed_delivery.operators.problems import sentence
from eed_delivery.operators.shell import caller_now, operations_now

SHOWN = 100
NO_RIGHT = "To search by recipient needs the right see_recipients. Ask an admin for it."
TEXT = FormField(
    "text", "Recipient address, key or Message-ID of an email, or key or name of a job", length=LONGEST, kind="search"
)


def add(routes: PageRoutes) -> None:
    """The routes of this subject. What is looked for never stands in an address."""

    @routes.page(
        "/search",
        Right.VIEW,
        section="Search",
        command="find TEXT",
        call="POST /api/v1/emails/search",
        methods=("GET", "POST"),
    )
    def search() -> Response:
        if request.method != "POST":
            return _page("", None, ())
        text, after = request.form.get("text", "").strip(), request.form.get("after") or None
        try:
            found = _find(text, after)
        except NotPossible as error:
            return _page(text, None, (FormError("text", sentence(str(error))),))
        if found is None:
            return _page(text, None, (FormError("text", NO_RIGHT),), 403)
        return _page(text, found, ())


def _find(text: str, after: str | None) -> SearchResult | None:
    """The first kind of thing that finds anything. None if the caller may not look for it."""
    searching, found = operations_now().searching, SearchResult()
    for kind in searching.kinds(text):
        if kind is SearchKind.RECIPIENT and not caller_now().may(Right.SEE_RECIPIENTS):
            return None
        if found.is_empty:
            found = searching.page(SearchRequest(text, kind, after), SHOWN)
    return found


def _page(text: str, found: SearchResult | None, errors: tuple[FormError, ...], status: int = 0) -> Response:
    facts: dict[str, Any] = {"field": TEXT, "text": text, "found": found, "errors": errors}
    return page("search.html", title="Search", status=status or (422 if errors else 200), **facts)
