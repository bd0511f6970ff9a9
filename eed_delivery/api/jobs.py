"""Jobs, and decisions on them."""

import json
import threading
from typing import Annotated, Any

from flask import Response
from pydantic import Field

from eed_delivery.access.rights import Right
from eed_delivery.api.cursors import Cursors
from eed_delivery.api.emails import EmailAnswer, email_answer
from eed_delivery.api.keyed import once
from eed_delivery.api.long_acts import OperationAnswer, started
from eed_delivery.api.masking import shown, shown_or_none
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Asked, Cursor, OneKey, PageSize, Reason, Told, Utc, as_json
from eed_delivery.api.versions import tagged, version_wanted
from eed_delivery.model import EmailState
from eed_delivery.operations.deciding import WAITS, ResumeRequest, StopRequest
from eed_delivery.operations.emails import OUTCOMES, EmailsRequest
from eed_delivery.operations.jobs import JobReport, JobsRequest, WaitingJobView
from eed_delivery.operators.asking import asker_now
from eed_delivery.operators.problems import HttpProblem
from eed_delivery.operators.shell import caller_now, json_answer, operations_now

SCHEDULED = "scheduled"
"""The state of a job that waits for its time. The ledger does not have it yet."""
REASONS_LISTED = 50
_one_certificate = threading.Lock()


class JobsQuery(Asked):
    """Which jobs, the newest first."""

    unfinished: Annotated[bool, Field(description="Only jobs that have not finished.")] = False
    limit: Annotated[int, Field(ge=1, le=100, description="Jobs of a page. Each one's emails are counted.")] = 20
    after: Cursor | None = None


class JobAnswer(Told):
    """A job. `counts` are its emails by state."""

    key: str
    name: str
    state: str
    reason: str | None
    channel: str
    watched: bool
    total: int
    done: int
    counts: dict[str, int]
    not_enlisted: int
    refused: int
    enlisted: bool
    balanced: bool
    created_at: Utc | None
    finished_at: Utc | None


class ScheduledJobAnswer(Told):
    """A job that waits for its time."""

    key: str
    name: str
    category: str
    channel: str
    scheduled_for: Utc | None


class JobsAnswer(Told):
    """A page of jobs. The first page has those that wait for their time, too."""

    items: list[JobAnswer]
    scheduled: list[ScheduledJobAnswer]
    scheduled_problem: str | None = Field(description="Why the source cannot say which jobs wait.")
    next: str | None


class OneJobAnswer(JobAnswer):
    """A job with its present speed and its outcomes."""

    scheduled_for: Utc | None
    per_second: float | None = Field(description="Emails that ended a second, of late.")
    outcomes: dict[str, int]


class ReasonAnswer(Told):
    """Emails that were not sent for one reason. `state` is `refused` for rows of the source."""

    state: str
    reason: str
    count: int


class FailuresAnswer(Told):
    """The commonest reasons. `others` have another one."""

    items: list[ReasonAnswer]
    others: int


class EmailsQuery(Asked):
    """Which emails of a job."""

    state: EmailState | None = None
    outcome: Annotated[str, Field(json_schema_extra={"enum": list(OUTCOMES)})] | None = None
    limit: PageSize = 100
    after: Cursor | None = None


class EmailsAnswer(Told):
    """A page of emails."""

    items: list[EmailAnswer]
    next: str | None


class StopBody(Asked):
    """Why."""

    reason: Reason


class ResumeBody(Asked):
    """Why. Without `watched` its bounces and complaints do not pause it again, which needs the right `admin`."""

    reason: Reason
    watched: bool = True


class DecisionAnswer(Told):
    """The job as it is now. It has no name and no recipient: the answer is kept for a day."""

    key: str
    state: str
    etag: str
    emails_on_the_wire_still_leave: bool


class NudgeAnswer(Told):
    """A registered job. The publisher takes it with its next look."""

    key: str
    state: str
    registered: str = Field(description="`now`, or `already`.")
    publisher_seen_seconds_ago: float | None = Field(description="Null: no publisher was seen within a day.")


