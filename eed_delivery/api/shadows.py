"""Comparisons with another server, and the differences that people accept."""

import re
from typing import Annotated, Literal

from flask import Response
from pydantic import Field

from eed_delivery.access.rights import Right
from eed_delivery.api.cursors import Cursors
from eed_delivery.api.keyed import once
from eed_delivery.api.long_acts import OperationAnswer, OperationPath, started
from eed_delivery.api.rehearsals import MessageAnswer
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Asked, Cursor, Key, PageSize, Reason, Told, Utc, as_json
from eed_delivery.api.versions import tagged
from eed_delivery.operations.refusals import UnknownKey
from eed_delivery.operations.shadowing.accepting import LONGEST_PATTERN, AcceptRequest
from eed_delivery.operations.shadowing.orders import MOST_DAYS, MOST_JOBS, ShadowRequest
from eed_delivery.operators.shell import operations_now

FieldName = Annotated[str, Field(min_length=1, max_length=32)]
RuleWord = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64)]
_SEPARATOR = "\n"
"""In a cursor, between the keys of a job and of an email. Neither has one."""


class ShadowBody(Asked):
    """For how many days the old server is followed. With `jobs` only these are compared, as they are now."""

    days: Annotated[float, Field(gt=0, le=MOST_DAYS)] = 7.0
    jobs: Annotated[list[Key], Field(max_length=MOST_JOBS)] = []  # noqa: RUF012 - pydantic copies it


class ShadowCountsAnswer(Told):
    """Emails by verdict. `accepted`: all of their differences are accepted."""

    same: int
    accepted: int
    differs: int
    only_old: int = Field(description="The old server sent them, and we would not.")
    only_new: int = Field(description="We would send them, and the old server did not.")
    not_comparable: int


class ShadowJobAnswer(Told):
    """A job. `unsent`: emails that the old server has not sent, as they were counted last."""

    key: str
    state: Literal["followed", "over", "done", "left"]
    unsent: int | None
    counts: ShadowCountsAnswer
    digest: str
    seen_at: Utc
    over_at: Utc | None
    ended_at: Utc | None


class ShadowGroupAnswer(Told):
    """Emails with one kind of difference. `accepted_by` is the name of what accepts it. `email` is one of them."""

    group: str
    field: str
    what: str
    count: int
    accepted_by: str
    job: str
    email: str


class ShadowAnswer(Told):
    """What a comparison has come to so far. `accepted` is emails by what accepts them."""

    operation: str
    state: str
    counts: ShadowCountsAnswer
    jobs: list[ShadowJobAnswer]
    groups: list[ShadowGroupAnswer]
    accepted: dict[str, int]
    stray_copies: int = Field(description="Copies that belong to no email that was compared so far.")
    digest: str = Field(description="SHA-256 over the verdict of each email.")
    waits: str = Field(description="What cannot be read now. Empty: nothing.")
    errors: list[str]
    made_at: Utc
    ended_at: Utc | None


class ShadowSummaryAnswer(Told):
    """A comparison, and how many emails were compared."""

    operation: str
    state: str
    emails: int
    made_at: Utc
    ended_at: Utc | None


class ShadowsAnswer(Told):
    """The newest comparisons."""

    items: list[ShadowSummaryAnswer]


class ShadowEmailsQuery(Asked):
    """Which emails, by job and key."""

    job: Key | None = None
    limit: PageSize = 100
    after: Cursor | None = None


class ShadowDifferenceAnswer(Told):
    """One difference of an email."""

    field: str
    what: str


class ShadowEmailAnswer(Told):
    """An email that is not the same."""

    job: str
    key: str
    verdict: Literal["differs", "only_old", "only_new", "not_comparable"]
    differences: list[ShadowDifferenceAnswer]


class ShadowEmailsAnswer(Told):
    """A page of emails. Of each kind of each job the first thousand are kept."""

    items: list[ShadowEmailAnswer]
    next: str | None


class ShadowEmailPath(OperationPath):
    """An email of a comparison."""

    email: Key


class ShadowMessagePath(ShadowEmailPath):
    """Whose message of it."""

    side: Literal["old", "new"]


class AcceptanceAnswer(Told):
    """An accepted difference: its field, what its description has, by whom, and why."""

    name: str
    field: str
    pattern: str
    by: str
    reason: str


class AcceptancesAnswer(Told):
    """Those of the configuration, and those of people."""

    items: list[AcceptanceAnswer]


class AcceptanceBody(Asked):
    """What is accepted by a name. `pattern` is a regular expression that the difference's description has."""

    name: RuleWord
    field: FieldName
    pattern: Annotated[str, Field(min_length=1, max_length=LONGEST_PATTERN)]
    reason: Reason


class AcceptancePath(Asked):
    """The name of an accepted difference."""

    name: RuleWord


class RevokeBody(Asked):
    """Why it is not accepted any more."""

    reason: Reason


def routes(cursors: Cursors) -> ApiRoutes:
    """The routes of this subject."""
    r = ApiRoutes("shadow mode", "Another server is followed, and its emails compared with ours. Nothing is sent.")
    _add_comparisons(r)
    _add_emails(r, cursors)
    _add_acceptances(r)
    return r


