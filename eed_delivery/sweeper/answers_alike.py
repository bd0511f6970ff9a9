"""When many recipients over many domains get one kind of refusal, it is not theirs, and their emails go back.

A mail server's words are known for the usual cases (`transports.replies.rules`). For all others statistics decide. They
are over the last answers to a job's emails, from all processes of all hosts, as the ledger has them. What had failed
before that was clear gets a new generation by itself. The job is paused with the reason, or the one domain is held. A
job is judged while it runs, and before it is finished, because a small one is over sooner than a person looks.

Full or suspended mailboxes are compared too. A few among emails that are sent are their owners'. When most get
that answer, the server's own quota is used up, its store is full, or a whole tenant is suspended. Only dead addresses
are never put back.
"""

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from time import monotonic

import structlog

from eed_delivery.addresses import domain_of
from eed_delivery.ledger.answers import AnswersLedger, FailedEmail, ServerAnswer
from eed_delivery.ledger.delivering.domain_holds import DomainHolds
from eed_delivery.ledger.operating import OperatingLedger, Selection
from eed_delivery.model import NEUTRAL, Verdict
from eed_delivery.runtime.poll_interval import PollInterval
from eed_delivery.transports.replies.kinds import kind_of
from eed_delivery.transports.replies.rules import Concern, rule_for
from eed_delivery.untrusted import masked_reply

log = structlog.get_logger(__name__)

WINDOW = 400
"""Answers of a job, the last ones, that a judgement uses."""
SHARE_OF = 200
ENOUGH = 20
"""Fewer of one kind say nothing."""
DOMAINS = 3
INTERVAL_SECONDS = 5.0
PUT_BACK_AT_ONCE = 500
LATE_SECONDS = 300.0
"""Seconds after a finding in which emails that fail for it still go back: they were on the wire, or a worker did not
know of it yet."""

# Of the recipients themselves, however many they are: a list of dead addresses is not mended by sending it again.
_DEAD = re.compile(r"\d{3}[ -][45]\.1\.(?:[1236]|10)\b")
"""RFC 3463, 3.2, and RFC 7505: nobody is there."""
_NOT_DEAD = frozenset({"disabled"})
"""An address that is switched off may be switched on again, and a whole tenant can be."""
_REFUSED = frozenset({Verdict.PERMANENT, Verdict.TEMPORARY})


@dataclass(frozen=True, slots=True)
class SharedRefusal:
    """A kind of refusal that is not the recipients'. `domain` is whose it is. "" means all domains', or the job's."""

    kind: str
    domain: str
    count: int
    of: int
    reply: str

    def covers(self, failed: FailedEmail) -> bool:
        """Whether an email has failed for this."""
        return kind_of(failed.reply) == self.kind and self.domain in ("", domain_of(failed.recipient))


def judge(answers: Sequence[ServerAnswer]) -> SharedRefusal | None:
    """What the last answers to one job's emails, the newest first, say of one kind of refusal. None as a rule."""
    spoken = [answer for answer in answers if answer.code is not None and answer.verdict not in NEUTRAL]
    refused = [answer for answer in spoken if answer.verdict in _REFUSED and not is_dead(answer.reply)]
    kinds = Counter(kind_of(answer.reply) for answer in refused)
    for kind, count in kinds.most_common():
        if count < ENOUGH:
            break
        alike = [answer for answer in refused if kind_of(answer.reply) == kind]
        if (finding := _of_all(kind, alike, spoken) or _of_one_domain(kind, alike, spoken)) is not None:
            return finding
    return None


def _of_all(kind: str, alike: Sequence[ServerAnswer], spoken: Sequence[ServerAnswer]) -> SharedRefusal | None:
    """More than half of the last answers, over several domains, or all there are, where recipients have no others."""
    last = spoken[:SHARE_OF]
    among = [answer for answer in last if kind_of(answer.reply) == kind]
    domains = {domain_of(answer.recipient) for answer in among}
    others = {domain_of(answer.recipient) for answer in last} - domains
    many = len(among) >= ENOUGH and 2 * len(among) > len(last)
    if not many or (len(domains) < DOMAINS and (others or any(a.verdict is Verdict.SENT for a in last))):
        return None
    return SharedRefusal(kind, "", len(among), len(last), alike[0].reply)


def _of_one_domain(kind: str, alike: Sequence[ServerAnswer], spoken: Sequence[ServerAnswer]) -> SharedRefusal | None:
    """All that one domain has said of late, but for dead addresses, while others take their emails."""
    (domain, count), *rest = Counter(domain_of(answer.recipient) for answer in alike).most_common(2)
    at_home = [answer for answer in spoken if domain_of(answer.recipient) == domain]
    said = [answer for answer in at_home if answer.verdict is Verdict.SENT or not is_dead(answer.reply)]
    if (rest and rest[0][1] >= ENOUGH) or count < ENOUGH or count < len(said):
        return None
    return SharedRefusal(kind, domain, count, len(said), alike[0].reply)


