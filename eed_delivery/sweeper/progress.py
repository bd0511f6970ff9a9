"""Counts how far unfinished jobs have come, for forecasts. It takes a fiftieth of the time at most."""

import time
from collections.abc import Callable, Collection

from eed_delivery.ledger.duties import DutyLedger
from eed_delivery.ledger.progress import ProgressLedger

DUTY = "progress"
SECONDS = 5.0
_EARLY = 0.5
"""A loop that wakes up a little early still has its turn."""
COST_FACTOR = 50.0
"""After a count of a second, the next one comes after this many seconds."""
MOST_SECONDS = 240.0
"""A longer gap would count as time in which no email could leave."""


class ProgressSweep:
    """One process's turns at it. Hosts take turns."""

    def __init__(
        self,
        ledger: ProgressLedger,
        duties: DutyLedger,
        sending: Callable[[], Collection[str]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sending` gives the channels that send now."""
        self._ledger = ledger
        self._duties = duties
        self._sending = sending
        self._clock = clock

    def step(self) -> float:
        """Count, if it is this process's turn. Raises `DatabaseGone`."""
        if not self._duties.take(DUTY, SECONDS - _EARLY):
            return SECONDS
        began = self._clock()
        self._ledger.count(self._sending())
        rest = min(max(SECONDS, COST_FACTOR * (self._clock() - began)), MOST_SECONDS)
        if rest > SECONDS:
            self._duties.rest(DUTY, rest - SECONDS)  # for all hosts
        return rest
