"""A list of jobs, and one job with all that is known of it."""

from collections import deque
from dataclasses import asdict, dataclass
from itertools import islice

from sqlalchemy.exc import DBAPIError

from eed_delivery.config import Settings
from eed_delivery.database.server_words import server_words
from eed_delivery.ledger.acts import ActLedger, ActReport
from eed_delivery.ledger.archiving import ArchiveLedger, JobArchive
from eed_delivery.ledger.manifests import JobManifest, ManifestLedger
from eed_delivery.ledger.publishing.scheduling import SchedulingLedger
from eed_delivery.ledger.reporting import JobReport, RecentRate, ReportingLedger
from eed_delivery.ledger.tracking.engagement import EngagementLedger, JobEngagement
from eed_delivery.ledger.tracking.outcomes import OutcomeLedger, OutcomeReport
from eed_delivery.model import EmailState, JobState, WaitingJob
from eed_delivery.operations.emails import EmailReport
from eed_delivery.operations.keys import Keys, unknown_job
from eed_delivery.reports.reasons import Reasons
from eed_delivery.reports.served import REFUSED, Served, served
from eed_delivery.reports.tracked import Tracked, tracked

__all__ = [
    "ActReport", "EmailReport", "JobArchive", "JobEngagement", "JobManifest", "JobQueries", "JobReport", "JobRequest",
    "JobView", "JobsPage", "JobsRequest", "OutcomeReport", "ReasonCount", "RecentRate", "WaitingJobView",
]  # fmt: skip

DOUBTS_SHOWN = 10
REASONS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class JobsRequest:
    """The newest jobs, `limit` of them at most. `after` is the key of the last job of the page before."""

    limit: int
    unfinished_only: bool = False
    after: str | None = None


@dataclass(frozen=True, slots=True)
class JobsPage:
    """Jobs of the ledger, the newest first, and, on the first page, those that wait for their time, the first to start
    in front. `waiting_problem` says why the latter cannot be read. `next_after` is None on the last page."""

    jobs: tuple[JobReport, ...]
    waiting: tuple[WaitingJob, ...]
    waiting_problem: str | None
    next_after: str | None


@dataclass(frozen=True, slots=True)
class JobRequest:
    """How much of a job is wanted, by limits of doubts, reasons and last acts (None for all acts)."""

    doubts: int = DOUBTS_SHOWN
    reasons: int = REASONS_SHOWN
    acts: int | None = None


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """How many emails or rows were not sent for one reason. `state` is "refused" for rows."""

    state: str
    detail: str
    count: int


@dataclass(frozen=True, slots=True)
class WaitingJobView:
    """A scheduled job, and how many emails it will send by the source's present rows."""

    job: WaitingJob
    emails: int


@dataclass(frozen=True, slots=True)
class JobView:
    """All there is to say of a job. `other_reasons` is how many emails have none of the `reasons`. `more_acts` means
    that there are acts before these. `waiting` is there for a job that was paused before its time."""

    report: JobReport
    recent: RecentRate
    outcomes: OutcomeReport
    tracked: Tracked
    engagement: JobEngagement
    served: Served
    reasons: tuple[ReasonCount, ...]
    other_reasons: int
    acts: tuple[ActReport, ...]
    more_acts: bool
    doubts: tuple[EmailReport, ...]
    waiting: WaitingJob | None
    archive: JobArchive | None
    """How complete the archive of its sent emails is; None where no copies are wanted."""
    manifests: tuple[JobManifest, ...]
    """Those of its files, the first one first."""


