"""Replaces the recipients of jobs that have been finished for `privacy.finished_job_days`, in no hurry."""

import time

import structlog

from eed_delivery.ledger.persons.finished_jobs import FIRST_JOB, FinishedJobsLedger

log = structlog.get_logger(__name__)

WALK_SECONDS = 3600.0
"""From the end of one walk over the finished jobs to the next."""
PAUSE_SECONDS = 0.1
"""Between two chunks: up to 1,000 emails a second, and the database has time for others."""


class RecipientRetention:
    """Walks over the finished jobs, one chunk a step. `rest_seconds`: the longest that a loop may wait."""

    def __init__(self, ledger: FinishedJobsLedger, rest_seconds: float) -> None:
        self._ledger = ledger
        self._rest_seconds = rest_seconds
        self._position = FIRST_JOB
        self._replaced = 0
        self._next_walk = float("-inf")

    def step(self) -> float:
        """Raises `DatabaseGone`; the next step does what this one left."""
        if time.monotonic() < self._next_walk:
            return self._rest_seconds
        count, position = self._ledger.replace(self._position)
        self._replaced += count
        if position is not None:  # a job that ends later stands behind this one
            self._position = position
            return PAUSE_SECONDS
        if self._replaced:
            log.info("recipients_replaced", count=self._replaced)
        self._replaced, self._next_walk = 0, time.monotonic() + WALK_SECONDS
        return self._rest_seconds