def is_dead(reply: str) -> bool:
    """Whether a refusal says that nobody is there. That is the recipient's own, however many others get the same."""
    rule = rule_for(reply)
    if rule is None:  # words that say nothing: the code alone may
        return _DEAD.match(reply) is not None
    return rule.concern is Concern.ADDRESS and rule.name not in _NOT_DEAD


class AnswersAlike:
    """Checks the running jobs, for one process."""

    def __init__(
        self,
        answers: AnswersLedger,
        operating: OperatingLedger,
        holds: Callable[[str], DomainHolds],
        clock: Callable[[], float] = monotonic,
        stored_reply: Callable[[str], str] = masked_reply,
    ) -> None:
        """`holds` gives the held domains of a channel. `stored_reply` makes of a reply what is stored: those of earlier
        releases were stored as they came."""
        self._answers = answers
        self._operating = operating
        self._holds = holds
        self._clock = clock
        self._stored_reply = stored_reply
        self._lock = threading.Lock()  # of the loop that looks, and of the sweeper that would finish
        self._failed: dict[int, int] = {}
        self._found: dict[
            tuple[int, str, str], tuple[SharedRefusal, float]
        ] = {}  # by job, kind and domain, and until when
        self._interval = PollInterval(INTERVAL_SECONDS, clock)

    def step(self) -> float:
        """Check each job in which other emails have failed than at the last check. Raises `DatabaseGone`."""
        with self._lock, self._interval.polling():
            counts = self._answers.failed_counts()
            before, self._failed = self._failed, counts
            for job_id, count in counts.items():
                self._put_back_late(job_id)
                if count >= ENOUGH and count != before.get(job_id, 0):
                    self._look(job_id)
        return self._interval.wait

    def look_if_failed(self, job_id: int) -> bool:
        """The same before a job is finished. Nothing is judged where too few have failed to say anything."""
        with self._lock:
            late = self._put_back_late(job_id)
            return late or (self._answers.has_failed(job_id, ENOUGH) and self._look(job_id))

    def _look(self, job_id: int) -> bool:
        """Judge one job. True means that some of its emails went back, so that it is not at its end."""
        finding = judge(self._answers.recent(job_id, WINDOW))
        if finding is None or not self._have_failed(job_id, finding):
            return False
        finding = replace(finding, reply=self._stored_reply(finding.reply))
        self._found[job_id, finding.kind, finding.domain] = finding, self._clock() + LATE_SECONDS
        if finding.domain:
            self._holds(self._answers.channel(job_id)).hold(finding.domain, finding.reply)
        else:
            self._operating.pause(job_id, _reason(finding))
        return self._put_back(job_id, finding)

    def _have_failed(self, job_id: int, finding: SharedRefusal) -> bool:
        """Not before some have. What is refused for now may be accepted at the next try, without a pause."""
        return any(self._covered(job_id, finding))

    def _put_back_late(self, job_id: int) -> bool:
        """Emails that have failed after the finding for the same reason."""
        now = self._clock()
        self._found = {key: (finding, until) for key, (finding, until) in self._found.items() if until > now}
        late = [finding for key, (finding, _) in self._found.items() if key[0] == job_id]
        return sum(self._put_back(job_id, finding) for finding in late) > 0

    def _put_back(self, job_id: int, finding: SharedRefusal) -> bool:
        """Give all that failed for it a new generation. True if there were some."""
        count = sum(self._operating.requeue(Selection(emails=ids)) for ids in self._alike(job_id, finding))
        if not count:
            return False
        if not finding.domain:
            self._operating.pause(job_id, _reason(finding))  # one that had ended is open again
        key = self._answers.job_key(job_id)
        reason = _reason(finding)
        log.error("failed_put_back", job=key, job_id=job_id, count=count, domain=finding.domain, reason=reason)
        return True

    def _alike(self, job_id: int, finding: SharedRefusal) -> Iterator[tuple[int, ...]]:
        ids = self._covered(job_id, finding)
        while chunk := tuple(islice(ids, PUT_BACK_AT_ONCE)):
            yield chunk

    def _covered(self, job_id: int, finding: SharedRefusal) -> Iterator[int]:
        """The failed emails that it is about. What a domain says for hours is believed in the end.

        It is held without an operator, so its emails would go back for ever. A paused job waits for an operator.
        """
        patient_with = int(finding.kind[:3]) if finding.domain else None
        failed = self._answers.failed(job_id, patient_with)
        return (email.email_id for email in failed if finding.covers(email))


def _reason(finding: SharedRefusal) -> str:
    whose = f"to {finding.domain} " if finding.domain else ""
    return (
        f"{finding.count} of the last {finding.of} replies {whose}were the same refusal, "
        f"so the recipients are not its cause: {finding.reply}"
    )
