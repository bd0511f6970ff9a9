"""The supervisor runs one process a role. It restarts one that dies or stalls, stops all together, and reports to
systemd.
"""

import eed_delivery.runtime.light_start  # noqa: F401 - a role with an interpreter of its own begins here

# isort: split
import dataclasses
import math
import multiprocessing
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any, Protocol

import structlog

from eed_delivery.runtime.loop import Loop, Pulse
from eed_delivery.runtime.renders import DiedRender, RenderNotes, StuckRender

log = structlog.get_logger(__name__)

PULSE_SECONDS = 1.0
SHORTEST_BACKOFF_SECONDS = 1.0
LONGEST_BACKOFF_SECONDS = 30.0
HEALTHY_AFTER_SECONDS = 60.0
MUTE_SECONDS = 5 * PULSE_SECONDS
"""A process that is not heard of for so long while a render is stuck cannot run any Python: nothing can be finished."""
LEAVE_SECONDS = 20.0
"""So long the other threads of a process with a stuck render may finish what they have on the wire."""
STOP_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})


class Notifier(Protocol):
    """What sd_notify(3) needs, a line of state."""

    def notify(self, state: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Role:
    """One process of the service. `work` must be importable by name. The process is forked from a fork server, which
    has neither threads nor connections. So a role starts at once and starts clean. It is called with the stop
    event and the pulse, and returns when the stop event is set, or, with `once`, when it is done.
    """

    name: str
    work: Callable[[threading.Event, Pulse], None]
    once: bool = False
    vital: bool = True
    """Whether the service is ready, and systemd's watchdog fed, only while this process makes progress."""
    mark: str = ""
    """Not empty: another role says whether this one is wanted. When its mark changes, the process is replaced."""
    apart: bool = False
    """Whether it has an interpreter of its own, without what the others share. It starts later, and is smaller."""


@dataclass(eq=False)
class Child:
    """A role's process as the supervisor sees it. Times are `time.monotonic()`."""

    role: Role
    process: BaseProcess
    pipe: Connection
    started_at: float
    progress_at: float
    renders: RenderNotes
    heard_at: float
    pulsed: bool = False
    leave_by: float = math.inf
    """When it is killed at the latest, after it was asked to leave because of a stuck render."""
    stop_by: float = math.inf
    """The same, after it was asked to stop because its role is not wanted any more, or has changed."""


@dataclass
class RoleSlot:
    """The process of a role, over its restarts."""

    role: Role
    child: Child | None = None
    done: bool = False
    start_at: float = 0.0
    backoff: float = field(default=SHORTEST_BACKOFF_SECONDS)
    wanted: bool = True
    """Whether it is started again."""
    stuck: list[StuckRender] = field(default_factory=list)
    """Renders for which its last process was replaced: the next one fails these emails."""
    died: list[DiedRender] = field(default_factory=list)
    """Renders in which its last process died: the next one renders emails of these jobs in a process of their own."""


def stop_on_signals(stop: threading.Event) -> None:
    """Set `stop` on SIGTERM or SIGINT. To be called in the main thread.

    The handlers do nothing. Python writes the signal to a socket, and a thread that waits there sets the event. An
    event that is set inside a handler can meet its own lock half-way taken by the very thread it interrupted.
    (Blocked signals and sigwait() would do as well, but multiprocessing's resource tracker unblocks them again.)
    """
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: None)
    signal.set_wakeup_fd(theirs.detach())

    def await_signal() -> None:
        while ours.recv(1):  # a second signal must find a reader, or Python complains on stderr
            stop.set()

    threading.Thread(target=await_signal, name="signals", daemon=True).start()


