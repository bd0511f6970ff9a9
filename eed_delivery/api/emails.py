"""Emails: search, one with all that was tried, as its customer gets it, and once more."""

import re
from typing import Annotated, Any, Literal

from flask import Response
from pydantic import Field

from eed_delivery.access.rights import Right
from eed_delivery.api.cursors import Cursors
from eed_delivery.api.keyed import once
from eed_delivery.api.masking import shown, shown_or_none
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Asked, Cursor, Key, OneKey, PageSize, Reason, Told, Utc, as_json
from eed_delivery.operations.emails import EmailReport, EmailView
from eed_delivery.operations.previewing import EmailPreview
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.operations.resending import ResendRequest
from eed_delivery.operations.searching import SearchKind, SearchRequest
from eed_delivery.operators.problems import HttpProblem
from eed_delivery.operators.shell import caller_now, json_answer, operations_now


class EmailAnswer(Told):
    """An email."""

    key: str
    job: str
    recipient: str
    state: str
    generation: int
    attempts: int
    detail: str | None
    message_id: str | None
    outcome: str | None
    outcome_at: Utc | None
    changed_at: Utc | None
    wire_at: Utc | None
    not_before: Utc | None
    lease_until: Utc | None


class AttemptAnswer(Told):
    """One try."""

    generation: int
    attempt: int
    verdict: str
    code: int | None
    enhanced: str | None
    reply: str | None
    message_id: str | None
    worker: str | None
    took_ms: int | None
    ended_at: Utc
    recipient: str | None
    sha256: str | None


class EventAnswer(Told):
    """What was heard of an email after it left."""

    kind: str
    sub_type: str
    outcome: str | None
    code: int | None
    enhanced: str | None
    detail: str
    automatic: bool
    generation: int
    occurred_at: Utc
    received_at: Utc


class ActAnswer(Told):
    """What an operator has done."""

    at: Utc
    act: str
    who: str
    reason: str | None
    count: int | None


class OneEmailAnswer(EmailAnswer):
    """An email with all that was tried."""

    message_id_header: str
    resends: list[str]
    attempts_made: list[AttemptAnswer]
    events: list[EventAnswer]
    more_events: bool
    acts: list[ActAnswer]


class SearchBody(Asked):
    """What to look for: one of these. An address needs the right `see_recipients`."""

    recipient: Annotated[str, Field(min_length=3, max_length=320)] | None = None
    key: Annotated[Key, Field(description="Of an email or of a job.")] | None = None
    message_id: Annotated[str, Field(min_length=3, max_length=300)] | None = None
    name: Annotated[str, Field(min_length=3, max_length=255, description="Words of a job's name.")] | None = None

    def wanted(self, after: str | None) -> SearchRequest:
        """The one that is given. Raises `InvalidRequest`."""
        given = [(kind, text) for kind in SearchKind if (text := getattr(self, kind.value)) is not None]
        if len(given) != 1:
            raise InvalidRequest("name a recipient, a key, a message_id or a name, and only one", which="recipient")
        ((kind, text),) = given
        return SearchRequest(text, kind, after)


class SearchQuery(Asked):
    """Which page."""

    limit: PageSize = 100
    after: Cursor | None = None


class FoundJobAnswer(Told):
    """A job by its name or key."""

    key: str
    name: str
    state: str
    created_at: Utc


class FoundAnswer(Told):
    """A page of emails of all jobs. Jobs are found by a key or a name."""

    items: list[EmailAnswer]
    jobs: list[FoundJobAnswer]
    next: str | None


class PreviewQuery(Asked):
    """How it is shown."""

    form: Annotated[Literal["eml", "parts"], Field(description="The message, or JSON with its parts.")] = "eml"


class PreviewPartAnswer(Told):
    """A part of an email, or a file that its channel would put. `size` is bytes."""

    name: str
    content_type: str
    size: int
    sha256: str
    attached: bool


class PreviewAnswer(Told):
    """A rendered email. `missing` are values that its templates print and that it does not have."""

    key: str
    job: str
    recipient: str
    sender: str
    subject: str
    text: str | None
    has_html: bool
    missing: list[str]
    parts: list[PreviewPartAnswer]


class ResendBody(Asked):
    """Why. Another address than the source's, and one on the suppression list, need the right `admin`."""

    reason: Reason
    recipient: Annotated[str, Field(min_length=3, max_length=320)] | None = None
    despite_suppression: bool = False


class ResentAnswer(Told):
    """The new email's key. The service sends it by itself."""

    key: str
    resend_of: str


