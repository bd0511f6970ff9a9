"""How often a loop polls for work. It polls at its interval, and less often where a poll takes long."""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SHARE_OF_POLLING = 0.05
"""Polls take at most this share of the time, however long one of them takes."""
LONGEST_PAUSE_SECONDS = 60.0
"""A slow database does not delay the next poll for longer."""
POLLS_THAT_COUNT = 3
"""The duration of a poll is that of the quickest of the last three. One that waited for a disk does not count."""


class PollInterval:
    """When to poll again, which is `seconds` after the last poll, and later where a poll takes long."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds = seconds
        self._clock = clock
        self._took: deque[float] = deque([0.0] * POLLS_THAT_COUNT, POLLS_THAT_COUNT)
        self._next_at = float("-inf")

    @property
    def wait(self) -> float:
        """Seconds until the next poll. 0 when it is due."""
        return max(0.0, self._next_at - self._clock())

    @contextmanager
    def polling(self) -> Iterator[None]:
        """Around the poll. One that fails is due again at once."""
        started = self._clock()
        yield
        self._took.append(self._clock() - started)
        pause = min(LONGEST_PAUSE_SECONDS, min(self._took) * (1 / SHARE_OF_POLLING - 1))
        self._next_at = self._clock() + max(self._seconds, pause)

    def hurry(self) -> None:
        """There was more than one poll could take, so the next one is due."""
        self._next_at = float("-inf")