class Supervisor:
    """Keeps one process a role alive until `stop` is set.

    A process that dies is started again, later each time it dies young. One whose loops make no progress for
    `stall_seconds` is killed and started again. What it held comes back by leases and visibility timeouts. So is a
    worker in which the rendering of one email takes more than `render_seconds` of CPU time. Its successor learns which
    email that was, and fails it.
    The watchdog is fed only while every process makes progress.
    """

    def __init__(
        self,
        roles: Sequence[Role],
        notifier: Notifier,
        *,
        stop_seconds: float,
        stall_seconds: float,
        render_seconds: float = math.inf,
        preload: Sequence[str] = (),
        wanted: Callable[[Any], Sequence[Role]] = lambda _: (),
    ) -> None:
        """`preload` are modules that every role needs. They are imported once, and not again in each process. `wanted`
        turns what a role has asked for by its pulse into roles with marks."""
        self._slots = [RoleSlot(role) for role in roles]
        self._wanted = wanted
        self._notifier = notifier
        self._stop_seconds = stop_seconds
        self._stall_seconds = stall_seconds
        self._render_seconds = render_seconds
        self._stuck_of_job: Counter[int] = Counter()
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(preload))
        self._apart = multiprocessing.get_context("spawn")
        self._ready = False

    def run(self, stop: threading.Event) -> None:
        """Return when `stop` was set and every process has ended, or when every `once` role is done."""
        while not stop.is_set() and not all(slot.done for slot in self._slots):
            self._tend()
            self._report()
            stop.wait(PULSE_SECONDS / 2)
        self._stop_all()

    def _tend(self) -> None:
        now = time.monotonic()
        self._slots = [slot for slot in self._slots if slot.wanted or slot.child is not None]
        for slot in self._slots:
            if slot.child is None and not slot.done and now >= slot.start_at:
                slot.child = self._start(slot)
                slot.stuck, slot.died = [], []
        self._hear()
        for slot in self._slots:
            if slot.child is not None:
                self._examine(slot, slot.child, time.monotonic())

    def _start(self, slot: RoleSlot) -> Child:
        role = slot.role
        context: SpawnContext | ForkServerContext = self._apart if role.apart else self._context
        ours, theirs = context.Pipe()
        renders = RenderNotes(context)
        started_with = (role, theirs, renders, tuple(slot.stuck), tuple(slot.died))
        process = context.Process(target=run_role, args=started_with, name=role.name, daemon=True)
        process.start()
        theirs.close()  # the child's end must die with the child, and ours with us
        log.info("role_started", role=role.name, pid=process.pid)
        now = time.monotonic()
        return Child(role, process, ours, started_at=now, progress_at=now, renders=renders, heard_at=now)

    def _hear(self) -> None:
        """Each child reports, once a second, how long its slowest loop has been silent."""
        children = {slot.child.pipe: slot.child for slot in self._slots if slot.child is not None}
        while ready := wait(children, timeout=0):
            for pipe in ready:
                child = children[pipe]  # type: ignore[index]
                try:
                    silent, wish = child.pipe.recv()
                except (EOFError, OSError):
                    del children[pipe]  # type: ignore[arg-type]
                else:
                    child.heard_at = time.monotonic()
                    child.progress_at, child.pulsed = child.heard_at - silent, True
                    if wish is not None:
                        self._adopt(self._wanted(wish))

    def _adopt(self, roles: Sequence[Role]) -> None:
        """Run these of the roles with a mark, and no others of them. One whose mark has changed is replaced."""
        wanted = {role.name: role for role in roles}
        for slot in self._slots:
            if not slot.role.mark:
                continue
            role = wanted.pop(slot.role.name, None)
            slot.wanted = role is not None
            if role is None or role.mark != slot.role.mark:
                self._ask_to_stop(slot)
            slot.role = role or slot.role
        self._slots += [RoleSlot(role) for role in wanted.values()]

    def _ask_to_stop(self, slot: RoleSlot) -> None:
        if slot.child is not None and slot.child.stop_by == math.inf:
            log.info("role_stopped", role=slot.role.name, pid=slot.child.process.pid)
            slot.child.stop_by = time.monotonic() + self._stop_seconds
            slot.child.process.terminate()

    def _examine(self, slot: RoleSlot, child: Child, now: float) -> None:
        if not child.process.is_alive():
            self._bury(slot, child, now)
        elif child.stop_by < math.inf:
            if now > child.stop_by:
                child.process.kill()
        elif now - child.progress_at > self._stall_seconds:
            log.error("role_stalled", role=child.role.name, pid=child.process.pid, seconds=now - child.progress_at)
            child.process.kill()
        elif child.leave_by < math.inf:
            if now > child.leave_by or now - child.heard_at > MUTE_SECONDS:
                child.process.kill()
        elif (stuck := child.renders.stuck(child.process.pid, self._render_seconds)) is not None:
            self._replace(slot, child, stuck)

    def _replace(self, slot: RoleSlot, child: Child, stuck: StuckRender) -> None:
        """Ask a process to leave in which a render is stuck. Its other threads finish what they have on the wire."""
        self._stuck_of_job[stuck.job_id] += 1
        slot.stuck.append(dataclasses.replace(stuck, of_job=self._stuck_of_job[stuck.job_id]))
        facts = {"email_id": stuck.email_id, "job_id": stuck.job_id, "gen": stuck.gen, "seconds": round(stuck.seconds)}
        log.error("render_stuck", role=child.role.name, pid=child.process.pid, **facts)
        child.leave_by = time.monotonic() + min(LEAVE_SECONDS, self._stop_seconds)
        child.process.terminate()

    def _bury(self, slot: RoleSlot, child: Child, now: float) -> None:
        child.process.join()
        child.pipe.close()
        slot.child = None
        if child.stop_by < math.inf:
            slot.start_at, slot.backoff = now, SHORTEST_BACKOFF_SECONDS
            return
        if slot.stuck:  # its next process is to fail that email before anybody else claims it
            slot.start_at = now
            return
        if child.role.once and child.process.exitcode == 0:
            slot.done = True
            return
        if now - child.started_at > HEALTHY_AFTER_SECONDS:
            slot.backoff = SHORTEST_BACKOFF_SECONDS
        slot.start_at = now + slot.backoff
        slot.died = child.renders.left()
        facts = {"rendering": [one.email_id for one in slot.died]} if slot.died else {}
        exitcode = child.process.exitcode
        log.error("role_died", role=child.role.name, exitcode=exitcode, again_in_seconds=slot.backoff, **facts)
        slot.backoff = min(LONGEST_BACKOFF_SECONDS, slot.backoff * 2)

    def _report(self) -> None:
        alive = [slot.child for slot in self._slots if slot.child is not None]
        working = [child for child in alive if child.pulsed and child.role.vital]
        waited_for = len([slot for slot in self._slots if not slot.done and slot.role.vital])
        if len(working) < waited_for:
            return
        if not self._ready:
            self._ready = True
            self._notifier.notify("READY=1")
            log.info("ready", processes=len(alive))
        self._notifier.notify(f"WATCHDOG=1\nSTATUS={len(alive)} processes at work")

    def _stop_all(self) -> None:
        self._notifier.notify("STOPPING=1")
        children = [slot.child for slot in self._slots if slot.child is not None]
        for child in children:
            child.process.terminate()
        until = time.monotonic() + self._stop_seconds
        for child in children:
            child.process.join(max(0.0, until - time.monotonic()))
        for child in children:
            if child.process.is_alive():
                log.error("role_killed", role=child.role.name, reason=f"still busy after {self._stop_seconds} s")
                child.process.kill()
                child.process.join()
        log.info("stopped")


def run_role(
    role: Role,
    pipe: Connection,
    renders: RenderNotes | None = None,
    stuck: Sequence[StuckRender] = (),
    died: Sequence[DiedRender] = (),
) -> None:
    """A role's process. It stops on a signal, and when its supervisor is gone for any reason."""
    stop = threading.Event()
    stop_on_signals(stop)
    pulse = Pulse(renders, stuck, died)
    threading.Thread(target=_outlive_nobody, args=(pipe, stop), name="parent", daemon=True).start()
    ended = threading.Event()  # not `stop`: a process that finishes what it has is not mute
    Loop("pulse", lambda: _tell(pulse, pipe), ended, Pulse()).start()
    try:
        role.work(stop, pulse)
    finally:
        ended.set()


def _outlive_nobody(pipe: Connection, stop: threading.Event) -> None:
    try:
        pipe.recv()
    except (EOFError, OSError):
        stop.set()


def _tell(pulse: Pulse, pipe: Connection) -> float:
    oldest = pulse.oldest()
    try:
        pipe.send((0.0 if oldest is None else oldest[1], pulse.wanted()))
    except OSError:
        return PULSE_SECONDS  # the supervisor is gone; the thread that reads this pipe sees to the rest
    return PULSE_SECONDS
