"""Rehearsals: ordered at a job, followed as an operation, and what they came to."""

from collections.abc import Mapping

from flask import Response

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import ActDone, Confirmation, FormField, confirmed
from eed_delivery.console.long_acts import HERE, SECTION
from eed_delivery.console.one_job import job_crumb
from eed_delivery.console.rendering import page
from eed_delivery.console.routes import PageRoutes
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.operations.rehearsing.orders import RehearsalRequest
from eed_delivery.operations.rehearsing.results import severity
from eed_delivery.operators.shell import operations_now

FIRST = FormField("first", "First", "Look at so many emails only. Empty: all.", required=False, length=9)
EVERY = FormField("every", "Every", "Look at each so-manieth email. Empty: each one.", required=False, length=9)
BESIDE = FormField(
    "beside_live",
    "Beside live emails",
    "It does not wait for emails of active jobs.",
    "checkbox",
    "yes",
    required=False,
)


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""

    @routes.page(
        "/jobs/<path:key>/rehearse",
        Right.OPERATE,
        section="Jobs",
        command="rehearse {key}",
        call="POST /api/v1/jobs/{key}/rehearsals",
        methods=("GET", "POST"),
    )
    def rehearse_job(key: str) -> Response:
        """Have a job rehearsed."""

        def ask() -> Confirmation:
            what = [
                "Its emails are rendered by the side as they would be sent, and none is sent.",
                "Nothing is written to the source. You can stop it.",
            ]
            return Confirmation(f"Rehearse job {key}?", what, "Rehearse", job_crumb(key), (FIRST, EVERY, BESIDE))

        def start(given: Mapping[str, str]) -> ActDone:
            request = RehearsalRequest(
                key,
                _number(given, "first"),
                _number(given, "every") or 1,
                beside_live=given.get("beside_live") == "yes",
            )
            act = operations_now().rehearsal_orders.start(request)
            return ActDone(f"Operation {act.id} is begun.", f"/operations/{act.id}")

        return confirmed(ask, start)

    @routes.page(
        "/rehearsals/<operation>",
        Right.VIEW,
        section=SECTION,
        command="operations show {operation}",
        call="GET /api/v1/rehearsals/{operation}",
    )
    def show_rehearsal(operation: str) -> Response:
        """What it came to."""
        found = operations_now().rehearsal_results.view(operation)
        title = f"Rehearsal of job {found.job}"
        return page("rehearsal.html", title=title, crumbs=(HERE,), found=found, severity=severity)


def _number(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise InvalidRequest("it is a number", which=name)
    return int(text)
