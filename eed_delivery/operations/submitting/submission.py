"""One job on its way into the source. Everything that can be wrong is found before the first row is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email import message_from_bytes
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

from sqlalchemy import Connection

from eed_delivery.config import Settings
from eed_delivery.database.transactions import Database
from eed_delivery.errors import EedError
from eed_delivery.ledger.actor import Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, note, noted
from eed_delivery.ledger.reporting import ReportingLedger
from eed_delivery.model import AttachmentRef, Email, Job
from eed_delivery.operations.reference_schema import is_reference
from eed_delivery.operations.refusals import InvalidRequest, OperationRefused
from eed_delivery.operations.repeats import KeptKey
from eed_delivery.operations.submitting.attachments import SubmittedFiles
from eed_delivery.operations.submitting.drafts import JobDraft
from eed_delivery.operations.submitting.expiry import expires_unsent
from eed_delivery.operations.submitting.recipients import Recipient
from eed_delivery.operations.submitting.registering import Registration
from eed_delivery.operations.submitting.sifting import RefuseRow, Sifted, SiftRequest, sift
from eed_delivery.rendering.header_reading import decoded, fields, mailboxes
from eed_delivery.runtime import failpoints
from eed_delivery.send_windows.plan import WindowPlan

if TYPE_CHECKING:
    from eed_delivery.rendering.renderer import CompiledJob, Renderer


@dataclass(frozen=True, slots=True)
class PreparedJob:
    """A draft that can be registered, with its row, the attachments of all its emails, and its templates.

    `notes` are sentences that its caller should know, though it can be registered."""

    row: Mapping[str, Any]
    shared: tuple[AttachmentRef, ...]
    compiled: "CompiledJob"
    record: Callable[[AttachmentRef], AttachmentRef]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SubmissionPreview:
    """The first email as it would leave. `addressed` has From, To and Reply-To by their names in lower case. `missing`
    are the variables without a value."""

    addressed: Mapping[str, str]
    subject: str
    size: int
    attachments: tuple[str | None, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegisteredJob:
    """The new job's key, how many emails it has, and how many rows of the file were skipped. `notes` as in
    `PreparedJob`."""

    key: str
    emails: int
    skipped: int
    notes: tuple[str, ...] = ()


class Submitting:
    """Registers jobs in the reference schema. The publisher picks them up by itself."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        reporting: ReportingLedger,
        renderer: "Callable[[], Renderer]",
        who: Actor,
        plan: Callable[[], WindowPlan] = WindowPlan,
    ) -> None:
        """`plan` is which send windows are configured now."""
        self._plan = plan
        self._who = who
        self._settings = settings
        self._database = database
        self._reporting = reporting
        self._make_renderer = renderer

    @property
    def is_possible(self) -> bool:
        """Whether jobs are registered here. False where another system does that."""
        return is_reference(self._settings.source)

    def check_source(self) -> None:
        """Raises `OperationRefused` where another system registers the jobs."""
        if not self.is_possible:
            raise OperationRefused(
                "[source] maps your own tables, and submit writes the reference schema only",
                do="Register the job as your delivery server does.",
            )

    def prepare(
        self, draft: JobDraft, *, look_at_attachments: bool = True, shared: tuple[AttachmentRef, ...] | None = None
    ) -> PreparedJob:
        """Check a job by itself.

        `look_at_attachments` False means that they are not on this host. `shared` are the attachments of all its
        emails, if they were looked at before. Raises `OperationRefused`, or `RenderError` for its templates and files.
        """
        self.check_source()
        notes: tuple[str, ...] = ()
        if draft.expires is not None:
            now = self._reporting.now()
            draft.check_expiry(now)
            unsent = expires_unsent(self._plan(), self._settings.source.job, draft, now)
            notes = () if unsent is None else (unsent,)
        row = draft.row(self._settings.source)
        rendering = self._settings.rendering
        files = SubmittedFiles(
            rendering.attachments_root, rendering.max_attachment_bytes, rendering.allow_empty_attachments
        )
        record = files.recorded if look_at_attachments else _as_named
        if shared is None:
            shared = tuple(record(AttachmentRef(location)) for location in draft.attachments)
        return PreparedJob(row, shared, self._renderer.compile(_content(row, shared)), record, notes)

    @cached_property
    def _renderer(self) -> "Renderer":
        return self._make_renderer()

    def sift(
        self,
        job: PreparedJob,
        request: SiftRequest,
        spool: IO[str],
        refused: RefuseRow,
        each: Callable[[], None] = lambda: None,
    ) -> Sifted:
        """Read all recipients, with the good ones into `spool`, and name each bad row to `refused`. `each` is called
        after each row.

        Raises `RowsRefused` where good rows are not to go without the bad ones.
        """
        return sift(request, job.record, spool, refused, each)

    def preview(self, job: PreparedJob, sifted: Sifted) -> SubmissionPreview:
        """Render the first email, and register nothing."""
        rendered = self._renderer.render(job.compiled, _email(_first(sifted)))
        content = rendered.content
        parts = message_from_bytes(content).walk()
        names = tuple(part.get_filename() for part in parts if part.get_content_disposition() == "attachment")
        addressed = {name.lower(): _mailboxes(content, name) for name in ("From", "To", "Reply-To")}
        subject = "".join(map(decoded, fields(content, "Subject")))
        return SubmissionPreview(addressed, subject, len(content), names, tuple(rendered.missing))

    def register(self, job: PreparedJob, sifted: Sifted, key: KeptKey | None = None) -> RegisteredJob:
        """Write the job and its emails. An error in the middle leaves a job that is never sent, and says so in a note
        (PEP 678). With a key, it is released only by the process that holds the key."""
        _first(sifted)
        registration = Registration(self._database, self._settings.source)
        job_id = registration.begin(job.row, job.shared)
        try:
            for chunk in sifted.chunks():
                registration.add(chunk)
                if key is not None:
                    key.keep()
            act = submission(job_id, job, sifted)
            failpoints.reach("submit.added")

            def released(c: Connection) -> None:
                if key is not None:
                    key.keep_in(c)  # a process that was frozen since the last chunk may have lost it
                note(c, self._who, act)

            registration.release(released)
        except EedError as error:
            left = f"job {job_id} is not complete. It stays 'preparing', and none of its emails is sent"
            error.add_note(f"{left}. Discard it: eed-delivery submission discard {job_id} --reason WHY")
            raise
        return RegisteredJob(str(job_id), sifted.good, sifted.refused, job.notes)

    def registered_as(self, operation: str) -> RegisteredJob | None:
        """The job that this call has registered, whose answer was lost. None if it has registered none."""
        found = self._database.run(lambda c: noted(c, operation))
        return None if found is None else RegisteredJob(found.key, found.count, 0)


