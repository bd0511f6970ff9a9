"""The source's keys of what is known by the ledger's number alone. People know nothing else by name."""

from collections.abc import Sequence

from sqlalchemy import Connection, select

from eed_delivery.ledger.schema import eed_email, eed_job

JOBS_A_QUERY = 200
"""Job ids in the list of one statement."""


def job_keys(c: Connection, job_ids: Sequence[int]) -> dict[int, str]:
    """Of the jobs that the ledger has."""
    statement = select(eed_job.c.job_id, eed_job.c.source_key).where(eed_job.c.job_id.in_(job_ids))
    return {row.job_id: row.source_key for row in c.execute(statement)}


def email_key(c: Connection, email_id: int) -> str | None:
    """None if the ledger does not have it."""
    statement = select(eed_email.c.email_id, eed_email.c.source_key).where(eed_email.c.email_id == email_id)
    row = c.execute(statement).one_or_none()
    return None if row is None else row.source_key or str(row.email_id)
