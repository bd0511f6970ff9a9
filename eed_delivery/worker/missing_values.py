"""How many emails of each job printed a value that they do not have, for the log.

One line a job and value at once, and then one a minute with how many it was since. The sum is the job's. A warning for
each email would hide all others.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger(__name__)

STEP_SECONDS = 5.0
AGAIN_SECONDS = 60.0
LINES_AT_ONCE = 20
"""Where each row of the source is a job, jobs come by the thousand: more of them share a line for each value."""

_Key = tuple[int, str, str]
"""The job's id, the value's name, the job's key."""


@dataclass
class MissingValues:
    """Counts, by job and value. Safe for many threads. `step` writes the lines."""

    clock: Callable[[], float] = time.monotonic
    _counts: Counter[_Key] = field(default_factory=Counter)
    _told_at: dict[_Key, float] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, job_id: int, names: Sequence[str], job: str = "") -> None:
        """An email has left in which these values were missing. `job` is the source's key of its job."""
        with self._lock:
            for name in names:
                self._counts[job_id, name, job] += 1

    def step(self) -> float:
        """Log what is due. Returns seconds until the next step."""
        now = self.clock()
        self._told_at = {key: at for key, at in self._told_at.items() if now - at < AGAIN_SECONDS}
        self._tell(self._taken(lambda key: key not in self._told_at), now)
        return STEP_SECONDS

    def close(self) -> None:
        """Log what is left."""
        self._tell(self._taken(lambda _: True), self.clock())

    def _taken(self, due: Callable[[_Key], bool]) -> Counter[_Key]:
        with self._lock:
            taken = Counter({key: count for key, count in self._counts.items() if due(key)})
            for key in taken:
                del self._counts[key]
        return taken

    def _tell(self, counts: Counter[_Key], now: float) -> None:
        if len(counts) > LINES_AT_ONCE:
            _tell_together(counts)
            return
        for (job_id, name, job), emails in sorted(counts.items()):
            self._told_at[job_id, name, job] = now
            log.warning("values_missing", job=job, job_id=job_id, value=name, emails=emails, todo=_TODO)


_TODO = "give the template a default, or set rendering.missing = 'fail'"


def _tell_together(counts: Counter[_Key]) -> None:
    emails: Counter[str] = Counter()
    jobs: Counter[str] = Counter()
    for (_, name, _), count in counts.items():
        emails[name] += count
        jobs[name] += 1
    for name, count in sorted(emails.items()):
        log.warning("values_missing", jobs=jobs[name], value=name, emails=count, todo=_TODO)
