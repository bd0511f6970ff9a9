"""A peer's publishing process. It reads the jobs' numbers from stdin, a line each."""

import sys
from collections.abc import Callable

from benchmarks.peers.place import tell_ready


def obey(publish: Callable[[int], None]) -> None:
    """Say that we are ready, then publish every job that is named, until stdin ends."""
    tell_ready("publisher")
    for line in sys.stdin:
        publish(int(line))
