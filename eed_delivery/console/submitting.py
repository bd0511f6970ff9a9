"""Register a job: its templates, and a file of recipients. A form that is sent twice registers it once."""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any

from flask import Response, request

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import FormError, FormField, form_errors
from eed_delivery.console.one_job import JOBS
from eed_delivery.console.rendering import page, see_other
from eed_delivery.console.routes import BOTH, PageRoutes
from eed_delivery.errors import DatabaseGone, InfrastructureFailure, NotPossible, RenderError
from eed_delivery.operations.long_acts.starting import LongAct
from eed_delivery.operations.refusals import OperationRefused
from eed_delivery.operations.repeats import KeyAnswered, KeyedRequest, KeyOfAnother, KeyTaken
from eed_delivery.operations.submitting.drafts import JobDraft
from eed_delivery.operations.submitting.submission import RegisteredJob, SubmissionPreview
from eed_delivery.operations.submitting.uploading import BadRows, UploadedJob
from eed_delivery.operations.text_files.lines import BadRow
from eed_delivery.operators.problems import notes_of, problem_of, sentence
from eed_delivery.operators.routes import takes_up_to
from eed_delivery.operators.shell import caller_now, operations_now
from eed_delivery.untrusted import mask_addresses

LARGEST_FILE = 2**26
LARGEST_TEMPLATE = 2**20
LARGEST_TEXTS = 3 * LARGEST_TEMPLATE
_PIECE = 2**20
_MOMENT = "With its zone, as 2026-12-31T18:00:00+01:00."
RECIPIENTS = FormField(
    "recipients", "Recipients", "A CSV of up to 64 MiB with a column email. Choose it again after a mistake.", "file"
)
FIELDS = (
    FormField("name", "Name", "For people.", length=255),
    FormField("sender", "Sender", "As Bank <statements@example.com>.", length=500),
    FormField("reply_to", "Reply to", required=False, length=500),
    FormField("subject", "Subject", "A template, like the bodies.", length=2000),
    FormField("html", "HTML body", "A template.", "textarea", required=False, length=LARGEST_TEMPLATE),
    FormField("text", "Text body", "A template.", "textarea", required=False, length=LARGEST_TEMPLATE),
    FormField("channel", "Channel", "Empty: that of all jobs.", required=False, length=32),
    FormField("category", "Category", required=False, length=191),
    FormField("attachments", "Attachments of each email", "A place a line.", "textarea", required=False, length=51_200),
    FormField("schedule", "Not before", _MOMENT, required=False, length=40),
    FormField("expires", "Expires", _MOMENT, required=False, length=40),
    RECIPIENTS,
    FormField("encoding", "Encoding of the file", "Empty: that of its mark, or UTF-8.", required=False, length=40),
    FormField("delimiter", "Between its columns", "Empty: as its first line.", required=False, length=1),
    FormField("dry_run", "Only check, and show the first email", kind="checkbox", required=False),
)
_NAMES = frozenset(field.name for field in FIELDS)
KEY = "key"
"""The hidden field by which a form that comes twice is known."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What the form says beside its fields: the first email of a check, or rows that are bad."""

    errors: Sequence[FormError] = ()
    preview: SubmissionPreview | None = None
    emails: int = 0
    notes: Sequence[str] = ()
    bad: Sequence[BadRow] = ()
    bad_total: int = 0
    left: bool = False
    """A job was begun, and is not complete."""


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""

    @routes.page(
        "/submit",
        Right.SUBMIT,
        section="Jobs",
        command="submit --name NAME --sender SENDER --subject SUBJECT --html FILE --recipients FILE",
        call="POST /api/v1/jobs",
        methods=BOTH,
    )
    @takes_up_to(LARGEST_FILE + LARGEST_TEXTS)
    def submit() -> Response:
        operations_now().submitting.check_source()
        request.max_form_memory_size = LARGEST_TEXTS
        if request.method != "POST":
            return _asked({}, _Found())
        given = {name: value.strip().replace("\r\n", "\n") for name, value in request.form.items()}
        errors = [*form_errors([field for field in FIELDS if field is not RECIPIENTS], given)]
        file = request.files.get(RECIPIENTS.name)
        if file is None or not file.filename:
            errors.append(FormError(RECIPIENTS.name, "Choose a file."))
        if errors or file is None:
            return _asked(given, _Found(errors), 422)
        return _sent(given, file.stream)


