"""Facts that are measured at intervals. Is anything leaving, is anything stuck, is the quota nearly used up?"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import DBAPIError

from eed_delivery.config import AlertFact
from eed_delivery.errors import EedError
from eed_delivery.ledger.alerts.facts import AlertFacts
from eed_delivery.queue import Queue

if TYPE_CHECKING:
    from mypy_boto3_sesv2.client import SESV2Client

log = structlog.get_logger(__name__)

Measure = Callable[[], float]
"""A fact's number now. Raises an error of ours when it cannot be known."""


def measures(ledger: AlertFacts, queue: Queue, ses: Callable[[], "SESV2Client"]) -> dict[str, Measure]:
    """How each fact is measured. `config.AlertFact.fact` has their names."""
    clients: list[SESV2Client] = []

    def used_percent() -> float:
        from eed_delivery.transports.ses.transport import account  # with botocore

        clients[:] = clients or [ses()]  # made only where it is asked for
        quota = account(clients[0])
        # -1 is "no limit": https://docs.aws.amazon.com/ses/latest/APIReference-V2/API_SendQuota.html
        return 100 * quota.sent_last_24_hours / quota.max_24_hour_send if quota.max_24_hour_send > 0 else 0.0

    def dead_letters() -> float:
        depth = queue.depth(dead=True)
        return 0.0 if depth is None else float(depth.visible + depth.in_flight + depth.delayed)

    return {**ledger_measures(ledger), "dead_letters": dead_letters, "ses_quota_percent": used_percent}


def ledger_measures(ledger: AlertFacts) -> dict[str, Measure]:
    """How those are measured that the ledger knows alone."""
    return {
        "silence_seconds": ledger.silence_seconds,
        "oldest_queued_seconds": ledger.oldest_queued_seconds,
        "in_doubt": ledger.in_doubt,
        "gate_shut_seconds": ledger.gate_shut_seconds,
        "oldest_manifest_seconds": ledger.oldest_manifest_seconds,
        "source_differences": ledger.source_differences,
        "deadline_margin_seconds": ledger.deadline_margin_seconds,
    }


class FactWatch:
    """Measures each fact that a rule names, and reports those that were beyond their limit twice in a row. A fact that
    corrects itself in between (a job just resumed, a dead letter about to be settled) needs no alert."""

    def __init__(
        self,
        facts: Sequence[AlertFact],
        measures: Mapping[str, Measure],
        tell: Callable[[AlertFact, float], None],
        check_seconds: float,
    ) -> None:
        self._facts = facts
        self._measures = measures
        self._tell = tell
        self._check_seconds = check_seconds
        self._beyond: set[str] = set()

    def step(self) -> float:
        """Measure once. Returns the seconds until the next measurement."""
        values = {name: self._measured(name) for name in sorted({fact.fact for fact in self._facts})}
        beyond = {
            fact.name: value
            for fact in self._facts
            if (value := values[fact.fact]) is not None and fact.is_beyond(value)
        }
        for fact in self._facts:
            if fact.name in beyond and fact.name in self._beyond:
                self._tell(fact, beyond[fact.name])
        self._beyond = set(beyond)
        return self._check_seconds

    def _measured(self, name: str) -> float | None:
        """The number. One that cannot be had is not beyond any limit, and is logged, and the log has rules too."""
        try:
            return self._measures[name]()
        except (EedError, DBAPIError) as error:
            log.warning("fact_unknown", fact=name, reason=str(error).partition("\n")[0])
            return None
