"""Operations on the service as a whole: channels, holds, paces, people, monitoring, and what is suppressed."""

from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from eed_delivery.app.operation_parts import OperationParts
from eed_delivery.operations.actor import Actor

DOMAINS_SECONDS = 60.0
"""Between two countings of its domains."""
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

if TYPE_CHECKING:
    from eed_delivery.alerts.receivers import AlertReceiver
    from eed_delivery.channels.channel import Channel
    from eed_delivery.channels.directory import ChannelDirectory
    from eed_delivery.ledger.suppression.listing import SuppressionList
    from eed_delivery.ledger.webhooks.listing import WebhookList
    from eed_delivery.operations.access import SessionOperations, TokenOperations, UserOperations
    from eed_delivery.operations.alerting import Alerting
    from eed_delivery.operations.auditing import AuditQueries
    from eed_delivery.operations.aws_figures import AllowedRates, AwsFigures
    from eed_delivery.operations.bounces import Bounces
    from eed_delivery.operations.channels import ChannelOperations
    from eed_delivery.operations.checking.service import ServiceCheck
    from eed_delivery.operations.checks_at_once import ChecksAtOnce
    from eed_delivery.operations.cloudwatch import CloudWatchFigures
    from eed_delivery.operations.dead_letters import DeadLetters
    from eed_delivery.operations.domain_paces import DomainPaceOperations
    from eed_delivery.operations.figures import LedgerFigures
    from eed_delivery.operations.gates import GateOperations
    from eed_delivery.operations.holds import HoldOperations
    from eed_delivery.operations.paces import PaceOperations
    from eed_delivery.operations.persons import Persons
    from eed_delivery.operations.preparing import Preparing
    from eed_delivery.operations.processes import ProcessQueries
    from eed_delivery.operations.queue_making import QueueMaking
    from eed_delivery.operations.repeats import Repeats
    from eed_delivery.operations.snapshots import FiguresByTheSide
    from eed_delivery.operations.suppression.listing import Suppression
    from eed_delivery.operations.suppression.moving import SuppressionMoving
    from eed_delivery.operations.webhooks import WebhookOperations
    from eed_delivery.operations.windows import WindowOperations


class ServiceOperations(OperationParts):
    """What is not about a job."""

    @cached_property
    def figures(self) -> "LedgerFigures":
        """Count figures of the whole ledger for monitoring."""
        from eed_delivery.alerts.facts import ledger_measures
        from eed_delivery.ledger.alerts.facts import AlertFacts
        from eed_delivery.ledger.backlog import BacklogLedger
        from eed_delivery.ledger.figures import FiguresLedger
        from eed_delivery.ledger.forecasts import ForecastLedger
        from eed_delivery.operations.figures import FigureSources, LedgerFigures

        settings, aws = self.settings, self._aws_figures
        facts = ledger_measures(AlertFacts(self._database))
        if settings.queue.dead_letter_url is not None:
            facts["dead_letters"] = aws.dead_letters
        if settings.transport.kind == "ses":
            facts["ses_quota_percent"] = aws.quota_used_percent
        backlog, rates = BacklogLedger(self._database), self._allowed_rates
        counts = FiguresLedger(self._database)
        looks = (aws.depth, backlog.by_channel, rates.now, ForecastLedger(self._database).fresh)
        return LedgerFigures(FigureSources(counts, self.processes, facts, *looks))

    @cached_property
    def _aws_figures(self) -> "AwsFigures":
        """What SQS and SES said last."""
        from eed_delivery.ledger.aws_figures import AwsFigureLedger
        from eed_delivery.operations.aws_figures import AwsFigures

        return AwsFigures(AwsFigureLedger(self._database))

    @cached_property
    def _allowed_rates(self) -> "AllowedRates":
        """How many emails a second may be sent."""
        from eed_delivery.ledger.channels.listing import ChannelLedger
        from eed_delivery.ledger.paces import PaceLedger
        from eed_delivery.operations.aws_figures import AllowedRates

        directory = self._app.channel_directory(ChannelLedger(self._database))
        return AllowedRates(directory, self._aws_figures, PaceLedger(self._database))

    @cached_property
    def cloudwatch(self) -> "CloudWatchFigures":
        """Hand figures over to CloudWatch, as the settings say."""
        from eed_delivery.ledger.duties import DutyLedger
        from eed_delivery.operations.cloudwatch import CloudWatchFigures, MetricData, log_line

        settings = self.settings.metrics
        put = MetricData(self._app.clients.cloudwatch) if settings.cloudwatch == "api" else log_line
        return CloudWatchFigures(self.figures, DutyLedger(self._database), settings.cloudwatch_namespace, put)

    def _figures_of(self, make: "Callable[[K], T]", seconds: float = DOMAINS_SECONDS) -> "FiguresByTheSide[K, T]":
        """Figures by key, which take a while."""
        from eed_delivery.operations.snapshots import FiguresByTheSide, FiguresInTurn

        return (FiguresInTurn if self._in_function else FiguresByTheSide)(make, seconds)

    @cached_property
    def dead_letters(self) -> "DeadLetters":
        """List and delete dead letters that name no email of ours."""
        from eed_delivery.ledger.dead_letters import DeadLetterLedger
        from eed_delivery.operations.dead_letters import DeadLetters

        return DeadLetters(DeadLetterLedger(self._database, self._actor))

    @cached_property
    def processes(self) -> "ProcessQueries":
        """List the worker processes."""
        from eed_delivery.ledger.workers import WorkerLedger
        from eed_delivery.operations.processes import ProcessQueries

        heartbeat = self.settings.worker.heartbeat_seconds
        return ProcessQueries(WorkerLedger(self._database), heartbeat, self._reporting.now)

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

        ledger = ChannelLedger(self._database, self._actor)
        workers = WorkerLedger(self._database)

        def directory() -> "ChannelDirectory":
            return self._app.channel_directory(ledger)

        def make_queues(channel: "Channel") -> tuple[str, ...]:
            from eed_delivery.operations.queue_making import ChannelQueueMaking  # with botocore

            return ChannelQueueMaking(self.settings.queue, self._app.sqs_client, lambda: self._audit).make(channel)

        at_a_shell = self._actor.surface == "cli"
        parts = (self._app, directory, ledger, self.holds, workers, make_queues)
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
    def domain_paces(self) -> "DomainPaceOperations":
        """Set the pace of destination domains while the service runs."""
        from eed_delivery.config.domain_paces import paces_of
        from eed_delivery.ledger.domain_paces.backlogs import BacklogCounts
        from eed_delivery.ledger.domain_paces.stored import DomainPaceLedger
        from eed_delivery.operations.domain_paces import DomainPaceOperations

        configured = paces_of(self.settings.domains)
        ledger = DomainPaceLedger(self._database, configured, self._actor)
        return DomainPaceOperations(ledger, BacklogCounts(self._database), configured, self._reporting.now)

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
        from eed_delivery.ledger.workers import WorkerLedger
        from eed_delivery.operations.checking.service import ServiceCheck

        workers = WorkerLedger(self._database)
        return ServiceCheck(self._app, self.preparing, workers, self._look_at_channels)
