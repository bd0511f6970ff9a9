"""One worker process, with what its threads share, and how it starts and stops."""

import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import structlog

from eed_delivery.archive.copies import Copies
from eed_delivery.config import WorkerSettings
from eed_delivery.config.threads import first_threads
from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger.answers import AnswersLedger
from eed_delivery.ledger.delivering.claims import JobRef
from eed_delivery.ledger.delivering.domain_holds import DomainHolds
from eed_delivery.ledger.delivering.ledger import DeliveryLedger
from eed_delivery.ledger.gates import Gate
from eed_delivery.ledger.operating import OperatingLedger
from eed_delivery.ledger.paces import PaceLedger
from eed_delivery.ledger.send_turns import SendTurns
from eed_delivery.ledger.suppression.refused_addresses import RefusedAddresses
from eed_delivery.ledger.workers import HEARTBEATS, Process, ThreadCount, WorkerLedger
from eed_delivery.metrics import observing
from eed_delivery.model import Email, Outcome
from eed_delivery.queue import MAX_BATCH, Queue, Received
from eed_delivery.rendering.files import CompiledContent
from eed_delivery.rendering.renderer import MessageMaker
from eed_delivery.runtime import failpoints
from eed_delivery.runtime.defects import AGAIN_SECONDS, Defects
from eed_delivery.runtime.loop import Loop, Pulse
from eed_delivery.runtime.render_process import RenderProcess
from eed_delivery.transports import Transport
from eed_delivery.untrusted import masked_reply
from eed_delivery.worker.batch import Batch, Hands
from eed_delivery.worker.breaker import Breaker
from eed_delivery.worker.coordination import CoordinationWatch
from eed_delivery.worker.delivery import Delivery, RetryRules
from eed_delivery.worker.destination_pacing import DestinationPacing
from eed_delivery.worker.isolated_renders import IsolatedRenders
from eed_delivery.worker.journal import Journal
from eed_delivery.worker.keeper import Keeper
from eed_delivery.worker.missing_values import MissingValues
from eed_delivery.worker.reactions import ReactionLedgers, Reactions
from eed_delivery.worker.send_rate import SendRate
from eed_delivery.worker.shared_gate import SharedGate
from eed_delivery.worker.shared_rate import SharedSendRate
from eed_delivery.worker.stuck_renders import StuckRenders
from eed_delivery.worker.thread_control import ThreadLimits
from eed_delivery.worker.thread_meter import ThreadMeter
from eed_delivery.worker.thread_pool import MEMORY_BYTES, AutoThreads, ThreadPool

log = structlog.get_logger(__name__)

COMPILED_JOBS = 50
SHUT_SECONDS = 0.5
"""How long a thread waits before it asks the breaker again."""
LAST_WORDS_SECONDS = 6.0
"""Seconds before the end of the grace at which what could not be recorded is logged and abandoned."""
FAREWELL_SECONDS = 3.0
"""Seconds before the end of the grace at which threads that hang on a mail server are abandoned. The supervisor counts
the same grace from a little earlier, and must not have to kill us while we sign off."""


