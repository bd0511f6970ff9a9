"""What people and the API ask with, and the processes that serve them.

It loads only what most of them need. Clients of AWS, renderers and what few ask for are loaded where they are made.
"""

import os
import secrets
import socket
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING

from eed_delivery import __version__
from eed_delivery.app.send_windows import has_windows, plan_of, windows_digest
from eed_delivery.app.sending_app import SendingApp
from eed_delivery.channels.channel import Channel
from eed_delivery.channels.directory import ChannelDirectory
from eed_delivery.config import Settings
from eed_delivery.config.channels import DEFAULT
from eed_delivery.config.digest import digest_of
from eed_delivery.database.transactions import Database
from eed_delivery.errors import ConfigError, Problem
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.channels.listing import ChannelLedger
from eed_delivery.ledger.webhooks.listing import WebhookList
from eed_delivery.ledger.windows.marking import WindowMarking
from eed_delivery.ledger.workers import Process, WorkerLedger
from eed_delivery.send_windows.plan import WindowPlan

if TYPE_CHECKING:
    from mypy_boto3_sqs.client import SQSClient

    from eed_delivery.app.alerts import Makers
    from eed_delivery.app.archiving import ArchiveParts
    from eed_delivery.ledger.reconciling.comparing import ComparingLedger
    from eed_delivery.ledger.reconciling.ledger import ReconcilingLedger
    from eed_delivery.queue import Queue
    from eed_delivery.sweeper.reconciliation import Reconciler
    from eed_delivery.tracking.bounces.intake import BounceIntake
    from eed_delivery.transports import Transport
    from eed_delivery.webhooks.endpoint import WebhookEndpoint

PLAN_SECONDS = 3.0
"""How long the send windows of channels in the ledger are kept before they are read again."""
ALERT_DATABASE_SECONDS = {"connect_timeout_seconds": 3.0, "read_timeout_seconds": 6.0}
"""An alert about a database that hangs must not hang with it; longer than it waits for a lock."""
ALERT_SMTP_SECONDS = {"connect_timeout_seconds": 10.0, "command_timeout_seconds": 20.0, "data_timeout_seconds": 60.0}
"""An alert may come twice, so less patience does no harm."""


