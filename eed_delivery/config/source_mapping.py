"""`[source]`: how the delivery server's own tables are called, and the words they use.

The defaults are the reference schema. An optional column may be "", and then it is not there.
"""

from typing import Any, Literal

from pydantic import model_validator

from eed_delivery.config.formats import Column, OptionalColumn, OptionalTable, Status, Table
from eed_delivery.config.section import OnDemand, Section

KeyType = Literal["integer", "string"]
KnownRows = Literal["refuse", "new_generation"]
"""What becomes of a row that the ledger has ended, and that the source says is not sent yet."""


class JobStatuses(Section):
    """The job's status words or numbers. `ready` is read. The others are written when the job has ended."""

    ready: Status = "processing"
    finished: Status = "finished"
    failed: Status = "failed"
    cancelled: Status = "cancelled"


class EmailStatuses(Section):
    """The email's status words or numbers. `pending` is read and means not sent yet. The others are written."""

    pending: tuple[Status, ...] = ("pending",)
    include_null: bool = True  # NULL counts as pending too
    sent: Status = "sent"
    failed: Status = "failed"
    in_doubt: Status = "in_doubt"
    suppressed: Status = "suppressed"
    cancelled: Status = "cancelled"


class JobSource(Section):
    """The table of jobs. A `…_value` replaces a missing column, the same for every job."""

    table: Table = "delivery_job"
    id: Column = "id"
    key_type: KeyType = "integer"
    name: OptionalColumn = "name"
    status: Column = "status"
    sender: OptionalColumn = "sender"
    reply_to: OptionalColumn = "reply_to"
    subject: OptionalColumn = "subject"
    html_template: OptionalColumn = "html_template"
    text_template: OptionalColumn = "text_template"
    scheduled_for: OptionalColumn = "scheduled_for"
    expires_at: OptionalColumn = "expires_at"
    category: OptionalColumn = ""  # what a recipient may want no more of
    channel: OptionalColumn = ""  # the name of its way out
    send_window: OptionalColumn = ""  # when it may leave, in JSON
    deadline: OptionalColumn = ""  # when it is to have ended
    track_opens: OptionalColumn = ""  # both are personal data: off unless they are asked for
    track_clicks: OptionalColumn = ""
    sender_value: str | None = None
    reply_to_value: str | None = None
    subject_value: str | None = None
    html_template_value: str | None = None
    text_template_value: str | None = None
    category_value: str | None = None
    channel_value: str | None = None
    track_opens_value: bool | None = None
    track_clicks_value: bool | None = None
    known_rows: KnownRows = "refuse"
    statuses: OnDemand[JobStatuses] = JobStatuses.left_out()

    @model_validator(mode="before")
    @classmethod
    def _value_replaces_column(cls, data: Any) -> Any:
        """A constant takes the place of its column, unless the column was named as well (which is a clash)."""
        if not isinstance(data, dict):
            return data
        replaced = [key.removesuffix("_value") for key in VALUES if data.get(key) is not None]
        return dict.fromkeys(replaced, "") | data


VALUES = (
    "sender_value",
    "reply_to_value",
    "subject_value",
    "html_template_value",
    "text_template_value",
    "category_value",
    "channel_value",
    "track_opens_value",
    "track_clicks_value",
)


class EmailSource(Section):
    """The table of emails. `variable_columns` offers further columns to the templates: name → column."""

    table: Table = "delivery_email"
    id: Column = "id"
    key_type: KeyType = "integer"
    job_id: OptionalColumn = "job_id"  # not used in a single table
    recipient: Column = "recipient"
    recipient_name: OptionalColumn = "recipient_name"
    variables: OptionalColumn = "variables"
    variable_columns: dict[str, Column] = {}  # noqa: RUF012 - pydantic copies it
    attachment_location: OptionalColumn = ""
    attachment_filename: OptionalColumn = ""
    status: Column = "status"
    status_detail: OptionalColumn = "status_detail"
    attempts: OptionalColumn = "attempts"
    message_id: OptionalColumn = "message_id"
    sent_at: OptionalColumn = "sent_at"
    outcome: OptionalColumn = ""  # what became of it after acceptance
    statuses: OnDemand[EmailStatuses] = EmailStatuses.left_out()


class AttachmentSource(Section):
    """The table of attachments. `table = ""` if there is none."""

    table: OptionalTable = "delivery_attachment"
    job_id: OptionalColumn = "job_id"
    email_id: OptionalColumn = "email_id"
    location: Column = "location"
    filename: OptionalColumn = "filename"
    content_type: OptionalColumn = "content_type"
    sha256: OptionalColumn = "sha256"


class SourceSettings(Section):
    """The whole mapping.

    With `single_table` each row of the email's table is a job of one email. The columns of `job` are looked up there,
    and the status column is the email's. A row is ready when that column holds `job.statuses.ready`.
    """

    single_table: bool = False
    job: OnDemand[JobSource] = JobSource.left_out()
    email: OnDemand[EmailSource] = EmailSource.left_out()
    attachment: OnDemand[AttachmentSource] = AttachmentSource.left_out()

    @model_validator(mode="before")
    @classmethod
    def _one_table(cls, data: Any) -> Any:
        """In a single table a ready row is by nature a pending one, and no attachment table is assumed."""
        if not isinstance(data, dict) or str(data.get("single_table")).lower() not in ("true", "1", "yes", "on"):
            return data
        job, email = data.get("job", {}), data.get("email", {})
        if not isinstance(job, dict) or not isinstance(email, dict):
            return data
        ready = _at(job, "statuses", "ready") or JobStatuses.left_out().ready
        statuses = email.get("statuses", {})
        if isinstance(statuses, dict):
            email = email | {"statuses": {"pending": [ready]} | statuses}
        return {"attachment": {"table": ""}} | data | {"email": email}


def _at(data: Any, *path: str) -> Any:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data
