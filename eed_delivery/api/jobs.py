"""Jobs, and decisions on them."""

import json
import threading
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
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
from eed_delivery.api.schemas import Asked, Cursor, Moment, OneKey, PageSize, Reason, Told, Utc, as_json
from eed_delivery.api.versions import tagged, version_wanted
from eed_delivery.model import EmailState, JobState, WaitingJob
from eed_delivery.operations.deciding import WAITS, ResumeRequest, StopRequest
from eed_delivery.operations.domain_paces import DestinationBacklog
from eed_delivery.operations.emails import OUTCOMES, EmailsRequest
from eed_delivery.operations.jobs import (
    NAME_LENGTH,
    JobReport,
    JobsRequest,
    MadeBreakdown,
    MadeFailures,
    WaitingJobView,
)
from eed_delivery.operations.snapshots import SideFigures
from eed_delivery.operators.asking import asker_now
from eed_delivery.operators.problems import HttpProblem
from eed_delivery.operators.shell import caller_now, json_answer, operations_now

SCHEDULED = "scheduled"
"""The state of a job that waits for its time. The ledger does not have it yet."""
DOMAINS_LISTED = 20
WAIT_SECONDS = 0.2
"""For newer figures, which are made by the side."""
_one_certificate = threading.Lock()


class JobsQuery(Asked):
    """Which jobs, the newest first. Repeated states are alternatives."""

    unfinished: Annotated[bool, Field(description="Only jobs that have not finished.")] = False
    state: Annotated[list[JobState], Field(default_factory=list)]
    name: Annotated[str, Field(max_length=NAME_LENGTH, description="A part of the name.")] = ""
    created_after: Moment | None = None
    created_before: Moment | None = None
    limit: Annotated[int, Field(ge=1, le=100, description="Jobs of a page.")] = 20
    after: Cursor | None = None


class JobWindowAnswer(Told):
    """When a job may leave. `changes_at` is when it closes or opens next. Null: never, by what is known."""

    is_open: bool
    changes_at: Utc | None
    is_known: bool = Field(description="False: when it opens is not calculated yet.")


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
    window: JobWindowAnswer | None = Field(None, description="Its send window. Null: it leaves at any time.")
    counted_at: Utc | None = Field(
        None, description="When its emails were counted. Null: when it finished, or just now."
    )


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
    outcomes: dict[str, int] = Field(description="Of sent emails. Empty while they are counted for the first time.")
    outcomes_counted_at: Utc | None = Field(
        None, description="At most ten seconds ago, unless they are being counted anew."
    )


class ReasonAnswer(Told):
    """Emails that were not sent for one reason. `state` is `refused` for rows of the source."""

    state: str
    reason: str
    count: int


class FailuresAnswer(Told):
    """The commonest reasons, counted by the side at most every ten seconds. `others` have another one."""

    as_of: Utc | None = Field(description="When they were counted. Null: they are being counted for the first time.")
    counting: bool = Field(description="Newer counts are being made. Ask again in a few seconds.")
    problem: str | None = Field(description="Why they could not be counted.")
    items: list[ReasonAnswer]
    others: int


class DomainAnswer(Told):
    """Emails to one domain. `counts` are by state."""

    domain: str = Field(description="Empty for what is no address.")
    total: int
    counts: dict[str, int]


class WaitingDomainAnswer(Told):
    """Emails that wait for the pace of a domain, or of all below one, as a publisher counted them last.

    `per_second` 0: it is held.
    """

    domain: str
    waiting: int
    per_second: float | None
    concurrency: int | None
    counted_at: Utc


