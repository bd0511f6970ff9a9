"""The operations. Each is put together when a surface first asks for it, so that a command loads only what it needs.

A part imports its modules where it is made. A look into the ledger needs neither queue nor templates nor clients.
"""

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from functools import cached_property
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from eed_delivery.app.database import open_database
from eed_delivery.config import Settings
from eed_delivery.operations.actor import Actor

QUEUE_SECONDS = 15.0
"""Between two looks at the queues. Each is some requests to SQS, which are paid for."""
FAILURES_SECONDS = 10.0
"""Between two countings of a job's failures and outcomes for pages."""
DOMAINS_SECONDS = 60.0
"""Between two countings of its domains."""
BREATHER_SECONDS = 0.02
"""Between two pieces of what is counted by the side, so that others get their turn at the database."""
REASONS_COUNTED = 50
PATIENCE_SECONDS = 5.0
"""Seconds until a second look at a job that has just become ready, unless two polls of the publisher are longer."""

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

if TYPE_CHECKING:
    from eed_delivery.alerts.receivers import AlertReceiver
    from eed_delivery.app.message_ids import MessageIds
    from eed_delivery.app.parts import App
    from eed_delivery.channels.directory import ChannelDirectory
    from eed_delivery.database.transactions import Database
    from eed_delivery.ledger.acts import ActLedger
    from eed_delivery.ledger.archiving import ArchiveLedger
    from eed_delivery.ledger.auditing import AuditLedger
    from eed_delivery.ledger.job_lists import JobListLedger
    from eed_delivery.ledger.long_acts.ledger import LongActLedger
    from eed_delivery.ledger.long_acts.long_act import ChunkedWork, LongActKind
    from eed_delivery.ledger.long_acts.parts import SubmittedParts
    from eed_delivery.ledger.manifests import ManifestLedger
    from eed_delivery.ledger.operating import OperatingLedger
    from eed_delivery.ledger.proofs import ProofLedger
    from eed_delivery.ledger.publishing.scheduling import SchedulingLedger
    from eed_delivery.ledger.reporting import ReportingLedger
    from eed_delivery.ledger.suppression.listing import SuppressionList
    from eed_delivery.ledger.tracking.engagement import EngagementLedger
    from eed_delivery.ledger.tracking.outcomes import OutcomeLedger
    from eed_delivery.ledger.webhooks.listing import WebhookList
    from eed_delivery.ledger.webhooks.outbox import Outbox
    from eed_delivery.operations.access import SessionOperations, TokenOperations, UserOperations
    from eed_delivery.operations.alerting import Alerting
    from eed_delivery.operations.auditing import AuditQueries
    from eed_delivery.operations.bounces import Bounces
    from eed_delivery.operations.channels import ChannelOperations
    from eed_delivery.operations.checking.service import ServiceCheck
    from eed_delivery.operations.checks_at_once import ChecksAtOnce
    from eed_delivery.operations.cloudwatch import CloudWatchFigures
    from eed_delivery.operations.dead_letters import DeadLetters
    from eed_delivery.operations.deciding import Deciding
    from eed_delivery.operations.doubts.workbench import DoubtWorkbench
    from eed_delivery.operations.emails import EmailQueries
    from eed_delivery.operations.figures import LedgerFigures
    from eed_delivery.operations.gates import GateOperations
    from eed_delivery.operations.holds import HoldOperations
    from eed_delivery.operations.jobs import JobQueries, SharedJobFigures
    from eed_delivery.operations.keys import Keys
    from eed_delivery.operations.long_acts.approving import Approvals
    from eed_delivery.operations.long_acts.report_files import ReportFiles
    from eed_delivery.operations.long_acts.report_orders import ReportOrders
    from eed_delivery.operations.long_acts.runner import SteadyWork, WholeWork
    from eed_delivery.operations.long_acts.second_person import SecondPerson
    from eed_delivery.operations.long_acts.starting import LongActs
    from eed_delivery.operations.long_acts.takers import LongActTakers
    from eed_delivery.operations.nudging import Nudging
    from eed_delivery.operations.paces import PaceOperations
    from eed_delivery.operations.persons import Persons
    from eed_delivery.operations.preparing import Preparing
    from eed_delivery.operations.previewing import Previewing
    from eed_delivery.operations.processes import ProcessQueries
    from eed_delivery.operations.queue_making import QueueMaking
    from eed_delivery.operations.reconciling import Reconciling
    from eed_delivery.operations.repeats import Repeats
    from eed_delivery.operations.reporting import Reporting
    from eed_delivery.operations.requeueing import Requeueing
    from eed_delivery.operations.resending import Resending
    from eed_delivery.operations.searching import Searching
    from eed_delivery.operations.snapshots import FiguresByTheSide
    from eed_delivery.operations.submitting.by_the_side import SubmissionOrders
    from eed_delivery.operations.submitting.incomplete import IncompleteJobs
    from eed_delivery.operations.submitting.submission import Submitting
    from eed_delivery.operations.submitting.uploading import Uploading
    from eed_delivery.operations.suppression.listing import Suppression
    from eed_delivery.operations.suppression.moving import SuppressionMoving
    from eed_delivery.operations.tonight import QueueView, TonightQueries
    from eed_delivery.operations.watching import Watching
    from eed_delivery.operations.webhooks import WebhookOperations
    from eed_delivery.operations.windows import WindowOperations
    from eed_delivery.pseudonyms import Pseudonyms
    from eed_delivery.send_windows.plan import WindowPlan
    from eed_delivery.source import Source


