"""How many messages may be ahead of one channel's workers."""

from collections.abc import Callable

from eed_delivery.runtime.poll_interval import PollInterval

TOP_UP_SECONDS = 0.5
"""How often the queue is counted: with the default of 2,000 ahead that is enough for 4,000 emails a second."""


class Window:
    """How many more messages may go into the queue. Between two counts, what was published is subtracted.

    The count may be late or wrong. Then a message is early or late, which none of the guarantees depends on.
    """

    def __init__(self, limit: int, interval: PollInterval) -> None:
        self._limit = limit
        self._interval = interval
        self._room = 0

    @property
    def wait(self) -> float:
        """Seconds until another message may be published. 0 while one may be."""
        return 0.0 if self._room > 0 else self._interval.wait

    def recount(self, count: Callable[[int], int]) -> None:
        """When it is time, ask `count`, which counts up to a limit, how many messages are ahead."""
        if self._interval.wait == 0:
            with self._interval.polling():
                self._room = self._limit - count(self._limit)

    def share(self, jobs: int) -> int:
        """How many emails of each job may be published. At least one below the limit, so that none of them waits for
        another to end. 0 means that the limit is reached."""
        return max(1, self._room // max(1, jobs)) if self._room > 0 else 0

    def fill(self, messages: int) -> None:
        """Count `messages` that were published."""
        self._room -= messages
