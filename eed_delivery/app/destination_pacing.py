"""What heeds the pace of destination domains where emails are sent."""

from eed_delivery.config import Settings
from eed_delivery.config.domain_paces import paces_of
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.domain_paces.stored import DomainPaceLedger
from eed_delivery.ledger.domain_paces.turns import DestinationTurns
from eed_delivery.worker.destination_pacing import DestinationPacing


def destination_pacing(settings: Settings, database: Database, send_lease_seconds: float) -> DestinationPacing:
    """For the threads of one process, or for a sandbox."""
    paces = DomainPaceLedger(database, paces_of(settings.domains))
    return DestinationPacing(paces, DestinationTurns(database), send_lease_seconds)
