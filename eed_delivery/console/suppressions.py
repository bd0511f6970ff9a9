"""Addresses that are not mailed: searched, added, imported and removed. An address stands in no address of a page."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Response, request

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import REASON, ActDone, Confirmation, FormError, FormField, confirmed, form_errors
from eed_delivery.console.ends import LATER, end_field, seconds_until_end
from eed_delivery.console.rendering import Crumb, page
from eed_delivery.console.routes import BOTH, PageRoutes
from eed_delivery.errors import NotPossible
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.operations.suppression.listing import EntriesPage, EntriesRequest, SuppressRequest
from eed_delivery.operations.suppression.moving import LARGEST_UPLOAD, UploadedEntries
from eed_delivery.operators.problems import sentence
from eed_delivery.operators.routes import takes_up_to
from eed_delivery.operators.sealing import Seal
from eed_delivery.operators.shell import caller_now, operations_now

SECTION = "Suppressions"
LIST = Crumb(SECTION, "/suppressions")
SHOWN = 100
MOST_ADDRESSES = 1000
SOURCES = ("bounce", "complaint", "unsubscribe", "operator", "import")
NO_RIGHT = "This needs the right see_recipients. Ask an admin for it."
CATEGORY = FormField("category", "Category", "Empty: for every email.", required=False, length=191)
FILTERS = (
    FormField("address", "Address", "Or *@domain", required=False, length=320),
    FormField("domain", "Domain", required=False, length=255),
    FormField("category", "Category", required=False, length=191),
    FormField("source", "Made by", kind="select", required=False, choices=(("", "any"), *((s, s) for s in SOURCES))),
    FormField("reason", "Reason contains", required=False, length=400),
    FormField("expired", "Those whose time is over", kind="checkbox", required=False),
)
PERSONAL = ("address", "reason")
"""Filters that need the right to see recipients. By what is found, one could guess an address."""
ADDRESSES = FormField("address", "Addresses", "One a line. *@example.com: all of a domain.", "textarea", length=330_000)
FILE = (
    FormField("file", "File", "An address a line, or a CSV with a column address, to 8 MiB.", "file", required=False),
    FormField("reason", "Reason", "Kept with each entry, unless the file has it.", required=False),
    CATEGORY,
    end_field(LATER),
    FormField("dry_run", "Only check the file", kind="checkbox", required=False),
)


def add(routes: PageRoutes, entries: Seal, places: Seal) -> None:
    """The routes of this subject. `entries` seals what can be removed, `places` where the next page begins."""
    _add_list(routes, entries, places)
    _add_entry(routes)
    _add_import(routes)


def _add_list(routes: PageRoutes, entries: Seal, places: Seal) -> None:
    @routes.page(
        "/suppressions",
        Right.VIEW,
        section=SECTION,
        command="suppression list",
        call=("GET /api/v1/suppressions", "POST /api/v1/suppressions/search"),
        methods=BOTH,
    )
    def suppressions() -> Response:
        """To look is in the audit. A form narrows it, because an address must not stand in the page's own."""
        given = {field.name: request.form.get(field.name, "").strip() for field in FILTERS}
        errors = form_errors(FILTERS, given)
        if not caller_now().may(Right.SEE_RECIPIENTS):
            errors += [FormError(name, NO_RIGHT) for name in PERSONAL if given[name]]
        found = None if errors else operations_now().suppression.page(_wanted(given, places), SHOWN)
        forbidden = any(error.what is NO_RIGHT for error in errors)
        facts: dict[str, Any] = {"fields": FILTERS, "given": given, "errors": errors, **_shown(found, entries, places)}
        status = 403 if forbidden else 422 if errors else 200
        return page("suppressions.html", title="Suppressed addresses", status=status, **facts)


def _wanted(given: Mapping[str, str], places: Seal) -> EntriesRequest:
    after = places.opened(request.form.get("after", ""))
    return EntriesRequest(
        address=given["address"] or None,
        domain=given["domain"] or None,
        category=given["category"] or None,
        source=given["source"] or None,
        expired=given["expired"] == "yes",
        after=None if after is None else after.decode(),
        reason=given["reason"] or None,
    )


def _shown(found: EntriesPage | None, entries: Seal, places: Seal) -> dict[str, Any]:
    """The entries, each with what the page needs to ask about its removal."""
    if found is None:
        return {"entries": None, "next": ""}
    after = "" if found.next_after is None else places.sealed(found.next_after.encode())
    sealed = [(one, entries.sealed(json.dumps([one.address, one.category]).encode())) for one in found.entries]
    return {"entries": sealed, "next": after}


def _add_entry(routes: PageRoutes) -> None:
    @routes.page(
        "/suppressions/add",
        Right.OPERATE,
        section=SECTION,
        command="suppression add ADDRESS --reason WHY",
        call="POST /api/v1/suppressions",
        methods=BOTH,
    )
    @takes_up_to(LARGEST_UPLOAD)
    def suppress() -> Response:
        def act(given: Mapping[str, str]) -> ActDone:
            addresses = tuple(filter(None, map(str.strip, given["address"].splitlines())))
            if len(addresses) > MOST_ADDRESSES:
                raise InvalidRequest(f"name {MOST_ADDRESSES:,} at most, or import a file", which="address")
            wanted = SuppressRequest(addresses, given["reason"], given.get("category", ""), seconds_until_end(given))
            done = operations_now().suppression.add(wanted)
            added, longer = sum(one.added for one in done), sum(one.prolonged for one in done)
            there = len(done) - added - longer
            return ActDone(f"{added:,} added, {longer:,} kept longer, {there:,} there already.", LIST.path)

        what = ("They get no email from the next claim on. An entry that is there is prolonged, never shortened.",)
        fields = (ADDRESSES, REASON, CATEGORY, end_field(LATER))
        return confirmed(lambda: Confirmation("Suppress addresses", what, "Suppress them", LIST, fields), act)


def _add_import(routes: PageRoutes) -> None:
    @routes.page(
        "/suppressions/import",
        Right.OPERATE,
        section=SECTION,
        command="suppression import FILE --reason WHY",
        call="POST /api/v1/suppressions/import",
        methods=BOTH,
    )
    @takes_up_to(LARGEST_UPLOAD)
    def import_entries() -> Response:
        if request.method != "POST":
            return _importing({})
        given = {name: value.strip() for name, value in request.form.items()}
        file, errors = request.files.get("file"), form_errors(FILE, given)
        if file is None or not file.filename:
            errors.append(FormError("file", "Choose a file."))
        if errors or file is None:
            return _importing(given, errors)
        facts = (given.get("category") or None, given.get("reason") or None, seconds_until_end(given))
        uploaded = UploadedEntries(file.stream, *facts, dry_run=given.get("dry_run") == "yes")
        try:
            done, bad = operations_now().suppression_moving.upload(uploaded)
        except NotPossible as error:
            wrong = error.which if isinstance(error, InvalidRequest) else "file"
            known = wrong if wrong in {field.name for field in FILE} else "file"
            return _importing(given, [FormError(known, sentence(str(error)))])
        title = "What became of the file"
        return page("suppressions_imported.html", title=title, crumbs=(LIST,), done=done, bad=bad, uploaded=uploaded)


def _importing(given: Mapping[str, str], errors: Sequence[FormError] = ()) -> Response:
    status = 422 if errors else 200
    facts: dict[str, Any] = {"fields": FILE, "given": given, "errors": errors}
    return page("suppressions_import.html", title="Import addresses", crumbs=(LIST,), status=status, **facts)
