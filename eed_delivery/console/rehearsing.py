"""Rehearsals: ordered at a job, followed as an operation, and what they came to."""

from collections.abc import Mapping

from flask import Response

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import ActDone, Confirmation, FormField, confirmed
from eed_delivery.console.long_acts import HERE, SECTION
from eed_delivery.console.one_job import job_crumb
from eed_delivery.console.rendering import Crumb, page
from eed_delivery.console.routes import PageRoutes
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.operations.rehearsing.orders import RehearsalRequest
from eed_delivery.operations.rehearsing.results import severity
from eed_delivery.operations.rehearsing.sample_sending import SamplesToSend
from eed_delivery.operators.asking import require
from eed_delivery.operators.shell import operations_now

TO = FormField("to", "Tester", "An address that rehearsal.sample_recipients names.", length=254)
COUNT = FormField("count", "How many", "The first samples are sent.", length=2)
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

    @routes.page(
        "/rehearsals/<operation>/send",
        Right.SEE_CONTENT,
        section=SECTION,
        command="rehearse JOB --sample N --to ADDRESS",
        call="POST /api/v1/rehearsals/{operation}/samples",
        methods=("GET", "POST"),
    )
    def send_samples(operation: str) -> Response:
        """Send samples to a tester."""
        require(Right.OPERATE, "To send samples")
        back = Crumb(f"Rehearsal {operation}", f"/rehearsals/{operation}")

        def ask() -> Confirmation:
            found = operations_now().rehearsal_results.view(operation)
            what = [
                f"There are {len(found.samples)} samples. They are whole emails of customers.",
                "Each is marked as a sample. None goes to a customer, and none is counted.",
            ]
            return Confirmation(f"Send samples of job {found.job} to a tester?", what, "Send", back, (TO, COUNT))

        def send(given: Mapping[str, str]) -> ActDone:
            wanted = SamplesToSend(operation, _number(given, "count") or 1, given["to"].strip())
            sent = operations_now().sample_sending.send(wanted)
            return ActDone(f"{len(sent.keys)} samples were sent.", back.path)

        return confirmed(ask, send)


def _number(given: Mapping[str, str], name: str) -> int | None:
    text = given.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit()):
        raise InvalidRequest("it is a number", which=name)
    return int(text)