class Operations:
    """What `actor` can ask and decide. It holds connections, so it belongs to the process that made it.

    `database` may be shared by many. Without one it opens its own, when it is first needed.
    """

    def __init__(
        self,
        settings: Settings,
        actor: Actor,
        database: "Database | None" = None,
        *,
        approved: bool = False,
        in_function: bool = False,
    ) -> None:
        """`approved`: a second person has approved, or root acts alone. `in_function`: no thread may outlive a
        request, and no process beside this one does long acts."""
        self._approved = approved
        self._in_function = in_function
        self.settings = settings
        self._actor = actor
        self._shared = database

    @cached_property
    def _app(self) -> "App":
        from eed_delivery.app.parts import App

        return App(self.settings)

    @cached_property
    def _source(self) -> "Source":
        from eed_delivery.source import Source

        return Source(self.settings.source)

    @cached_property
    def _outbox(self) -> "Outbox":
        from eed_delivery.ledger.webhooks.outbox import Outbox

        return Outbox.of(self.settings.webhooks)

    @cached_property
    def _pseudonyms(self) -> "Pseudonyms":
        from eed_delivery.pseudonyms import Pseudonyms

        return Pseudonyms(self.settings.privacy.keys())

    @cached_property
    def _database(self) -> "Database":
        return self._shared or open_database(self.settings.database)

    @cached_property
    def _reporting(self) -> "ReportingLedger":
        from eed_delivery.ledger.reporting import ReportingLedger

        return ReportingLedger(self._database)

    @cached_property
    def _scheduling(self) -> "SchedulingLedger":
        from eed_delivery.ledger.publishing.scheduling import SchedulingLedger

        return SchedulingLedger(self._database, self._source, outbox=self._outbox, who=self._actor)

    @cached_property
    def _operating(self) -> "OperatingLedger":
        from eed_delivery.ledger.operating import OperatingLedger

        return OperatingLedger(self._database, self._source, outbox=self._outbox, who=self._actor)

    @cached_property
    def _outcomes(self) -> "OutcomeLedger":
        from eed_delivery.ledger.tracking.outcomes import OutcomeLedger

        return OutcomeLedger(self._database)

    @cached_property
    def _engagement(self) -> "EngagementLedger":
        from eed_delivery.ledger.tracking.engagement import EngagementLedger

        return EngagementLedger(self._database)

    @cached_property
    def _proofs(self) -> "ProofLedger":
        from eed_delivery.ledger.proofs import ProofLedger

        return ProofLedger(self._database)

    @cached_property
    def _archive(self) -> "ArchiveLedger":
        from eed_delivery.ledger.archiving import ArchiveLedger

        return ArchiveLedger(self._database)

    @cached_property
    def _manifests(self) -> "ManifestLedger":
        from eed_delivery.ledger.manifests import ManifestLedger

        return ManifestLedger(self._database)

    @cached_property
    def _acts(self) -> "ActLedger":
        from eed_delivery.ledger.acts import ActLedger

        return ActLedger(self._database)

    @cached_property
    def _audit(self) -> "AuditLedger":
        from eed_delivery.ledger.auditing import AuditLedger

        return AuditLedger(self._database, self._actor)

    @cached_property
    def figures(self) -> "LedgerFigures":
        """Count figures of the whole ledger for monitoring."""
        from eed_delivery.alerts.facts import measures
        from eed_delivery.app.allowed_rates import AllowedRates
        from eed_delivery.ledger.alerts.facts import AlertFacts
        from eed_delivery.ledger.backlog import BacklogLedger
        from eed_delivery.ledger.figures import FiguresLedger
        from eed_delivery.operations.figures import FigureSources, LedgerFigures

        app, settings = self._app, self.settings
        queue = app.queue(connections=1)
        facts = measures(AlertFacts(self._database), queue, app.ses_client)
        if settings.queue.dead_letter_url is None:
            del facts["dead_letters"]
        if settings.transport.kind != "ses":
            del facts["ses_quota_percent"]
        backlog, rates = BacklogLedger(self._database), AllowedRates(app, self._database)
        counts = FiguresLedger(self._database)
        return LedgerFigures(FigureSources(counts, self.processes, facts, queue.depth, backlog.by_channel, rates.now))

    @cached_property
    def cloudwatch(self) -> "CloudWatchFigures":
        """Hand figures over to CloudWatch, as the settings say."""
        from eed_delivery.ledger.duties import DutyLedger
        from eed_delivery.operations.cloudwatch import CloudWatchFigures, MetricData, log_line

        settings = self.settings.metrics
        put = MetricData(self._app.clients.cloudwatch) if settings.cloudwatch == "api" else log_line
        return CloudWatchFigures(self.figures, DutyLedger(self._database), settings.cloudwatch_namespace, put)

    @property
    def actor(self) -> Actor:
        """Who asks."""
        return self._actor

    def by(self, actor: Actor, *, approved: bool = False) -> "Operations":
        """The same for another person, over the same connections."""
        other = Operations(self.settings, actor, self._database, approved=approved, in_function=self._in_function)
        names = ["_app", "_source", "_outbox", "_pseudonyms", "_message_ids", "_shared_figures", "processes", "tonight"]
        names += ["_channel_checks"]
        other.__dict__.update({name: getattr(self, name) for name in names})
        return other

    @cached_property
    def keys(self) -> "Keys":
        """Which job or email a key names."""
        from eed_delivery.operations.keys import Keys

        return Keys(self._database, self._source, self._reporting, self._scheduling)

    @cached_property
    def jobs(self) -> "JobQueries":
        """List jobs, and show one."""
        from eed_delivery.operations.jobs import JobQueries

        ledgers = (self._reporting, self._scheduling, self._outcomes, self._engagement, self._acts, self._archive)
        return JobQueries(self.settings, self.keys, *ledgers, self._manifests, self._lists, self._shared_figures)

    @cached_property
    def _lists(self) -> "JobListLedger":
        from eed_delivery.ledger.job_lists import JobListLedger

        return JobListLedger(self._database)

    @cached_property
    def _shared_figures(self) -> "SharedJobFigures":
        """Those of all viewers."""
        from eed_delivery.ledger.job_breakdown import BreakdownLedger
        from eed_delivery.operations.job_counts import JobCounts
        from eed_delivery.operations.jobs import MadeBreakdown, MadeFailures, SharedJobFigures

        breakdowns, now = BreakdownLedger(self._database), self._reporting.now

        def others_first() -> None:
            Event().wait(BREATHER_SECONDS)

        def failures(job_id: int) -> MadeFailures:
            report = self._reporting.job(job_id)
            found, others = ((), 0) if report is None else self.jobs.failures(report, REASONS_COUNTED)
            return MadeFailures(found, others, now())

        return SharedJobFigures(
            JobCounts(self._lists, now),
            self._figures_of(lambda job_id: MadeBreakdown(breakdowns.of_job(job_id, others_first), now())),
            self._figures_of(failures, FAILURES_SECONDS),
            self._figures_of(self._outcomes.of_job, FAILURES_SECONDS),
        )

    def _figures_of(self, make: "Callable[[K], T]", seconds: float = DOMAINS_SECONDS) -> "FiguresByTheSide[K, T]":
        """Figures by key, which take a while."""
        from eed_delivery.operations.snapshots import FiguresByTheSide, FiguresInTurn

        return (FiguresInTurn if self._in_function else FiguresByTheSide)(make, seconds)

    @cached_property
    def tonight(self) -> "TonightQueries":
        """What runs, and what stands still."""
        from eed_delivery.ledger.alerts.facts import AlertFacts
        from eed_delivery.operations.tonight import TonightQueries

        queues = self._figures_of(self._queue_views, QUEUE_SECONDS)
        looks = (self._shared_figures.counts, self.jobs.all_waiting, self.processes.all, self.gates.all)
        facts = AlertFacts(self._database)
        return TonightQueries(self._lists, *looks, self.holds.all, facts, queues, self._reporting.now)

    def _queue_views(self, _: str) -> "Sequence[QueueView]":
        """The queue of each channel, by SQS."""
        from eed_delivery.ledger.channels.listing import ChannelLedger
        from eed_delivery.operations.tonight import QueueView

        directory = self._app.channel_directory(ChannelLedger(self._database))
        found = []
        for channel, queue in self._app.queues(directory, 1)().items():
            alive, dead = queue.depth(), queue.depth(dead=True)
            letters = None if dead is None else dead.visible + dead.in_flight + dead.delayed
            waiting = 0 if alive is None else alive.visible + alive.delayed
            found.append(QueueView(channel, waiting, 0 if alive is None else alive.in_flight, letters))
        return found

    @cached_property
    def dead_letters(self) -> "DeadLetters":
        """List and delete dead letters that name no email of ours."""
        from eed_delivery.ledger.dead_letters import DeadLetterLedger
        from eed_delivery.operations.dead_letters import DeadLetters

        return DeadLetters(DeadLetterLedger(self._database, self._actor))

    @cached_property
    def emails(self) -> "EmailQueries":
        """List emails, and show one."""
        from eed_delivery.operations.emails import EmailQueries

        ledgers = (self._reporting, self._outcomes, self._engagement, self._proofs, self._acts, self._audit)
        likeliest = self._message_ids.likeliest
        return EmailQueries(likeliest, self.keys, *ledgers, lambda: self._app.webhook_list(self._database, self._actor))

    @cached_property
    def processes(self) -> "ProcessQueries":
        """List the worker processes."""
        from eed_delivery.ledger.workers import WorkerLedger
        from eed_delivery.operations.processes import ProcessQueries

        heartbeat = self.settings.worker.heartbeat_seconds
        return ProcessQueries(WorkerLedger(self._database), heartbeat, self._reporting.now)

    @cached_property
    def watching(self) -> "Watching":
        """Follow a job until it has finished."""
        from eed_delivery.operations.watching import Watching

        return Watching(self._reporting)

    @cached_property
    def requeueing(self) -> "Requeueing":
        """Send failed emails again."""
        from eed_delivery.operations.requeueing import Requeueing

        return Requeueing(self.keys, self._reporting, self._operating, self._audit, self._second)

    @cached_property
    def deciding(self) -> "Deciding":
        """Settle, pause, resume, cancel."""
        from eed_delivery.operations.deciding import Deciding

        return Deciding(
            self.keys, self._reporting, self._operating, self._scheduling, self._file_channels, self._second
        )

    @cached_property
    def doubts(self) -> "DoubtWorkbench":
        """List the doubts of all jobs, and settle them from a relay's log."""
        from eed_delivery.ledger.doubts import DoubtLedger
        from eed_delivery.ledger.workers import WorkerLedger
        from eed_delivery.operations.doubts.workbench import DoubtWorkbench

        ledger = DoubtLedger(self._database, self._source, self._outbox, self._actor)
        ids = self._message_ids
        parts = (ledger, WorkerLedger(self._database), self._reporting.now, ids.of_doubt, ids.domain)
        return DoubtWorkbench(*parts, self._file_channels, self._app.stored_reply())

    @cached_property
    def _message_ids(self) -> "MessageIds":
        from eed_delivery.app.message_ids import MessageIds

        return MessageIds(self.settings)

    @cached_property
    def nudging(self) -> "Nudging":
        """Register a job before the publisher looks for it."""
        from eed_delivery.ledger.publishing.ledger import PublishingLedger
        from eed_delivery.ledger.publishing.nudging import NudgeLedger
        from eed_delivery.ledger.workers import WorkerLedger
        from eed_delivery.operations.nudging import Nudging

        marking = self._app.window_marking(self._database)
        publishing = PublishingLedger(self._database, self._source, self._outbox, self._actor, marking)
        nudges = NudgeLedger(self._database, self._source, publishing)
        return Nudging(self.keys, self._reporting, nudges, WorkerLedger(self._database), self._lists)

    @cached_property
    def resending(self) -> "Resending":
        """Send a sent email once more."""
        from eed_delivery.ledger.resending import ResendLedger
        from eed_delivery.operations.resending import Resending

        who, outbox, pseudonyms = self._actor, self._outbox, self._pseudonyms
        resends = ResendLedger(self._database, self._source, who, outbox, pseudonyms, self._file_channels)
        return Resending(self.keys, resends, self._reporting, self._second)

    @cached_property
    def searching(self) -> "Searching":
        """Find emails and jobs over all that there is."""
        from eed_delivery.ledger.searching import SearchLedger
        from eed_delivery.operations.searching import Searching

        found, read = SearchLedger(self._database), self._message_ids.read
        return Searching(self.emails, found, self._reporting, self._audit, read)

    @cached_property
    def previewing(self) -> "Previewing":
        """Show an email as its customer would get it."""
        from eed_delivery.app.previews import renders
        from eed_delivery.ledger.previewing import PreviewLedger
        from eed_delivery.operations.previewing import Previewing

        contents = PreviewLedger(self._database, self._source)
        return Previewing(self.keys, contents, self._audit, renders(self.settings))

    def _file_channels(self) -> Collection[str]:
        """The channels that put files."""
        from eed_delivery.ledger.channels.listing import ChannelLedger

        found = self._app.channel_directory(ChannelLedger(self._database)).look().channels
        return [name for name, channel in found.items() if channel.carries_files]

    @cached_property
    def _second(self) -> "SecondPerson":
        from eed_delivery.operations.long_acts.second_person import SecondPerson

        ours = self.settings.operators
        return SecondPerson(ours.second_person, ours.cancel_alone_max, satisfied=self._approved)

    @property
    def long_act_ledger(self) -> "LongActLedger":
        """Where long acts are kept."""
        from eed_delivery.ledger.long_acts.ledger import LongActLedger

        return LongActLedger(self._database, self._actor, self._outbox)

    def chunked_works(self) -> "Mapping[LongActKind, ChunkedWork]":
        """How long acts are done in chunks, in this person's name."""
        from eed_delivery.ledger.long_acts import chunks
        from eed_delivery.ledger.long_acts.long_act import LongActKind

        return {
            LongActKind.REQUEUE: chunks.RequeueWork(self._operating),
            LongActKind.SETTLE: chunks.SettleWork(self._operating, self._file_channels),
            LongActKind.RETRY_NOW: chunks.RetryNowWork(self._database, self._actor),
            LongActKind.UNSUPPRESS: chunks.UnsuppressWork(self._suppression_list),
        }

    @property
    def report_files(self) -> "ReportFiles":
        """Where the files of reports are."""
        from eed_delivery.operations.long_acts.report_files import ReportFiles

        ours = self.settings.operators
        return ReportFiles(ours.reports_directory, ours.reports_max_bytes)

    @cached_property
    def _submitted_parts(self) -> "SubmittedParts":
        from eed_delivery.ledger.long_acts.parts import SubmittedParts

        return SubmittedParts(self._database)

    @cached_property
    def submission_orders(self) -> "SubmissionOrders":
        """Have a job with many recipients registered by the side."""
        from eed_delivery.operations.submitting.by_the_side import SubmissionOrders

        takers = self.long_act_takers
        return SubmissionOrders(self.uploading, self.long_act_ledger, self._submitted_parts, takers)

    @cached_property
    def incomplete_jobs(self) -> "IncompleteJobs":
        """List and discard jobs whose registration broke off."""
        from eed_delivery.operations.submitting.incomplete import IncompleteJobs

        return IncompleteJobs(self._database, self.settings.source, self.long_act_ledger, self._actor)

    def steady_works(self) -> "Mapping[LongActKind, SteadyWork]":
        """How long acts are done whose chunks one process does to the end, in this person's name."""
        from eed_delivery.ledger.long_acts.long_act import LongActKind
        from eed_delivery.operations.submitting.by_the_side import SubmissionWork

        parts = (self.uploading, self._submitted_parts, self._actor)
        return {LongActKind.SUBMIT: SubmissionWork(self._database, self.settings.source, *parts)}

    def submission_step(self, operation: str) -> "Callable[[], float]":
        """What registers the job of one operation. It returns the seconds until the next step."""
        from eed_delivery.ledger.long_acts.long_act import LongActKind
        from eed_delivery.operations.long_acts.runner import LongActRunner

        def works(actor: Actor) -> "Mapping[LongActKind, SteadyWork]":
            return Operations(self.settings, actor, self._database).steady_works()

        return LongActRunner(self.long_act_ledger, works, [LongActKind.SUBMIT], only=operation).step

    def clean_long_acts(self) -> None:
        """Delete what long acts have left, and what is not asked for any more."""
        self.report_files.clean()
        self._submitted_parts.clean()

    def whole_works(self, host: str) -> "Mapping[LongActKind, WholeWork]":
        """How long acts are done that have no chunks, in this person's name."""
        from eed_delivery.ledger.long_acts.long_act import LongActKind
        from eed_delivery.operations.long_acts.whole_works import DecisionWork, ReportWork

        decision = DecisionWork(self.deciding, self._audit)
        return {
            LongActKind.REPORT: ReportWork(self.reporting, self.report_files, host),
            LongActKind.CANCEL: decision,
            LongActKind.RESUME: decision,
        }

    @cached_property
    def long_acts(self) -> "LongActs":
        """Start long acts, follow, stop and continue them."""
        from eed_delivery.operations.long_acts.starting import LongActs

        return LongActs(self.keys, self.long_act_ledger, self.chunked_works(), self._second, self._audit)

    @cached_property
    def long_act_takers(self) -> "LongActTakers":
        """Whether any process does long acts."""
        from eed_delivery.operations.long_acts.takers import LongActTakers

        return LongActTakers(self.processes if self._in_function else None)

    @cached_property
    def report_orders(self) -> "ReportOrders":
        """Order reports that are written by the side."""
        from eed_delivery.operations.long_acts.report_orders import ReportOrders

        return ReportOrders(self.keys, self._reporting, self.long_act_ledger, self._audit, self.report_files)

    @cached_property
    def approvals(self) -> "Approvals":
        """Ask a second person, and decide."""
        from eed_delivery.ledger.long_acts.approvals import ApprovalLedger
        from eed_delivery.operations.long_acts.approving import Approvals

        approvals = ApprovalLedger(self._database, self._actor, self.long_act_ledger)
        return Approvals(self.long_acts, self.long_act_ledger, approvals, self.deciding, self._second)

    @cached_property
    def _suppression_list(self) -> "SuppressionList":
        from eed_delivery.ledger.suppression.listing import SuppressionList

        return SuppressionList(self._database, self._actor, self._pseudonyms)

    @cached_property
    def suppression(self) -> "Suppression":
        """List the suppressed addresses, and change them."""
        from eed_delivery.operations.suppression.listing import Suppression

        return Suppression(self._suppression_list, self._reporting, self._audit, self._second)

    @cached_property
    def suppression_moving(self) -> "SuppressionMoving":
        """Enter a file of suppressed addresses, and write the list as one."""
        from eed_delivery.operations.suppression.moving import SuppressionMoving

        return SuppressionMoving(self._suppression_list, self._reporting, self._audit, self._pseudonyms)

    @cached_property
    def persons(self) -> "Persons":
        """Show and erase what is stored about an address."""
        from eed_delivery.ledger.auditing import AuditLedger
        from eed_delivery.ledger.persons.erasing import ErasingLedger
        from eed_delivery.ledger.persons.finding import PersonLedger
        from eed_delivery.operations.persons import PersonActs, Persons

        def acts(actor: Actor) -> PersonActs:
            return PersonActs(
                AuditLedger(self._database, actor), ErasingLedger(self._database, self._pseudonyms, actor)
            )

        finding = PersonLedger(self._database, self._pseudonyms)
        return Persons(self._pseudonyms, finding, self._actor, acts)

    @cached_property
    def submitting(self) -> "Submitting":
        """Register a job from a file of recipients."""
        from eed_delivery.operations.submitting.submission import Submitting

        parts = (self._database, self._reporting, self._app.renderer, self._actor)
        return Submitting(self.settings, *parts, self._window_plan)

    @cached_property
    def uploading(self) -> "Uploading":
        """Register a job whose recipients a caller sends along, or has in S3."""
        from eed_delivery.operations.submitting.s3_recipients import S3Recipients
        from eed_delivery.operations.submitting.uploading import Uploading

        return Uploading(self.submitting, S3Recipients(self._app.clients.submitted, self.settings.operators.submit_s3))

    @cached_property
    def reporting(self) -> "Reporting":
        """Write a job's report."""
        from eed_delivery.operations.reporting import Reporting, ReportLedgers

        proofs, manifests, acts = self._proofs, self._manifests, self._acts
        ledgers = ReportLedgers(self._reporting, self._engagement, self._outcomes, proofs, manifests, acts, self._audit)
        return Reporting(self.settings, self.keys, ledgers)

    @cached_property
    def reconciling(self) -> "Reconciling":
        """Compare the delivery server's rows with the ledger, and repair."""
        from eed_delivery.operations.reconciling import Reconciling

        patience = max(PATIENCE_SECONDS, 2 * self.settings.publisher.poll_seconds)
        return Reconciling(self.keys, self._app.reconciler(self._database, self._actor), patience)

    @cached_property
    def alerting(self) -> "Alerting":
        """List the rules of alerts, and try them."""
        from eed_delivery.app.alerts import receivers, receivers_of
        from eed_delivery.ledger.alerts.turns import AlertLedger
        from eed_delivery.operations.alerting import Alerting

        alerts = self.settings.alerts

        def ways(rule: str) -> "Sequence[AlertReceiver]":
            return receivers_of(alerts, rule, receivers(self.settings, self._app.alert_makers()))

        def ledger() -> AlertLedger:
            return AlertLedger(self._database, alerts.most_per_hour)

        return Alerting(alerts, ledger, ways, lambda: self._audit)

    @cached_property
    def webhooks(self) -> "WebhookOperations":
        """List webhooks, and send them again."""
        from eed_delivery.operations.webhooks import WebhookOperations

        configured = self.settings.webhooks.url is not None

        def webhooks() -> "WebhookList":
            return self._app.webhook_list(self._database, self._actor)

        return WebhookOperations(configured, webhooks, self._app.webhook_endpoint, lambda: self._audit)

    @cached_property
    def bounces(self) -> "Bounces":
        """Store a bounce."""
        from eed_delivery.operations.bounces import Bounces

        return Bounces(self._app.bounce_intake(connections=1))

    @cached_property
    def channels(self) -> "ChannelOperations":
        """List, create, change, check, hold, release and remove channels."""
        from eed_delivery.ledger.channels.listing import ChannelLedger
        from eed_delivery.ledger.workers import WorkerLedger
        from eed_delivery.operations.channels import ChannelOperations
        from eed_delivery.operations.queue_making import ChannelQueueMaking

        ledger = ChannelLedger(self._database, self._actor)
        workers = WorkerLedger(self._database)

        def directory() -> "ChannelDirectory":
            return self._app.channel_directory(ledger)

        queues = ChannelQueueMaking(self.settings.queue, self._app.sqs_client, lambda: self._audit)
        at_a_shell = self._actor.surface == "cli"
        parts = (self._app, directory, ledger, self.holds, workers, queues.make)
        window = self.windows.of_channel
        return ChannelOperations(*parts, own_secrets=at_a_shell, checks=self._channel_checks, window=window)

    @cached_property
    def _channel_checks(self) -> "ChecksAtOnce":
        from eed_delivery.operations.checks_at_once import MOST_CHECKS, ChecksAtOnce

        return ChecksAtOnce(MOST_CHECKS)

    @cached_property
    def holds(self) -> "HoldOperations":
        """Hold and release everything, a channel, a category or a destination domain."""
        from eed_delivery.ledger.holds.ledger import HoldLedger
        from eed_delivery.ledger.workers import WorkerLedger
        from eed_delivery.operations.holds import HoldOperations

        holds = HoldLedger(self._database, self._actor, self._file_channels)
        workers, heartbeat = WorkerLedger(self._database), self.settings.worker.heartbeat_seconds
        return HoldOperations(holds, workers, self._channel_names, heartbeat, self._reporting.now)

    def _channel_names(self) -> Collection[str]:
        from eed_delivery.ledger.channels.listing import ChannelLedger

        found = self._app.channel_directory(ChannelLedger(self._database)).look()
        return [*found.channels, *found.unusable]

    @cached_property
    def paces(self) -> "PaceOperations":
        """Change the send rate while the service runs."""
        from eed_delivery.ledger.paces import PaceLedger
        from eed_delivery.ledger.workers import WorkerLedger
        from eed_delivery.operations.paces import PaceOperations

        ledgers = (PaceLedger(self._database, self._actor), WorkerLedger(self._database))
        heartbeat = self.settings.worker.heartbeat_seconds
        return PaceOperations(*ledgers, self._channel_names, heartbeat, self._reporting.now)

    @cached_property
    def gates(self) -> "GateOperations":
        """Show which channels' ways out are broken, and try one at once."""
        from eed_delivery.ledger.shut_gates import ShutGates
        from eed_delivery.operations.gates import GateOperations

        return GateOperations(ShutGates(self._database, self._actor), self._channel_names)

    @cached_property
    def windows(self) -> "WindowOperations":
        """Show the send windows, and override them for a while."""
        from eed_delivery.ledger.windows.overrides import OverrideLedger
        from eed_delivery.operations.windows import WindowOperations

        overrides = OverrideLedger(self._database, self._app.window_marking(self._database), self._actor)
        return WindowOperations(overrides, self._window_plan, self.keys, self._reporting, self._channel_names)

    def _window_plan(self) -> "WindowPlan":
        """The send windows that are configured now."""
        from eed_delivery.app.send_windows import plan_of
        from eed_delivery.ledger.channels.listing import ChannelLedger

        directory = self._app.channel_directory(ChannelLedger(self._database))
        return plan_of(self.settings, directory.look().channels)

    @cached_property
    def users(self) -> "UserOperations":
        """Add, list and revoke users of the pages."""
        from eed_delivery.ledger.access.users import UserLedger
        from eed_delivery.operations.access import UserOperations

        alone = self._actor.surface == "cli" or not self.settings.operators.second_person
        return UserOperations(UserLedger(self._database, self._actor), may_add_admins=alone)

    @cached_property
    def sessions(self) -> "SessionOperations":
        """List and end sessions of users."""
        from eed_delivery.ledger.access.sessions import SessionLedger
        from eed_delivery.operations.access import SessionOperations

        ours = self.settings.operators
        sessions = SessionLedger(self._database, ours.session_idle_seconds, ours.session_max_seconds)
        return SessionOperations(sessions, self._actor)

    @cached_property
    def tokens(self) -> "TokenOperations":
        """Add, list and revoke API tokens."""
        from eed_delivery.ledger.access.tokens import TokenLedger
        from eed_delivery.operations.access import TokenOperations

        return TokenOperations(TokenLedger(self._database, self._actor), self._reporting.now)

    @cached_property
    def repeats(self) -> "Repeats":
        """Do a request once, however often it comes."""
        from eed_delivery.ledger.access.idempotency import IdempotencyLedger
        from eed_delivery.operations.repeats import Repeats

        return Repeats(IdempotencyLedger(self._database))

    @cached_property
    def auditing(self) -> "AuditQueries":
        """List who did what."""
        from eed_delivery.ledger.audit_chain import ChainLedger
        from eed_delivery.operations.auditing import AuditQueries

        return AuditQueries(self._audit, ChainLedger(self._database), self._reporting)

    @cached_property
    def preparing(self) -> "Preparing":
        """Make the tables, and check the mapping."""
        from eed_delivery.operations.preparing import Preparing

        return Preparing(self.settings, self._database, self._actor)

    @cached_property
    def queue_making(self) -> "QueueMaking":
        """Make queues for development."""
        from eed_delivery.operations.queue_making import QueueMaking

        return QueueMaking(self.settings.queue, self._app.sqs_client, lambda: self._audit)

    @cached_property
    def checking(self) -> "ServiceCheck":
        """Check everything the service needs."""
        from eed_delivery.operations.checking.service import ServiceCheck

        return ServiceCheck(self._app, self.preparing)
