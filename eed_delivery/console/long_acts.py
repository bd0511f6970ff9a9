"""Operations: what is done by the side, how far it is, and what waits for a second person."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from flask import Response, request

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import REASON, ActDone, Confirmation, FormField, confirmed
from eed_delivery.console.asking import asked_for, refuse_others, unusable
from eed_delivery.console.rendering import Crumb, fragment, is_renewal, page
from eed_delivery.console.routes import PageRoutes
from eed_delivery.model import EmailState
from eed_delivery.operations.long_acts.report_orders import FORMATS, ReportOrder, shows_recipients
from eed_delivery.operations.long_acts.requests import LongActRequest, LongActSelection, right_of
from eed_delivery.operations.long_acts.starting import LongAct, LongActKind, shown_selection
from eed_delivery.operators.asking import asker_now, require, require_for
from eed_delivery.operators.shell import caller_now, operations_now

SECTION = "Operations"
ROWS = 50
HERE = Crumb(SECTION, "/operations")
ENDED = ("done", "stopped", "failed")
CANARY = FormField(
    "canary", "Canary", "After so many it waits for you to go on. Empty: it does not wait.", required=False, length=6
)


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""
    _add_views(routes)
    _add_decisions(routes)
    _add_approvals(routes)
    _add_requeue(routes)
    _add_report(routes)


def _add_views(routes: PageRoutes) -> None:
    @routes.page("/operations", Right.VIEW, section=SECTION, command="operations list", call="GET /api/v1/operations")
    def operations() -> Response:
        acts = operations_now().long_acts.page(ROWS, after=request.args.get("after"))
        following = f"/operations?{urlencode({'after': acts.next_before})}" if acts.next_before else ""
        waiting = operations_now().approvals.page(ROWS, waiting=True)
        return page("operations.html", title=SECTION, acts=acts.acts, waiting=waiting, following=following)

    @routes.page(
        "/operations/<operation>",
        Right.VIEW,
        section=SECTION,
        command="operations show {operation}",
        call="GET /api/v1/operations/{operation}",
    )
    def operation(operation: str) -> Response:
        facts = _facts(operation)
        if is_renewal():
            return fragment("operation_figures.html", **facts)
        return page("operation.html", title=f"Operation {operation}", crumbs=(HERE,), **facts)


def _facts(operation: str) -> dict[str, Any]:
    act, left = operations_now().long_acts.view(operation), operations_now().incomplete_jobs.left_by
    waits = operations_now().rehearsal_results.waits
    ended, at = act.state.value in ENDED, act.moved_at
    return {"act": act, "about": shown_selection(act), "ended": ended, "at": at, "left": left(act), "waits": waits(act)}


def _add_decisions(routes: PageRoutes) -> None:
    @routes.page(
        "/operations/<operation>/stop",
        Right.OPERATE,
        section=SECTION,
        command="operations stop {operation} --reason WHY",
        call="POST /api/v1/operations/{operation}/stop",
        methods=("GET", "POST"),
    )
    def stop_operation(operation: str) -> Response:
        acts = operations_now().long_acts
        require_for(acts.view(operation))

        def ask() -> Confirmation:
            act = acts.view(operation)
            what = [f"{act.done:,} are done, and stay done.", "The others stay as they are."]
            return Confirmation(f"Stop operation {operation} ({act.kind})?", what, "Stop it", _back(operation))

        def stop(given: Mapping[str, str]) -> ActDone:
            act = acts.stop(operation, given["reason"])
            return ActDone(f"Operation {operation} is stopped, with {act.done:,} done.", _path(operation))

        return confirmed(ask, stop)

    @routes.page(
        "/operations/<operation>/continue",
        Right.OPERATE,
        section=SECTION,
        command="operations continue {operation}",
        call="POST /api/v1/operations/{operation}/continue",
        methods=("GET", "POST"),
    )
    def continue_operation(operation: str) -> Response:
        acts = operations_now().long_acts
        require_for(acts.view(operation))

        def ask() -> Confirmation:
            act = acts.view(operation)
            left = "all others" if act.total is None else f"{act.total - act.looked_at:,} more"
            what = [f"The first {act.looked_at:,} are done. Look at what became of them first.", f"Then do {left}."]
            return Confirmation(f"Continue operation {operation} ({act.kind})?", what, "Continue", _back(operation))

        def go_on(given: Mapping[str, str]) -> ActDone:
            acts.go_on(operation, given["reason"])
            return ActDone(f"Operation {operation} continues.", _path(operation))

        return confirmed(ask, go_on)


def _add_approvals(routes: PageRoutes) -> None:
    @routes.page(
        "/operations/<operation>/approve",
        Right.ADMIN,
        section=SECTION,
        command="approvals approve {operation} --alone --reason WHY",
        call="POST /api/v1/approvals/{operation}/approve",
        methods=("GET", "POST"),
    )
    def approve_operation(operation: str) -> Response:
        approvals = operations_now().approvals

        def ask() -> Confirmation:
            return _decision(operation, "Approve", "It begins at once. You must be another person than who asked.")

        def approve(given: Mapping[str, str]) -> ActDone:
            approvals.approve(operation, given["reason"], asker_now())
            return ActDone(f"Operation {operation} is approved.", _path(operation))

        return confirmed(ask, approve)

    @routes.page(
        "/operations/<operation>/refuse",
        Right.ADMIN,
        section=SECTION,
        command="approvals refuse {operation} --reason WHY",
        call="POST /api/v1/approvals/{operation}/refuse",
        methods=("GET", "POST"),
    )
    def refuse_operation(operation: str) -> Response:
        approvals = operations_now().approvals

        def ask() -> Confirmation:
            return _decision(operation, "Refuse", "Nothing of it is done.")

        def refuse(given: Mapping[str, str]) -> ActDone:
            approvals.refuse(operation, given["reason"], asker_now())
            return ActDone(f"Operation {operation} is refused.", _path(operation))

        return confirmed(ask, refuse)


def _decision(operation: str, verb: str, then: str) -> Confirmation:
    view = operations_now().approvals.view(operation)
    act, one = view.act, view.approval
    addresses = act.selection.get("addresses", ())
    what = [
        f"{one.asked_by} asks for it: {act.reason}.",
        f"The rule is {one.rule}.",
        f"It is about {act.total:,}: {_listed(shown_selection(act))}." if act.total else "",
        f"Addresses: {', '.join(map(str, addresses))}." if addresses else "",
        f"Parameters: {_listed(act.parameters)}." if act.parameters else "",
        "The job goes on unwatched, without its limits." if act.kind is LongActKind.RESUME else "",
        f"It waits after the first {act.canary:,}." if act.canary else "It does not wait after the first ones.",
        f"Up to {act.tolerance:,} more may match by then." if act.tolerance else "",
    ]
    title = f"{verb} operation {operation} ({act.kind})?"
    return Confirmation(title, [*filter(None, what), then], verb, _back(operation))


def _listed(facts: Mapping[str, Any]) -> str:
    return "; ".join(f"{name} {value}" for name, value in facts.items())


def _add_requeue(routes: PageRoutes) -> None:
    @routes.page(
        "/operations/requeue",
        Right.OPERATE,
        section=SECTION,
        command="requeue --job JOB --error-like TEXT",
        call="POST /api/v1/operations",
        methods=("GET", "POST"),
    )
    def start_requeue() -> Response:
        """Send again what has failed. The address says which: `job` or `every=yes`, and `reason_contains`."""
        acts = operations_now().long_acts
        selection = _selection()
        require(right_of(_requeue(selection, "x")), "This operation")

        def ask() -> Confirmation:
            seen = acts.preview(_requeue(selection, "x"))
            title = f"Send {seen.count:,} {_words(selection)} again?"
            what = ["It is done by the side, in chunks. You can stop it."]
            doubts = selection.state is EmailState.IN_DOUBT
            warning = "Some of them may have arrived, and arrive twice then." if doubts else ""
            return Confirmation(title, what, "Send again", HERE, (REASON, CANARY), warning, seen.etag)

        def start(given: Mapping[str, str]) -> ActDone:
            canary = given.get("canary", "")
            number = int(canary) if canary.isascii() and canary.isdigit() else None
            wanted = _requeue(selection, given["reason"], number or None, given["version"])
            return _started(acts.start(wanted, asker_now()))

        return confirmed(ask, start)


def _add_report(routes: PageRoutes) -> None:
    @routes.page(
        "/operations/report",
        Right.VIEW,
        section=SECTION,
        command="report JOB",
        call="POST /api/v1/jobs/JOB/reports",
        methods=("GET", "POST"),
    )
    def start_report() -> Response:
        """Have a report written. The address says of which `job`."""
        job, orders = asked_for(("job",))["job"], operations_now().report_orders
        if not job:
            raise unusable("job", "Name the job: job=42.")
        choices = [(one, one) for one in FORMATS if not shows_recipients(one) or _sees()]
        form = FormField("format", "Format", "csv and json have addresses.", "select", "html", choices=choices)

        def ask() -> Confirmation:
            what = ["It is written by the side, and kept for a day."]
            return Confirmation(f"Write a report of job {job}?", what, "Write it", HERE, (form,))

        def order(given: Mapping[str, str]) -> ActDone:
            if shows_recipients(given["format"]):
                require(Right.SEE_RECIPIENTS, "A report with addresses")
            return _started(orders.order(ReportOrder(job, given["format"])))

        return confirmed(ask, order)


def _selection() -> LongActSelection:
    """Which emails the address names. Raises `HttpProblem` where it names none: all of them are asked for by name."""
    refuse_others(("job", "every", "state", "reason_contains"))
    given, jobs = request.args, tuple(request.args.getlist("job"))
    state, every = given.get("state", EmailState.FAILED), given.get("every", "")
    if state not in (EmailState.FAILED, EmailState.IN_DOUBT):
        raise unusable("state", "It is failed or in_doubt.")
    if every not in ("", "yes") or bool(every) == bool(jobs):
        raise unusable("every", "Name the jobs (job=42), or ask for all of them with every=yes.")
    return LongActSelection(EmailState(state), jobs, every=not jobs, reason_contains=given.get("reason_contains"))


def _requeue(
    selection: LongActSelection, why: str, canary: int | None = None, etag: str | None = None
) -> LongActRequest:
    doubts = selection.state is EmailState.IN_DOUBT
    return LongActRequest(
        LongActKind.REQUEUE, selection, why, accept_duplicates=doubts, canary=canary, selection_etag=etag
    )


def _words(selection: LongActSelection) -> str:
    state = "emails in doubt" if selection.state is EmailState.IN_DOUBT else "failed emails"
    jobs = f" of job {', '.join(selection.jobs)}" if selection.jobs else " of all jobs"
    reason = f" whose reason contains “{selection.reason_contains}”" if selection.reason_contains else ""
    return f"{state}{jobs}{reason}"


def _sees() -> bool:
    return caller_now().may(Right.SEE_RECIPIENTS)


def _started(act: LongAct) -> ActDone:
    message = f"Operation {act.id} is begun."
    if act.state.value == "unapproved":
        message = f"Operation {act.id} waits for another person, who has 15 minutes to approve it."
    return ActDone(message, _path(act.id))


def _path(operation: str) -> str:
    return f"/operations/{operation}"


def _back(operation: str) -> Crumb:
    return Crumb(f"Operation {operation}", _path(operation))
