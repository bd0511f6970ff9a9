"""Jobs that a caller registers, with their recipients in the request or in S3.

The request is multipart with the parts `job` (JSON) and `recipients` (CSV), or JSON with a place in S3.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from flask import Response, request
from pydantic import Field

from eed_delivery.access.rights import Right
from eed_delivery.api.keyed import once, once_by
from eed_delivery.api.long_acts import OperationAnswer, WhyBody, operation_answer
from eed_delivery.api.masking import shown
from eed_delivery.api.routes import PREFIX, ApiRoutes, LargeBody
from eed_delivery.api.schemas import Asked, Moment, OneKey, Told, as_json
from eed_delivery.api.versions import tagged
from eed_delivery.operations.long_acts.starting import LongAct
from eed_delivery.operations.repeats import KeptKey
from eed_delivery.operations.submitting.drafts import JobDraft
from eed_delivery.operations.submitting.incomplete import IncompleteJob
from eed_delivery.operations.submitting.s3_recipients import S3Reference
from eed_delivery.operations.submitting.submission import RegisteredJob
from eed_delivery.operations.submitting.uploading import BadRows, UploadedJob
from eed_delivery.operators.problems import HttpProblem, sentence
from eed_delivery.operators.shell import json_answer, operations_now
from eed_delivery.untrusted import mask_addresses

LARGEST_FILE = 2**26
LARGEST_JOB = 2**20
LARGEST_JSON = 2 * LARGEST_JOB
"""Parsed at once, which takes many times its size in memory. Both templates fit."""
_PIECE = 2**20
_TEMPLATE = Field(default=None, max_length=LARGEST_JOB)


class SubmitQuery(Asked):
    """Whether to check only."""

    dry_run: bool = False


class JobBody(Asked):
    """A job to register. `html` and `text` are templates, `attachments` places of files that each email gets."""

    name: Annotated[str, Field(min_length=1, max_length=255)]
    sender: Annotated[str, Field(min_length=1, max_length=500)]
    subject: Annotated[str, Field(min_length=1, max_length=2000)]
    html: Annotated[str | None, _TEMPLATE] = None
    text: Annotated[str | None, _TEMPLATE] = None
    reply_to: Annotated[str | None, Field(max_length=500)] = None
    category: Annotated[str | None, Field(max_length=191)] = None
    channel: Annotated[str | None, Field(max_length=32)] = None
    attachments: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=1024)], ...], Field(max_length=50)] = ()
    schedule: Moment | None = None
    expires: Moment | None = None
    encoding: Annotated[str | None, Field(max_length=40, description="Of the CSV. Default: its BOM's, or UTF-8")] = None
    delimiter: Annotated[str | None, Field(min_length=1, max_length=1)] = None

    def draft(self) -> JobDraft:
        """As operations take it."""
        given = self.model_dump(exclude={"encoding", "delimiter", "recipients"})
        return JobDraft(**given)


class InS3(Asked):
    """A file of recipients in S3. `version_id` and `sha256` say which content is meant."""

    s3: Annotated[str, Field(min_length=6, max_length=1100, pattern="^s3://")]
    version_id: Annotated[str | None, Field(min_length=1, max_length=1024)] = None
    sha256: Annotated[str | None, Field(pattern="^[0-9A-Fa-f]{64}$")] = None


class JobInS3Body(JobBody):
    """A job whose recipients are in S3."""

    recipients: InS3


class SubmittedAnswer(Told):
    """The new job. `key` null: it was checked only, and `first` is its first email. `notes` are what to know of it."""

    key: str | None
    emails: int
    first: dict[str, Any] | None = None
    notes: list[str] = Field(default=[], description="For example that it will expire before its send window opens.")


class IncompleteJobAnswer(Told):
    """A job whose last row is not in. `operation` still registers it. Null: a command line does, or no process."""

    key: str
    name: str
    operation: str | None


class IncompleteJobsAnswer(Told):
    """The newest jobs that are not complete, 100 at most. None of their emails is sent."""

    items: list[IncompleteJobAnswer]


_DESCRIBED = JobInS3Body.model_json_schema()
_DEFINED = _DESCRIBED.pop("$defs")
_DESCRIBED["properties"]["recipients"] = _DEFINED["InS3"]
_PARTS = {
    "type": "object",
    "required": ["job", "recipients"],
    "properties": {
        "job": {"type": "string", "description": "The same JSON as of the other media type, without recipients."},
        "recipients": {"type": "string", "format": "binary", "description": "A CSV of up to 64 MiB."},
    },
}
_TAKEN = LargeBody(
    LARGEST_FILE + 2 * LARGEST_JOB,
    {"multipart/form-data": {"schema": _PARTS}, "application/json": {"schema": _DESCRIBED}},
)


def routes() -> ApiRoutes:
    """The routes of this subject."""
    r = ApiRoutes("submitting", "Jobs that callers register, in the reference schema.")

    command = "submit --name NAME --recipients FILE …"

    @r.post("/jobs", Right.SUBMIT, SubmittedAnswer, command, OperationAnswer, taken=_TAKEN)
    def submit_job(query: SubmitQuery) -> Response:
        """Register a job with its recipients. It needs an Idempotency-Key, and is kept through a crash.

        A file with more than 10,000 rows is registered by an operation, with the answer 202.
        """
        with _rows_told(), _uploaded() as (uploaded, digest):
            if query.dry_run:
                return _checked_only(uploaded)
            return _registered(uploaded, digest)

    _add_incomplete(r)
    return r


def _add_incomplete(r: ApiRoutes) -> None:
    @r.get("/submissions", Right.VIEW, IncompleteJobsAnswer, "submission list")
    def list_submissions() -> Response:
        """List jobs that are not complete, the newest first."""
        items = [_incomplete(one) for one in operations_now().incomplete_jobs.all()]
        return tagged(as_json(IncompleteJobsAnswer(items=items)))

    @r.post("/submissions/<path:key>/discard", Right.SUBMIT, IncompleteJobAnswer, "submission discard {key}")
    def discard_submission(path: OneKey, body: WhyBody) -> Response:
        """Discard a job that is not complete. It is marked as cancelled in the source, and its rows stay there."""
        jobs, done = operations_now().incomplete_jobs, list[IncompleteJob]()

        def answer() -> dict[str, Any]:
            gone = done[0] if done else IncompleteJob(path.key, "", None)
            return as_json(_incomplete(gone))

        return once(lambda: done.append(jobs.discard(path.key, body.reason)), answer)


def _incomplete(job: IncompleteJob) -> IncompleteJobAnswer:
    return IncompleteJobAnswer(key=job.key, name=shown(job.name), operation=job.operation)


def _checked_only(uploaded: UploadedJob) -> Response:
    uploading = operations_now().uploading
    with uploading.checked(uploaded) as checked:
        preview = uploading.preview(checked)
        first = {
            **{name: mask_addresses(value) for name, value in preview.addressed.items()},
            "subject": mask_addresses(preview.subject),
            "bytes": preview.size,
            "attachments": list(preview.attachments),
            "missing": list(preview.missing),
        }
        answer = SubmittedAnswer(key=None, emails=checked.sifted.good, first=first, notes=list(checked.job.notes))
        return json_answer(as_json(answer))


def _registered(uploaded: UploadedJob, digest: str) -> Response:
    orders = operations_now().submission_orders

    def act(key: KeptKey) -> RegisteredJob | LongAct:
        return orders.register(uploaded, key)

    def answer(done: RegisteredJob | LongAct) -> dict[str, Any]:
        if isinstance(done, LongAct):
            return as_json(operation_answer(done))
        return as_json(SubmittedAnswer(key=done.key, emails=done.emails, notes=list(done.notes)))

    response = once_by(
        digest, act, orders.registered_as, answer, status=lambda done: 202 if isinstance(done, LongAct) else 201
    )
    told = response.get_json() or {}
    where = f"jobs/{told.get('key')}" if response.status_code == 201 else f"operations/{told.get('id')}"
    response.headers["Location"] = f"{request.root_path}{PREFIX}/{where}"
    return response


@contextmanager
def _rows_told() -> Iterator[None]:
    """Bad rows as an answer."""
    try:
        yield
    except BadRows as error:
        errors = [{"pointer": f"/recipients/{row.line}", "detail": sentence(row.what)} for row in error.rows]
        facts = {"errors_total": error.total}
        raise HttpProblem(422, "invalid", sentence(error.what), error.do, errors=errors, facts=facts) from error


@contextmanager
def _uploaded() -> Iterator[tuple[UploadedJob, str]]:
    """The job of this request, and a digest of the request."""
    if request.mimetype == "application/json":
        request.max_content_length = LARGEST_JSON
        text = request.get_data()
        body = JobInS3Body.model_validate_json(_json(text))
        place = body.recipients
        reference = S3Reference(place.s3, place.version_id, place.sha256)
        yield UploadedJob(body.draft(), reference, body.encoding, body.delimiter), hashlib.sha256(text).hexdigest()
        return
    if request.mimetype != "multipart/form-data":
        do = "Send multipart/form-data with the parts job and recipients, or application/json with a place in S3."
        raise HttpProblem(415, "wrong_type", "The body has another type.", do)
    yield _of_parts()


def _of_parts() -> tuple[UploadedJob, str]:
    request.max_form_memory_size = LARGEST_JSON
    given = [text.encode() for text in request.form.getlist("job")]
    given += [file.read(LARGEST_JSON + 1) for file in request.files.getlist("job")]
    files = request.files.getlist("recipients")
    others = {*request.form, *request.files} - {"job", "recipients"}
    if len(given) != 1 or len(files) != 1 or others or "recipients" in request.form:
        what = "The body has exactly the parts job (JSON) and recipients (a file)."
        raise HttpProblem(422, "invalid", what, errors=[{"pointer": "/", "detail": what}])
    body = JobBody.model_validate_json(_json(given[0]))
    stream = files[0].stream
    digest = hashlib.sha256(given[0])
    while piece := stream.read(_PIECE):
        digest.update(piece)
    if stream.tell() > LARGEST_FILE:
        raise HttpProblem(413, "too_large", f"The file has more than {LARGEST_FILE:,} bytes.", "Name a place in S3.")
    stream.seek(0)
    return UploadedJob(body.draft(), stream, body.encoding, body.delimiter), digest.hexdigest()


def _json(text: bytes) -> bytes:
    if len(text) > LARGEST_JSON:
        raise HttpProblem(413, "too_large", f"The job has more than {LARGEST_JSON:,} bytes.")
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HttpProblem(400, "malformed", "The job is not JSON.") from error
    return text
