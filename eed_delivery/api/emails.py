"""Emails: search, and one with all that was tried."""

from typing import Annotated, Any

from flask import Response
from pydantic import Field

from eed_delivery.access.rights import Right
from eed_delivery.api.cursors import Cursors
from eed_delivery.api.masking import shown, shown_or_none
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Asked, Cursor, OneKey, PageSize, Told, Utc, as_json
from eed_delivery.operations.emails import EmailReport, EmailsRequest, EmailView
from eed_delivery.operators.shell import json_answer, operations_now


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
    """Whose emails."""

    recipient: Annotated[str, Field(min_length=3, max_length=320)]


class SearchQuery(Asked):
    """Which page."""

    limit: PageSize = 100
    after: Cursor | None = None


class FoundAnswer(Told):
    """A page of emails of all jobs."""

    items: list[EmailAnswer]
    next: str | None


def routes(cursors: Cursors) -> ApiRoutes:
    """The routes of this subject."""
    r = ApiRoutes("emails", "Emails of all jobs.")

    @r.post("/emails/search", Right.SEE_RECIPIENTS, FoundAnswer, "emails --to ADDRESS")
    def search_emails(query: SearchQuery, body: SearchBody) -> Response:
        """Find all emails to an address, however it is spelt. It is in the audit."""
        wanted = EmailsRequest(to=body.recipient, after=cursors.after(query.after))
        page = operations_now().emails.page(wanted, query.limit)
        items = [email_answer(email, page.job_keys.get(email.job_id, "")) for email in page.emails]
        return json_answer(as_json(FoundAnswer(items=items, next=cursors.next(page.next_after))))

    @r.get("/emails/<path:key>", Right.VIEW, OneEmailAnswer, "email {key}")
    def show_email(path: OneKey) -> Response:
        """Show an email with each try and each event. It is in the audit."""
        return json_answer(as_json(_whole(operations_now().emails.view(path.key))))

    return r


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
