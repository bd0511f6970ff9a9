"""What is left alone for a while, because the last try with it failed."""

from collections.abc import Callable

AILING_SECONDS = 5.0
"""How long a job is left alone that cannot be registered or enlisted, and a queue that refuses every message."""


class Ailing:
    """Jobs by their keys, and until when each is left alone."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[str, float] = {}

    def __contains__(self, key: str | int) -> bool:
        return self._clock() < self._until.get(str(key), float("-inf"))

    def add(self, key: str | int) -> None:
        """Leave it alone from now on."""
        self._until[str(key)] = self._clock() + AILING_SECONDS