class ChannelRate(Protocol):
    """Gives the whole channel's limit in emails a second, or None. `known`: whether that is more than a guess."""

    @property
    def known(self) -> bool: ...

    def __call__(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class WorkerParts:
    """What the composition root hands to a worker. `rate` gives the whole service's limit in emails a second, or
    None. `send_lease_seconds` is longer than any send can take. `start_rendering` starts a process that renders emails
    which may end it, and `render_seconds` of CPU time are what one may take there."""

    ledger: DeliveryLedger
    operating: OperatingLedger
    workers: WorkerLedger
    paces: PaceLedger
    holds: DomainHolds
    dead: RefusedAddresses
    answers: AnswersLedger
    queue: Queue
    renderer: MessageMaker
    sends_emails: bool
    make_transport: Callable[[], Transport]
    rate: ChannelRate
    process: Process
    send_lease_seconds: float
    wait_seconds: float
    visibility_seconds: float
    start_rendering: Callable[[], RenderProcess] | None = None
    render_seconds: float = math.inf
    stored_reply: Callable[[str], str] = masked_reply
    """A mail server's reply as it is stored."""
    copies: Copies | None = None
    """Keeps a copy of each email, if an archive is set."""
    turns: SendTurns | None = None
    gate: Gate | None = None
    """Both are set where hosts and functions share rate and breaker by the ledger."""
    pacing: DestinationPacing | None = None
    """The pace of destination domains. None where nothing goes to domains."""


class Worker:
    """One process of the pool, with `settings.threads` threads, each with a transport of its own."""

    def __init__(
        self,
        parts: WorkerParts,
        settings: WorkerSettings,
        stop: threading.Event,
        pulse: Pulse,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts = parts
        self._settings = settings
        self._stop = stop
        self._pulse = pulse
        self._give_up = threading.Event()
        self._database_away = threading.Event()
        self._send_rate: SendRate | SharedSendRate
        if parts.turns is None:
            self._send_rate = SendRate(stop, clock)
        else:
            self._send_rate = SharedSendRate(parts.turns, parts.process.channel, stop, clock)
        self._probe = parts.make_transport()
        self._breaker = Breaker(self._probe.probe, settings.probe_seconds, clock)
        self._shared_gate = SharedGate(parts.gate, self._breaker) if parts.gate is not None else None
        self._coordination = CoordinationWatch(parts.workers, parts.process, clock)
        self._keeper = Keeper(parts.queue, parts.ledger, parts.visibility_seconds, settings.lease_seconds)
        self._reactions = Reactions(
            ReactionLedgers(parts.operating, parts.holds, parts.dead, parts.answers),
            settings,
            self._breaker,
            self._send_rate,
            parts.stored_reply,
            sends_emails=parts.sends_emails,
            clock=clock,
        )
        self._compiled = CompiledJobs(parts.ledger, parts.renderer)
        self._missing = MissingValues()
        self._defects = Defects()
        self._stuck = StuckRenders(pulse.stuck, parts.ledger, self._reactions.pause_job)
        self._isolated = self._isolated_renders(parts, pulse)
        self._meter = ThreadMeter(clock)
        self._pool = ThreadPool(self._thread)
        self._auto = self._auto_threads(clock) if settings.threads == "auto" else None
        self._beats = 0
        self._share: float | None = None  # as we have told it
        self._rules = RetryRules(
            settings.max_attempts,
            settings.retry_delay_seconds,
            settings.retry_growth,
            settings.retry_max_delay_seconds,
            settings.doubt,
        )

    def _auto_threads(self, clock: Callable[[], float]) -> AutoThreads:
        return AutoThreads(self._pool, ThreadLimits(MEMORY_BYTES), self._meter, lambda: self._breaker.open, clock=clock)

    def _isolated_renders(self, parts: WorkerParts, pulse: Pulse) -> IsolatedRenders | None:
        if parts.start_rendering is None:
            return None
        return IsolatedRenders(
            parts.start_rendering, parts.ledger.job, self._reactions.pause_job, parts.render_seconds, pulse.died
        )

    def run(self, grace_seconds: float) -> None:
        """Work until `stop` is set, then finish what is on the wire, hand the rest back and return within
        `grace_seconds`."""
        side_stop = threading.Event()  # the keeper works until the last thread has let go
        side = [
            Loop("keeper", self._keeper.step, side_stop, self._pulse).start(),
            _start(Loop("breaker", self._breaker.step, side_stop, self._pulse), self._probe),
            Loop("heartbeat", self._heartbeat, side_stop, self._pulse).start(),
            Loop("missing", self._missing.step, side_stop, self._pulse).start(),
            Loop("defects", self._count_defects, side_stop, self._pulse).start(),
        ]
        self._stuck.end_all(self._stop, partial(self._pulse.beat, "stuck"))  # before anything of them can be claimed
        self._pulse.forget("stuck")
        self._pool.resize(first_threads(self._settings.threads))
        if self._auto is not None:
            side.append(Loop("threads", self._auto.step, self._stop, self._pulse).start())
        self._stop.wait()
        self._pool.stop()
        threads = self._pool.all
        log.info("stopping", threads=len(threads))
        _join(threads, grace_seconds - LAST_WORDS_SECONDS)
        self._give_up.set()
        _join(threads, LAST_WORDS_SECONDS - FAREWELL_SECONDS)
        side_stop.set()
        _join(side, 1.0)
        self._leave()

    def _leave(self) -> None:
        observing.flush(at_once=True)
        self._missing.close()
        if self._isolated is not None:
            self._isolated.close()
        try:
            self._parts.workers.leave(self._parts.process)
        except DatabaseGone as error:
            log.warning("heartbeat_left_behind", reason=str(error))

    def _thread(self, number: int, stop: threading.Event) -> threading.Thread:
        name = f"worker-{number}"
        transport = self._parts.make_transport()
        hands = self._hands(number, name, transport)
        loop = Loop(name, lambda: self._step(hands), stop, self._pulse)
        return _start(loop, transport, self._parts.ledger.let_go)

    def _hands(self, number: int, name: str, transport: Transport) -> Hands:
        renders = self._pulse.renders
        beat = partial(self._pulse.beat, name)
        journal = Journal(self._parts.ledger, self._parts.send_lease_seconds, self._give_up, beat)
        await_turn = partial(self._send_rate.take, beat)
        return Hands(
            ledger=self._parts.ledger,
            queue=self._parts.queue,
            delivery=Delivery(
                self._parts.renderer,
                transport,
                journal,
                self._rules,
                await_turn,
                self._reactions.judge,
                self._missing.add,
                self._defects,
                partial(renders.of, number) if renders is not None else lambda _: nullcontext(),
                self._parts.stored_reply,
                self._parts.copies,
            ),
            journal=journal,
            compiled=self._compiled.get,
            lease_seconds=self._settings.lease_seconds,
            visibility_seconds=self._parts.visibility_seconds,
            may_go_on=lambda: self._may_go_on(name),
            react=self._react,
            held=self._reactions.hold_of,
            pacing=parts.pacing.of_batch if (parts := self._parts).pacing is not None else lambda: None,
            isolated=self._isolated,
            beat=beat,
        )

    def _step(self, hands: Hands) -> float:
        """Receive what this thread can send at once, and finish it."""
        if self._stop.is_set() or not self._breaker.enter():
            return SHUT_SECONDS
        try:
            self._await_database()
            messages = self._parts.queue.receive(MAX_BATCH, self._parts.wait_seconds, self._parts.visibility_seconds)
            if messages:
                failpoints.reach("worker.received")
                _observe_waits(messages)
                with self._meter.in_hand(), self._keeper.holding(messages) as hold:
                    Batch(messages, hands, hold).work()
        except DatabaseGone:
            self._database_away.set()
            raise
        finally:
            self._breaker.leave()
        return 0.0

    def _react(self, email: Email, outcome: Outcome) -> None:
        self._meter.outcome(outcome)
        self._reactions.react(email, outcome)

    def _await_database(self) -> None:
        """Receive nothing that could not be claimed, because a receive count would burn for it."""
        if self._database_away.is_set():
            self._parts.ledger.rehearse()
            self._database_away.clear()
            log.info("database_back")

    def _may_go_on(self, name: str) -> bool:
        self._pulse.beat(name)
        return not (self._stop.is_set() or self._breaker.open)

    def _count_defects(self) -> float:
        for kind, count in self._defects.left().items():
            log.error("defect_again", kind=kind, count=count)
        return AGAIN_SECONDS

    def _heartbeat(self) -> float:
        """Say that we live, take our share of the rate, and learn which domains are held."""
        interval = self._settings.heartbeat_seconds
        sharing = self._parts.workers.beat(
            self._parts.process,
            sending=not self._breaker.open,
            detail=self._breaker.reason,
            alive_seconds=HEARTBEATS * interval,
            threads=self._thread_count(),
        )
        self._reactions.learn_holds()
        parts = self._parts
        if parts.pacing is not None:
            parts.pacing.learn()
        channel, limit = parts.process.channel, parts.rate()
        share = parts.paces.share(channel, limit, sharing, HEARTBEATS * interval)
        if isinstance(self._send_rate, SharedSendRate):
            if parts.rate.known:  # a guess would slow all others down, too
                self._send_rate.set_limits(parts.paces.limits(channel, limit))
        else:
            self._send_rate.set_share(share)
            if share is not None and not self._beats and (sharing > 1 or parts.paces.is_together()):
                self._send_rate.hold_off(interval)  # the others learn of us with their next heartbeat
        if self._shared_gate is not None:
            self._shared_gate.step()
        self._coordination.look()
        observing.put("eed_breaker_open", float(self._breaker.open), parts.process.channel)
        if share is not None:
            observing.put("eed_pace_share", share, parts.process.channel)
        if share != self._share:
            parts.workers.uses(parts.process, share)
            self._share = share
        self._beats += 1
        return interval

    def _thread_count(self) -> ThreadCount | None:
        return self._auto.count if self._auto is not None else None


class CompiledJobs:
    """The compiled templates of the jobs at work, by revision. The least recently used one goes first."""

    def __init__(self, ledger: DeliveryLedger, renderer: MessageMaker) -> None:
        self._ledger = ledger
        self._renderer = renderer
        self._jobs: OrderedDict[int, tuple[int, CompiledContent]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, ref: JobRef) -> CompiledContent:
        """Raises `RenderError` when the job's templates do not compile, `DatabaseGone`."""
        with self._lock:  # sixteen threads that meet a new job compile it once
            known = self._jobs.get(ref.job_id)
            if known is None or known[0] < ref.revision:
                known = (ref.revision, self._renderer.compile(self._ledger.job(ref)))
                self._jobs[ref.job_id] = known
            self._jobs.move_to_end(ref.job_id)
            while len(self._jobs) > COMPILED_JOBS:
                self._jobs.popitem(last=False)
            return known[1]


def _observe_waits(messages: list[Received]) -> None:
    for message in messages:
        if message.waited_seconds is not None:
            observing.observe_later("eed_queue_wait_seconds", message.waited_seconds)


def _start(loop: Loop, transport: Transport, let_go: Callable[[], None] = lambda: None) -> threading.Thread:
    """Run a loop in a thread of its own. The transport belongs to that thread, and no other may close it: it may be
    waiting for a silent mail server when the worker stops. `let_go` gives back what else the thread has kept."""

    def run() -> None:
        loop.run()
        try:
            transport.close()
        finally:
            let_go()

    thread = threading.Thread(target=run, name=loop.name, daemon=True)
    thread.start()
    return thread


def _join(threads: list[threading.Thread], seconds: float) -> None:
    until = time.monotonic() + max(0.0, seconds)
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