class CertificateAnswer(Told):
    """The reconciliation certificate, as docs/cli.md describes it. Further members are there."""

    format: str
    version: int


def routes(cursors: Cursors) -> ApiRoutes:
    """The routes of this subject."""
    r = ApiRoutes("jobs", "Jobs, and decisions on them.")
    _add_lists(r, cursors)
    _add_one(r)
    _add_decisions(r)
    return r


def _add_lists(r: ApiRoutes, cursors: Cursors) -> None:
    @r.get("/jobs", Right.VIEW, JobsAnswer, "jobs --json")
    def list_jobs(query: JobsQuery) -> Response:
        """List jobs, the newest first."""
        page = operations_now().jobs.page(JobsRequest(query.limit, query.unfinished, cursors.after(query.after)))
        waiting = [
            ScheduledJobAnswer(
                key=str(job.key), name=shown(job.name), category=job.category, channel=job.channel,
                scheduled_for=job.scheduled_at,
            )
            for job in page.waiting
        ]  # fmt: skip
        answer = JobsAnswer(
            items=[_job(report) for report in page.jobs],
            scheduled=waiting,
            scheduled_problem=shown_or_none(page.waiting_problem),
            next=cursors.next(page.next_after),
        )
        return tagged(as_json(answer))

    @r.get("/jobs/<path:key>/failures", Right.VIEW, FailuresAnswer, "job {key}")
    def list_failures(path: OneKey) -> Response:
        """Group the reasons why emails of a job were not sent."""
        queries = operations_now().jobs
        found, others = queries.failures(queries.report(path.key), REASONS_LISTED)
        items = [ReasonAnswer(state=one.state, reason=shown(one.detail), count=one.count) for one in found]
        return tagged(as_json(FailuresAnswer(items=items, others=others)))

    @r.get("/jobs/<path:key>/emails", Right.VIEW, EmailsAnswer, "emails {key}")
    def list_emails(path: OneKey, query: EmailsQuery) -> Response:
        """List the emails of a job. It is in the audit."""
        wanted = EmailsRequest(path.key, None, query.state, query.outcome, cursors.after(query.after))
        page = operations_now().emails.page(wanted, query.limit)
        items = [email_answer(email, page.job_keys.get(email.job_id, path.key)) for email in page.emails]
        return json_answer(as_json(EmailsAnswer(items=items, next=cursors.next(page.next_after))))


def _add_one(r: ApiRoutes) -> None:
    @r.get("/jobs/<path:key>", Right.VIEW, OneJobAnswer, "job {key}")
    def show_job(path: OneKey) -> Response:
        """Show a job."""
        operations = operations_now()
        waiting = operations.jobs.waiting(path.key)
        if waiting is not None:
            return tagged(as_json(_scheduled(waiting)), WAITS)
        version = operations.deciding.version(path.key)  # first: what is decided meanwhile must not pass for seen
        report = operations.jobs.report(path.key)
        recent, outcomes = operations.jobs.progress(report)
        counts = {name: getattr(outcomes, name) for name in outcomes.__dataclass_fields__}
        rate = round(recent.per_second, 1) if report.finished_at is None else None
        more = {"scheduled_for": None, "per_second": rate, "outcomes": counts}
        return tagged({**as_json(_job(report)), **more}, version)

    @r.get("/jobs/<path:key>/certificate", Right.VIEW, CertificateAnswer, "report {key}")
    def certify(path: OneKey) -> Response:
        """Reconcile a job: read all of its rows, and count them. One at a time, because it takes a while."""
        if not _one_certificate.acquire(blocking=False):
            what = "Another certificate is being made."
            raise HttpProblem(503, "busy", what, "Try again later.", headers={"Retry-After": "10"})
        try:
            certificate = json.loads(operations_now().reporting.certificate(path.key))
        finally:
            _one_certificate.release()
        return json_answer({**certificate, "name": shown(certificate["name"])})


