"""Operations: acts that take a while, done by the side. Reports, and what a second person has to approve."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from flask import Response, send_file
from pydantic import Field

from eed_delivery.access.rights import Right
from eed_delivery.api.cursors import Cursors
from eed_delivery.api.keyed import once
from eed_delivery.api.masking import shown, shown_or_none
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Asked, Cursor, Key, Moment, OneKey, PageSize, Reason, Told, Utc, as_json
from eed_delivery.api.versions import tagged
from eed_delivery.model import EmailState
from eed_delivery.operations.long_acts.approving import ApprovalView
from eed_delivery.operations.long_acts.report_orders import ReportOrder, shows_recipients
from eed_delivery.operations.long_acts.requests import LongActRequest, LongActSelection, right_of
from eed_delivery.operations.long_acts.starting import LongAct, LongActKind, shown_selection
from eed_delivery.operators.asking import asker_now, require, require_for
from eed_delivery.operators.problems import HttpProblem
from eed_delivery.operators.shell import json_answer, operations_now
from eed_delivery.untrusted import json_text

KEPT_LENGTH = 4000
"""Characters of an answer that is given again to a repeat."""
Kind = Literal["requeue", "settle", "retry_now", "unsuppress"]
Address = Annotated[str, Field(min_length=3, max_length=320)]


class OperationPath(Asked):
    """The operation in a path."""

    operation: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]


class SelectionBody(Asked):
    """Which emails or entries. What is named narrows what is named before it.

    `every` is needed where nothing else is named. `addresses`, `domain`, `category` and `source` are for unsuppress.
    """

    state: Literal["failed", "in_doubt"] | None = None
    jobs: Annotated[tuple[Key, ...], Field(max_length=100)] = ()
    emails: Annotated[tuple[Key, ...], Field(max_length=1000)] = ()
    every: bool = False
    since: Moment | None = None
    until: Moment | None = None
    reason_contains: Annotated[str, Field(min_length=1, max_length=400)] | None = None
    addresses: Annotated[tuple[Address, ...], Field(max_length=1000)] = ()
    domain: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    category: Annotated[str, Field(max_length=191)] | None = None
    source: Annotated[str, Field(min_length=1, max_length=32)] | None = None


class OperationBody(Asked):
    """What is to be done. `as` is for settle, `accept_duplicates` for a requeue of emails in doubt, and `evidence` for
    unsuppress of what recipients asked for.

    `selection_etag` is what a dry run has said. After `canary` of them the operation waits for `continue`.
    """

    kind: Kind
    selection: SelectionBody
    reason: Reason
    settle_as: Annotated[Literal["sent", "failed"] | None, Field(alias="as")] = None
    accept_duplicates: bool = False
    canary: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    tolerance: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    evidence: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    selection_etag: Annotated[str, Field(max_length=64)] | None = None


class StartQuery(Asked):
    """Whether to count only."""

    dry_run: bool = False


class CountAnswer(Told):
    """How many match. The operation is started with this tag, and refused if more match by then."""

    count: int
    selection_etag: str


class OperationAnswer(Told):
    """A long act. `done` were changed, and `skipped` had changed before. `total` is the count that was confirmed.

    In the state `unapproved` a second person has to approve it. In `canary` it waits for `continue`.
    """

    id: str
    kind: str
    state: str
    selection: dict[str, Any]
    parameters: dict[str, Any]
    reason: str | None
    who: str
    total: int | None
    done: int
    skipped: int
    canary: int | None
    errors: list[str]
    result: dict[str, Any] | None
    incomplete_job: str | None = Field(description="A job that it has begun and will not complete. Discard it.")
    made_at: Utc
    started_at: Utc | None
    moved_at: Utc = Field(description="When a chunk was last done, or a person decided.")
    ended_at: Utc | None


class OperationsQuery(Asked):
    """Which operations, the newest first."""

    unfinished: bool = False
    limit: PageSize = 100
    after: Cursor | None = None


class OperationsAnswer(Told):
    """A page of operations."""

    items: list[OperationAnswer]
    next: str | None


class WhyBody(Asked):
    """Why."""

    reason: Reason


class ReportBody(Asked):
    """A report. csv and json have addresses, and need the right `see_recipients`."""

    format: Literal["csv", "json", "html", "certificate"]
    opens: bool = False


class FileAnswer(Told):
    """The report itself, in its own media type."""


class ApprovalAnswer(Told):
    """What somebody asked for, and the operation that it is about."""

    operation: OperationAnswer
    rule: str
    state: str
    asked_by: str
    asked_at: Utc
    until_at: Utc
    decided_by: str | None
    decided_at: Utc | None
    reason: str | None


class ApprovalsQuery(Asked):
    """Which approvals, the newest first."""

    waiting: bool = False
    limit: PageSize = 100


class ApprovalsAnswer(Told):
    """The newest approvals."""

    items: list[ApprovalAnswer]


def routes(cursors: Cursors) -> ApiRoutes:
    """The routes of this subject."""
    r = ApiRoutes("operations", "Acts that take a while, reports, and approvals.")
    _add_operations(r, cursors)
    _add_reports(r)
    _add_approvals(r)
    return r


def _add_operations(r: ApiRoutes, cursors: Cursors) -> None:
    @r.post("/operations", Right.OPERATE, CountAnswer, "operations list", OperationAnswer)
    def start_operation(query: StartQuery, body: OperationBody) -> Response:
        """Start an operation, or count what it would change. It needs an Idempotency-Key."""
        request = request_of(body)
        require(right_of(request), "This operation")
        acts = operations_now().long_acts
        if query.dry_run:
            seen = acts.preview(request)
            return json_answer(as_json(CountAnswer(count=seen.count, selection_etag=seen.etag)))
        if body.selection_etag is None:
            what = "This needs selection_etag, which a dry run of the same selection gives."
            raise HttpProblem(428, "count_needed", what, "Ask with dry_run=true, and look at the count.")
        return started(lambda: acts.start(request, asker_now()), needed=True)

    @r.get("/operations", Right.VIEW, OperationsAnswer, "operations list")
    def list_operations(query: OperationsQuery) -> Response:
        """List operations, the newest first."""
        after = cursors.after(query.after)
        page = operations_now().long_acts.page(query.limit, unfinished=query.unfinished, after=after)
        items = [operation_answer(act) for act in page.acts]
        return tagged(as_json(OperationsAnswer(items=items, next=cursors.next(page.next_before))))

    @r.get("/operations/<operation>", Right.VIEW, OperationAnswer, "operations show {operation}")
    def show_operation(path: OperationPath) -> Response:
        """Show how far an operation has come."""
        return tagged(as_json(operation_answer(operations_now().long_acts.view(path.operation))))

    @r.post("/operations/<operation>/stop", Right.OPERATE, OperationAnswer, "operations stop {operation} --reason WHY")
    def stop_operation(path: OperationPath, body: WhyBody) -> Response:
        """End an operation. The chunk at work is undone or done whole, and what is done stays done."""
        acts = operations_now().long_acts
        require_for(acts.view(path.operation))
        return once(lambda: acts.stop(path.operation, body.reason), lambda: _told(path.operation), again=True)

    @r.post("/operations/<operation>/continue", Right.OPERATE, OperationAnswer, "operations continue {operation}")
    def continue_operation(path: OperationPath, body: WhyBody) -> Response:
        """Continue an operation whose first ones are done."""
        acts = operations_now().long_acts
        require_for(acts.view(path.operation))
        return once(lambda: acts.go_on(path.operation, body.reason), lambda: _told(path.operation))


def _add_reports(r: ApiRoutes) -> None:
    @r.post("/jobs/<path:key>/reports", Right.VIEW, OperationAnswer, "report {key}", OperationAnswer)
    def order_report(path: OneKey, body: ReportBody) -> Response:
        """Have a report written. The operation says when its file is there. It needs an Idempotency-Key."""
        if shows_recipients(body.format):
            require(Right.SEE_RECIPIENTS, "A report with addresses")
        order, orders = ReportOrder(path.key, body.format, body.opens), operations_now().report_orders
        return started(lambda: orders.order(order), needed=True)

    @r.get("/operations/<operation>/file", Right.VIEW, FileAnswer, "report")
    def fetch_report(path: OperationPath) -> Response:
        """Fetch the file of a report. It is kept for 24 hours, and its ETag is the SHA-256 of it."""
        operations = operations_now()
        act = operations.long_acts.view(path.operation)
        if act.kind is LongActKind.REPORT and shows_recipients(act.parameters["format"]):
            require(Right.SEE_RECIPIENTS, "A report with addresses")
        file = operations.report_orders.file(act)
        answer = send_file(file.path, as_attachment=True, download_name=file.name, etag=file.sha256)
        answer.headers["Cache-Control"] = "no-store"
        return answer


def _add_approvals(r: ApiRoutes) -> None:
    @r.get("/approvals", Right.VIEW, ApprovalsAnswer, "approvals list")
    def list_approvals(query: ApprovalsQuery) -> Response:
        """List what a second person has to decide, or has decided. The newest come first."""
        found = operations_now().approvals.page(query.limit, waiting=query.waiting)
        return tagged(as_json(ApprovalsAnswer(items=[_approval(one) for one in found])))

    @r.post("/approvals/<operation>/approve", Right.ADMIN, OperationAnswer, "approvals approve {operation}")
    def approve(path: OperationPath, body: WhyBody) -> Response:
        """Approve what another person asked for, within 15 minutes. It is done once."""
        approvals = operations_now().approvals
        who = asker_now()

        def act() -> None:
            operations_now().long_act_takers.require()
            approvals.approve(path.operation, body.reason, who)

        return once(act, lambda: _told(path.operation))

    @r.post("/approvals/<operation>/refuse", Right.ADMIN, OperationAnswer, "approvals refuse {operation} --reason WHY")
    def refuse(path: OperationPath, body: WhyBody) -> Response:
        """Refuse what somebody asked for."""
        approvals, who = operations_now().approvals, asker_now()
        return once(lambda: approvals.refuse(path.operation, body.reason, who), lambda: _told(path.operation))


def started(start: Callable[[], LongAct], *, needed: bool = False) -> Response:
    """Start a long act, once for each key, and answer 202."""
    found: list[LongAct] = []

    def act() -> None:
        operations_now().long_act_takers.require()
        found[:] = [start()]

    return once(act, lambda: _short(found[0]), again=True, needed=needed, status=202)


def _short(act: LongAct) -> dict[str, Any]:
    """An answer that can be kept for a repeat. One with many keys has them left out."""
    answer = as_json(operation_answer(act))
    return answer if len(json_text(answer, default=str)) <= KEPT_LENGTH else {**answer, "selection": {}}


def request_of(body: OperationBody) -> LongActRequest:
    """A body as operations take it."""
    given = body.selection.model_dump()
    state = given.pop("state")
    selection = LongActSelection(state=None if state is None else EmailState(state), **given)
    return LongActRequest(
        kind=LongActKind(body.kind),
        selection=selection,
        reason=body.reason,
        settle_as=None if body.settle_as is None else EmailState(body.settle_as),
        accept_duplicates=body.accept_duplicates,
        canary=body.canary,
        tolerance=body.tolerance,
        evidence=body.evidence,
        selection_etag=body.selection_etag,
    )


def operation_answer(act: LongAct) -> OperationAnswer:
    """An act as the caller may see it."""
    selection = {name: shown(one) if isinstance(one, str) else one for name, one in shown_selection(act).items()}
    return OperationAnswer(
        id=act.id,
        kind=act.kind,
        state=act.state,
        selection=selection,
        parameters={name: shown(one) if isinstance(one, str) else one for name, one in act.parameters.items()},
        reason=shown_or_none(act.reason),
        who=act.who.name,
        total=act.total,
        done=act.done,
        skipped=act.skipped,
        canary=act.canary,
        errors=[shown(one) for one in act.errors],
        result=None if act.result is None else dict(act.result),
        incomplete_job=operations_now().incomplete_jobs.left_by(act),
        made_at=act.made_at,
        started_at=act.started_at,
        moved_at=act.moved_at,
        ended_at=act.ended_at,
    )


def _told(act_id: str) -> dict[str, Any]:
    return as_json(operation_answer(operations_now().long_acts.view(act_id)))


def _approval(view: ApprovalView) -> ApprovalAnswer:
    one = view.approval
    return ApprovalAnswer(
        operation=operation_answer(view.act),
        rule=one.rule,
        state=one.state,
        asked_by=one.asked_by,
        asked_at=one.asked_at,
        until_at=one.until_at,
        decided_by=one.decided_by,
        decided_at=one.decided_at,
        reason=shown_or_none(one.reason),
    )