class JobQueries:
    """Reads jobs. Each call raises `DatabaseGone`."""

    def __init__(
        self,
        settings: Settings,
        keys: Keys,
        reporting: ReportingLedger,
        scheduling: SchedulingLedger,
        outcomes: OutcomeLedger,
        engagement: EngagementLedger,
        acts: ActLedger,
        archive: ArchiveLedger,
        manifests: ManifestLedger,
    ) -> None:
        self._settings = settings
        self._manifests = manifests
        self._archive = archive
        self._keys = keys
        self._reporting = reporting
        self._scheduling = scheduling
        self._outcomes = outcomes
        self._engagement = engagement
        self._acts = acts

    def page(self, request: JobsRequest) -> JobsPage:
        """A page of jobs. Raises `OperationRefused` if the page before ended with a job that is none."""
        after = None if request.after is None else self._keys.job_id(request.after)
        found = self._reporting.jobs(limit=request.limit, unfinished_only=request.unfinished_only, after=after)
        next_after = found[-1].key if len(found) == request.limit else None
        waiting, problem = ((), None) if request.after else self._all_waiting(request.limit)
        return JobsPage(tuple(found), waiting, problem, next_after)

    def _all_waiting(self, limit: int) -> tuple[tuple[WaitingJob, ...], str | None]:
        """From the source. Should it refuse, the ledger's jobs are shown all the same."""
        try:
            return tuple(self._scheduling.waiting(limit)), None
        except DBAPIError as error:
            return (), server_words(error)

    def waiting(self, key: str) -> WaitingJobView | None:
        """A job that the ledger does not have yet, because its time has not come. None if it is no such job."""
        job = self._keys.waiting_job(key)
        return None if job is None else WaitingJobView(job, self._scheduling.emails(job))

    def report(self, key: str) -> JobReport:
        """A job and its counts. Raises `OperationRefused` if there is none."""
        report = self._reporting.job(self._keys.job_id(key))
        if report is None:
            raise unknown_job(key)
        return report

    def failures(self, report: JobReport, most: int) -> tuple[tuple[ReasonCount, ...], int]:
        """The commonest reasons why emails were not sent and rows refused, and how many have another one."""
        return self._reasons(report, most)

    def progress(self, report: JobReport) -> tuple[RecentRate, OutcomeReport]:
        """How fast a job is now, and what became of its sent emails."""
        return self._reporting.recent_rate(report), self._outcomes.of_job(report.job_id)

    def view(self, report: JobReport, request: JobRequest | None = None) -> JobView:
        """All that is known of a job that was just read."""
        wanted = request or JobRequest()
        outcomes = self._outcomes.of_job(report.job_id)
        reasons, others = self._reasons(report, wanted.reasons)
        acts, more_acts = self._last_acts(report.job_id, wanted.acts)
        return JobView(
            report=report,
            recent=self._reporting.recent_rate(report),
            outcomes=outcomes,
            tracked=tracked(self._settings, asdict(outcomes)),
            engagement=self._engagement.of_job(report.job_id),
            served=served(report.counts, report.refused, outcomes.hard_bounced),
            reasons=reasons,
            other_reasons=others,
            acts=acts,
            more_acts=more_acts,
            doubts=self._doubts(report, wanted.doubts),
            waiting=self._scheduling.job(report.key) if report.state is JobState.PAUSED else None,
            archive=self._archive.of_job(report.job_id, report.counts[EmailState.SENT]) if report.archive else None,
            manifests=self._manifests.of_job(report.job_id),
        )

    def _reasons(self, report: JobReport, most: int) -> tuple[tuple[ReasonCount, ...], int]:
        """The commonest reasons why emails were not sent and rows refused, and how many have another one."""
        counted = Reasons()
        for state, detail in self._reporting.reasons(report.job_id):
            counted.add(state, detail)
        for refusal in self._reporting.refusals(report.job_id) if report.refused else ():
            counted.add(REFUSED, refusal.reason)
        listed, others = counted.commonest(most)
        return tuple(ReasonCount(*each) for each in listed), others

    def _last_acts(self, job_id: int, most: int | None) -> tuple[tuple[ActReport, ...], bool]:
        acts = list(deque(self._acts.of_job(job_id), None if most is None else most + 1))
        more = most is not None and len(acts) > most
        return tuple(acts[1:] if more else acts), more

    def _doubts(self, report: JobReport, most: int) -> tuple[EmailReport, ...]:
        if not report.counts[EmailState.IN_DOUBT]:
            return ()
        found = self._reporting.emails(report.job_id, EmailState.IN_DOUBT, page=most)
        return tuple(islice(found, most))
