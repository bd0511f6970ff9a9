"""The list of jobs, with its filters."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flask import Response, request

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import FormError, FormField
from eed_delivery.console.asking import address_of, asked_for, day
from eed_delivery.console.rendering import is_renewal, page, shared_fragment
from eed_delivery.console.routes import PageRoutes
from eed_delivery.model import JobState
from eed_delivery.operations.jobs import NAME_LENGTH, JobsPage, JobsRequest
from eed_delivery.operations.standing import scheduled_words
from eed_delivery.operators.shell import operations_now

JOBS_SHOWN = 50
FILTERS = (
    FormField("state", "State", kind="select", required=False, choices=(("", "any"), *((s, s) for s in JobState))),
    FormField("name", "Name contains", required=False, length=255),
    FormField("since", "Registered from", "A day, as 2026-11-30", required=False, length=10),
    FormField("until", "Registered until", "A day, as 2026-11-30", required=False, length=10),
    FormField("unfinished", "Not finished only", kind="checkbox", required=False),
)
_NAMES = (*(field.name for field in FILTERS), "after")


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""

    @routes.page("/jobs", Right.VIEW, section="Jobs", command="jobs --all", call="GET /api/v1/jobs")
    def list_jobs() -> Response:
        given = asked_for(_NAMES)
        wanted, errors = _wanted(given)
        if is_renewal():
            return shared_fragment("jobs_figures.html", lambda: _facts(given, wanted))
        status, facts = 422 if errors else 200, _facts(given, wanted)
        submits = operations_now().submitting.is_possible
        form: dict[str, Any] = {"fields": FILTERS, "given": given, "errors": errors, "submits": submits}
        return page("jobs.html", title="Jobs", status=status, **form, **facts)


def _facts(given: Mapping[str, str], wanted: JobsRequest | None) -> dict[str, Any]:
    found = operations_now().jobs.page(wanted) if wanted else JobsPage((), (), None, None)
    return {
        "found": found,
        "at": max((one.counted_at for one in found.counted if one.counted_at), default=None),
        "scheduled": [(job, scheduled_words(job.scheduled_at)) for job in found.waiting],
        "next": found.next_after and address_of("/jobs", {**given, "after": found.next_after}),
        "path": request.full_path,
    }


def _wanted(given: Mapping[str, str]) -> tuple[JobsRequest | None, list[FormError]]:
    """What the filters ask for, and what is wrong with them."""
    errors: list[FormError] = []
    times = {}
    for name in ("since", "until"):
        try:
            times[name] = day(given[name])
        except ValueError:
            errors.append(FormError(name, "Enter a day as 2026-11-30."))
    if given["state"] not in ("", *JobState):
        errors.append(FormError("state", "There is no such state."))
    if len(given["name"]) > NAME_LENGTH:
        errors.append(FormError("name", f"At most {NAME_LENGTH} characters."))
    if errors:
        return None, errors
    until = times["until"]
    return JobsRequest(
        JOBS_SHOWN,
        unfinished_only=given["unfinished"] == "yes",
        after=given["after"] or None,
        states=(JobState(given["state"]),) if given["state"] else (),
        name=given["name"],
        created_from=times["since"],
        created_before=until and until + timedelta(days=1),
    ), []
