"""The audit: who did what, and the end of its chain. To look is in the audit itself."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from flask import Response, request

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import FormError, FormField
from eed_delivery.console.rendering import page
from eed_delivery.console.routes import PageRoutes
from eed_delivery.operations.auditing import KINDS, AuditPage, AuditRequest
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.operators.problems import HttpProblem
from eed_delivery.operators.shell import operations_now

ACTS_SHOWN = 50
FIELDS = (
    FormField("person", "Person", "A user, or who called by sudo", required=False, length=255),
    FormField("act", "Act", kind="select", required=False, choices=(("", "any"), *((kind, kind) for kind in KINDS))),
    FormField("job", "Job", "Its key", required=False, length=191),
    FormField("email", "Email", "Its key", required=False, length=191),
    FormField("since", "From", "A day, as 2026-11-30", required=False, length=10),
    FormField("until", "Until the end of", "A day, as 2026-11-30", required=False, length=10),
)
_NAMES = (*(field.name for field in FIELDS), "after")


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""

    @routes.page(
        "/audit", Right.AUDIT, section="Audit", command=("audit", "audit check"), call="GET /api/v1/audit"
    )  # fmt: skip
    def list_audit() -> Response:
        if unknown := [name for name in request.args if name not in _NAMES]:
            errors = [{"pointer": f"/{name}", "detail": "There is no such parameter."} for name in unknown]
            raise HttpProblem(422, "invalid", "The request does not fit. There is no such filter.", errors=errors)
        given = {name: request.args.get(name, "").strip() for name in _NAMES}
        wanted, wrong = _wanted(given)
        found = operations_now().auditing.page(wanted, ACTS_SHOWN) if wanted else None
        return page(
            "audit.html", title="Audit", status=422 if wrong else 200, fields=FIELDS, given=given, errors=wrong,
            found=found, next=_next(given, found),
        )  # fmt: skip


def _wanted(given: Mapping[str, str]) -> tuple[AuditRequest | None, list[FormError]]:
    """What the filters ask for, and what is wrong with them."""
    errors, times = [], {}
    for name, days in (("since", 0), ("until", 1)):
        try:
            day = datetime.strptime(given[name], "%Y-%m-%d").replace(tzinfo=UTC) if given[name] else None
            times[name] = day and day + timedelta(days=days)
        except (ValueError, OverflowError):
            errors.append(FormError(name, "Enter a day as 2026-11-30."))
    if errors:
        return None, errors
    job, email, person, act, after = (given[name] or None for name in ("job", "email", "person", "act", "after"))
    try:
        return AuditRequest(job, email, person, act, times["since"], times["until"], after), []
    except InvalidRequest as error:
        return None, [FormError("act" if error.which == "kind" else "", str(error))]


def _next(given: Mapping[str, str], found: AuditPage | None) -> str | None:
    if found is None or found.next_after is None:
        return None
    return "/audit?" + urlencode({**{name: value for name, value in given.items() if value}, "after": found.next_after})
