"""The path of one email, from a worker's claim to its record in the ledger.

render      its own variables and attachments become one message. Bad input ends here, before anything is sent. A few
            emails of a batch are rendered ahead of their turns
hash        the SHA-256 of the message, for the ledger
rate        the shared send rate
copy        for the archive, if one is set, just before the wire
send        the transport talks to the server, and just before the point of no return asks for
wire        the ledger's grant: our token, our lease, an active job. No grant, no send (G2)
settle      a store of files can be asked after a lost answer; a mail server cannot
decide      what the answer means: sent, failed, later, in doubt
record      the outcome, under the same token, with the source's row in the same transaction (G3)
"""

import random
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Literal, cast

import structlog
from structlog.typing import FilteringBoundLogger

from eed_delivery.archive.copies import Copies
from eed_delivery.errors import DatabaseGone, DeliveryFailure, InDoubt, NoGrant, OtherBytes, Stopping
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.light_dataclass import light_dataclass
from eed_delivery.metrics import observing
from eed_delivery.model import Accepted, Concerns, Email, EmailState, Files, Outcome, Rendered, Verdict
from eed_delivery.rendering.files import CompiledContent
from eed_delivery.rendering.renderer import MessageMaker
from eed_delivery.runtime import failpoints
from eed_delivery.runtime.defects import Defects
from eed_delivery.transports import FileTransport, Grant, Transport
from eed_delivery.untrusted import masked_reply
from eed_delivery.worker import logged_replies
from eed_delivery.worker.handover import Handover, digest_of
from eed_delivery.worker.journal import Journal

log = structlog.get_logger(__name__)

JITTER = 0.25
"""Retries come within ± a quarter of their delay, so that a refused crowd does not come back as one."""

_LEFT = frozenset({Verdict.SENT, Verdict.IN_DOUBT})


@dataclass(frozen=True, slots=True)
class RetryRules:
    """How often and how late. Delays are in seconds. `doubt` is the policy for emails that died after the wire (G2)."""

    max_attempts: int = 3
    delay: float = 60.0
    growth: float = 4.0
    max_delay: float = 3600.0
    doubt: Literal["hold", "reconcile", "resend"] = "hold"


def try_number(base: int, receive_count: int, attempts: int) -> int:
    """Which try this is, from 1. Retries are counted by the queue. The ledger's count keeps receives that never became
    a try (a worker killed before the wire, a doubled message) from being counted against the email."""
    return min(base + receive_count, attempts + 1)


def decide(outcome: Outcome, number: int, rules: RetryRules) -> Decision:
    """What an outcome of try `number` means for the email (docs/design.md#the-answers-table)."""
    match outcome.verdict:
        case Verdict.SENT:
            return Decision(EmailState.SENT, outcome, counted=True)
        case Verdict.PERMANENT:
            return Decision(EmailState.FAILED, outcome, counted=True)
        case Verdict.THROTTLED | Verdict.INFRASTRUCTURE:
            return Decision(EmailState.QUEUED, outcome, counted=False, delay=_neutral_delay(outcome, number, rules))
        case Verdict.TEMPORARY if number < rules.max_attempts:
            return Decision(EmailState.QUEUED, outcome, counted=True, delay=retry_delay(number, rules))
        case Verdict.TEMPORARY:
            return Decision(EmailState.FAILED, outcome, counted=True)
        case Verdict.IN_DOUBT if rules.doubt == "resend" and number < rules.max_attempts:
            return Decision(EmailState.QUEUED, outcome, counted=True, delay=retry_delay(number, rules))
        case Verdict.IN_DOUBT:
            return Decision(EmailState.IN_DOUBT, outcome, counted=True)


def _neutral_delay(outcome: Outcome, number: int, rules: RetryRules) -> float:
    """What a server refuses with a reply of its own comes back later each time, so others may be sent meanwhile.

    The delays go on from those of the tries that were counted.
    """
    alone = outcome.verdict is Verdict.INFRASTRUCTURE or outcome.concerns is Concerns.OTHERS
    said_so = alone and outcome.code is not None and not outcome.for_all
    return retry_delay(number + min(outcome.again, 20), rules) if said_so else 0.0


def retry_delay(number: int, rules: RetryRules) -> float:
    """Seconds to wait after try `number`, growing, capped and jittered."""
    delay = min(rules.max_delay, rules.delay * rules.growth ** (number - 1))
    return delay * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load, guards nothing


