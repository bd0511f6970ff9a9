"""Waiting for what another thread or process is about to bring about, by looking."""

import threading
from collections.abc import Callable

from tests.timing import WAITING, spending

SECONDS = 60


def until(
    condition: Callable[[], bool], what: Callable[[], str] = lambda: "it never came to that", seconds: int = SECONDS
) -> None:
    """Look until it is so; fails after so many `seconds`, and says `what`."""
    pause = threading.Event()
    with spending(WAITING):
        for _ in range(seconds * 100):
            if condition():
                return
            pause.wait(0.01)
    raise AssertionError(what())