def _sent(given: Mapping[str, str], file: IO[bytes]) -> Response:
    try:
        digest = _digest(given, file)
        uploaded = UploadedJob(_draft(given), file, given.get("encoding") or None, given.get("delimiter") or None)
        if given.get("dry_run") == "yes":
            return _checked(given, uploaded)
        return _registered(given, uploaded, digest)
    except BadRows as error:
        return _asked(given, _Found([_error(error)], bad=error.rows, bad_total=error.total), 422)
    except RenderError as error:
        return _asked(given, _Found([FormError("", sentence(mask_addresses(error.reply)))]), 422)
    except NotPossible as error:
        return _asked(given, _Found([_error(error)], left=bool(notes_of(error))), 422)
    except (DatabaseGone, InfrastructureFailure) as error:
        if not notes_of(error):
            raise
        problem = problem_of(error)
        what = "" if problem is None else problem.detail
        return _asked(given, _Found([FormError("", what)], left=True), 503)


def _draft(given: Mapping[str, str]) -> JobDraft:
    def optional(name: str) -> str | None:
        return given.get(name) or None

    return JobDraft(
        name=given["name"],
        sender=given["sender"],
        subject=given["subject"],
        html=optional("html"),
        text=optional("text"),
        reply_to=optional("reply_to"),
        category=optional("category"),
        channel=optional("channel"),
        attachments=tuple(filter(None, map(str.strip, given.get("attachments", "").splitlines()))),
        schedule=_moment("schedule", given),
        expires=_moment("expires", given),
    )


def _moment(name: str, given: Mapping[str, str]) -> datetime | None:
    text = given.get(name)
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise OperationRefused("it is not a time with its zone, as 2026-12-31T18:00:00+01:00", which=name)


def _error(error: NotPossible) -> FormError:
    which = error.which if isinstance(error, OperationRefused) else RECIPIENTS.name
    what = error.what if isinstance(error, OperationRefused) else str(error)
    field = RECIPIENTS.name if which == "file" else which
    words = " ".join((sentence(mask_addresses(what)), *notes_of(error)))
    return FormError(field if field in _NAMES else "", words)


def _digest(given: Mapping[str, str], file: IO[bytes]) -> str:
    """Stands for the whole form. Raises `OperationRefused` for a file that is too large."""
    digest = hashlib.sha256(json.dumps(sorted(given.items())).encode())
    while piece := file.read(_PIECE):
        digest.update(piece)
    if file.tell() > LARGEST_FILE:
        what = f"it has more than {LARGEST_FILE:,} bytes"
        raise OperationRefused(f"{what}: submit it on a command line, or from S3 by the API", which=RECIPIENTS.name)
    file.seek(0)
    return digest.hexdigest()


def _checked(given: Mapping[str, str], uploaded: UploadedJob) -> Response:
    uploading = operations_now().uploading
    with uploading.checked(uploaded) as checked:
        preview, emails, notes = uploading.preview(checked), checked.sifted.good, checked.job.notes
    return _asked(given, _Found(preview=preview, emails=emails, notes=notes))


def _registered(given: Mapping[str, str], uploaded: UploadedJob, digest: str) -> Response:
    repeats, orders = operations_now().repeats, operations_now().submission_orders
    if not given.get(KEY):
        return _asked(given, _Found([FormError("", "Send this form again: it had no number of its own.")]), 422)
    state = repeats.take(KeyedRequest(caller_now().name, given[KEY], request.method, request.path, digest))
    if isinstance(state, KeyTaken):
        done: list[RegisteredJob | LongAct] = []
        repeats.act(state, lambda: done.append(orders.register(uploaded, repeats.kept(state))))
        what_became = done[0] if done else orders.registered_as(state.operation)
        path, message = _told(what_became)
        repeats.answered(state, 303, json.dumps([path, message]))
        return see_other(path, message)
    if isinstance(state, KeyAnswered):
        path, message = json.loads(state.answer or "")
        return see_other(path, message)
    what = "The job is being registered. Look at the list of jobs in a minute."
    if isinstance(state, KeyOfAnother):
        what = "This form has registered a job already. To register this one too, send it again."
        given = {**given, KEY: ""}
    return _asked(given, _Found([FormError("", what)]), 409)


def _told(done: RegisteredJob | LongAct | None) -> tuple[str, str]:
    """The page to look at, and what happened."""
    if isinstance(done, LongAct):
        note = done.parameters.get("note", "")
        message = f"The file is long, so operation {done.id} registers it. {note}"
        return f"/operations/{done.id}", message.strip()
    if done is None:
        return JOBS.path, "The job was registered."
    message = f"Job {done.key} is registered, with {done.emails:,} emails. The publisher picks it up by itself."
    return JOBS.path, " ".join((message, *done.notes))


def _asked(given: Mapping[str, str], found: _Found, status: int = 200) -> Response:
    facts: dict[str, Any] = {"fields": FIELDS, "given": given, "errors": found.errors, "found": found}
    key = given.get(KEY) or secrets.token_urlsafe(16)
    return page("submit.html", title="Register a job", crumbs=(JOBS,), status=status, key=key, mask=_masked, **facts)


def _masked(text: str) -> str:
    return text if caller_now().may(Right.SEE_RECIPIENTS) else mask_addresses(text)