@light_dataclass
class Draft:
    """A rendered email that waits for its turn, or why it could not be rendered, which is reported at its turn."""

    email: Email
    rendered: Rendered | Files | Exception
    seconds: float  # what rendering took
    sha256: bytes = b""  # as `digest_of` has it

    @property
    def failed(self) -> bool:
        """Whether there is no message."""
        return isinstance(self.rendered, Exception)

    @property
    def size(self) -> int:
        """Bytes that the message takes."""
        return 0 if isinstance(self.rendered, Exception) else self.rendered.size

    @property
    def missing(self) -> tuple[str, ...]:
        """The values that its templates print and that it does not have."""
        return () if isinstance(self.rendered, Exception) else self.rendered.missing

    def message(self) -> Rendered | Files:
        """The message, or raises what rendering raised."""
        if isinstance(self.rendered, Exception):
            raise self.rendered
        return self.rendered


def rendered(renderer: MessageMaker, compiled: CompiledContent, email: Email) -> Rendered | Files:
    """The message of an email, in a worker or in a process for rendering alone."""
    message = renderer.render(compiled, email)
    failpoints.reach("worker.rendered", email.email_id)
    return message


def _is_out_of_memory(made: Rendered | Files | Exception) -> bool:
    cause = made.__cause__ if isinstance(made, Exception) else None
    return isinstance(made, MemoryError) or isinstance(cause, MemoryError)


