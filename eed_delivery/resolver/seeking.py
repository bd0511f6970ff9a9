"""Where in a log file a minute begins. A day's log is not read from its beginning for a doubt of its last hour."""

from collections.abc import Callable
from itertools import islice
from typing import IO

STEP_BYTES = 1024 * 1024
"""The search ends that near to the place."""
LINES_LOOKED_AT = 500
"""Lines of other programs that may stand together."""
LONGEST_LINE = 65_536


def start_of(file: IO[bytes], size: int, minute: int, minute_of: Callable[[bytes], int | None]) -> int:
    """A place at a line's start, with no line of `minute` (since 1970) or later before it. `size` is the file's.

    `minute_of` reads a line, and gives None for one without a time.
    """
    low, high = 0, size
    while high - low > STEP_BYTES:
        middle = (low + high) // 2
        found = _minute_behind(file, middle, minute_of)
        if found is None or found >= minute:
            high = middle
        else:
            low = middle
    if low == 0:
        return 0
    file.seek(low)
    file.readline()
    return file.tell()


def _minute_behind(file: IO[bytes], place: int, minute_of: Callable[[bytes], int | None]) -> int | None:
    file.seek(place)
    file.readline()  # the rest of a line
    lines = iter(lambda: file.readline(LONGEST_LINE), b"")
    return next((found for line in islice(lines, LINES_LOOKED_AT) if (found := minute_of(line)) is not None), None)
