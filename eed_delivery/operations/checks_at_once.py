"""How many channels are checked at the same time. A check waits for other hosts, and holds a thread meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore

from eed_delivery.operations.refusals import OperationRefused

MOST_CHECKS = 2


class TooManyChecks(OperationRefused):
    """Others are being done at the moment."""


class ChecksAtOnce:
    """Room for some checks. It is shared by all callers of a process."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._room = BoundedSemaphore(most)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Raises `TooManyChecks` at once where there is no room."""
        if not self._room.acquire(blocking=False):
            what = f"{self._most} channels are being checked at the moment, and no more are checked at once"
            raise TooManyChecks(what, do="Try again in half a minute.")
        try:
            yield
        finally:
            self._room.release()
