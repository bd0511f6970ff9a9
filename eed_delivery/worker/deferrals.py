"""Which temporary answers are one recipient's, and which many recipients share.

A server says "not now" of one mailbox, of one recipient's first email (greylisting), and of itself, often in the same
words. Two kinds are known by their words. Greylisting passes by itself, and a full mailbox is its owner's. For all
others the ledger decides, over the recent answers to all jobs from all hosts. What follows for one email is in
`temporary_answers`.
"""

import re
import time
from collections.abc import Callable, Collection, Iterable

import structlog

from eed_delivery.addresses import domain_of, went_to
from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger.answers import AnswersLedger, Deferral
from eed_delivery.model import Concerns, Email, Outcome
from eed_delivery.transports.replies.kinds import kind_of
from eed_delivery.transports.replies.rules import rule_for

log = structlog.get_logger(__name__)

ENOUGH = 5
"""Recipients with one kind of temporary answer, over DOMAINS domains or all of one domain: it is not theirs."""
ENOUGH_OF_OWN = 10
DOMAINS = 3
WINDOW_SECONDS = 2 * 3600.0
"""Twice the longest delay between two tries: those who share an answer are seen together."""
LIMIT = 500
LOOK_SECONDS = 5.0

# RFC 6647: a temporary refusal of the first attempt. RFC 3463, 3.8: x.7.1 refuses by policy. rspamd says no more than
# "451 4.7.1 Try again later".
_GREYLISTING_DETAIL = ".7.1"
_OF_ANYTHING = frozenset({"", "temporary"})
# Only who counts the time says how long: "Please wait 300 seconds", "come back in 00:05:00", "retry in 5 minutes".
_SAYS_HOW_LONG = re.compile(
    r"\b(?:in|for|after|wait|within|another) (?:about |at least |an? )?(?:\d+ ?(?:s|secs?|seconds?|min|mins|minutes?)\b"
    r"|(?:second|minute|hour)|\d\d:\d\d)",
    re.IGNORECASE,
)
_FULL_DETAIL = ".2.2"
"""RFC 3463, 3.3: the mailbox is full."""


def is_greylisting(outcome: Outcome) -> bool:
    """Whether a temporary answer is about a first attempt, and is over when its time is."""
    rule = _rule(outcome)
    if rule == "greylisting":
        return True
    detail = (outcome.enhanced or "")[1:]
    return rule in _OF_ANYTHING and (detail == _GREYLISTING_DETAIL or _SAYS_HOW_LONG.search(outcome.reply) is not None)


def is_full(outcome: Outcome) -> bool:
    """Whether an answer says that the mailbox is full. Words that say something else are believed, not the code."""
    rule = _rule(outcome)
    return rule == "full" or (not rule and (outcome.enhanced or "")[1:] == _FULL_DETAIL)


def is_own(outcome: Outcome) -> bool:
    """Whether the words of a temporary answer are about this one mailbox, which is full or is not there."""
    return is_full(outcome) or _rule(outcome) == "no_mailbox"


def _rule(outcome: Outcome) -> str:
    rule = rule_for(outcome.reply)
    return rule.name if rule else ""


class SharedDeferrals:
    """Compares one process's temporary answers with those of all hosts. Reads the ledger every LOOK_SECONDS at
    most."""

    def __init__(self, answers: AnswersLedger, clock: Callable[[], float] = time.monotonic) -> None:
        self._answers = answers
        self._clock = clock
        self._recent: dict[int, tuple[str, Deferral]] = {}  # with its kind, by attempt; the newest first
        self._looked_at = -LOOK_SECONDS

    def whose(self, email: Email, outcome: Outcome) -> Concerns | None:
        """Whom a temporary answer concerns, if not this recipient alone. It is None, RECIPIENT for recipients of
        several domains while others get their emails, or OTHERS for all recipients of a domain."""
        try:
            return self._whose(email, outcome)
        except DatabaseGone as gone:  # the outcome itself waits for the database too
            log.warning("deferrals_not_compared", **email.log_facts(), reason=str(gone))
            return Concerns.RECIPIENT

    def _whose(self, email: Email, outcome: Outcome) -> Concerns | None:
        kind, own = kind_of(outcome.reply), is_own(outcome)
        others = (ENOUGH_OF_OWN if own else ENOUGH) - 1
        domain = domain_of(went_to(email.recipient))
        newest = _first_times(one for of, one in self._look() if of == kind and one.email_id != email.email_id)
        at_home = [one for one in newest if domain_of(one.recipient) == domain][:others]
        if len(at_home) == others and not self._answers.was_sent_since(at_home[-1].attempt_id, domain):
            return Concerns.OTHERS
        if len(newest) < others or len({domain, *(domain_of(one.recipient) for one in newest)}) < DOMAINS:
            return None
        if own and self._answers.was_sent_since(newest[others - 1].attempt_id):
            return None
        return Concerns.RECIPIENT

    def has_lasted(self, email: Email, outcome: Outcome, seconds: float) -> bool:
        """Whether this email, in this generation, had the same code so many seconds ago, whoever asked for it."""
        try:
            first = self._answers.seconds_since_first(email.email_id, email.gen, outcome.code, outcome.enhanced)
        except DatabaseGone as gone:  # the outcome itself waits for the database too
            log.warning("deferrals_not_compared", **email.log_facts(), reason=str(gone))
            return False
        return first >= seconds

    def _look(self) -> Collection[tuple[str, Deferral]]:
        """The recent ones, each with its kind. This is worked out once, because it takes a tenth of a millisecond."""
        now = self._clock()
        if now - self._looked_at >= LOOK_SECONDS:
            self._looked_at = now
            found = {one.attempt_id: one for one in self._answers.deferrals(WINDOW_SECONDS, LIMIT)}
            before = self._recent
            self._recent = {n: before[n] if n in before else (kind_of(one.reply), one) for n, one in found.items()}
        return self._recent.values()


def _first_times(deferrals: Iterable[Deferral]) -> list[Deferral]:
    """The first of each email, the newest of these first. Retries come when nothing else is left to be sent. That
    nothing was sent since one of them says nothing."""
    firsts = {one.email_id: one for one in deferrals}  # the deferrals begin with the newest
    return sorted(firsts.values(), key=lambda one: one.attempt_id, reverse=True)
