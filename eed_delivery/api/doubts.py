"""Emails in doubt of all jobs, and what a relay's log proves of them."""

import io
from typing import Annotated

from flask import Response, request
from flask_openapi3.models import RawModel
from pydantic import Field

from eed_delivery.access.rights import Right
from eed_delivery.api.keyed import once
from eed_delivery.api.masking import shown
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Asked, Reason, Told, Utc, as_json
from eed_delivery.operations.doubts.workbench import (
    LARGEST_UPLOAD,
    SETTLED_AS,
    USUAL,
    DoubtGroup,
    DoubtsMatched,
    DoubtsPlan,
    LogVerdict,
    SettleDoubtsRequest,
    log_zone,
)
from eed_delivery.operators.asking import asker_now
from eed_delivery.operators.problems import HttpProblem
from eed_delivery.operators.routes import takes_up_to
from eed_delivery.operators.sealing import Seal
from eed_delivery.operators.shell import json_answer, operations_now

LOG_TYPES = ["text/plain", "application/octet-stream"]


class DoubtAnswer(Told):
    """An email in doubt."""

    key: str
    job: str
    message_id: str
    handed_over_at: Utc | None


class DoubtGroupAnswer(Told):
    """Doubts of one worker and minute. `workers` has each that it may have been."""

    workers: list[str]
    minute: Utc | None
    jobs: list[str]
    count: int
    doubts: list[DoubtAnswer]


class OnTheWireAnswer(Told):
    """An email that was handed over without an answer so far. It becomes a doubt then, unless its worker lives."""

    key: str
    job: str
    handed_over_at: Utc
    becomes_doubt_at: Utc | None


class DoubtsAnswer(Told):
    """All doubts, the latest first, and what may become one."""

    as_of: Utc
    count: int
    groups: list[DoubtGroupAnswer]
    on_the_wire: list[OnTheWireAnswer]


class MatchQuery(Asked):
    """How the log is read."""

    zone: Annotated[str, Field(max_length=64, description="The zone of times that name none: Europe/Berlin.")] = "UTC"


class LogText(RawModel):
    """Lines of the log, as the mail server wrote them."""

    mimetypes: list[str] = LOG_TYPES


class MatchedDoubtAnswer(Told):
    """What the log proves of an email. `evidence` is its line, or why there is none."""

    key: str
    job: str
    verdict: LogVerdict
    evidence: str


class DoubtsMatchedAnswer(Told):
    """What the log proves of all doubts. `plan` and `selection_etag` are for `POST /doubts/settle`."""

    servers: list[str]
    lines: int
    first: Utc | None
    last: Utc | None
    clock_minutes: int | None = Field(description="How far the log's clock is ahead of the database's.")
    problem: str = Field(description="Why the log proves of no email that it is not there. Empty where it may.")
    counts: dict[str, int]
    items: list[MatchedDoubtAnswer]
    selection_etag: str
    plan: str


class SettleDoubtsBody(Asked):
    """Which doubts to settle, by what the log has proven, and why."""

    plan: Annotated[str, Field(max_length=LARGEST_UPLOAD, description="Of `POST /doubts/match`.")]
    selection_etag: Annotated[str, Field(max_length=64, description="Likewise.")]
    verdicts: Annotated[
        list[LogVerdict],
        Field(default_factory=lambda: list(USUAL), min_length=1, max_length=len(SETTLED_AS)),
    ]
    reason: Reason


class DoubtsSettledAnswer(Told):
    """How many of the chosen emails are sent and failed now. `left` are neither, or have another generation by now."""

    sent: int
    failed: int
    left: int


def routes(seal: Seal) -> ApiRoutes:
    """The routes of this subject."""
    r = ApiRoutes("doubts", "Emails in doubt of all jobs.")

    @r.get("/doubts", Right.VIEW, DoubtsAnswer, "doubts list")
    def list_doubts() -> Response:
        """List all emails in doubt by worker and minute, and those that may become one."""
        view = operations_now().doubts.view()
        waiting = [
            OnTheWireAnswer(
                key=one.key, job=one.job_key, handed_over_at=one.wire_at, becomes_doubt_at=one.lease_until
            )
            for one in view.on_the_wire
        ]  # fmt: skip
        groups = [_group(group) for group in view.groups]
        answer = DoubtsAnswer(as_of=view.as_of, count=view.count, groups=groups, on_the_wire=waiting)
        return json_answer(as_json(answer))

    @r.post("/doubts/match", Right.OPERATE, DoubtsMatchedAnswer, "doubts match LOGFILE")
    @takes_up_to(LARGEST_UPLOAD)
    def match_doubts(query: MatchQuery, raw: LogText) -> Response:  # noqa: ARG001 - it describes the body
        """Say what a relay's log proves of each email in doubt. Nothing is written."""
        if request.mimetype not in LOG_TYPES:
            raise HttpProblem(415, "wrong_type", "The body is the log.", "Send Content-Type: text/plain.")
        found = operations_now().doubts.match(io.BytesIO(request.get_data()), log_zone(query.zone))
        return json_answer(as_json(_matched(found, seal)))

    @r.post("/doubts/settle", Right.OPERATE, DoubtsSettledAnswer, "doubts settle LOGFILE --selection ETAG --reason WHY")
    @takes_up_to(LARGEST_UPLOAD)
    def settle_doubts(body: SettleDoubtsBody) -> Response:
        """Settle the emails in doubt by what the log has proven, each with its evidence beside it."""
        packed = seal.opened(body.plan, asker_now().subject)
        if packed is None:
            errors = [{"pointer": "/plan", "detail": "It was not given to you, or is older than a day."}]
            raise HttpProblem(422, "invalid", "The plan cannot be used.", "Match the log again.", errors=errors)
        plan, doubts = DoubtsPlan.unpacked(packed), operations_now().doubts
        wanted = SettleDoubtsRequest(body.reason, body.selection_etag, tuple(body.verdicts))
        answer = DoubtsSettledAnswer
        return once(
            lambda: doubts.settle(plan, wanted),
            lambda: as_json(answer.model_validate(doubts.standing(plan, wanted))),
            again=True,
        )

    return r


def _group(group: DoubtGroup) -> DoubtGroupAnswer:
    doubts = operations_now().doubts
    items = [
        DoubtAnswer(key=one.key, job=one.job_key, message_id=doubts.message_id(one), handed_over_at=one.wire_at)
        for one in group.doubts
    ]
    workers, jobs = list(group.workers), list(group.jobs)
    return DoubtGroupAnswer(workers=workers, minute=group.minute, jobs=jobs, count=len(items), doubts=items)


def _matched(found: DoubtsMatched, seal: Seal) -> DoubtsMatchedAnswer:
    plan = found.plan
    items = [
        MatchedDoubtAnswer(
            key=one.doubt.key, job=one.doubt.job_key, verdict=one.verdict, evidence=shown(one.evidence)
        )
        for one in found.matches
    ]  # fmt: skip
    return DoubtsMatchedAnswer(
        servers=list(found.servers),
        lines=found.lines,
        first=found.first,
        last=found.last,
        clock_minutes=found.clock_minutes,
        problem=found.problem,
        counts={verdict.value: count for verdict, count in plan.counts.items()},
        items=items,
        selection_etag=plan.etag,
        plan=seal.sealed(plan.packed(), asker_now().subject),
    )
