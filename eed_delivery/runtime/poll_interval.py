"""How often a loop looks for work: as often as it is to, and less often where a look takes long."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SHARE_OF_LOOKING = 0.05
"""Looking for work takes no more than this part of the time, however long one look takes."""
LONGEST_PAUSE_SECONDS = 60.0
"""Nor does a slow database put off the next look for longer."""
LOOKS_THAT_COUNT = 3
"""What a look takes is what the quickest of the last three took: one that had to wait for a disk says nothing."""


class Pace:
    """When to look again: `seconds` after the last look, and later where the look itself takes long."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._took: deque[float] = deque([0.0] * LOOKS_THAT_COUNT, LOOKS_THAT_COUNT)
        self._next_at = float("-inf")

    @property
    def wait(self) -> float:
        """Seconds until the next look; 0 when it is due."""
        return max(0.0, self._next_at - self._clock())

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Around the look. One that fails is due again at once."""
        started = self._clock()
        yield
        self._took.append(self._clock() - started)
        pause = min(LONGEST_PAUSE_SECONDS, min(self._took) * (1 / SHARE_OF_LOOKING - 1))
        self._next_at = self._clock() + max(self._seconds, pause)

    def hurry(self) -> None:
        """There was more than one look could take: the next one is due."""
        self._next_at = float("-inf")
