"""Keeps the spans up to date in which jobs may leave, and ends overrides whose end has come."""

import structlog

from eed_delivery.ledger.windows.marking import WindowMarking
from eed_delivery.ledger.windows.overrides import OverrideLedger

log = structlog.get_logger(__name__)


class WindowSweep:
    """One process's look at the send windows. The sweepers of several hosts do no harm to each other."""

    def __init__(self, marking: WindowMarking, overrides: OverrideLedger, interval_seconds: float) -> None:
        self._marking = marking
        self._overrides = overrides
        self._interval_seconds = interval_seconds

    def step(self) -> float:
        """Raises `DatabaseGone`. The next step does what this one left."""
        for ended in self._overrides.end_expired():
            log.info("window_override_ended", scope=ended.target.scope, subject=ended.target.subject)
        self._marking.mark_changed()
        return self._interval_seconds
