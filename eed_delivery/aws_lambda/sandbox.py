"""What a sandbox keeps between invocations, and one invocation of it."""

import math
import random
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import structlog

from eed_delivery.app.sending_function import SendingParts
from eed_delivery.aws_lambda.deadline import Deadline, InvocationContext
from eed_delivery.aws_lambda.event_queue import EventQueue
from eed_delivery.aws_lambda.gate import GateBreaker
from eed_delivery.aws_lambda.records import read_event
from eed_delivery.errors import DatabaseGone, QueueGone
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.gates import GateEntry
from eed_delivery.model import Email, Outcome
from eed_delivery.queue import Received
from eed_delivery.runtime.idle_time import IdleTime
from eed_delivery.worker.batch import NEUTRAL_DELAY_SECONDS, Batch, Hands
from eed_delivery.worker.coordination import CoordinationWatch
from eed_delivery.worker.delivery import Delivery
from eed_delivery.worker.isolated_renders import IsolatedRenders
from eed_delivery.worker.journal import Journal
from eed_delivery.worker.keeper import Hold
from eed_delivery.worker.missing_values import MissingValues
from eed_delivery.worker.process import CompiledJobs
from eed_delivery.worker.reactions import Reactions
from eed_delivery.worker.shared_rate import FARTHEST_SECONDS, SharedSendRate

log = structlog.get_logger(__name__)

FREEZE_SECONDS = 3.0
"""After longer without an invocation no connection is trusted: the sandbox may have been frozen."""
AHEAD_BYTES = 1024 * 1024
"""A sandbox has one thread, so a batch of ten usual emails is rendered at once. What is rendered in two parts is
recorded with one commit more, which no other thread shares."""
LEARN_SECONDS = 5.0
"""How old what is known of paces and held domains may be."""
LEASE_MARGIN_SECONDS = 15.0
"""How much longer emails are leased than the invocation can run."""
LONGEST_DELAY_SECONDS = 60.0
"""Limit: seconds for which messages are put off. What they wait for may be over long before."""
SPREAD = 1.5
"""What is put off together comes again within this factor of its delay."""
WHOLE_BATCH = [{"itemIdentifier": ""}]
"""Lambda then deletes no message of the batch."""