def routes(cursors: Cursors) -> ApiRoutes:
    """The routes of this subject."""
    r = ApiRoutes("emails", "Emails of all jobs.")

    @r.post("/emails/search", Right.VIEW, FoundAnswer, "find TEXT")
    def search_emails(query: SearchQuery, body: SearchBody) -> Response:
        """Find emails of all jobs by recipient, key or Message-ID, and jobs by key or name. It is in the audit."""
        wanted = body.wanted(cursors.after(query.after))
        if wanted.kind is SearchKind.RECIPIENT:
            need(Right.SEE_RECIPIENTS, "To search by recipient")
        found = operations_now().searching.page(wanted, query.limit)
        items = [email_answer(email, found.job_key(email)) for email in found.emails]
        jobs = [
            FoundJobAnswer(key=job.key, name=shown(job.name), state=job.state, created_at=job.created_at)
            for job in found.jobs
        ]
        return json_answer(as_json(FoundAnswer(items=items, jobs=jobs, next=cursors.next(found.next_after))))

    @r.get("/emails/<path:key>", Right.VIEW, OneEmailAnswer, "email {key}")
    def show_email(path: OneKey) -> Response:
        """Show an email with each try and each event. It is in the audit."""
        return json_answer(as_json(_whole(operations_now().emails.view(path.key))))

    _add_content(r)
    return r


def _add_content(r: ApiRoutes) -> None:
    @r.get("/emails/<path:key>/preview", Right.SEE_CONTENT, PreviewAnswer, "preview {key}")
    def preview_email(path: OneKey, query: PreviewQuery) -> Response:
        """Render an email now, as its customer would get it. Nothing is sent. It is in the audit."""
        found = operations_now().previewing.preview(path.key)
        if query.form == "parts" or found.message is None:
            return json_answer(as_json(_previewed(found)))
        name = re.sub(r"[^A-Za-z0-9._-]", "_", found.key)
        headers = {"Content-Disposition": f'attachment; filename="{name}.eml"'}
        return Response(found.message, 200, headers, mimetype="message/rfc822")

    @r.post("/emails/<path:key>/resend", Right.OPERATE, ResentAnswer, "resend {key} --reason WHY")
    def resend_email(path: OneKey, body: ResendBody) -> Response:
        """Send a sent email again, as a new email of the same job. It needs Idempotency-Key."""
        if body.recipient is not None or body.despite_suppression:
            need(Right.ADMIN, "To send it to another address, or despite the suppression list,")
        request = ResendRequest(path.key, body.reason, body.recipient, body.despite_suppression)
        resending = operations_now().resending
        return once(lambda: resending.resend(request), lambda: _resent(path.key), needed=True)


def _resent(key: str) -> dict[str, Any]:
    """The newest resend. It is looked up, because the first answer may have been lost with its process."""
    return as_json(ResentAnswer(key=operations_now().resending.newest(key), resend_of=key))


def _previewed(found: EmailPreview) -> PreviewAnswer:
    return PreviewAnswer(
        key=found.key,
        job=found.job,
        recipient=shown(found.recipient),
        sender=found.sender,
        subject=found.subject,
        text=found.text,
        has_html=found.html is not None,
        missing=list(found.missing),
        parts=[PreviewPartAnswer.model_validate(part) for part in found.parts],
    )


def need(right: Right, what: str) -> None:
    """Refuse a caller without a right that not each request of a route needs. Raises `HttpProblem`."""
    if not caller_now().may(right):
        facts = {"right": right.value}
        raise HttpProblem(
            403, "no_right", f"{what} needs the right {right.value}.", "Ask an admin for it.", facts=facts
        )


def email_answer(email: EmailReport, job: str) -> EmailAnswer:
    """An email as the caller may see it."""
    return EmailAnswer(**_facts(email, job))


def _facts(email: EmailReport, job: str) -> dict[str, Any]:
    return {
        "key": email.key,
        "job": job,
        "recipient": shown(email.recipient),
        "state": email.state,
        "generation": email.gen,
        "attempts": email.attempts,
        "detail": shown_or_none(email.detail),
        "message_id": email.message_id,
        "outcome": email.outcome,
        "outcome_at": email.outcome_at,
        "changed_at": email.changed_at,
        "wire_at": email.wire_at,
        "not_before": email.not_before,
        "lease_until": email.lease_until,
    }


def _whole(view: EmailView) -> OneEmailAnswer:
    attempts = [
        AttemptAnswer(
            generation=one.gen, attempt=one.attempt, verdict=one.verdict, code=one.code, enhanced=one.enhanced,
            reply=shown_or_none(one.reply), message_id=one.message_id, worker=one.worker, took_ms=one.took_ms,
            ended_at=one.ended_at, recipient=shown_or_none(one.recipient), sha256=one.sha256,
        )
        for one in view.attempts
    ]  # fmt: skip
    events = [
        EventAnswer(
            kind=one.kind, sub_type=one.sub_type, outcome=one.outcome, code=one.code, enhanced=one.enhanced,
            detail=shown(one.detail), automatic=one.automatic, generation=one.gen, occurred_at=one.occurred_at,
            received_at=one.received_at,
        )
        for one in view.events
    ]  # fmt: skip
    acts = [
        ActAnswer(at=act.at, act=act.act, who=act.who, reason=shown_or_none(act.reason), count=act.count)
        for act in view.acts
    ]
    return OneEmailAnswer(
        **_facts(view.report, view.job_key),
        message_id_header=view.header_id,
        resends=list(view.resends),
        attempts_made=attempts,
        events=events,
        more_events=view.more_events,
        acts=acts,
    )
