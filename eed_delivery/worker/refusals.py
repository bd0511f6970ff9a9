"""Refusals that are not the recipient's: what others get says whether a domain, a job or everybody is meant.

A relay that passes answers on says `421` or `550 … blocked` for one destination, and accepts the next email. A relay
that is in trouble itself says the same to all. One answer alone does not tell them apart, so rows of them are counted:

    a row without an answer to anybody in between, over several domains,
    or before any recipient was named                                       everybody: the breaker opens
    a row of one domain's, while others may get theirs                      that domain is held
    a row of one job's about its sender                                     that job is paused
    a short row of "too fast" over several domains                          everybody is slowed down

What was refused before says nothing new: the retries of a few that are refused come together, and would make rows.
None of these emails has lost a try (G4): they wait, and come again.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from eed_delivery.addresses import domain_of
from eed_delivery.model import Concerns, Email, Outcome, Verdict

K = TypeVar("K", str, int)

IN_A_ROW = 10
"""So many refusals without an answer between them, over DOMAINS domains, are everybody's."""
DOMAINS = 3
DOMAIN_IN_A_ROW = 5
JOB_IN_A_ROW = 10
TOO_FAST_IN_A_ROW = 3
REMEMBERED = 10_000
"""Domains and jobs that are remembered; those that were seen least recently are forgotten."""


@dataclass(frozen=True, slots=True)
class Consequences:
    """What follows. Each is told why."""

    trip: Callable[[str], None]
    hold_domain: Callable[[str, str], None]
    pause_job: Callable[[Email, str], None]
    slow_down: Callable[[], None]


class Refusals:
    """Counts them for one process. Safe for many threads."""

    def __init__(self, consequences: Consequences) -> None:
        self._then = consequences
        self._lock = threading.Lock()
        self._in_a_row: OrderedDict[str, int] = OrderedDict()  # by domain, since the last answer to anybody
        self._too_fast: set[str] = set()  # domains that said so, since the last answer to anybody
        self._unnamed = 0  # of these, those before any recipient was named
        self._by_domain: OrderedDict[str, int] = OrderedDict()  # since the last answer to that domain
        self._by_job: OrderedDict[int, int] = OrderedDict()  # about the sender, since the last answer to that job
        self._answers: OrderedDict[str, int] = OrderedDict()

    def refused(self, email: Email, outcome: Outcome) -> None:
        """An email was refused for a reason that is not its recipient's."""
        if outcome.again:
            return
        domain = domain_of(email.recipient)
        with self._lock:
            too_fast = self._is_too_fast(domain, outcome)
            everybody = self._is_everybodys(domain, outcome)
            of_domain = 0 if outcome.concerns is Concerns.EVERYBODY else _count(self._by_domain, domain)
            of_job = _count(self._by_job, email.job_id) if outcome.concerns is Concerns.JOB else 0
            if of_domain >= DOMAIN_IN_A_ROW:
                del self._by_domain[domain]
            if of_job >= JOB_IN_A_ROW:
                del self._by_job[email.job_id]
        if of_job >= JOB_IN_A_ROW:
            self._then.pause_job(email, f"the sender was refused {of_job} times in a row: {outcome.reply}")
        elif too_fast:
            self._then.slow_down()
        elif everybody:
            self._then.trip(outcome.reply)
        elif of_domain >= DOMAIN_IN_A_ROW:
            self._then.hold_domain(domain, outcome.reply)

    def _is_everybodys(self, domain: str, outcome: Outcome) -> bool:
        if outcome.concerns is Concerns.JOB or outcome.verdict is Verdict.THROTTLED:
            return False
        _count(self._in_a_row, domain)
        self._unnamed += outcome.concerns is Concerns.EVERYBODY
        over_domains = len(self._in_a_row) >= DOMAINS and sum(self._in_a_row.values()) >= IN_A_ROW
        if not over_domains and self._unnamed < IN_A_ROW:
            return False
        self._forget_row()
        return True

    def _is_too_fast(self, domain: str, outcome: Outcome) -> bool:
        if outcome.verdict is not Verdict.THROTTLED:
            return False
        self._too_fast.add(domain)
        return len(self._too_fast) >= TOO_FAST_IN_A_ROW

    def _forget_row(self) -> None:
        self._in_a_row.clear()
        self._too_fast.clear()
        self._unnamed = 0

    def answered(self, email: Email) -> None:
        """An email was taken, or refused for a reason of its own: the way to its domain works."""
        domain = domain_of(email.recipient)
        with self._lock:
            self._forget_row()
            self._by_domain.pop(domain, None)
            self._by_job.pop(email.job_id, None)
            _count(self._answers, domain)

    def answers(self, email: Email) -> int:
        """How many answers there were for emails to the same domain."""
        return self._answers.get(domain_of(email.recipient), 0)


def _count(counts: OrderedDict[K, int], key: K) -> int:
    """One more for `key`, which is the most recent one now."""
    counts[key] = counts.pop(key, 0) + 1
    if len(counts) > REMEMBERED:
        counts.popitem(last=False)
    return counts[key]
