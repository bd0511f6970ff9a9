"""A job whose speed is known, counted every five seconds by a simulated clock. Each count is off by up to 30 %."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from eed_delivery.forecast.speed import ProgressCount

BEGIN = datetime(2026, 12, 1, 2)  # noqa: DTZ001 - as the ledger keeps times
TOTAL = 500_000
PER_SECOND = 466.0
COUNTED_EVERY = 5
KEPT = 181
"""Counts of fifteen minutes."""
LOOKED_EVERY = 20


class SimulatedLook(NamedTuple):
    """What is known of the job at one time."""

    seconds: int
    left: int
    counts: list[ProgressCount]


class SimulatedJob:
    """A job of half a million emails. `slower_at` is when its speed halves, and `paused` from when until when it is
    paused, in seconds."""

    def __init__(self, seed: int, slower_at: float = float("inf"), paused: tuple[int, int] = (0, 0)) -> None:
        self._random = random.Random(seed)
        self._slower_at = slower_at
        self._paused = range(*paused)
        self.took = 0

    def looks(self) -> Iterator[SimulatedLook]:
        """Until it ends. `took` is right then."""
        done, seconds, allowed = 0.0, 0, 0.0
        counts = [ProgressCount(BEGIN, 0, 0.0)]
        while done < TOTAL:
            if seconds not in self._paused:
                rate = PER_SECOND / (2 if seconds >= self._slower_at else 1)
                done = min(TOTAL, done + COUNTED_EVERY * rate * self._random.uniform(0.7, 1.3))
                allowed += COUNTED_EVERY
            seconds += COUNTED_EVERY
            counts.append(ProgressCount(BEGIN + timedelta(seconds=seconds), int(done), allowed))
            del counts[:-KEPT]
            if seconds % LOOKED_EVERY == 0:
                yield SimulatedLook(seconds, TOTAL - int(done), counts)
        self.took = seconds