def submission(job_id: int, job: PreparedJob, sifted: Sifted) -> Act:
    """A job that is registered, for the audit."""
    counts = {"emails": sifted.good, "skipped": sifted.refused}
    after = {"name": job.row["name"], "subject": job.row["subject"]}
    return Act(
        ActKind.SUBMIT, job_id, count=sifted.good, object=ActObject.JOB, key=str(job_id), counts=counts, after=after
    )


def _first(sifted: Sifted) -> Recipient:
    if sifted.first is None:
        raise InvalidRequest("there is no row to register", which="file")
    return sifted.first


def _as_named(file: AttachmentRef) -> AttachmentRef:
    return file


def _mailboxes(message: bytes, name: str) -> str:
    found = [mailbox for field in fields(message, name) for mailbox in mailboxes(field)]
    return ", ".join(f"{name} <{address}>" if name else address for name, address in found)


def _content(row: Mapping[str, Any], shared: tuple[AttachmentRef, ...]) -> Job:
    names = ("sender", "subject", "reply_to", "html_template", "text_template")
    return Job(job_id=0, key="0", revision=0, attachments=shared, **{name: row[name] for name in names})


def _email(first: Recipient) -> Email:
    return Email(
        email_id=0,
        job_id=0,
        key="0",
        gen=0,
        token=0,
        attempts=0,
        recipient=first.email,
        recipient_name=first.name,
        variables=dict(first.variables),
        attachments=first.attachments,
    )