class PeopleApp(SendingApp):
    """Makes what operations ask for, beside what an email is sent with."""

    def channel_directory(self, ledger: ChannelLedger | None = None) -> ChannelDirectory:
        """All channels, those of the ledger too. Raises `ConfigError` for mistakes in those of the file."""
        return ChannelDirectory(self.settings, ledger or ChannelLedger(self.database(connections=1)))

    def queues(self, directory: ChannelDirectory, connections: int = 10) -> "Callable[[], Mapping[str, Queue]]":
        """What gives the queue of each channel that is there, by the channel's name, all over the same connections."""
        from eed_delivery.queue import Queue

        calls = self.clients.sqs_calls(connections)

        def now() -> Mapping[str, Queue]:
            of = {name: channel.queue for name, channel in directory.now().items()}
            return {name: Queue(calls, queue.url, queue.dead_letter_url) for name, queue in of.items()}

        return now

    def sqs_client(self) -> "SQSClient":
        """boto3's client, for what is done once."""
        return self.clients.sqs()

    def events_queue(self, url: str, connections: int = 2) -> "Queue":
        """The queue that SES's events arrive in, over connections of its own."""
        from eed_delivery.queue import Queue

        return Queue(self.clients.sqs_calls(connections), url)

    @cached_property
    def archives(self) -> "ArchiveParts":
        """What makes the parts of the channels' archives. Raises `ConfigError`."""
        from eed_delivery.app.archiving import ArchiveParts

        return ArchiveParts(self.clients, self.channels)

    def window_marking(self, database: Database, channel: Channel | None = None) -> WindowMarking:
        """What writes into jobs when they may leave. `channel`: the one whose publisher asks."""
        directory = self.channel_directory(ChannelLedger(database))
        plan = partial(_plan, self.settings, directory)
        of_channel = channel is not None and bool(channel.send_windows.open)
        counts = of_channel or has_windows(self.settings)
        digest = windows_digest(self.settings)
        return WindowMarking(database, plan, is_configured=counts, digest=digest, keep_seconds=PLAN_SECONDS)

    def heartbeat(self, role: str) -> tuple[WorkerLedger, Process]:
        """What says that a process of a role lives, and as what."""
        return WorkerLedger(self.database(connections=1)), self.process(role)

    def process(self, role: str, threads: int = 0, channel: str = DEFAULT, mark: str | None = None) -> Process:
        """What this process says of itself in a role."""
        host = socket.gethostname()
        process_id = f"{host[:60]}:{os.getpid()}:{secrets.token_hex(4)}"
        of_host = (__version__, digest_of(self.settings))
        coordination = self.settings.worker.coordination if role == "worker" else None
        return Process(process_id, host, role, threads, channel, mark, *of_host, coordination)

    def webhook_list(self, database: Database, who: Actor = SERVICE) -> WebhookList:
        """`who` acts, for the audit."""
        return WebhookList(database, self.settings.webhooks, who)

    def webhook_endpoint(self) -> "WebhookEndpoint":
        """What POSTs webhooks, for one thread. Raises `ConfigError` if they are off."""
        from eed_delivery.webhooks.endpoint import WebhookEndpoint
        from eed_delivery.webhooks.signing import WebhookSigner

        webhooks = self.settings.webhooks
        if webhooks.url is None:
            what = "it is not set, so webhooks are off"
            raise ConfigError([Problem("webhooks.url", what, "Set the endpoint's URL.")])
        return WebhookEndpoint(webhooks.url, WebhookSigner(webhooks.keys()), webhooks.timeout_seconds, webhooks.ca_file)

    def bounce_intake(self, connections: int = 2) -> "BounceIntake":
        """What receives bounces. Raises `ConfigError` if they are off."""
        from eed_delivery.ledger.tracking.ledger import TrackingLedger
        from eed_delivery.tracking.bounces.intake import BounceIntake

        verp = self.verp()
        if verp is None:
            what = "it is not set, and so no bounce can be for us"
            raise ConfigError([Problem("bounces.address", what, "Give the domain whose mail comes to us.")])
        ledger = TrackingLedger(self.database(connections), self.source, self.settings.tracking, self.outbox)
        return BounceIntake(verp, ledger, self.settings.bounces.feedback_address)

    def reconciler(self, database: Database, who: Actor = SERVICE) -> "Reconciler":
        """What compares source and ledger, and repairs. `who` acts, for the audit."""
        from eed_delivery.source.comparing import SourceComparison
        from eed_delivery.sweeper.reconciliation import Reconciler

        comparison = SourceComparison(self.settings.source)
        return Reconciler(self.comparing(database), self.reconciling(database, who), comparison, self.source)

    def comparing(self, database: Database) -> "ComparingLedger":
        """What counts how source and ledger differ."""
        from eed_delivery.ledger.reconciling.comparing import ComparingLedger
        from eed_delivery.source.comparing import SourceComparison

        return ComparingLedger(database, SourceComparison(self.settings.source))

    def reconciling(self, database: Database, who: Actor = SERVICE) -> "ReconcilingLedger":
        """What repairs differences. `who` acts, for the audit."""
        from eed_delivery.ledger.publishing.ledger import PublishingLedger
        from eed_delivery.ledger.reconciling.ledger import ReconcilingLedger

        publishing = PublishingLedger(database, self.source, self.outbox, windows=self.window_marking(database))
        return ReconcilingLedger(database, self.source, publishing, who=who)

    def alert_makers(self) -> "Makers":
        """What makes the clients of alerts. They are their own, so that neither side ever waits for the other."""
        from eed_delivery.app.alerts import Makers

        return Makers(self._alert_database, self._alert_transport, lambda: self.clients.sns())

    def _alert_database(self) -> Database:
        from eed_delivery.database.engine import make_engine

        settings = self.settings.database.model_copy(update=ALERT_DATABASE_SECONDS)
        return Database(make_engine(settings.sqlalchemy_url(), connections=1), self._stop)

    def _alert_transport(self) -> "Transport":
        """One for alerts, less patient, and without the configuration set, whose events are about jobs' emails."""
        settings = self.settings
        match settings.transport.kind:
            case "smtp":
                from eed_delivery.transports.smtp.transport import SmtpTransport

                limits = {name: min(getattr(settings.smtp, name), most) for name, most in ALERT_SMTP_SECONDS.items()}
                return SmtpTransport(settings.smtp.model_copy(update=limits))
            case "ses":
                from eed_delivery.transports.ses.transport import SesTransport

                return SesTransport(self.ses_client(), settings.ses.model_copy(update={"configuration_set": None}))
            case "eml_folder":
                from eed_delivery.transports.eml_folder.transport import EmlFolderTransport

                return EmlFolderTransport(settings.eml_folder)


def _plan(settings: Settings, directory: ChannelDirectory) -> WindowPlan:
    return plan_of(settings, directory.now())
