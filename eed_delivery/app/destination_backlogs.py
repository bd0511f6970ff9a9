"""What heeds the pace of destination domains where emails are published."""

from eed_delivery.config import Settings
from eed_delivery.config.domain_paces import paces_of
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.domain_paces.backlogs import BacklogCounts
from eed_delivery.ledger.domain_paces.stored import DomainPaceLedger
from eed_delivery.ledger.domain_paces.turns import DestinationTurns
from eed_delivery.ledger.publishing.by_destination import DestinationReading
from eed_delivery.publisher.destinations import DestinationBacklogs


def destination_backlogs(
    settings: Settings, database: Database, channel: str, *, windows_count: bool
) -> DestinationBacklogs:
    """For the publisher of a channel that sends emails. `windows_count`: as in `DestinationReading`."""
    return DestinationBacklogs(
        DomainPaceLedger(database, paces_of(settings.domains)),
        DestinationReading(database, windows_count=windows_count),
        DestinationTurns(database),
        BacklogCounts(database),
        channel,
    )
