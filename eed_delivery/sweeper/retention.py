"""Forgets events that are older than `tracking.event_retention_days`, beside the sweeper and in no hurry."""

import time

import structlog

from eed_delivery.ledger.tracking.forgetting import BEGINNING, ForgettingLedger

log = structlog.get_logger(__name__)

WALK_SECONDS = 3600.0
"""From the end of one walk over the old events to the next."""
PAUSE_SECONDS = 0.1
"""Between two chunks: up to 5,000 events a second, and the database has time for others."""


class Retention:
    """Walks over the old events, one chunk a step. `rest_seconds` is the longest that a loop may wait."""

    def __init__(self, ledger: ForgettingLedger, rest_seconds: float) -> None:
        self._ledger = ledger
        self._rest_seconds = rest_seconds
        self._position = BEGINNING
        self._forgotten = 0
        self._next_walk = float("-inf")

    def step(self) -> float:
        """Raises `DatabaseGone`. The next step does what this one left."""
        if time.monotonic() < self._next_walk:
            return self._rest_seconds
        count, position = self._ledger.forget(self._position)
        self._forgotten += count
        self._position = position or BEGINNING
        if position is not None:
            return PAUSE_SECONDS
        if self._forgotten:
            log.info("events_forgotten", count=self._forgotten)
        self._forgotten, self._next_walk = 0, time.monotonic() + WALK_SECONDS
        return self._rest_seconds
