"""Registers one job by its key, when whoever made it ready says so. The publishers find it in the ledger."""

from sqlalchemy import select

from eed_delivery.database.transactions import Database
from eed_delivery.ledger.publishing.ledger import PublishingLedger
from eed_delivery.ledger.schema import eed_job
from eed_delivery.model import JobState
from eed_delivery.source import Source


class NudgeLedger:
    """Looks for one job in the source, and registers it. Each call raises `DatabaseGone`."""

    def __init__(self, database: Database, source: Source, publishing: PublishingLedger) -> None:
        """`publishing` is one that knows who acts."""
        self._database = database
        self._source = source
        self._publishing = publishing

    def register(self, key: str) -> bool:
        """Register the job of this key, if it is ready and due and not registered yet, or has finished. Whether it
        was."""
        found = self._database.run(lambda c: self._source.ready_jobs(c, eed_job, 1, key=key))
        for job in found:
            self._publishing.register_one(job)
        return bool(found)

    def state(self, job_id: int) -> JobState | None:
        """The state of a registered job."""
        statement = select(eed_job.c.state).where(eed_job.c.job_id == job_id)
        found = self._database.run(lambda c: c.execute(statement).scalar_one_or_none())
        return None if found is None else JobState(found)