class SendingSandbox:
    """One thread, which belongs to the invocation. Between invocations nothing runs."""

    def __init__(self, parts: SendingParts, idle: IdleTime | None = None) -> None:
        """`idle`: since the last invocation."""
        self._parts = parts
        self.database = parts.database
        self._transport = parts.make_transport()
        self._gate = GateBreaker(parts.gate)
        self._rate = SharedSendRate(parts.turns, parts.channel, parts.stop, patience=FARTHEST_SECONDS)
        self._reactions = Reactions(
            parts.reaction_ledgers,
            parts.settings,
            self._gate,
            self._rate,
            parts.stored_reply,
            sends_emails=parts.sends_emails,
        )
        self._compiled = CompiledJobs(parts.ledger, parts.renderer)
        self._coordination = CoordinationWatch(parts.workers, parts.process)
        self._missing = MissingValues()
        self._isolated = self._isolated_renders()
        self._idle = idle or IdleTime()
        self._learned: IdleTime | None = None
        self._away = NEUTRAL_DELAY_SECONDS / 2
        self._seen: Counter[str] = Counter()
        self._invocations = 0

    def invoke(self, event: Any, context: InvocationContext) -> dict[str, list[dict[str, str]]]:
        """Take the messages of an event to their fates. Returns those that are to come again. Never raises."""
        read = read_event(event, self._parts.queue.url)
        if read.unreadable or read.other_queues:
            log.error("event_refused", unreadable=read.unreadable, other_queues=sorted(read.other_queues))
            return {"batchItemFailures": WHOLE_BATCH}
        if not read.messages:
            return {"batchItemFailures": []}
        queue = EventQueue(self._parts.queue, read.messages)
        deadline = Deadline(context, self._transport.wire_seconds)
        self._thaw()
        self._seen.clear()
        self._isolated = self._isolated_renders()
        try:
            self._work(read.messages, queue, deadline)
        except (DatabaseGone, QueueGone) as gone:
            log.warning("batch_not_finished", reason=str(gone))
        except Exception:
            log.exception("batch_failed")
        self._isolated.close()
        self._missing.close()
        self._say(read.messages, queue, deadline)
        self._idle.used()
        return {"batchItemFailures": [{"itemIdentifier": sqs_id} for sqs_id in queue.failures]}

    def _isolated_renders(self) -> IsolatedRenders:
        """Those of one invocation. What was received in vain is rendered in another process, which ends with it."""
        parts = self._parts
        return IsolatedRenders(parts.start_rendering, parts.ledger.job, self._reactions.pause_job, parts.render_seconds)

    def _thaw(self) -> None:
        """Trust no connection to the database that was frozen. The transport sees to its own."""
        if self._idle.exceeds(FREEZE_SECONDS):
            self.database.close()

    def _work(self, messages: Sequence[Received], queue: EventQueue, deadline: Deadline) -> None:
        if not deadline.allows_a_send:
            remedy = "Set aws_lambda.timeout_seconds to the function's own timeout."
            log.error("invocation_too_short", seconds=round(deadline.remaining), needed=deadline.needed, todo=remedy)
        token = new_token()
        entry = self._enter(token, deadline)
        self._gate.begin(entry)
        batch = Batch(messages, self._hands(queue, deadline), Hold(list(messages)))
        if entry.seconds > 0:
            batch.put_off()
            return
        self._rate.wanted, self._rate.away = len(messages), 0.0
        try:
            if self._knows():
                self._work_off(batch, messages, queue, deadline)
            else:
                batch.put_off()
        finally:
            if entry.reason is not None:
                self._parts.gate.leave(token)

    def _work_off(self, batch: Batch, messages: Sequence[Received], queue: EventQueue, deadline: Deadline) -> None:
        """Most of the batch together. What was received too often may end its sandbox, and then takes nothing along."""
        most = self._parts.settings.max_attempts
        suspects = [message for message in messages if message.receive_count > most]
        if not suspects:
            batch.work()
        else:
            usual = [message for message in messages if message.receive_count <= most]
            for some in (usual, *([one] for one in suspects)):
                Batch(some, self._hands(queue, deadline), Hold(list(some))).work()
        self._away = NEUTRAL_DELAY_SECONDS / 2

    def _knows(self) -> bool:
        """Learn what all know. False: the database does not answer, or SES has not told its rate yet."""
        try:
            self._learn()
        except DatabaseGone as gone:
            log.warning("limits_unknown", reason=str(gone))
            self._stay_away_longer()
            return False
        return self._parts.rate.known

    def _stay_away_longer(self) -> None:
        """Each time that the database does not answer."""
        self._away = min(LONGEST_DELAY_SECONDS, self._away * 2)

    def _enter(self, token: int, deadline: Deadline) -> GateEntry:
        """What the gate says. While the database does not answer, nothing is claimed."""
        try:
            return self._parts.gate.enter(token, deadline.remaining + LEASE_MARGIN_SECONDS)
        except DatabaseGone as gone:
            log.warning("gate_unknown", reason=str(gone))
            self._stay_away_longer()
            return GateEntry(self._away)

    def _learn(self) -> None:
        """Learn which domains are held, and what the limits are. Say that the function lives."""
        if self._learned is not None and not self._learned.exceeds(LEARN_SECONDS):
            return
        parts = self._parts
        self._reactions.learn_holds()
        if parts.pacing is not None:
            parts.pacing.learn()
        parts.workers.beat(parts.process, sending=False, detail=self._gate.reason, alive_seconds=0)
        self._coordination.look()
        limit = parts.rate()
        if parts.rate.known:
            self._rate.set_limits(parts.paces.limits(parts.channel, limit))
            self._learned = IdleTime()

    def _hands(self, queue: EventQueue, deadline: Deadline) -> Hands:
        parts = self._parts
        journal = Journal(parts.ledger, parts.send_lease_seconds, deadline.give_up, deadline.beat, deadline.before_wire)
        delivery = Delivery(
            parts.renderer,
            self._transport,
            journal,
            parts.rules,
            partial(self._rate.take, deadline.before_wire),
            self._reactions.judge,
            self._missing.add,
            stored_reply=parts.stored_reply,
        )
        return Hands(
            ledger=parts.ledger,
            queue=queue,
            delivery=delivery,
            journal=journal,
            compiled=self._compiled.get,
            lease_seconds=math.ceil(deadline.remaining + LEASE_MARGIN_SECONDS),
            visibility_seconds=parts.visibility_seconds,
            may_go_on=lambda: deadline.allows_a_send and not self._gate.tripped,
            react=self._react,
            held=self._reactions.hold_of,
            pacing=parts.pacing.of_batch if parts.pacing is not None else lambda: None,
            isolated=self._isolated,
            beat=deadline.beat,
            ahead_bytes=AHEAD_BYTES,
            neutral_delay=self._neutral_delay,
        )

    def _react(self, email: Email, outcome: Outcome) -> None:
        self._seen[outcome.verdict] += 1
        self._reactions.react(email, outcome)

    def _neutral_delay(self) -> float:
        """After how many seconds messages come again that were put off: when they can be sent, and not all at once."""
        away = self._away if self._away > NEUTRAL_DELAY_SECONDS else 0.0
        least = max(NEUTRAL_DELAY_SECONDS, self._gate.pause, self._rate.away, away)
        return min(least, LONGEST_DELAY_SECONDS) * random.uniform(1, SPREAD)  # noqa: S311 - spreads load, guards nothing

    def _say(self, messages: Sequence[Received], queue: EventQueue, deadline: Deadline) -> None:
        self._invocations += 1
        log.info(
            "invocation_ended",
            first=self._invocations == 1,
            messages=len(messages),
            again=len(queue.failures),
            remaining_seconds=round(deadline.remaining, 1),
            **{f"verdict_{verdict}": count for verdict, count in self._seen.items()},
        )
