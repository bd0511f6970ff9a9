"""One batch in one thread, from messages to claims, deliveries, and every message's fate."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from eed_delivery.errors import DatabaseGone, Stopping
from eed_delivery.ledger.delivering.claims import Claim, JobRef, Refusal, Standing, new_token
from eed_delivery.ledger.delivering.domain_holds import IS_HELD, DomainHold
from eed_delivery.ledger.delivering.ledger import DeliveryLedger
from eed_delivery.metrics import observing
from eed_delivery.model import Email, Outcome, Ticket
from eed_delivery.queue import Message, Published, Received
from eed_delivery.rendering.files import CompiledContent
from eed_delivery.runtime import failpoints
from eed_delivery.worker.delivery import Delivery, Draft, try_number
from eed_delivery.worker.destination_pacing import BatchPacing
from eed_delivery.worker.isolated_renders import IsolatedRenders
from eed_delivery.worker.journal import Fate, Journal, Settled
from eed_delivery.worker.keeper import Hold

log = structlog.get_logger(__name__)

NEUTRAL_DELAY_SECONDS = 5
AHEAD_BYTES = 512 * 1024
"""Rendering one email right after the other saves a tenth of an email's CPU: sending drives rendering's code and data
out of the processor's caches. Limit: octets that each thread may use for that, beside one message."""
UNKNOWN_AGAIN_SECONDS = 30
"""A message that is not ours is never deleted: it comes again until the queue's own maxReceiveCount moves it."""


class BatchQueue(Protocol):
    """What a batch does with its messages: `Queue`, or what an invocation of a function has instead."""

    def ack(self, messages: Sequence[Message]) -> None:
        """Delete messages whose work is done."""
        ...

    def later(self, messages: Sequence[Message], seconds: float) -> None:
        """Make messages visible again after a delay."""
        ...

    def publish(self, tickets: Sequence[Ticket], delay_seconds: float = 0) -> Published:
        """Send up to ten fresh messages."""
        ...


@dataclass(frozen=True, slots=True)
class Hands:
    """What a thread works with."""

    ledger: DeliveryLedger
    queue: BatchQueue
    delivery: Delivery
    journal: Journal
    compiled: Callable[[JobRef], CompiledContent]
    lease_seconds: float
    visibility_seconds: float
    may_go_on: Callable[[], bool]
    react: Callable[[Email, Outcome], None]
    held: Callable[[Email], DomainHold | None] = lambda _: None
    """The hold on an email's domain, if there is one."""
    pacing: Callable[[], BatchPacing | None] = lambda: None
    """The pace of destination domains, for one batch."""
    isolated: IsolatedRenders | None = None
    """Renders emails that may end the process that renders them."""
    beat: Callable[[], None] = lambda: None
    ahead_bytes: int = AHEAD_BYTES
    """Octets that this thread may use for emails rendered ahead of their turns."""
    neutral_delay: Callable[[], float] = lambda: NEUTRAL_DELAY_SECONDS
    """After how many seconds what was not sent may come again."""


