"""Rehearsals of jobs."""

import re
from typing import Annotated, Literal

from flask import Response
from pydantic import Field

from eed_delivery.access.rights import Right
from eed_delivery.api.keyed import once
from eed_delivery.api.long_acts import OperationAnswer, OperationPath, started
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Asked, Key, OneKey, Told, Utc, as_json
from eed_delivery.api.versions import tagged
from eed_delivery.operations.rehearsing.orders import MOST_PROCESSES, MOST_SAMPLES, RehearsalRequest
from eed_delivery.operations.rehearsing.results import RehearsalView, severity
from eed_delivery.operations.rehearsing.sample_sending import MOST_SENT, SamplesToSend
from eed_delivery.operators.asking import require
from eed_delivery.operators.shell import operations_now


class RehearsalBody(Asked):
    """Which emails: the `first` ones, and of these each `every`th. Without `beside_live` it waits for live emails."""

    first: Annotated[int, Field(ge=1, le=2**31)] | None = None
    every: Annotated[int, Field(ge=1, le=2**31)] = 1
    samples: Annotated[int, Field(ge=0, le=MOST_SAMPLES)] = 20
    processes: Annotated[int, Field(ge=1, le=MOST_PROCESSES)] | None = None
    beside_live: bool = False


class RehearsalFindingAnswer(Told):
    """Emails with the same finding. `keys` are the first of them. A `red` one must never be sent, and `fails` would
    fail."""

    kind: str
    severity: Literal["red", "fails", "look"]
    what: str
    count: int
    keys: list[str]


class SampleAnswer(Told):
    """An email that is worth a look, and why."""

    key: str
    why: str


class RehearsalAnswer(Told):
    """What a rehearsal came to. `looked_at` of the job's `emails` that are not sent yet were seen. `whole`: all were
    meant to be.

    `incomplete` means that the job changed meanwhile, as `changes` says. `partial`: nothing was found in a part.
    """

    operation: str
    job: str
    verdict: Literal["clean", "findings", "partial", "incomplete"]
    whole: bool
    digest: str = Field(description="SHA-256 over key and message of each email.")
    emails: int
    looked_at: int
    rendered: int
    total_bytes: int
    findings: list[RehearsalFindingAnswer]
    samples: list[SampleAnswer]
    changes: list[str]
    read_by_service: bool = Field(description="The database user that read could write to the source.")
    made_at: Utc


class RehearsalsAnswer(Told):
    """The newest rehearsals of a job."""

    items: list[RehearsalAnswer]


class SamplePath(OperationPath):
    """An email of a rehearsal."""

    email: Key


class MessageAnswer(Told):
    """The message itself."""


class SendSamplesBody(Asked):
    """How many of the samples are sent, the first ones, and to which tester."""

    count: Annotated[int, Field(ge=1, le=MOST_SENT)] = 5
    to: Annotated[str, Field(min_length=3, max_length=254)]


class SamplesSentAnswer(Told):
    """The rehearsal whose samples were sent. The audit has each of them."""

    operation: str
    count: int = Field(description="How many were asked for.")


def routes() -> ApiRoutes:
    """The routes of this subject."""
    r = ApiRoutes("rehearsals", "Jobs whose emails are rendered, and not sent.")

    @r.post("/jobs/<path:key>/rehearsals", Right.OPERATE, OperationAnswer, "rehearse {key}", OperationAnswer)
    def rehearse_job(path: OneKey, body: RehearsalBody) -> Response:
        """Have a job rehearsed, which need not be ready. It needs an Idempotency-Key."""
        request = RehearsalRequest(
            path.key, body.first, body.every, body.samples, body.beside_live, body.processes
        )  # fmt: skip
        orders = operations_now().rehearsal_orders
        return started(lambda: orders.start(request), needed=True)

    @r.get("/jobs/<path:key>/rehearsals", Right.VIEW, RehearsalsAnswer, "rehearse {key}")
    def list_rehearsals(path: OneKey) -> Response:
        """List what rehearsals of a job came to, the newest first."""
        found = operations_now().rehearsal_results.of_job(path.key)
        return tagged(as_json(RehearsalsAnswer(items=[_answer(one) for one in found])))

    @r.get("/rehearsals/<operation>", Right.VIEW, RehearsalAnswer, "rehearse")
    def show_rehearsal(path: OperationPath) -> Response:
        """Show what a rehearsal came to. Its operation says when it has ended."""
        return tagged(as_json(_answer(operations_now().rehearsal_results.view(path.operation))))

    @r.get("/rehearsals/<operation>/samples/<path:email>", Right.SEE_CONTENT, MessageAnswer, "rehearse --keep")
    def show_sample(path: SamplePath) -> Response:
        """Fetch a sample as message/rfc822, rendered from its row as it is now. It is in the audit."""
        made = operations_now().rehearsal_results.message(path.operation, path.email)
        name = re.sub(r"[^A-Za-z0-9._-]", "_", path.email)
        headers = {"Content-Disposition": f'attachment; filename="{name}.eml"', "Cache-Control": "no-store"}
        return Response(made.content, 200, headers, mimetype="message/rfc822")

    @r.post(
        "/rehearsals/<operation>/samples", Right.SEE_CONTENT, SamplesSentAnswer, "rehearse JOB --sample N --to ADDRESS"
    )
    def send_samples(path: OperationPath, body: SendSamplesBody) -> Response:
        """Send samples to a tester, as `rehearsal.sample_recipients` allows. It needs an Idempotency-Key.

        It also needs the right `operate`.
        """
        require(Right.OPERATE, "To send samples")
        wanted, sending = SamplesToSend(path.operation, body.count, body.to), operations_now().sample_sending
        answer = SamplesSentAnswer(operation=path.operation, count=body.count)
        return once(lambda: sending.send(wanted), lambda: as_json(answer), needed=True)

    return r


def _answer(view: RehearsalView) -> RehearsalAnswer:
    return RehearsalAnswer(
        operation=view.operation,
        job=view.job,
        verdict=view.verdict,
        whole=view.whole,
        digest=view.digest,
        emails=view.emails,
        looked_at=view.looked_at,
        rendered=view.rendered,
        total_bytes=view.total_bytes,
        findings=[
            RehearsalFindingAnswer(
                kind=one.kind, severity=severity(one), what=one.what, count=one.count, keys=list(one.keys)
            )
            for one in view.findings
        ],
        samples=[SampleAnswer(key=one.key, why=one.why) for one in view.samples],
        changes=list(view.changes),
        read_by_service=view.read_by_service,
        made_at=view.made_at,
    )
