"""What one email's outcome means for itself and for all the others. One for all threads of a process."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from eed_delivery.addresses import domain_of
from eed_delivery.config import WorkerSettings
from eed_delivery.errors import DatabaseGone
from eed_delivery.events import DeliveryOutcome
from eed_delivery.ledger.answers import AnswersLedger
from eed_delivery.ledger.delivering.domain_holds import DomainHold, DomainHolds
from eed_delivery.ledger.operating import OperatingLedger
from eed_delivery.ledger.suppression.refused_addresses import RefusedAddresses
from eed_delivery.metrics import observing
from eed_delivery.model import Concerns, Email, Outcome, Verdict
from eed_delivery.tracking.bounces.diagnosis import diagnose
from eed_delivery.transports.replies.kinds import kind_of
from eed_delivery.untrusted import mask_addresses
from eed_delivery.worker.deferrals import SharedDeferrals
from eed_delivery.worker.job_refusals import SameAnswers, Suspects
from eed_delivery.worker.logged_replies import of_many
from eed_delivery.worker.refusals import Consequences, Refusals
from eed_delivery.worker.temporary_answers import TemporaryAnswers

log = structlog.get_logger(__name__)

DEAD_AT_ONCE = frozenset({"no_mailbox", "no_domain", "bad_address", "moved"})
"""Of replies that say that the address does not exist. Not of a mailbox that is switched off: an operator may requeue
it once that is mended."""
_COUNTED = frozenset({Verdict.PERMANENT, Verdict.TEMPORARY})


class WayOut(Protocol):
    """What is known of the way out: `Breaker` of a process, or the gate that functions share.

    `reason` says why it is held to be broken. `answers` counts what the mail server has answered.
    """

    answers: int

    @property
    def reason(self) -> str | None: ...

    def trip(self, reason: str) -> None:
        """It is broken."""
        ...

    def doubted(self, reply: str) -> None:
        """An email was left in doubt."""
        ...

    def answered(self) -> None:
        """The mail server has answered for an email."""
        ...


class Slowing(Protocol):
    """The send rate, as far as answers change it."""

    def slow_down(self) -> None:
        """The provider says we are too fast."""
        ...

    def accepted(self) -> None:
        """The provider took an email."""
        ...


@dataclass(frozen=True, slots=True)
class ReactionLedgers:
    """What reactions are written to, of one channel."""

    operating: OperatingLedger
    holds: DomainHolds
    dead: RefusedAddresses
    answers: AnswersLedger


class Reactions:
    """`judge` may see through an outcome before it is recorded, and `react` draws the consequences afterwards."""

    def __init__(
        self,
        ledgers: ReactionLedgers,
        settings: WorkerSettings,
        way_out: WayOut,
        rate: Slowing,
        stored_reply: Callable[[str], str],
        *,
        sends_emails: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`stored_reply` makes of a reply what is stored. A channel that does not send emails puts files."""
        self._ledgers = ledgers
        self._settings = settings
        self._breaker = way_out
        self._rate = rate
        self._stored_reply = stored_reply
        self._sends_emails = sends_emails
        self._refusals = Refusals(Consequences(way_out.trip, self._hold_domain, self._pause_for, rate.slow_down))
        self._temporary = TemporaryAnswers(
            SharedDeferrals(ledgers.answers, clock), self._refusals.are_everybodys, settings.max_attempts
        )
        self._suspects = Suspects(self._answers_to_others, clock=clock)
        self._held: dict[str, DomainHold] = {}  # those of all hosts, as they were learned last, and our own since
        self._same = SameAnswers(settings.same_answer_limit, settings.same_answer_window)

    def judge(self, email: Email, outcome: Outcome) -> Outcome:
        """The outcome to decide on. A domain that is held, or on trial, and says the same again to another
        recipient means neither of them."""
        hold = self._held.get(domain_of(email.recipient)) if outcome.verdict in _COUNTED else None
        if hold is not None and outcome.code is not None and kind_of(outcome.reply) == kind_of(hold.reason):
            outcome = replace(outcome, verdict=Verdict.INFRASTRUCTURE, concerns=Concerns.OTHERS)
        elif outcome.verdict is Verdict.TEMPORARY and outcome.code is not None:
            concerns = self._temporary.whose(email, outcome)
            if concerns is not None:
                outcome = replace(outcome, verdict=Verdict.INFRASTRUCTURE, concerns=concerns)
        return self._suspects.judge(email, outcome)

    def react(self, email: Email, outcome: Outcome) -> None:
        """What one email's outcome means for all the others."""
        of_others = outcome.concerns is not Concerns.RECIPIENT or outcome.code is None
        if outcome.verdict is Verdict.INFRASTRUCTURE and of_others:
            self._react_to_trouble(email, outcome)
        elif outcome.verdict is Verdict.THROTTLED:
            self._react_to_throttling(email, outcome)
        else:
            self._react_to_answer(email, outcome)

    def _react_to_answer(self, email: Email, outcome: Outcome) -> None:
        if outcome.verdict is Verdict.SENT:
            self._rate.accepted()
        if outcome.verdict is Verdict.IN_DOUBT:
            self._breaker.doubted(of_many(outcome.reply, email))
        elif outcome.code is not None:  # without a code it was not the mail server who spoke
            self._breaker.answered()
            self._refusals.answered(email)
            self._release_domain(domain_of(email.recipient))
            self._note_answer(email, outcome)
        same = self._same.seen(email.job_id, outcome)
        if same is not None:
            limit, window = self._settings.same_answer_limit, self._settings.same_answer_window
            self._pause_for(email, f"more than {limit} of the last {window} emails were refused alike", outcome)

    def _note_answer(self, email: Email, outcome: Outcome) -> None:
        match outcome.verdict:
            case Verdict.SENT:
                self._refusals.sent(email)
            case Verdict.TEMPORARY:
                self._refusals.deferred(email, outcome)
            case Verdict.PERMANENT:
                self._note_dead_address(email, outcome)

    def _note_dead_address(self, email: Email, outcome: Outcome) -> None:
        """A reply that the address does not exist counts as a hard bounce, which says it later. A store of files knows
        nothing of addresses."""
        if not self._sends_emails:
            return
        cause = diagnose(outcome.enhanced or "", outcome.reply).cause
        if cause.outcome is not DeliveryOutcome.HARD_BOUNCED or cause.sub_type not in DEAD_AT_ONCE:
            return
        try:
            listed = self._ledgers.dead.enter(email, outcome, cause.sub_type, mask_addresses(outcome.reply))
        except DatabaseGone as gone:  # the email's own outcome waits for the database; this may be said once more
            log.warning("dead_address_not_kept", **email.log_facts(), reason=str(gone))
            return
        if listed:
            log.info("address_suppressed", **email.log_facts(), cause=cause.sub_type)

    def _react_to_trouble(self, email: Email, outcome: Outcome) -> None:
        lost = outcome.for_all or outcome.code is None  # no connection, or a lost one
        certain = lost or self._refusals.are_everybodys(outcome)
        # While the way out is on trial, a refusal that is not the job's says that it does not work yet.
        if certain or (self._breaker.reason and outcome.concerns is not Concerns.JOB):
            self._breaker.trip(of_many(outcome.reply, email))
        else:
            self._refusals.refused(email, outcome)

    def _react_to_throttling(self, email: Email, outcome: Outcome) -> None:
        if outcome.concerns is Concerns.OTHERS and not outcome.for_all:
            self._refusals.refused(email, outcome)
        else:
            self._rate.slow_down()
        observing.count("eed_throttled_total")

    def _pause_for(self, email: Email, what: str, outcome: Outcome) -> None:
        """A webhook gets the codes of the refusal, and not the mail server's words."""
        codes = " ".join(str(code) for code in (outcome.code, outcome.enhanced) if code)
        self.pause_job(email, f"{what}: {self._stored_reply(outcome.reply)}", f"{what}: {codes}")

    def pause_job(self, email: Email, reason: str, notice_reason: str | None = None) -> None:
        """Pause an email's job. Raises `DatabaseGone`."""
        if self._ledgers.operating.pause(email.job_id, reason, notice_reason=notice_reason):
            log.error("job_paused", job=email.job_key, job_id=email.job_id, reason=of_many(reason, email))

    def _answers_to_others(self, email: Email, outcome: Outcome) -> int:
        """Where a domain may be meant, only what it says to others distinguishes this email from it."""
        everybody = outcome.concerns is Concerns.EVERYBODY
        return self._breaker.answers if everybody else self._refusals.answers(email)

    def hold_of(self, email: Email) -> DomainHold | None:
        """The hold on an email's domain, if there is one."""
        if not self._sends_emails:
            return None
        hold = self._held.get(domain_of(email.recipient)) if self._held else None
        return hold if hold is not None and hold.seconds > 0 else None

    def learn_holds(self) -> None:
        """Learn which domains all hosts hold. Raises `DatabaseGone`."""
        self._held = {hold.domain: hold for hold in self._ledgers.holds.all()}

    def _hold_domain(self, domain: str, reason: str) -> None:
        if not self._sends_emails:
            return
        hold = self._ledgers.holds.hold(domain, self._stored_reply(reason))
        if hold is not None:
            self._held = {**self._held, domain: hold}
            log.warning("domain_held", domain=domain, seconds=round(hold.seconds), reason=of_many(reason))

    def _release_domain(self, domain: str) -> None:
        if domain in self._held:
            self._held = {name: hold for name, hold in self._held.items() if name != domain}
            if self._ledgers.holds.release(domain):
                log.info("domain_released", domain=domain)
