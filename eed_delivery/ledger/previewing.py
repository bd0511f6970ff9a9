"""An email with its content as the source has it now, read without claiming it."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from eed_delivery.database.transactions import Database
from eed_delivery.ledger.job_facts import with_ledger_facts
from eed_delivery.ledger.schema import eed_email, eed_job
from eed_delivery.model import Email, Job
from eed_delivery.source import Source


@dataclass(frozen=True, slots=True)
class EmailContent:
    """What an email is rendered from. It belongs to no worker."""

    job: Job
    email: Email
    channel: str


class PreviewLedger:
    """Read-only. Each call raises `DatabaseGone`."""

    def __init__(self, database: Database, source: Source) -> None:
        self._database = database
        self._source = source

    def content(self, email_id: int) -> EmailContent | None:
        """None if the ledger or the source does not have it. Raises `RenderError` for a job's row that has gone."""
        return self._database.run(lambda c: self._content(c, email_id))

    def _content(self, c: Connection, email_id: int) -> EmailContent | None:
        e, j = eed_email.c, eed_job.c
        statement = (
            select(
                e.email_id, e.source_key, e.job_id, e.gen, e.attempts, e.recipient, e.resend_of, e.redirected,
                j.source_key.label("job_key"), j.revision, j.channel,
            )
            .join(eed_job, j.job_id == e.job_id)
            .where(e.email_id == email_id)
        )  # fmt: skip
        row = c.execute(statement).one_or_none()
        if row is None:
            return None
        bare = Email(
            email_id=row.email_id,
            job_id=row.job_id,
            key=row.source_key or str(row.email_id),
            gen=row.gen,
            token=0,
            attempts=row.attempts,
            recipient=row.recipient,
            resend_of=row.resend_of,
            redirected=bool(row.redirected),
            job_key=row.job_key,
        )
        found = self._source.emails(c, [bare])
        if not found:
            return None
        job = with_ledger_facts(c, self._source.job(c, row.job_id, row.job_key, row.revision))
        return EmailContent(job, found[0], row.channel)
