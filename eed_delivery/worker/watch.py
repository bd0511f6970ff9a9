"""Watches for one and the same refusal of everything: then the job is at fault, not its recipients."""

import re
import threading
from collections import Counter, deque

from eed_delivery.model import Outcome, Verdict

_PARTICULARS = re.compile(r"\S*@\S*|\d+|'[^']*'|\"[^\"]*\"|<[^>]*>")
JOBS_REMEMBERED = 100


class SameAnswers:
    """Remembers the last `window` outcomes of each job, and tells when more than `limit` of them are one refusal."""

    def __init__(self, limit: int, window: int) -> None:
        self._limit = limit
        self._window = window
        self._jobs: dict[int, deque[str | None]] = {}
        self._lock = threading.Lock()

    def seen(self, job_id: int, outcome: Outcome) -> str | None:
        """Note an outcome; the reply itself when it has been the same for more than `limit` of the last `window`."""
        answer = sameness(outcome) if outcome.verdict is Verdict.PERMANENT else None
        with self._lock:
            recent = self._jobs.setdefault(job_id, deque(maxlen=self._window))
            recent.append(answer)
            self._forget_old_jobs()
            if answer is None or Counter(recent)[answer] <= self._limit:
                return None
            recent.clear()  # a job that an operator resumes starts with a clean slate
        return outcome.reply

    def _forget_old_jobs(self) -> None:
        while len(self._jobs) > JOBS_REMEMBERED:
            del self._jobs[next(iter(self._jobs))]


def sameness(outcome: Outcome) -> str:
    """A reply without what differs from email to email: addresses, numbers, quoted text."""
    return f"{outcome.code} {outcome.enhanced} {_PARTICULARS.sub('#', outcome.reply)}"[:200]
