"""The composition root, the only place that makes engines and clients and puts the parts together."""

import threading
from collections.abc import Callable, Collection
from functools import cached_property, partial

import structlog

from eed_delivery.alerts.desk import Desk
from eed_delivery.alerts.facts import FactWatch, measures
from eed_delivery.app import alerts
from eed_delivery.app.child_programs import start_rendering
from eed_delivery.app.destination_backlogs import destination_backlogs
from eed_delivery.app.destination_pacing import destination_pacing
from eed_delivery.app.manifests import has_manifests, note_unusable, putter
from eed_delivery.app.people_parts import PeopleApp
from eed_delivery.app.send_windows import has_windows
from eed_delivery.app.sending_app import LEASE_MARGIN_SECONDS
from eed_delivery.channels.channel import Channel
from eed_delivery.channels.watch import ChannelWatch, WantedWorkers
from eed_delivery.config import WorkerSettings
from eed_delivery.config.channels import DEFAULT
from eed_delivery.config.threads import first_threads, most_threads
from eed_delivery.database.transactions import Database
from eed_delivery.errors import ConfigError, Problem
from eed_delivery.ledger.actor import SERVICE
from eed_delivery.ledger.alerts.facts import AlertFacts
from eed_delivery.ledger.answers import AnswersLedger
from eed_delivery.ledger.audit_chain import ChainLedger
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.ledger.aws_figures import AwsFigureLedger, SesLimits
from eed_delivery.ledger.channels.listing import ChannelLedger
from eed_delivery.ledger.delivering.domain_holds import DomainHolds
from eed_delivery.ledger.delivering.ledger import DeliveryLedger
from eed_delivery.ledger.delivering.taken_paths import TakenPathsHousekeeping
from eed_delivery.ledger.duties import DutyLedger
from eed_delivery.ledger.gates import Gate
from eed_delivery.ledger.holds.ledger import HoldLedger
from eed_delivery.ledger.job_watch import WatchLedger
from eed_delivery.ledger.paces import PaceLedger
from eed_delivery.ledger.persons.finished_jobs import FinishedJobsLedger
from eed_delivery.ledger.progress import ProgressLedger
from eed_delivery.ledger.publishing.ledger import PublishingLedger
from eed_delivery.ledger.publishing.rehearsed_starts import RehearsedStarts
from eed_delivery.ledger.publishing.served_channels import ServedChannels
from eed_delivery.ledger.reporting import ReportingLedger
from eed_delivery.ledger.send_turns import SendTurns
from eed_delivery.ledger.suppression.refused_addresses import RefusedAddresses
from eed_delivery.ledger.sweeping import SweepLedger
from eed_delivery.ledger.tracking.forgetting import ForgettingLedger
from eed_delivery.ledger.tracking.ledger import TrackingLedger
from eed_delivery.ledger.windows.overrides import OverrideLedger
from eed_delivery.ledger.workers import FUNCTION, WorkerLedger
from eed_delivery.manifests.putter import ManifestPutter
from eed_delivery.operations.queue_making import ChannelQueueMaking
from eed_delivery.publisher import Publisher, Registrar
from eed_delivery.publisher.channel_publishers import ChannelPublishers
from eed_delivery.publisher.destinations import DestinationBacklogs
from eed_delivery.publisher.gate_limit import GateLimit
from eed_delivery.publisher.rehearsal_gate import RehearsalGate
from eed_delivery.queue import Queue
from eed_delivery.runtime.loop import LoopStarter, LoopThread, Pulse
from eed_delivery.sweeper.answers_alike import AnswersAlike
from eed_delivery.sweeper.audit_head import AuditHeadLog
from eed_delivery.sweeper.aws_figures import AwsFigureSweep
from eed_delivery.sweeper.job_watch import JobWatch, limits
from eed_delivery.sweeper.progress import ProgressSweep
from eed_delivery.sweeper.recipients import RecipientRetention
from eed_delivery.sweeper.reconciliation import ReconcileSweep
from eed_delivery.sweeper.retention import Retention
from eed_delivery.sweeper.send_windows import WindowSweep
from eed_delivery.sweeper.sweeper import Sweeper, SweepRules
from eed_delivery.tracking.ses.collector import Collector
from eed_delivery.transports import Transport
from eed_delivery.transports.ses.transport import account
from eed_delivery.worker import Worker, WorkerParts
from eed_delivery.worker.coordination import CoordinationWatch

log = structlog.get_logger(__name__)