def _add_decisions(r: ApiRoutes) -> None:
    @r.post("/jobs/<path:key>/pause", Right.OPERATE, DecisionAnswer, "pause {key} --reason WHY")
    def pause(path: OneKey, body: StopBody) -> Response:
        """Pause a job. No email is lost, and resume continues it."""
        request, deciding = StopRequest(path.key, body.reason, version_wanted()), operations_now().deciding
        return once(lambda: deciding.pause(request), lambda: _decision(path.key))

    @r.post("/jobs/<path:key>/resume", Right.OPERATE, DecisionAnswer, "resume {key} --reason WHY", OperationAnswer)
    def resume(path: OneKey, body: ResumeBody) -> Response:
        """Resume a paused job. Its templates are read again."""
        if not body.watched and not caller_now().may(Right.ADMIN):
            what = "To resume a job unwatched needs the right admin."
            raise HttpProblem(403, "no_right", what, "Ask an admin for it.", facts={"right": Right.ADMIN.value})
        request = ResumeRequest(path.key, body.watched, body.reason, version_wanted())
        deciding, approvals = operations_now().deciding, operations_now().approvals
        if approvals.resume_needs_one(request):
            return started(lambda: approvals.ask_to_resume(request, asker_now()))
        return once(lambda: deciding.resume(request), lambda: _decision(path.key))

    @r.post("/jobs/<path:key>/cancel", Right.ADMIN, DecisionAnswer, "cancel {key} --reason WHY", OperationAnswer)
    def cancel(path: OneKey, body: StopBody) -> Response:
        """End a job for good. Its unsent emails are not sent. It needs If-Match."""
        request = StopRequest(path.key, body.reason, version_wanted(required=True))
        deciding, approvals = operations_now().deciding, operations_now().approvals
        if approvals.cancel_needs_one(path.key):
            return started(lambda: approvals.ask_to_cancel(request, asker_now()))
        return once(lambda: deciding.cancel(request), lambda: _decision(path.key))

    @r.post("/jobs/<path:key>/nudge", Right.NUDGE, NudgeAnswer, "nudge {key}")
    def nudge(path: OneKey) -> Response:
        """Register a job now, before the publisher looks for it. Commit the job before you call."""
        result = operations_now().nudging.nudge(path.key)
        seen = None if result.publisher_age is None else round(result.publisher_age, 1)
        answer = NudgeAnswer(
            key=result.job,
            state=result.state,
            registered="now" if result.now else "already",
            publisher_seen_seconds_ago=seen,
        )
        return json_answer(as_json(answer))


def _job(report: JobReport) -> JobAnswer:
    return JobAnswer(
        key=report.key,
        name=shown(report.name),
        state=report.state,
        reason=shown_or_none(report.reason),
        channel=report.channel,
        watched=report.watched,
        total=report.total,
        done=report.done,
        counts={state.value: count for state, count in report.counts.items()},
        not_enlisted=report.not_enlisted,
        refused=report.refused,
        enlisted=report.enlisted,
        balanced=report.balanced,
        created_at=report.created_at,
        finished_at=report.finished_at,
    )


def _scheduled(view: WaitingJobView) -> OneJobAnswer:
    """A job of the source that has not begun."""
    facts: dict[str, Any] = {"done": 0, "not_enlisted": 0, "refused": 0, "enlisted": False, "balanced": False}
    return OneJobAnswer(
        key=str(view.job.key),
        name=shown(view.job.name),
        state=SCHEDULED,
        reason=None,
        channel=view.job.channel,
        watched=True,
        total=view.emails,
        counts={},
        created_at=None,
        finished_at=None,
        scheduled_for=view.job.scheduled_at,
        per_second=None,
        outcomes={},
        **facts,
    )


def _decision(key: str) -> dict[str, Any]:
    """A job after a decision."""
    operations = operations_now()
    version = operations.deciding.version(key)
    waits = version == WAITS
    state = SCHEDULED if waits else operations.jobs.report(key).state
    etag = f'"{version}.{"0" * 16}"'
    return as_json(DecisionAnswer(key=key, state=state, etag=etag, emails_on_the_wire_still_leave=not waits))
