"""A list of jobs, and one job with all that is known of it."""

from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice

from sqlalchemy.exc import DBAPIError

from eed_delivery.config import Settings
from eed_delivery.database.server_words import server_words
from eed_delivery.ledger.acts import ActLedger, ActReport
from eed_delivery.ledger.archiving import ArchiveLedger, JobArchive
from eed_delivery.ledger.job_breakdown import Breakdown
from eed_delivery.ledger.job_lists import JobFilter, JobListLedger
from eed_delivery.ledger.manifests import JobManifest, ManifestLedger
from eed_delivery.ledger.publishing.scheduling import SchedulingLedger
from eed_delivery.ledger.reporting import JobReport, RecentRate, ReportingLedger
from eed_delivery.ledger.tracking.engagement import EngagementLedger, JobEngagement
from eed_delivery.ledger.tracking.outcomes import OutcomeLedger, OutcomeReport
from eed_delivery.model import EmailState, JobState, WaitingJob
from eed_delivery.operations.emails import EmailReport
from eed_delivery.operations.job_counts import CountedJob, JobCounts
from eed_delivery.operations.keys import Keys, unknown_job
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.operations.snapshots import FiguresByTheSide, SideFigures
from eed_delivery.reports.reasons import Reasons
from eed_delivery.reports.served import REFUSED, Served, served
from eed_delivery.reports.tracked import Tracked, tracked

__all__ = [
    "NAME_LENGTH", "ActReport", "Breakdown", "CountedJob", "EmailReport", "JobArchive", "JobEngagement", "JobManifest",
    "JobQueries", "JobReport", "JobRequest", "JobView", "JobsPage", "JobsRequest", "MadeBreakdown", "MadeFailures",
    "MadeOutcomes", "OutcomeReport", "ReasonCount", "RecentRate", "SharedJobFigures", "WaitingJobView",
]  # fmt: skip

DOUBTS_SHOWN = 10
REASONS_SHOWN = 10
NAME_LENGTH = 255


@dataclass(frozen=True, slots=True)
class JobsRequest:
    """The newest jobs, `limit` of them at most. `after` is the key of the last job of the page before.

    `states`, a part of the `name`, and when they were registered (UTC, from and before) narrow it. Raises
    `InvalidRequest`."""

    limit: int
    unfinished_only: bool = False
    after: str | None = None
    states: tuple[JobState, ...] = ()
    name: str = ""
    created_from: datetime | None = None
    created_before: datetime | None = None

    def __post_init__(self) -> None:
        if len(self.name) > NAME_LENGTH:
            raise InvalidRequest(f"a part of a name has at most {NAME_LENGTH} characters", which="name")

    @property
    def is_narrowed(self) -> bool:
        """Whether it leaves out jobs that have not begun."""
        return bool(self.states or self.name or self.created_from or self.created_before)


@dataclass(frozen=True, slots=True)
class JobsPage:
    """Jobs of the ledger, the newest first, and, on the first page, those that wait for their time, the first to start
    in front. `waiting_problem` says why the latter cannot be read. `next_after` is None on the last page."""

    counted: tuple[CountedJob, ...]
    waiting: tuple[WaitingJob, ...]
    waiting_problem: str | None
    next_after: str | None

    @property
    def jobs(self) -> tuple[JobReport, ...]:
        """Without the time of their counts."""
        return tuple(one.report for one in self.counted)


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


@dataclass(frozen=True, slots=True)
class MadeBreakdown:
    """A job's emails by domain and by minute, as they were at `at` (UTC)."""

    breakdown: Breakdown
    at: datetime


@dataclass(frozen=True, slots=True)
class MadeFailures:
    """The commonest reasons why emails of a job were not sent, and how many have another one, as of `at` (UTC)."""

    reasons: tuple[ReasonCount, ...]
    others: int
    at: datetime


@dataclass(frozen=True, slots=True)
class MadeOutcomes:
    """What became of a job's sent emails, as of `at` (UTC)."""

    outcomes: OutcomeReport
    at: datetime


@dataclass(frozen=True, slots=True)
class SharedJobFigures:
    """Figures of jobs, by the ledger's id, that all viewers share. All but the counts are made by the side."""

    counts: JobCounts
    breakdowns: FiguresByTheSide[int, MadeBreakdown]
    failures: FiguresByTheSide[int, MadeFailures]
    outcomes: FiguresByTheSide[int, MadeOutcomes]


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
        lists: JobListLedger,
        shared: SharedJobFigures,
    ) -> None:
        self._lists = lists
        self._shared = shared
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
        """A page of jobs, with the counts that all viewers share. Raises `OperationRefused` if the page before ended
        with a job that is none."""
        wanted = JobFilter(
            states=request.states,
            unfinished_only=request.unfinished_only,
            name=request.name,
            created_from=request.created_from,
            created_before=request.created_before,
            after=None if request.after is None else self._keys.job_id(request.after),
        )
        found = self._shared.counts.of(self._lists.jobs(wanted, request.limit))
        next_after = found[-1].report.key if len(found) == request.limit else None
        first = request.after is None and not request.is_narrowed
        waiting, problem = self.all_waiting(request.limit) if first else ((), None)
        return JobsPage(tuple(found), waiting, problem, next_after)

    def counted(self, key: str) -> CountedJob:
        """A job with the counts that all viewers share. Raises `OperationRefused` if there is none."""
        found = self._lists.jobs(JobFilter(job_ids=(self._keys.job_id(key),)), 1)
        if not found:
            raise unknown_job(key)
        return self._shared.counts.of(found)[0]

    def breakdown(self, key: str, wait: float = 0.0) -> SideFigures[MadeBreakdown]:
        """Its emails by domain and by minute, made by the side at most every minute. `wait` is seconds."""
        return self._shared.breakdowns.get(self._keys.job_id(key), wait)

    def failures_by_the_side(self, key: str, wait: float = 0.0) -> SideFigures[MadeFailures]:
        """The commonest reasons why its emails were not sent, made by the side. `wait` is seconds."""
        return self._shared.failures.get(self._keys.job_id(key), wait)

    def outcomes(self, job_id: int, wait: float = 0.0) -> SideFigures[MadeOutcomes]:
        """What became of its sent emails, made by the side. `wait` is seconds."""
        return self._shared.outcomes.get(job_id, wait)

    def now(self) -> datetime:
        """The ledger's clock, in UTC."""
        return self._reporting.now()

    def acts(self, job_id: int, most: int) -> tuple[tuple[ActReport, ...], bool]:
        """The last acts on a job and its emails, the newest first, and whether there are more before."""
        acts, more = self._last_acts(job_id, most)
        return acts[::-1], more

    def all_waiting(self, limit: int) -> tuple[tuple[WaitingJob, ...], str | None]:
        """Jobs that wait for their time, from the source. Should it refuse, the second says why."""
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

    def per_second(self, report: JobReport) -> float | None:
        """How many emails of a job have ended a second of late. None: it has finished."""
        return None if report.finished_at else self._reporting.recent_rate(report).per_second

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
        acts, more = (list(self._acts.of_job(job_id)), False) if most is None else self._acts.last_of_job(job_id, most)
        return tuple(acts), more

    def _doubts(self, report: JobReport, most: int) -> tuple[EmailReport, ...]:
        if not report.counts[EmailState.IN_DOUBT]:
            return ()
        found = self._reporting.emails(report.job_id, EmailState.IN_DOUBT, page=most)
        return tuple(islice(found, most))
