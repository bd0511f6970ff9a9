"""Logs the end of the audit's chain once an hour, on one host. Nobody rewrites the audit unnoticed who cannot rewrite
the logs, too."""

import structlog

from eed_delivery.ledger.audit_chain import ChainLedger
from eed_delivery.ledger.duties import DutyLedger

log = structlog.get_logger(__name__)

DUTY = "audit_head"
EVERY_SECONDS = 3600.0
LOOK_SECONDS = 60.0


class AuditHeadLog:
    """Logs `audit_head`, if it is this host's turn."""

    def __init__(self, chain: ChainLedger, duties: DutyLedger) -> None:
        self._chain = chain
        self._duties = duties

    def step(self) -> float:
        """Raises `DatabaseGone`."""
        if self._duties.take(DUTY, EVERY_SECONDS):
            head = self._chain.head()
            log.info("audit_head", sequence=head.sequence, hash=head.hash)
        return LOOK_SECONDS
