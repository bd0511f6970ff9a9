"""How long files may take from the grant on, and the questions after a lost answer. The lease on the wire covers both.

Each single answer has a timeout, and an email may have many files. So no further step is begun after a limit.
"""

import math
import time
from collections.abc import Callable

Clock = Callable[[], float]

PUT_SECONDS = 60.0
"""From the grant on, no further file is begun after this time. The email is in doubt then, and `settle` decides."""
SETTLE_SECONDS = 30.0
"""From its begin on, `settle` asks no further question after this time. The email's files are put once more then."""


class TimeLimit:
    """A time after which nothing more is begun. `seconds`: from now on; without them there is no limit."""

    def __init__(self, clock: Clock = time.monotonic, seconds: float = math.inf) -> None:
        self._clock = clock
        self._seconds = seconds
        self._end = clock() + seconds

    def over(self) -> bool:
        """Whether the time has come."""
        return self._clock() > self._end

    def __str__(self) -> str:
        return f"{self._seconds:g} seconds"


def wire_seconds(*, last_file: float, connecting: float, last_question: float) -> float:
    """The longest time from the grant to the end of `send`, and of the `settle` after it.

    `last_file` is how long the file may take that is begun just before the limit, and `last_question` how long the last
    file may be asked for. `connecting` is once, to ask.
    """
    return PUT_SECONDS + last_file + SETTLE_SECONDS + connecting + last_question