SIDE_CONNECTIONS = 4
"""Database connections of a worker process beside one a thread: keeper, heartbeat, pause, ping."""
MOST_CONNECTIONS = 32 + SIDE_CONNECTIONS
"""Limit: the database connections of a worker process. Threads beyond that share them, because they wait for the mail
server most of the time. As many again are opened for a moment."""


class App(PeopleApp):
    """Makes all other parts, too."""

    def channel_watch(self, want: Callable[[tuple[WantedWorkers, ...]], None]) -> ChannelWatch:
        """What says which worker processes the channels need."""
        database = self.database(connections=1)
        return ChannelWatch(self.channel_directory(ChannelLedger(database)), HoldLedger(database), want)

    def channel(self, name: str) -> Channel:
        """The channel of this name, of the file or the ledger. Raises `ConfigError` if it cannot be used here."""
        if name in self.channels:
            return self.channels[name]
        database = self.database(connections=1)
        try:
            found = self.channel_directory(ChannelLedger(database)).look()
        finally:
            database.close()
        if name in found.channels:
            return found.channels[name]
        missing = ConfigError([Problem(f"channel.{name}", "there is no such channel any more", "Create it again.")])
        raise found.unusable.get(name, missing)

    def make_queues(self, channel: Channel) -> None:
        """Make the queues that a channel asks for and that are not there. Raises `ConfigError` and `QueueGone`."""
        making = ChannelQueueMaking(
            self.settings.queue, self.sqs_client, lambda: AuditLedger(self.database(connections=1), SERVICE)
        )
        for url in making.make(channel):
            log.info("queue_made", channel=channel.name, url=url)

    def channel_publishers(self, start: LoopStarter) -> ChannelPublishers:
        """The publishers of all channels but the default, not started yet."""
        directory = self.channel_directory()
        queues = self.queues(directory, self.settings.publisher.connections)

        def make(name: str, queue: Queue) -> Publisher:
            return self._publisher_of(directory.now()[name], queue)

        def file_channels() -> list[str]:
            return [name for name, channel in directory.now().items() if channel.carries_files]

        return ChannelPublishers(queues, make, start, file_channels)

    def publisher(self, others: ChannelPublishers | None = None) -> Publisher:
        """The publisher of the channel `default`, which registers the jobs of all. `others` are those of the others."""
        others = others or self.channel_publishers(partial(LoopThread, pulse=Pulse()))
        settings = self.settings.publisher
        database = self.database()
        ledger = PublishingLedger(database, self.source, self.outbox, windows=self.window_marking(database))
        registrar = Registrar(ledger, settings, known=others.known, file_channels=others.file_channels)
        queue = self.queue(settings.connections)
        return Publisher(
            ledger,
            queue,
            self.renderer(),
            settings,
            registrar=registrar,
            served=others.default,
            gate=self._gate_limit(database, DEFAULT),
            destinations=self._destinations(database, self.channel(DEFAULT)),
            rehearsals=self._rehearsal_gate(database, ledger, self.channel(DEFAULT)),
        )

    def _destinations(self, database: Database, channel: Channel) -> DestinationBacklogs | None:
        """A channel that puts files sends to no domain."""
        if channel.carries_files:
            return None
        counts = bool(channel.send_windows.open) or has_windows(self.settings)
        return destination_backlogs(self.settings, database, channel.name, windows_count=counts)

    def _rehearsal_gate(self, database: Database, ledger: PublishingLedger, channel: Channel) -> RehearsalGate | None:
        """What asks for rehearsals. Files have none, and neither has a job that is one row."""
        ours = self.settings
        if not ours.publisher.require_rehearsal or channel.carries_files or ours.source.single_table:
            return None
        from eed_delivery.rehearsal.digest import template_digest

        return RehearsalGate(RehearsedStarts(database, self.source, self.outbox), ledger.content, template_digest)

    def _gate_limit(self, database: Database, channel: str) -> GateLimit | None:
        """Where each process has its own breaker alone, no gate says anything."""
        shared = self.settings.worker.coordination == "ledger"
        return GateLimit(Gate(database, channel), channel) if shared else None

    def _publisher_of(self, channel: Channel, queue: Queue) -> Publisher:
        self.make_queues(channel)
        database = self.database()
        windows = self.window_marking(database, channel)
        ledger = PublishingLedger(database, self.source, self.outbox, windows=windows)
        served = ServedChannels(channel.name)
        renderer = self.message_maker(channel)
        return Publisher(
            ledger,
            queue,
            renderer,
            self.settings.publisher,
            served=lambda: served,
            gate=self._gate_limit(database, channel.name),
            destinations=self._destinations(database, channel),
            rehearsals=self._rehearsal_gate(database, ledger, channel),
            at_the_end=database.close,
        )

    def sweeper(self) -> Sweeper:
        worker = self.settings.worker
        database = self.database(multi_statements=True)
        rules = SweepRules(
            resend_below=worker.max_attempts if worker.doubt == "resend" else 0,
            drop_patience_seconds=self._drop_patience(),
        )
        reconcile = self.settings.tracking.reconcile_seconds if worker.doubt == "reconcile" else 0
        ledger = SweepLedger(database, self.source, reconcile_seconds=reconcile, outbox=self.outbox)
        look = self.answers_alike.look_if_failed
        directory = self.channel_directory(ChannelLedger(database))
        queues = self.queues(directory)

        def of_files() -> list[str]:
            return [name for name, channel in directory.now().items() if channel.carries_files]

        def with_manifests() -> list[str]:
            return [name for name, channel in directory.now().items() if has_manifests(channel)]

        workers, rules_of_it = WorkerLedger(database), self.settings.sweeper
        return Sweeper(ledger, workers, queues, rules_of_it, rules, look, of_files, with_manifests)

    def _drop_patience(self) -> float:
        """How long after its lease an email is left to its message. That of a function is hidden for six timeouts, and
        its receives may have been in vain. So the email gets a new one before the old one is a dead letter."""
        if self.settings.aws_lambda.timeout_seconds is not None:
            return LEASE_MARGIN_SECONDS
        return self.settings.queue.visibility_timeout_seconds + LEASE_MARGIN_SECONDS

    @cached_property
    def answers_alike(self) -> AnswersAlike:
        """What puts emails back that failed for what was not their recipients' fault. There is one for all loops."""
        database = self.database(connections=1)
        return AnswersAlike(
            AnswersLedger(database),
            self.operating(database),
            partial(DomainHolds, database),
            stored_reply=self.stored_reply(),
        )

    def retention(self) -> Retention | None:
        """What deletes old events. None if they are kept indefinitely."""
        if not self.settings.tracking.event_retention_days:
            return None
        ledger = ForgettingLedger(self.database(connections=1), self.settings.tracking)
        return Retention(ledger, self.settings.sweeper.interval_seconds)

    def window_sweep(self) -> WindowSweep:
        """What keeps the spans of jobs up to date."""
        database = self.database(connections=1)
        marking = self.window_marking(database)
        return WindowSweep(marking, OverrideLedger(database, marking), self.settings.sweeper.interval_seconds)

    def progress_sweep(self) -> ProgressSweep:
        """What counts how far jobs have come."""
        database = self.database(connections=1)
        workers, beat = WorkerLedger(database), self.settings.worker.heartbeat_seconds

        def sending() -> Collection[str]:
            return {one.channel for one in workers.all() if one.role in SENDERS and one.sending and one.is_alive(beat)}

        return ProgressSweep(ProgressLedger(database), DutyLedger(database), sending)

    def aws_figure_sweep(self) -> AwsFigureSweep:
        """What asks SQS and SES for figures that people look at."""
        database = self.database(connections=1)
        directory = self.channel_directory(ChannelLedger(database))

        def limits() -> SesLimits | None:
            rates = [channel.rate_per_second for channel in directory.now().values()]
            if self.settings.transport.kind != "ses" and "ses" not in rates:
                return None
            found = account(self.ses_client())
            return SesLimits(found.max_send_rate, found.max_24_hour_send, found.sent_last_24_hours)

        figures = AwsFigureLedger(database)
        return AwsFigureSweep(figures, DutyLedger(database), self.queues(directory, 1), limits)

    def taken_paths(self) -> TakenPathsHousekeeping:
        """What deletes old rows of paths that emails took for their files."""
        return TakenPathsHousekeeping(self.database(connections=1), self.settings.sweeper.interval_seconds)

    def recipient_retention(self) -> RecipientRetention | None:
        """What replaces the recipients of old jobs; None if they are kept indefinitely."""
        days = self.settings.privacy.finished_job_days
        if not days:
            return None
        ledger = FinishedJobsLedger(self.database(connections=1), self.pseudonyms, days)
        return RecipientRetention(ledger, self.settings.sweeper.interval_seconds)

    def audit_head_log(self) -> AuditHeadLog:
        """What logs the end of the audit's chain."""
        database = self.database(connections=1)
        return AuditHeadLog(ChainLedger(database), DutyLedger(database))

    def reconcile_sweep(self) -> ReconcileSweep | None:
        """What compares source and ledger once in a while. None where it is turned off."""
        hours = self.settings.sweeper.reconcile_hours
        if not hours:
            return None
        database = self.database(connections=1)
        ledger = self.reconciling(database)
        return ReconcileSweep(self.reconciler(database), self.comparing(database), ledger, hours * 3600)

    def job_watch(self) -> JobWatch | None:
        """What watches the bounces and complaints of running jobs. None where it is turned off."""
        watch = self.settings.watch
        return JobWatch(WatchLedger(self.database(connections=1), self.outbox), watch) if limits(watch) else None

    def collector(self, events_queue_url: str) -> Collector:
        """What all threads of the role `events` share."""
        tracking = self.settings.tracking
        database = self.database(tracking.threads + 1, multi_statements=True)
        ledger = TrackingLedger(database, self.source, tracking, self.outbox)
        queue = self.settings.queue
        events = self.events_queue(events_queue_url, tracking.threads)
        return Collector(ledger, events, queue.wait_seconds, queue.visibility_timeout_seconds)

    def worker(self, stop: threading.Event, pulse: Pulse, name: str = DEFAULT) -> Worker:
        """One worker process's worth of threads, for the channel of this name."""
        channel = self.channel(name)
        settings = self.settings.worker.model_copy(update={"threads": channel.threads})
        connections = most_threads(channel.threads) + SIDE_CONNECTIONS
        database = self.database(min(connections, MOST_CONNECTIONS), multi_statements=True)
        make_transport = self.transport_factory(channel)
        process = self.process("worker", first_threads(channel.threads), name, channel.mark)
        lease = _send_lease(settings, make_transport)
        parts = WorkerParts(
            ledger=DeliveryLedger(
                database,
                self.source,
                process.worker_id,
                self.outbox,
                self.pseudonyms,
                channel=name,
                sends_emails=not channel.carries_files,
            ),
            operating=self.operating(database),
            workers=WorkerLedger(database),
            paces=PaceLedger(database),
            holds=DomainHolds(database, name),
            dead=RefusedAddresses(database, self.settings.tracking),
            answers=AnswersLedger(database, name),
            queue=self.queue(connections, channel),
            renderer=self.message_maker(channel),
            sends_emails=not channel.carries_files,
            make_transport=make_transport,
            rate=self.rate(channel),
            process=process,
            send_lease_seconds=lease,
            wait_seconds=self.settings.queue.wait_seconds,
            visibility_seconds=self.settings.queue.visibility_timeout_seconds,
            start_rendering=partial(start_rendering, self.settings, name),
            render_seconds=self.settings.service.render_seconds,
            stored_reply=self.stored_reply(),
            copies=self.archives.copies(name, database),
            turns=SendTurns(database) if settings.coordination == "ledger" else None,
            gate=Gate(database, name) if settings.coordination == "ledger" else None,
            pacing=None if channel.carries_files else destination_pacing(self.settings, database, lease),
        )
        return Worker(parts, settings, stop, pulse)

    def manifests(self, name: str, beat: Callable[[], None]) -> ManifestPutter | None:
        """What puts the manifests of a channel, for one process. None if it puts no files. Raises `ConfigError`."""
        channel = self.channel(name)
        if not channel.carries_files:
            return None
        return putter(channel, self.database(connections=2), self.transport_factory(channel), beat)

    def note_unusable(self, channel: str, error: ConfigError) -> None:
        """Note why this host cannot put the manifests of a channel. Raises `DatabaseGone`."""
        database = self.database(connections=1)
        try:
            note_unusable(channel, database, error)
        finally:
            database.close()

    def coordination_watch(self, channel: str) -> CoordinationWatch:
        """What says whether all that send by a channel share its rate as this host does."""
        return CoordinationWatch(WorkerLedger(self.database(connections=1)), self.process("worker", channel=channel))

    def alert_desk(self) -> Desk:
        """The alerts of one process."""
        return alerts.desk(self.settings, self.alert_makers())

    def fact_watch(self, desk: Desk) -> FactWatch:
        """What measures the facts of `[[alerts.fact]]`."""
        wanted = self.settings.alerts
        known = measures(AlertFacts(self.database(connections=1)), self.queue(connections=1), self.ses_client)
        return FactWatch(wanted.fact, known, desk.observe, wanted.check_seconds)

    def reporting(self, database: Database) -> ReportingLedger:
        return ReportingLedger(database)


SENDERS = ("worker", FUNCTION)
"""Roles that send."""


def _send_lease(settings: WorkerSettings, make_transport: Callable[[], Transport]) -> float:
    return settings.send_lease_seconds or make_transport().wire_seconds + LEASE_MARGIN_SECONDS
