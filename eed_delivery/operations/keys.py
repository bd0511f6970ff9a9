"""Keys of the source's tables. They say which job or email of the ledger they name, and why none where it is none."""

from eed_delivery.database.transactions import Database
from eed_delivery.errors import RenderError
from eed_delivery.ledger.publishing.scheduling import SchedulingLedger
from eed_delivery.ledger.reporting import RefusedJob, ReportingLedger
from eed_delivery.model import WaitingJob
from eed_delivery.operations.refusals import JobNotStarted, JobRefused, JobWaits, UnknownKey
from eed_delivery.source import Source


class Keys:
    """Resolves keys. Each call raises `DatabaseGone`."""

    def __init__(
        self, database: Database, source: Source, reporting: ReportingLedger, scheduling: SchedulingLedger
    ) -> None:
        self._database = database
        self._source = source
        self._reporting = reporting
        self._scheduling = scheduling

    def job_id(self, key: str) -> int:
        """The ledger's id of a job. Raises `OperationRefused`, and says what is known of the key."""
        found = self._reporting.job_id(key)
        if found is not None:
            return found
        if (waiting := self._scheduling.job(key)) is not None:
            raise JobWaits(key, waiting.scheduled_at)
        if (refused := self._reporting.refused_job(key)) is not None:
            raise _refused(key, refused)
        if self._is_in_source(key):
            raise JobNotStarted(
                f"job {key} is in the source, but the publisher has not picked it up yet. "
                "It does so when the job is ready and due. Is the publisher running?",
                which=f"job {key}",
            )
        raise unknown_job(key)

    def email_id(self, key: str) -> int:
        """The ledger's id of an email. Raises `UnknownKey`."""
        found = self._reporting.email_id(key)
        if found is None:
            raise UnknownKey(
                f"there is no email {key} in the ledger",
                which=f"email {key}",
                do="Emails are added when their job is picked up.",
            )
        return found

    def waiting_job(self, key: str) -> WaitingJob | None:
        """A job that the ledger does not have yet, because its time has not come. None if it is no such job."""
        return None if self._reporting.job_id(key) is not None else self._scheduling.job(key)

    def _is_in_source(self, key: str) -> bool:
        if not self._source.is_job_key(key):
            return False
        try:
            self._database.run(lambda c: self._source.job(c, 0, key, 0))
        except (RenderError, ValueError, OverflowError):  # gone, or no key that the database can compare
            return False
        return True


def unknown_job(key: str) -> UnknownKey:
    """The error that there is no such job."""
    return UnknownKey(f"there is no job {key}", which=f"job {key}", do="eed-delivery jobs lists them.")


def _refused(key: str, refused: RefusedJob) -> JobRefused:
    when = f"{refused.refused_at:%Y-%m-%d %H:%M:%S} UTC"
    return JobRefused(
        f"job {key} was refused at {when}, with its {refused.emails:,} unsent emails: {refused.reason}",
        which=f"job {key}",
        do="Give the job another key, set its emails to not sent yet, and make it ready.",
    )
