"""What several operations stand on: ledgers, keys, and what is configured now.

Each is made when an operation first needs it, with an import of its own.
"""

from collections.abc import Collection
from functools import cached_property
from typing import TYPE_CHECKING

from eed_delivery.app.database import open_database
from eed_delivery.config import Settings
from eed_delivery.operations.actor import Actor

if TYPE_CHECKING:
    from eed_delivery.app.message_ids import MessageIds
    from eed_delivery.app.people_parts import PeopleApp
    from eed_delivery.channels.directory import FoundChannels
    from eed_delivery.database.transactions import Database
    from eed_delivery.ledger.acts import ActLedger
    from eed_delivery.ledger.archiving import ArchiveLedger
    from eed_delivery.ledger.auditing import AuditLedger
    from eed_delivery.ledger.job_lists import JobListLedger
    from eed_delivery.ledger.long_acts.ledger import LongActLedger
    from eed_delivery.ledger.manifests import ManifestLedger
    from eed_delivery.ledger.operating import OperatingLedger
    from eed_delivery.ledger.proofs import ProofLedger
    from eed_delivery.ledger.publishing.scheduling import SchedulingLedger
    from eed_delivery.ledger.reporting import ReportingLedger
    from eed_delivery.ledger.tracking.engagement import EngagementLedger
    from eed_delivery.ledger.tracking.outcomes import OutcomeLedger
    from eed_delivery.ledger.webhooks.outbox import Outbox
    from eed_delivery.operations.keys import Keys
    from eed_delivery.operations.long_acts.second_person import SecondPerson
    from eed_delivery.pseudonyms import Pseudonyms
    from eed_delivery.send_windows.plan import WindowPlan
    from eed_delivery.source import Source


class OperationParts:
    """The parts of one person, over connections that several may share."""

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
    def _app(self) -> "PeopleApp":
        from eed_delivery.app.people_parts import PeopleApp

        return PeopleApp(self.settings)

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

    @property
    def actor(self) -> Actor:
        """Who asks."""
        return self._actor

    @cached_property
    def keys(self) -> "Keys":
        """Which job or email a key names."""
        from eed_delivery.operations.keys import Keys

        return Keys(self._database, self._source, self._reporting, self._scheduling)

    @cached_property
    def _lists(self) -> "JobListLedger":
        from eed_delivery.ledger.job_lists import JobListLedger

        return JobListLedger(self._database)

    @cached_property
    def _message_ids(self) -> "MessageIds":
        from eed_delivery.app.message_ids import MessageIds

        return MessageIds(self.settings)

    def _look_at_channels(self) -> "FoundChannels":
        """The channels that there are now."""
        from eed_delivery.ledger.channels.listing import ChannelLedger

        return self._app.channel_directory(ChannelLedger(self._database)).look()

    def _file_channels(self) -> Collection[str]:
        """The channels that put files."""
        found = self._look_at_channels().channels
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

    def _channel_names(self) -> Collection[str]:
        found = self._look_at_channels()
        return [*found.channels, *found.unusable]

    def _window_plan(self) -> "WindowPlan":
        """The send windows that are configured now."""
        from eed_delivery.app.send_windows import plan_of

        return plan_of(self.settings, self._look_at_channels().channels)
