"""Watches for one and the same refusal of everything. Then the job is at fault, not its recipients."""

import threading
import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from dataclasses import replace

from eed_delivery.ledger.answers import PATIENCE_SECONDS
from eed_delivery.light_dataclass import light_dataclass
from eed_delivery.model import NEUTRAL, Email, Outcome, Verdict
from eed_delivery.particulars import masked

JOBS_REMEMBERED = 100
SUSPECTS_REMEMBERED = 10_000


class SameAnswers:
    """Remembers the last `window` outcomes of each job, and detects when more than `limit` of them are one refusal."""

    def __init__(self, limit: int, window: int) -> None:
        self._limit = limit
        self._window = window
        self._jobs: dict[int, deque[str | None]] = {}
        self._lock = threading.Lock()

    def seen(self, job_id: int, outcome: Outcome) -> str | None:
        """Note an outcome.

        Returns the reply itself when it has been the same for more than `limit` of the last `window`.
        """
        answer = sameness(outcome) if outcome.verdict is Verdict.PERMANENT else None
        with self._lock:
            recent = self._jobs.get(job_id)
            if recent is None:
                recent = self._jobs[job_id] = deque(maxlen=self._window)
                self._forget_old_jobs()
            recent.append(answer)
            if answer is None or Counter(recent)[answer] <= self._limit:
                return None
            recent.clear()  # a job that an operator resumes starts with a clean slate
        return outcome.reply

    def _forget_old_jobs(self) -> None:
        while len(self._jobs) > JOBS_REMEMBERED:
            del self._jobs[next(iter(self._jobs))]


@light_dataclass
class _Suspicion:
    """What was seen of one email. `answers` is how many answers others had had by then. `since` is the first time."""

    times: int
    answers: int
    since: float


class Suspects:
    """Distinguishes an email that breaks the transport from a transport that is broken.

    An uncounted outcome is not the email's fault, so it may repeat indefinitely (G4). But a server may hang up on this
    one email's content, again and again, while others get their answers in between. That is this email's affair. From
    the `limit`th time on it is counted, and after its attempts it ends as failed, instead of stopping all others
    indefinitely. A server that says why is believed for longer. That it is its own trouble, or ours, is counted after
    `patience` seconds of the same, not before. What any email would have got is no sign of that, such as throttling by
    the provider or a connection that never came about. While a rate is shared with others, one email can be throttled
    many times by bad luck alone.
    """

    def __init__(
        self,
        answers: Callable[[Email, Outcome], int],
        limit: int = 5,
        patience: float = PATIENCE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`answers` is how many answers others had, of those whom an outcome may concern."""
        self._answers = answers
        self._limit = limit
        self._patience = patience
        self._clock = clock
        self._seen: OrderedDict[tuple[int, int], _Suspicion] = OrderedDict()
        self._lock = threading.Lock()

    def judge(self, email: Email, outcome: Outcome) -> Outcome:
        """The outcome to decide on, with how often it came before."""
        key = (email.email_id, email.gen)
        with self._lock:
            before = self._seen.pop(key, None)
            if outcome.verdict not in NEUTRAL:
                return outcome
            before = before or _Suspicion(0, -1, self._clock())
            if outcome.for_all:
                self._seen[key] = before
                return outcome
            answers = self._answers(email, outcome)
            now = _Suspicion(before.times + (answers > before.answers), answers, before.since)
            self._seen[key] = now
            while len(self._seen) > SUSPECTS_REMEMBERED:
                self._seen.popitem(last=False)
        outcome = replace(outcome, again=before.times)
        patient = outcome.code is not None and self._clock() - now.since < self._patience
        if now.times < self._limit or patient:
            return outcome
        return replace(outcome, verdict=Verdict.TEMPORARY)


def sameness(outcome: Outcome) -> str:
    """A reply without what differs from email to email (addresses, ids, numbers, quoted text)."""
    return f"{outcome.code} {outcome.enhanced} {masked(outcome.reply)}"[:200]
