"""The operations, each put together when a surface asks for it first, so that a command loads no more than it needs.

A part imports its modules where it is made: a look into the ledger needs neither queue nor templates nor clients.
"""

from functools import cached_property
from typing import TYPE_CHECKING

from eed_delivery.app.database import open_database
from eed_delivery.config import Settings
from eed_delivery.ledger.publishing.scheduling import SchedulingLedger
from eed_delivery.ledger.reporting import ReportingLedger
from eed_delivery.ledger.webhooks.outbox import Outbox
from eed_delivery.operations.actor import Actor
from eed_delivery.operations.keys import Keys
from eed_delivery.source import Source

if TYPE_CHECKING:
    from eed_delivery.app.parts import App
    from eed_delivery.database.transactions import Database
    from eed_delivery.ledger.acts import ActLedger
    from eed_delivery.ledger.operating import OperatingLedger
    from eed_delivery.ledger.tracking.engagement import EngagementLedger
    from eed_delivery.ledger.tracking.outcomes import OutcomeLedger
    from eed_delivery.operations.deciding import Deciding
    from eed_delivery.operations.emails import EmailQueries
    from eed_delivery.operations.jobs import JobQueries
    from eed_delivery.operations.processes import ProcessQueries
    from eed_delivery.operations.requeueing import Requeueing
    from eed_delivery.operations.resending import Resending
    from eed_delivery.operations.watching import Watching


class Operations:
    """What `actor` can ask and decide. It holds connections, so it belongs to the process that made it.

    `database` may be shared by many; without one it opens its own, when it is first needed.
    """

    def __init__(self, settings: Settings, actor: Actor, database: "Database | None" = None) -> None:
        self.settings = settings
        self._actor = actor
        self._shared = database
        self._source = Source(settings.source)
        self._outbox = Outbox.of(settings.webhooks)

    @cached_property
    def _app(self) -> "App":
        from eed_delivery.app.parts import App

        return App(self.settings)

    @cached_property
    def _database(self) -> "Database":
        return self._shared or open_database(self.settings.database)

    @cached_property
    def _reporting(self) -> ReportingLedger:
        return ReportingLedger(self._database)

    @cached_property
    def _scheduling(self) -> SchedulingLedger:
        return SchedulingLedger(self._database, self._source, outbox=self._outbox, who=self._actor.name)

    @cached_property
    def _operating(self) -> "OperatingLedger":
        from eed_delivery.ledger.operating import OperatingLedger

        return OperatingLedger(self._database, self._source, outbox=self._outbox, who=self._actor.name)

    @cached_property
    def _outcomes(self) -> "OutcomeLedger":
        from eed_delivery.ledger.tracking.outcomes import OutcomeLedger

        return OutcomeLedger(self._database)

    @cached_property
    def _engagement(self) -> "EngagementLedger":
        from eed_delivery.ledger.tracking.engagement import EngagementLedger

        return EngagementLedger(self._database)

    @cached_property
    def _acts(self) -> "ActLedger":
        from eed_delivery.ledger.acts import ActLedger

        return ActLedger(self._database)

    @cached_property
    def keys(self) -> Keys:
        """Which job or email a key names."""
        return Keys(self._database, self._source, self._reporting, self._scheduling)

    @cached_property
    def jobs(self) -> "JobQueries":
        """List jobs, and show one."""
        from eed_delivery.operations.jobs import JobQueries

        ledgers = (self._reporting, self._scheduling, self._outcomes, self._engagement, self._acts)
        return JobQueries(self.settings, self.keys, *ledgers)

    @cached_property
    def emails(self) -> "EmailQueries":
        """List emails, and show one."""
        from eed_delivery.operations.emails import EmailQueries

        domain = self.settings.rendering.message_id_domain
        return EmailQueries(domain, self.keys, self._reporting, self._outcomes, self._engagement, self._acts)

    @cached_property
    def processes(self) -> "ProcessQueries":
        """List the worker processes."""
        from eed_delivery.ledger.workers import WorkerLedger
        from eed_delivery.operations.processes import ProcessQueries

        return ProcessQueries(WorkerLedger(self._database), self.settings.worker.heartbeat_seconds)

    @cached_property
    def watching(self) -> "Watching":
        """Follow a job until it has finished."""
        from eed_delivery.operations.watching import Watching

        return Watching(self._reporting)

    @cached_property
    def requeueing(self) -> "Requeueing":
        """Send failed emails again."""
        from eed_delivery.operations.requeueing import Requeueing

        return Requeueing(self.keys, self._reporting, self._operating)

    @cached_property
    def deciding(self) -> "Deciding":
        """Settle, pause, resume, cancel."""
        from eed_delivery.operations.deciding import Deciding

        return Deciding(self.keys, self._reporting, self._operating, self._scheduling)

    @cached_property
    def resending(self) -> "Resending":
        """Send a sent email once more."""
        from eed_delivery.ledger.resending import ResendLedger
        from eed_delivery.operations.resending import Resending

        resends = ResendLedger(self._database, self._source, self._actor.name, self._outbox)
        return Resending(self.keys, resends)
