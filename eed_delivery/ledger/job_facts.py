"""What the ledger knows of a job beside its content in the source."""

from dataclasses import replace
from datetime import UTC

from sqlalchemy import Connection, select

from eed_delivery.ledger.schema import eed_job
from eed_delivery.model import Job


def with_ledger_facts(c: Connection, job: Job) -> Job:
    """The job with its name, and with the time when the ledger received it."""
    row = c.execute(select(eed_job.c.name, eed_job.c.created_at).where(eed_job.c.job_id == job.job_id)).one()
    return replace(job, name=row.name, created_at=row.created_at.replace(tzinfo=UTC))
