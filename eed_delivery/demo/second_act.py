"""The second act: the same statements by three channels, as emails, copies in S3 and files for a partner by SFTP."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from eed_delivery.database.transactions import Database
from eed_delivery.demo.batch import JOB_ID, DemoJob, enter, statement_digests
from eed_delivery.demo.checks import Check
from eed_delivery.demo.configuration import COPIES, PARTNER
from eed_delivery.demo.people import Customer
from eed_delivery.demo.second_checks import Arrivals, attached, below, second_checks
from eed_delivery.demo.workspace import Workspace
from eed_delivery.ledger.manifests import JobManifest, ManifestLedger
from eed_delivery.ledger.reporting import JobReport, ReportingLedger
from eed_delivery.model import DEFAULT_CHANNEL, JobState

STATEMENTS = 20
SENDER = "quarterly@bank.example"
LOOK_SECONDS = 0.25
WAYS: Mapping[str, str] = {
    DEFAULT_CHANNEL: "emails",
    COPIES: "copies in S3",
    PARTNER: "files by SFTP",
}
"""What leaves by each channel."""


@dataclass(frozen=True, slots=True)
class ChannelJob:
    """A job of the second act as it is now. `manifest`: None where there is none, as of emails."""

    channel: str
    report: JobReport
    manifest: JobManifest | None

    @property
    def is_over(self) -> bool:
        """Whether its emails have ended, and its manifest is put if its channel puts files."""
        put = self.manifest is not None and self.manifest.put_at is not None
        return self.report.state is not JobState.ACTIVE and (put or self.channel == DEFAULT_CHANNEL)


class SecondAct:
    """Enters the three jobs and waits for them."""

    def __init__(self, database: Database, workspace: Workspace, customers: Sequence[Customer]) -> None:
        """`customers`: all of them. The first few get a statement once more."""
        self._database = database
        self._workspace = workspace
        self._customers = customers[:STATEMENTS]
        first = len(customers) + 1
        count = len(self._customers)
        self.jobs: Mapping[str, DemoJob] = {
            channel: DemoJob(self.job_ids()[channel], f"{count} {title}", first + n * count, channel, SENDER)
            for n, (channel, title) in enumerate(WAYS.items())
        }

    @staticmethod
    def job_ids() -> dict[str, int]:
        """The id of each channel's job. They come behind that of the first act."""
        return {channel: JOB_ID + n for n, channel in enumerate(WAYS, start=1)}

    @property
    def count(self) -> int:
        """How many statements leave by each channel."""
        return len(self._customers)

    def begin(self) -> None:
        """Enter the jobs."""
        enter(self._database, self._workspace, self._customers, list(self.jobs.values()))

    def wait(self, patience_seconds: float, service_ended: Callable[[float], int | None]) -> list[ChannelJob]:
        """The jobs, once they are over, the service has ended, or `patience_seconds` are. One may be missing then."""
        until = time.monotonic() + patience_seconds
        while True:
            found = self.now()
            all_over = len(found) == len(self.jobs) and all(one.is_over for one in found)
            if all_over or time.monotonic() > until or service_ended(LOOK_SECONDS) is not None:
                return found

    def now(self) -> list[ChannelJob]:
        """Those of the jobs that the ledger has."""
        reporting, manifests = ReportingLedger(self._database), ManifestLedger(self._database)
        found = []
        for channel, job in self.jobs.items():
            report = reporting.job(job.job_id)
            if report is not None:
                found.append(ChannelJob(channel, report, next(iter(manifests.of_job(report.job_id)), None)))
        return found

    def checks(self, found: Sequence[ChannelJob], objects: Mapping[str, bytes]) -> list[Check]:
        """What is compared at the end. `objects`: what is in the bucket, by key."""
        reports = {one.channel: one.report for one in found}
        arrivals = Arrivals(attached(self._workspace.second_mail), objects, below(self._workspace.partner))
        digests = list(statement_digests(self._workspace, self._customers))
        return second_checks(reports, arrivals, digests)