class Batch:
    """Up to ten messages. An email that came twice in one batch is one entry with two messages."""

    def __init__(self, messages: Sequence[Received], hands: Hands, hold: Hold) -> None:
        self._hands = hands
        self._hold = hold
        self._messages: dict[int, list[Received]] = {}
        self._foreign: list[Received] = []
        self._claimed_at: float | None = None
        self._pacing: BatchPacing | None = None
        for message in messages:
            self._sort_in(message)

    def _sort_in(self, message: Received) -> None:
        if message.ticket is None:
            self._foreign.append(message)
            return
        known = self._messages.setdefault(message.ticket.email_id, [])
        if known and known[0].ticket is not None and known[0].ticket.gen < message.ticket.gen:
            known.insert(0, message)  # the newest generation speaks for the email; the older message is void
        else:
            known.append(message)

    def work(self) -> None:
        """Take every message of this batch to its fate. Raises `DatabaseGone` or `QueueGone`. Nothing is lost then."""
        self._set_aside(self._foreign, "not_our_message")
        if not self._messages:
            return
        began = time.monotonic()
        claim = self._claim()
        self._claimed_at = time.monotonic()
        observing.observe_later("eed_database_seconds", self._claimed_at - began, "claim")
        failpoints.reach("worker.claimed")
        self._hold.emails = claim.emails
        waiting = deque(claim.emails)
        try:
            self._refuse(claim.refusals)
            self._defer_held(waiting)
            self._pacing = self._hands.pacing()
            if self._pacing is not None:
                self._put_off_paced(waiting, self._pacing)
            self._send(waiting, claim)
        finally:
            try:
                self._settle(self._hands.journal.flush())
            finally:
                self._hand_back(waiting)
                if self._pacing is not None:
                    self._pacing.end()
                observing.flush()

    def put_off(self) -> None:
        """Have every message come again later, unclaimed. Raises `QueueGone`."""
        self._set_aside(self._foreign, "not_our_message")
        self._copy_all_without_ledger()

    def _claim(self) -> Claim:
        tickets = [_ticket(messages[0]) for messages in self._messages.values()]
        try:
            return self._hands.ledger.claim(tickets, new_token(), self._hands.lease_seconds)
        except DatabaseGone:
            self._copy_all_without_ledger()
            raise
        except Exception:  # either no email can be claimed, or one row of this batch breaks it for the others
            log.exception("claim_failed", email_ids=[ticket.email_id for ticket in tickets])
            return self._claim_one_by_one(tickets)

    def _claim_one_by_one(self, tickets: Sequence[Ticket]) -> Claim:
        """What cannot be claimed alone either is left to its receive count, which ends in the dead-letter queue."""
        try:
            self._hands.ledger.rehearse()
        except Exception as error:  # a lost right or a changed table concerns all emails
            self._copy_all_without_ledger()
            raise DatabaseGone(f"the tables cannot be read as they are mapped: {type(error).__name__}") from error
        claims = [claim for ticket in tickets if (claim := self._claim_alone(ticket)) is not None]
        return Claim(
            tuple(email for claim in claims for email in claim.emails),
            {job_id: ref for claim in claims for job_id, ref in claim.jobs.items()},
            tuple(refusal for claim in claims for refusal in claim.refusals),
        )

    def _claim_alone(self, ticket: Ticket) -> Claim | None:
        try:
            return self._hands.ledger.claim([ticket], new_token(), self._hands.lease_seconds)
        except DatabaseGone:
            raise
        except Exception:  # its own row cannot be read: it must not take the others with it
            key = self._hands.ledger.email_key(ticket.email_id)
            log.exception("email_cannot_be_claimed", email=key, email_id=ticket.email_id, gen=ticket.gen)
            return None

    def _send(self, waiting: deque[Email], claim: Claim) -> None:
        """One email after the other. Those that do not come to a send stay in `waiting`."""
        drafts = deque[Draft]()
        while waiting and self._hands.may_go_on():
            if not drafts:
                self._hands.journal.write()  # a template that ends its worker must not leave what has gone in doubt
                drafts = self._render_ahead(waiting, claim)
            elif self._deliver(drafts.popleft()):
                waiting.popleft()
            else:
                return

    def _defer_held(self, waiting: deque[Email]) -> None:
        """Emails to held domains leave this hand, and wait in the ledger."""
        for email in list(waiting):
            if (hold := self._hands.held(email)) is not None:
                self._hands.ledger.defer([email], f"{hold.domain}{IS_HELD}{hold.reason}", hold.seconds)
                waiting.remove(email)
                self._ack(self._messages[email.email_id])

    def _put_off_paced(self, waiting: deque[Email], pacing: BatchPacing) -> None:
        """Emails whose destinations have no turn now leave this hand, and wait in the ledger."""
        for email, seconds in pacing.without_turns(waiting):
            self._put_off_one(email, seconds)
            waiting.remove(email)
        ordered = pacing.in_order(waiting)
        waiting.clear()
        waiting.extend(ordered)

    def _put_off_one(self, email: Email, seconds: float) -> None:
        self._hands.ledger.put_off(email, seconds)
        self._ack(self._messages[email.email_id])

    def _render_ahead(self, emails: Iterable[Email], claim: Claim) -> deque[Draft]:
        """The first of these emails, as many as fit into `ahead_bytes`. None behind one that failed. Where files or S3
        are away, the breaker is to know of it before the next one waits for them too."""
        drafts = deque[Draft]()
        size = 0
        for email in emails:
            draft = self._draft(claim.jobs[email.job_id], email)
            drafts.append(draft)
            size += draft.size
            if draft.failed or size >= self._hands.ahead_bytes or not self._hands.may_go_on():
                break
        return drafts

    def _draft(self, ref: JobRef, email: Email) -> Draft:
        load_job, isolated = partial(self._hands.compiled, ref), self._hands.isolated
        if isolated is None:
            return self._hands.delivery.render(load_job, email)
        first = self._messages[email.email_id][0]
        suspect = isolated.wants(email, _ticket(first).base + first.receive_count)
        alone = partial(isolated.render, ref, email, self._hands.beat)
        return self._hands.delivery.render(load_job, email, alone, suspect=suspect)

    def _deliver(self, draft: Draft) -> bool:
        """One email. False when the service was asked to stop before it came to a send."""
        email, pacing = draft.email, self._pacing
        if pacing is not None and (seconds := pacing.wait_of(email)) is not None:
            self._put_off_one(email, seconds)
            return True
        first = self._messages[email.email_id][0]
        number = try_number(_ticket(first).base, first.receive_count, email.attempts)
        began = time.monotonic()
        try:
            outcome = self._hands.delivery.deliver(draft, number, self._claimed_at)
        except Stopping:
            return False
        if pacing is not None:
            pacing.sent(time.monotonic() - began)
        if outcome is not None:
            self._hands.react(email, outcome)
        return True

    def _refuse(self, refusals: Iterable[Refusal]) -> None:
        for refusal in refusals:
            messages = self._messages[refusal.ticket.email_id]
            if refusal.standing is Standing.OVER:
                self._ack(messages)
            elif refusal.standing is Standing.LATER:
                self._ask_again(messages, refusal.seconds + 1)
            else:
                self._refuse_unknown(refusal.ticket, messages)

    def _ask_again(self, messages: Sequence[Received], seconds: float) -> None:
        """A lease on the wire is as long as the slowest mail server, and over in a moment as a rule. A doubled message
        looks sooner than that, and less often each time. So its receives outlast the lease, and a drain need not."""
        for message in messages:
            self._later([message], min(seconds, self._hands.visibility_seconds * message.receive_count))

    def _refuse_unknown(self, ticket: Ticket, messages: Sequence[Received]) -> None:
        """A generation from the future is not ours. A message of the true one that came with it must not share its way
        to the dead-letter queue, and comes again on its own."""
        foreign = [message for message in messages if _ticket(message).gen == ticket.gen]
        self._set_aside(foreign, "unknown_email")
        self._later([message for message in messages if message not in foreign], 1)

    def _set_aside(self, messages: Sequence[Received], event: str) -> None:
        if not messages:
            return
        for message in messages:
            log.error(
                event,
                sqs_message_id=message.sqs_id,
                receive_count=message.receive_count,
                problem=message.problem or "the ledger has no such email in such a generation",
                then="the queue moves it to the dead-letter queue",
            )
        self._later(messages, UNKNOWN_AGAIN_SECONDS)

    def _ack(self, messages: Sequence[Received]) -> None:
        if messages:
            observing.count("eed_messages_received_total", "deleted", by=len(messages))
        self._hold.let_go(messages)
        self._hands.queue.ack(messages)

    def _later(self, messages: Sequence[Received], seconds: float) -> None:
        if messages:
            observing.count("eed_messages_received_total", "again_later", by=len(messages))
        self._hold.let_go(messages)
        self._hands.queue.later(messages, seconds)

    def _settle(self, settled: Sequence[Settled]) -> None:
        self._ack([m for s in settled if s.fate is Fate.ACK for m in self._messages[s.email.email_id]])
        failpoints.reach("worker.acked")
        for one in settled:
            if one.fate is Fate.LATER:
                self._later(self._messages[one.email.email_id], one.seconds + 1)
                failpoints.reach("worker.retried")
        copies = [one for one in settled if one.fate is Fate.COPY]
        self._copy([one.email for one in copies if not one.seconds])
        later = [one for one in copies if one.seconds]
        self._copy([one.email for one in later], max((one.seconds for one in later), default=0))

    def _hand_back(self, waiting: Iterable[Email]) -> None:
        """What is not on the wire goes back unharmed, the row first, then a fresh copy, then the old message."""
        emails = list(waiting)
        if emails:
            self._hands.ledger.release(emails)
            failpoints.reach("worker.released")
        self._copy(emails)

    def _copy(self, emails: Sequence[Email], seconds: float = 0) -> None:
        self._replace([Ticket(e.email_id, e.gen, e.attempts, str(e.job_id)) for e in emails], seconds)

    def _copy_all_without_ledger(self) -> None:
        """The database is away. This receive is to count for nothing, even without the ledger's own count."""
        firsts = [messages[0] for messages in self._messages.values()]
        tickets = [_ticket(first) for first in firsts]
        self._replace(
            [
                Ticket(t.email_id, t.gen, t.base + first.receive_count - 1, t.group)
                for t, first in zip(tickets, firsts, strict=True)
            ]
        )

    def _replace(self, tickets: Sequence[Ticket], seconds: float = 0) -> None:
        if not tickets:
            return
        published = self._hands.queue.publish(tickets, max(self._hands.neutral_delay(), seconds + 1))
        failpoints.reach("worker.copied")
        self._ack([m for t in published.accepted for m in self._messages[t.email_id]])
        if published.refused:
            log.warning("copy_refused", count=len(published.refused), reasons=sorted(set(published.refused)))


def _ticket(message: Received) -> Ticket:
    if message.ticket is None:
        raise ValueError("a message that is not ours has no ticket")
    return message.ticket