def _add_comparisons(r: ApiRoutes) -> None:
    @r.post("/shadows", Right.OPERATE, OperationAnswer, "shadow start", OperationAnswer)
    def start_shadow(body: ShadowBody) -> Response:
        """Have the old server followed. It needs an Idempotency-Key."""
        request, orders = ShadowRequest(body.days, tuple(body.jobs)), operations_now().shadow_orders
        return started(lambda: orders.start(request), needed=True)

    @r.get("/shadows", Right.VIEW, ShadowsAnswer, "shadow list")
    def list_shadows() -> Response:
        """List the comparisons, the newest first."""
        acts = operations_now().shadow_results.list_all()
        items = [
            ShadowSummaryAnswer(
                operation=one.id, state=one.state, emails=one.done, made_at=one.made_at, ended_at=one.ended_at
            )
            for one in acts
        ]
        return tagged(as_json(ShadowsAnswer(items=items)))

    @r.get("/shadows/<operation>", Right.VIEW, ShadowAnswer, "shadow report {operation}")
    def show_shadow(path: OperationPath) -> Response:
        """Show what a comparison has come to so far."""
        found = operations_now().shadow_results.view(path.operation)
        return tagged(as_json(ShadowAnswer.model_validate(found)))


def _add_emails(r: ApiRoutes, cursors: Cursors) -> None:
    @r.get("/shadows/<operation>/emails", Right.VIEW, ShadowEmailsAnswer, "shadow differences {operation} --emails")
    def list_shadow_emails(path: OperationPath, query: ShadowEmailsQuery) -> Response:
        """List emails that are not the same."""
        after = cursors.after(query.after)
        behind = None if after is None else after.split(_SEPARATOR)
        results = operations_now().shadow_results
        place = None if behind is None else (behind[0], behind[1])
        found = results.emails(path.operation, query.job, place, query.limit + 1)
        last = found[query.limit - 1] if len(found) > query.limit else None
        following = cursors.next(None if last is None else f"{last.job}{_SEPARATOR}{last.key}")
        items = [_email(one.job, one.key, one.verdict, one.differences) for one in found[: query.limit]]
        return tagged(as_json(ShadowEmailsAnswer(items=items, next=following)))

    @r.get("/shadows/<operation>/emails/<path:email>", Right.VIEW, ShadowEmailAnswer, "shadow show {email}")
    def show_shadow_email(path: ShadowEmailPath) -> Response:
        """Show how one email differs."""
        one = operations_now().shadow_results.email(path.operation, path.email)
        return tagged(as_json(_email(one.job, one.key, one.verdict, one.differences)))

    @r.get(
        "/shadows/<operation>/messages/<side>/<path:email>",
        Right.SEE_CONTENT,
        MessageAnswer,
        "shadow show {email} --keep DIR",
    )
    def show_shadow_message(path: ShadowMessagePath) -> Response:
        """Fetch one message of an email as message/rfc822, ours made from its row as it is now. It is in the audit."""
        both = operations_now().shadow_results.messages(path.operation, path.email)
        content = both.ours if path.side == "new" else both.theirs
        if content is None:
            what = f"there is no copy of email {path.email} of the old server's"
            raise UnknownKey(what, which=f"email {path.email}")
        name = f"{re.sub(r'[^A-Za-z0-9._-]', '_', path.email)}.{path.side}"
        headers = {"Content-Disposition": f'attachment; filename="{name}.eml"', "Cache-Control": "no-store"}
        return Response(content, 200, headers, mimetype="message/rfc822")


def _add_acceptances(r: ApiRoutes) -> None:
    @r.get("/shadow-acceptances", Right.VIEW, AcceptancesAnswer, "shadow accepted")
    def list_acceptances() -> Response:
        """List the differences that are accepted."""
        return tagged(as_json(_acceptances()))

    @r.post("/shadow-acceptances", Right.OPERATE, AcceptancesAnswer, "shadow accept NAME")
    def accept_difference(body: AcceptanceBody) -> Response:
        """Accept a kind of difference by a name. Its emails are counted as accepted, in all comparisons."""
        request = AcceptRequest(body.name, body.field, body.pattern, body.reason)
        return once(lambda: operations_now().shadow_acceptances.accept(request), lambda: as_json(_acceptances()))

    @r.post("/shadow-acceptances/<name>/revoke", Right.OPERATE, AcceptancesAnswer, "shadow revoke {name}")
    def revoke_difference(path: AcceptancePath, body: RevokeBody) -> Response:
        """Take back what was accepted by a name."""
        acceptances = operations_now().shadow_acceptances
        return once(lambda: acceptances.revoke(path.name, body.reason), lambda: as_json(_acceptances()))


def _acceptances() -> AcceptancesAnswer:
    rules = operations_now().shadow_acceptances.list_all()
    return AcceptancesAnswer(items=[AcceptanceAnswer.model_validate(one) for one in rules])


def _email(job: str, key: str, verdict: str, differences: list[tuple[str, str]]) -> ShadowEmailAnswer:
    told = [ShadowDifferenceAnswer(field=field, what=what) for field, what in differences]
    return ShadowEmailAnswer.model_validate({"job": job, "key": key, "verdict": verdict, "differences": told})
