"""The rows that `submit` writes into the reference schema.

The job stays in a status that no publisher picks up until its last email is in. A crash half-way sends nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from eed_delivery.config import SourceSettings
from eed_delivery.database.transactions import Database
from eed_delivery.errors import NotPossible
from eed_delivery.model import AttachmentRef
from eed_delivery.operations.submitting.recipients import Recipient
from eed_delivery.source.reference import delivery_attachment, delivery_email, delivery_job
from eed_delivery.source.wall_clock import not_after, not_before

PREPARING = "preparing"


class Registration:
    """One job on its way into the source. Each call is one transaction and raises `DatabaseGone`.

    A transaction may run twice, when its commit went through and the answer was lost. The second run then finds the
    first one's rows.
    """

    def __init__(self, database: Database, source: SourceSettings) -> None:
        self._database = database
        self._rows = JobRows(source)

    def begin(self, job: Mapping[str, Any], files: Sequence[AttachmentRef]) -> int:
        """Enter the job, not ready yet, with the attachments of all its emails. Returns its id."""
        return self._database.run(lambda c: self._rows.begin(c, job, files))

    def add(self, recipients: Sequence[Recipient]) -> None:
        """Enter emails with their attachments."""
        self._rows.added(self._database.run(lambda c: self._rows.add(c, recipients)), len(recipients))

    def release(self, released: Callable[[Connection], None] | None = None) -> None:
        """As `JobRows.release`."""
        self._database.run(lambda c: self._rows.release(c, released))


class JobRows:
    """The rows of one job, each call in the caller's transaction."""

    def __init__(self, source: SourceSettings) -> None:
        self._ready = str(source.job.statuses.ready)
        self._discarded = str(source.job.statuses.cancelled)
        self._pending = str(source.email.statuses.pending[0]) if source.email.statuses.pending else None
        words = source.job.statuses
        if PREPARING in (words.ready, words.finished, words.failed, words.cancelled):
            raise NotPossible(f"[source.job.statuses] uses {PREPARING!r}, which submit needs for unfinished jobs.")
        self.job_id = 0
        self._last_id = 0
        self._added = 0

    def begin(self, c: Connection, job: Mapping[str, Any], files: Sequence[AttachmentRef]) -> int:
        """Enter the job, not ready yet, with the attachments of all its emails. Returns its id."""
        times = {
            "scheduled_for": job["scheduled_for"] and not_before(c, job["scheduled_for"]),
            "expires_at": job["expires_at"] and not_after(c, job["expires_at"]),
        }
        entered = c.execute(insert(delivery_job).values({**job, **times, "status": PREPARING}))
        self.job_id = int(entered.inserted_primary_key[0])  # type: ignore[index]  # an INSERT of one row always has it
        if files:
            c.execute(insert(delivery_attachment), [_file_row(self.job_id, None, file) for file in files])
        return self.job_id

    def go_on(self, c: Connection, job_id: int, added: int) -> None:
        """Continue a job that another process has begun. `added` of its emails are entered."""
        last = select(func.max(delivery_email.c.id)).where(delivery_email.c.job_id == job_id)
        self.job_id = job_id
        self.added(c.execute(last).scalar() or 0, added)

    def added(self, last_id: int, count: int) -> None:
        """Emails were added, with this id as the last one. To be called when they are committed."""
        self._last_id = last_id
        self._added += count

    def add(self, c: Connection, recipients: Sequence[Recipient]) -> int:
        """Enter emails with their attachments. Returns the last one's id, for `added`."""
        ids = self._ids(c, recipients)
        if ids:
            return ids[-1]
        c.execute(insert(delivery_email), [self._email_row(recipient) for recipient in recipients])
        ids = self._ids(c, recipients)
        files = [
            _file_row(self.job_id, email_id, file)
            for email_id, recipient in zip(ids, recipients, strict=True)
            for file in recipient.attachments
        ]
        if files:
            c.execute(insert(delivery_attachment), files)
        return ids[-1]

    def _ids(self, c: Connection, recipients: Sequence[Recipient]) -> list[int]:
        """The ids that the database gave to `recipients`, in their order. None while they are not in.

        No other process adds to this job, and ids grow with the order of the rows. It is compared with the addresses
        all the same, because a statement must never hang on another customer's email.
        """
        statement = (
            select(delivery_email.c.id, delivery_email.c.recipient)
            .where(delivery_email.c.job_id == self.job_id, delivery_email.c.id > self._last_id)
            .order_by(delivery_email.c.id)
        )
        rows = c.execute(statement).all()
        if rows and [row.recipient for row in rows] != [recipient.email for recipient in recipients]:
            raise NotPossible(f"job {self.job_id}: another process adds emails to it, so it stays {PREPARING!r}")
        return [int(row.id) for row in rows]

    def _email_row(self, recipient: Recipient) -> dict[str, Any]:
        return {
            "job_id": self.job_id,
            "recipient": recipient.email,
            "recipient_name": recipient.name,
            "variables": dict(recipient.variables),
            "status": self._pending,
        }

    def release(self, c: Connection, released: Callable[[Connection], None] | None = None) -> None:
        """Mark the job ready. From its commit on the publisher may pick it up. `released` is called behind it.
        Raises `NotPossible` when the job does not have as many emails as were added, or was discarded meanwhile."""
        ready = (
            update(delivery_job)
            .where(delivery_job.c.id == self.job_id, delivery_job.c.status == PREPARING)
            .values(status=self._ready)
        )
        counted = select(func.count()).select_from(delivery_email).where(delivery_email.c.job_id == self.job_id)
        status = select(delivery_job.c.status).where(delivery_job.c.id == self.job_id)
        found = c.execute(counted).scalar_one()
        if found != self._added:
            raise NotPossible(f"job {self.job_id} has {found:,} emails, and {self._added:,} were added")
        if c.execute(ready).rowcount == 1:
            if released is not None:
                released(c)
        elif c.execute(status).scalar() in (None, PREPARING, self._discarded):
            raise NotPossible(f"job {self.job_id} was discarded, or removed by another process")


def _file_row(job_id: int, email_id: int | None, file: AttachmentRef) -> dict[str, Any]:
    return {
        "job_id": job_id,
        "email_id": email_id,
        "location": file.location,
        "filename": file.filename,
        "content_type": file.content_type,
        "sha256": file.sha256,
    }
