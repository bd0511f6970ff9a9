"""Refusals that are not the recipient's. What others get says whether a domain, a job or all emails are meant.

A relay that passes answers on says `421` or `550 … blocked` for one destination, and accepts the next email. A relay
that is in trouble itself says the same to all. One answer alone does not distinguish them, so rows of them are counted:

    a row without an answer to any email in between, over several domains,
    or before any recipient was named                                       all emails: the breaker opens
    a row of one domain's, while others may get theirs                      that domain is held
    a row of one job's about its sender                                     that job is paused
    a short row of "too fast" over several domains                          all emails are slowed down
    a row of one temporary answer, with nothing sent in between             all emails, or that domain, in the same way

The last is about answers whose words name the recipient. The first few of a row are counted as the recipient's. No
row is made of greylisting, which says the same to each new recipient and passes by itself. What was refused before says
nothing new. The retries of a few that are refused come together, and would make rows.
None of the others has lost a try (G4). They wait, and come again.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from eed_delivery.addresses import domain_of
from eed_delivery.model import Concerns, Email, Outcome, Verdict
from eed_delivery.transports.replies.kinds import kind_of
from eed_delivery.worker.deferrals import is_greylisting, is_own

K = TypeVar("K", str, int)
V = TypeVar("V")

IN_A_ROW = 10
"""Refusals without an answer between them, over DOMAINS domains, that concern all emails."""
DOMAINS = 3
DOMAIN_IN_A_ROW = 5
JOB_IN_A_ROW = 10
TOO_FAST_IN_A_ROW = 3
REMEMBERED = 10_000
"""Domains and jobs that are remembered; those that were seen least recently are forgotten."""


@dataclass(frozen=True, slots=True)
class Consequences:
    """What follows, each with its reason."""

    trip: Callable[[str], None]
    hold_domain: Callable[[str, str], None]
    pause_job: Callable[[Email, str, Outcome], None]
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
        self._deferred: OrderedDict[str, list[str]] = OrderedDict()  # domains by kind, since anything was sent
        self._deferred_by: OrderedDict[str, tuple[str, int]] = OrderedDict()  # kind by domain, since any was sent to it
        self._everybodys: set[str] = set()  # kinds of temporary answers, until anything is sent

    def refused(self, email: Email, outcome: Outcome) -> None:
        """An email was refused for a reason that is not its recipient's."""
        if outcome.again or email.refused_before:
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
            self._then.pause_job(email, f"the sender was refused {of_job} times in a row", outcome)
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
        """An email was taken, or refused for a reason of its own, so the way to its domain works."""
        domain = domain_of(email.recipient)
        with self._lock:
            self._forget_row()
            self._by_domain.pop(domain, None)
            self._by_job.pop(email.job_id, None)
            _count(self._answers, domain)

    def deferred(self, email: Email, outcome: Outcome) -> None:
        """An email had a temporary answer that is its recipient's by its words. Only first tries make a row."""
        if email.attempts or email.refused_before or outcome.again or is_greylisting(outcome):
            return
        domain, kind = domain_of(email.recipient), kind_of(outcome.reply)
        with self._lock:
            row = self._deferred[kind] = [*self._deferred.pop(kind, ()), domain][-IN_A_ROW:]
            before, count = self._deferred_by.pop(domain, (kind, 0))
            of_domain = count + 1 if before == kind else 1
            self._deferred_by[domain] = kind, of_domain
            _forget_oldest(self._deferred)
            _forget_oldest(self._deferred_by)
            everybody = len(row) >= IN_A_ROW and len(set(row)) >= DOMAINS
            if everybody:
                self._everybodys.add(kind)
                self._deferred.clear()
            if of_domain >= DOMAIN_IN_A_ROW:
                del self._deferred_by[domain]
        if everybody and not is_own(outcome):  # many full mailboxes in a row are seen; no other email waits for them
            self._then.trip(outcome.reply)
        elif of_domain >= DOMAIN_IN_A_ROW:
            self._then.hold_domain(domain, outcome.reply)

    def are_everybodys(self, outcome: Outcome) -> bool:
        """Whether a row of this temporary answer concerned all emails, and nothing was sent after it."""
        return bool(self._everybodys) and kind_of(outcome.reply) in self._everybodys

    def sent(self, email: Email) -> None:
        """An email was accepted, so no temporary answer concerns all emails, or its domain."""
        if not (self._deferred or self._deferred_by or self._everybodys):
            return
        with self._lock:
            self._deferred.clear()
            self._everybodys.clear()
            self._deferred_by.pop(domain_of(email.recipient), None)

    def answers(self, email: Email) -> int:
        """How many answers there were for emails to the same domain."""
        return self._answers.get(domain_of(email.recipient), 0)


def _count(counts: OrderedDict[K, int], key: K) -> int:
    """One more for `key`, which is the most recent one now."""
    counts[key] = counts.pop(key, 0) + 1
    _forget_oldest(counts)
    return counts[key]


def _forget_oldest(remembered: OrderedDict[K, V]) -> None:
    if len(remembered) > REMEMBERED:
        remembered.popitem(last=False)