class Delivery:
    """What one worker thread sends with, its own transport and journal, and the process's renderer and send rate."""

    def __init__(
        self,
        renderer: MessageMaker,
        transport: Transport | FileTransport,
        journal: Journal,
        rules: RetryRules,
        await_turn: Callable[[], None],
        judge: Callable[[Email, Outcome], Outcome] = lambda _, outcome: outcome,
        missing: Callable[[int, Sequence[str], str], None] = lambda _job_id, _names, _job: None,
        defects: Defects | None = None,
        noted: Callable[[Email], AbstractContextManager[None]] = lambda _: nullcontext(),
        stored_reply: Callable[[str], str] = masked_reply,
        copies: Copies | None = None,
    ) -> None:
        """`await_turn` waits for a turn. `judge` may see through an outcome that blames the whole way out for one
        email. `missing` receives a job's email that has left without values that its templates print. `defects` are
        those of the whole process. `noted` keeps, while an email is rendered, a note of it for the supervisor.
        `stored_reply` makes of a reply what is stored. `copies` keeps copies for the archive."""
        self._renderer = renderer
        self._kind = transport.name
        self._send = cast("_Send", transport.send)  # which of the two it carries, its channel's renderer makes
        self._settle = cast("_Settle | None", getattr(transport, "settle", None))
        self._journal = journal
        self._rules = rules
        self._await_turn = await_turn
        self._judge = judge
        self._missing = missing
        self._defects = defects or Defects()
        self._noted = noted
        self._stored_reply = stored_reply
        self._copies = copies
        # Of the configuration as it is now: `log` itself binds anew for each line.
        self._log: FilteringBoundLogger = log.bind()

    def render(
        self,
        load_job: Callable[[], CompiledContent],
        email: Email,
        isolated: Callable[[], Rendered | Files] | None = None,
        *,
        suspect: bool = False,
    ) -> Draft:
        """The message of one claimed email, for `deliver`. `isolated` renders it in a process of its own. That
        is for a suspect, and for one for which the memory of this process does not suffice."""
        started = time.monotonic()
        made: Rendered | Files | Exception
        try:
            made = isolated() if suspect and isolated else self._render(load_job, email)
        except Exception as failure:  # noqa: BLE001 - raised again by `deliver`, which knows what each kind means
            made = failure
        if isolated and not suspect and _is_out_of_memory(made):
            return self.render(load_job, email, isolated, suspect=True)
        digest = b"" if isinstance(made, Exception) else digest_of(made)  # now: it is still in the processor's caches
        return Draft(email, made, time.monotonic() - started, digest)

    def _render(self, load_job: Callable[[], CompiledContent], email: Email) -> Rendered | Files:
        with self._noted(email):
            return rendered(self._renderer, load_job(), email)

    def deliver(self, draft: Draft, number: int, claimed_at: float | None = None) -> Outcome | None:
        """Take one email as far as it can go. `number` says which try this is, `claimed_at` when it was claimed.

        Returns the outcome, or None when there was no grant. Raises `Stopping` if it never came to a send.
        """
        email = draft.email
        started = time.monotonic() - draft.seconds
        handover = Handover(email, draft.sha256, self._journal, self._copies)
        try:
            message = draft.message()
            self._await_turn()
            accepted = self._send(message, lambda: handover.grant(message))
            failpoints.reach("worker.sent")
            outcome = handover.accepted(accepted)
        except NoGrant:
            return None
        except Stopping:
            raise
        except DeliveryFailure as failure:
            outcome = self._settled(email, draft.rendered, failure, handover)
        except DatabaseGone as gone:
            # The grant's commit may have gone through, but nothing was sent: that much is certain, and is recorded.
            outcome = Outcome(Verdict.INFRASTRUCTURE, f"not sent: {gone}")
        except Exception as defect:  # a defect of ours costs one email a try, and not the batch its worker
            if count := self._defects.seen(defect):
                log.exception("defect", **email.log_facts(), count=count)
            in_doubt = self._journal.on_wire(email) and self._settle is None  # files are put again, and count once
            verdict = Verdict.IN_DOUBT if in_doubt else Verdict.TEMPORARY
            reply = f"a defect in eed_delivery ({type(defect).__name__}): see the log"
            outcome = Outcome(verdict, reply)
        outcome = self._judge(email, handover.ended(outcome))
        decision = decide(outcome, number, self._rules)
        self._observe(draft, outcome, handover.wired_at, claimed_at)
        self._journal.record(email, self._stored(decision), round((time.monotonic() - started) * 1000))
        if draft.missing and outcome.verdict in _LEFT:
            self._missing(email.job_id, draft.missing, email.job_key)
        _log_outcome(self._log, email, number, decision, draft.missing)
        return outcome

    def _observe(self, draft: Draft, outcome: Outcome, wired_at: float | None, claimed_at: float | None) -> None:
        """Five metrics an email, no more: each takes some microseconds."""
        observing.count("eed_attempts_total", outcome.verdict, self._kind)
        observing.observe_later("eed_render_seconds", draft.seconds)
        if wired_at is not None:
            observing.observe_later("eed_attempt_seconds", time.monotonic() - wired_at, self._kind)
            if claimed_at is not None:
                observing.observe_later("eed_wire_wait_seconds", wired_at - claimed_at)

    def _settled(
        self, email: Email, message: Rendered | Files | Exception, failure: DeliveryFailure, handover: Handover
    ) -> Outcome:
        """What a failure came to. A lost answer is asked for, where that is possible. What is not there, or not told,
        is put once more: the same bytes count once."""
        if not isinstance(failure, InDoubt) or self._settle is None or isinstance(message, Exception):
            return self._refused(email, failure)
        try:
            accepted = self._settle(message)
        except DeliveryFailure as unsettled:
            return self._refused(email, unsettled)
        if accepted is None:
            return Outcome(Verdict.INFRASTRUCTURE, f"not put: {failure.reply}")
        return handover.accepted(accepted)

    def _refused(self, email: Email, failure: DeliveryFailure) -> Outcome:
        """A definite no. Of other bytes under a file's path it names the email that may have put them."""
        rival = self._journal.rival(email, failure.path) if isinstance(failure, OtherBytes) else None
        outcome = failure.outcome()
        return outcome if rival is None else replace(outcome, reply=f"{outcome.reply}. Email {rival} has the same path")

    def _stored(self, decision: Decision) -> Decision:
        """The decision as it is recorded. It was made by the reply as it came."""
        reply = self._stored_reply(decision.outcome.reply)
        if reply == decision.outcome.reply:  # nearly always
            return decision
        return replace(decision, outcome=replace(decision.outcome, reply=reply))


_Send = Callable[[Rendered | Files, Grant], Accepted]
_Settle = Callable[[Rendered | Files], Accepted | None]


def _log_outcome(
    log: FilteringBoundLogger, email: Email, number: int, decision: Decision, missing: Sequence[str]
) -> None:
    facts: dict[str, object] = {
        **email.log_facts(),
        "attempt": number,
        "state": str(decision.state),
        "verdict": str(decision.outcome.verdict),
        "reply": logged_replies.of_one(email, decision.outcome),
    }
    if missing:
        facts["missing"] = list(missing)
    if decision.state is EmailState.SENT:
        log.info("sent", **facts)
    elif decision.state is EmailState.IN_DOUBT:
        log.error("in_doubt", **facts)
    else:
        log.info("not_sent", **facts)