class DomainsAnswer(Told):
    """The domains with the most emails, counted by the side at most once a minute."""

    as_of: Utc | None = Field(description="When they were counted. Null: they are being counted for the first time.")
    counting: bool = Field(description="Newer counts are being made. Ask again in a few seconds.")
    problem: str | None = Field(description="Why they could not be counted.")
    items: list[DomainAnswer]
    other_domains: int = Field(description="Further domains.")
    waiting: list[WaitingDomainAnswer] = Field(description="What waits for the pace of its domain, most first.")


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
    """Why. Without `watched` its bounces and complaints do not pause it again. Without `rehearsed` it starts without a
    rehearsal. Both need the right `admin`."""

    reason: Reason
    watched: bool = True
    rehearsed: bool = True


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
        wanted = JobsRequest(
            query.limit,
            query.unfinished,
            cursors.after(query.after),
            states=tuple(query.state),
            name=query.name,
            created_from=_in_ledger(query.created_after),
            created_before=_in_ledger(query.created_before),
        )
        page = operations_now().jobs.page(wanted)
        answer = JobsAnswer(
            items=[job_answer(one.report, one.counted_at) for one in page.counted],
            scheduled=[scheduled_job_answer(job) for job in page.waiting],
            scheduled_problem=shown_or_none(page.waiting_problem),
            next=cursors.next(page.next_after),
        )
        return tagged(as_json(answer))

    @r.get("/jobs/<path:key>/failures", Right.VIEW, FailuresAnswer, "job {key}")
    def list_failures(path: OneKey) -> Response:
        """Group the reasons why emails of a job were not sent. The first answer may come before the counts."""
        return tagged(as_json(_failures(operations_now().jobs.failures_by_the_side(path.key, WAIT_SECONDS))))

    @r.get("/jobs/<path:key>/domains", Right.VIEW, DomainsAnswer, "job {key}")
    def list_domains(path: OneKey) -> Response:
        """Count the emails of a job by the recipient's domain. The first answer may come before the counts."""
        operations = operations_now()
        job_id = operations.jobs.counted(path.key).report.job_id
        waiting = operations.domain_paces.waiting([job_id]).get(job_id, ())
        return tagged(as_json(_domains(operations.jobs.breakdown(path.key, WAIT_SECONDS), waiting)))

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
        counted = operations.jobs.counted(path.key)
        rate = operations.jobs.per_second(counted.report)
        made = operations.jobs.outcomes(counted.report.job_id, WAIT_SECONDS).value
        answer = OneJobAnswer(
            **job_answer(counted.report, counted.counted_at).model_dump(),
            scheduled_for=None,
            per_second=None if rate is None else round(rate, 1),
            outcomes={} if made is None else asdict(made.outcomes),
            outcomes_counted_at=None if made is None else made.at,
        )
        return tagged(as_json(answer), version)

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
        if not (body.watched and body.rehearsed) and not caller_now().may(Right.ADMIN):
            what = "To resume a job unwatched or unrehearsed needs the right admin."
            raise HttpProblem(403, "no_right", what, "Ask an admin for it.", facts={"right": Right.ADMIN.value})
        request = ResumeRequest(path.key, body.watched, body.reason, version_wanted(), body.rehearsed)
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


def _failures(made: SideFigures[MadeFailures]) -> FailuresAnswer:
    found = () if made.value is None else made.value.reasons
    return FailuresAnswer(
        as_of=None if made.value is None else made.value.at,
        counting=made.is_running,
        problem=made.problem or None,
        items=[ReasonAnswer(state=one.state, reason=shown(one.detail), count=one.count) for one in found],
        others=0 if made.value is None else made.value.others,
    )


def _domains(made: SideFigures[MadeBreakdown], backlogs: Sequence[DestinationBacklog]) -> DomainsAnswer:
    found = None if made.value is None else made.value.breakdown
    commonest = [] if found is None else found.commonest(DOMAINS_LISTED)
    items = [DomainAnswer(domain=name, total=counts.total(), counts=dict(counts)) for name, counts in commonest]
    return DomainsAnswer(
        as_of=None if made.value is None else made.value.at,
        counting=made.is_running,
        problem=made.problem or None,
        items=items,
        other_domains=0 if found is None else found.further + len(found.domains) - len(items),
        waiting=[
            WaitingDomainAnswer(
                domain=one.name,
                waiting=one.waiting,
                per_second=one.pace.per_second,
                concurrency=one.pace.concurrency,
                counted_at=one.counted_at,
            )
            for one in backlogs
        ],
    )


def _in_ledger(moment: datetime | None) -> datetime | None:
    """As the ledger keeps times: in UTC, without a zone."""
    return None if moment is None else moment.replace(tzinfo=None)


def scheduled_job_answer(job: WaitingJob) -> ScheduledJobAnswer:
    """A job that waits for its time as the API tells it."""
    return ScheduledJobAnswer(
        key=str(job.key),
        name=shown(job.name),
        category=job.category,
        channel=job.channel,
        scheduled_for=job.scheduled_at,
    )


def job_answer(report: JobReport, counted_at: datetime | None = None) -> JobAnswer:
    """A job as the API tells it. `counted_at` None: just now, or when it finished."""
    return JobAnswer(
        counted_at=counted_at,
        window=None if report.window is None else JobWindowAnswer.model_validate(report.window),
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
