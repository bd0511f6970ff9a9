"""The loop class, with a step that returns seconds until the next, a stop event, and a pulse for the watchdog.

What makes loops for others is a `LoopStarter`. Threads have one each here, and in `step_schedule` they take turns.
"""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from eed_delivery.errors import DatabaseGone, QueueGone
from eed_delivery.runtime.defects import Defects
from eed_delivery.runtime.renders import DiedRender, RenderNotes, StuckRender

log = structlog.get_logger(__name__)

AWAY_SECONDS = 2.0
"""How long a loop waits after the database or the queue was found gone."""


class Pulse:
    """When each loop of this process last made progress. The watchdog goes by this.

    `renders` is where a worker notes what it renders. `stuck` are the renders for which its predecessor was replaced,
    and `died` those in which it died.
    """

    def __init__(
        self,
        renders: RenderNotes | None = None,
        stuck: Sequence[StuckRender] = (),
        died: Sequence[DiedRender] = (),
    ) -> None:
        self.renders = renders
        self.stuck = tuple(stuck)
        self.died = tuple(died)
        self._last: dict[str, float] = {}
        self._wanted: object | None = None
        self._lock = threading.Lock()

    def want(self, roles: object) -> None:
        """Ask the supervisor to run the processes that `roles` stands for, and no others of their kind."""
        with self._lock:
            self._wanted = roles

    def wanted(self) -> object | None:
        """What `want` was last given, once."""
        with self._lock:
            wanted, self._wanted = self._wanted, None
        return wanted

    def beat(self, name: str) -> None:
        with self._lock:
            self._last[name] = time.monotonic()

    def forget(self, name: str) -> None:
        with self._lock:
            self._last.pop(name, None)

    def oldest(self) -> tuple[str, float] | None:
        """The loop that has been silent longest, and for how many seconds."""
        with self._lock:
            if not self._last:
                return None
            name, at = min(self._last.items(), key=lambda item: item[1])
        return name, time.monotonic() - at


Step = Callable[[], float]
"""Does a little, and returns how many seconds to wait until it is called again."""


class RunningLoop(Protocol):
    """A loop that runs until it is stopped."""

    def stop(self) -> None:
        """Have it end after its present step. Returns at once."""
        ...

    def join(self) -> None:
        """Wait for that."""
        ...


LoopStarter = Callable[[str, Step], RunningLoop]
"""Runs a step again and again under a name."""


class SafeStep:
    """A step that never raises.

    One that finds the database or the queue gone is to be called again a little later. Any other error is a defect of
    ours, which is logged with its traceback.
    """

    def __init__(self, name: str, step: Step) -> None:
        self.name = name
        self._step = step
        self._defects = Defects()
        self.waits = False
        """Whether the last call found the database or the queue gone."""
        self.failed = False
        """Whether it had a defect."""

    def __call__(self) -> float:
        """Seconds until the next call."""
        self.waits = self.failed = False
        try:
            return self._step()
        except (DatabaseGone, QueueGone) as error:
            self.waits = True
            log.warning("waiting", loop=self.name, reason=str(error))
        except Exception as defect:
            self.failed = True
            if count := self._defects.seen(defect):
                log.exception("step_failed", loop=self.name, count=count)
        return AWAY_SECONDS


class Loop:
    """Runs `step` until `stop` is set. The step returns how many seconds to wait until the next one.

    A step that finds the database or the queue gone is run again a little later. Nothing is lost by waiting. Any other
    error is a defect of ours. It is logged with its traceback and the loop continues, because half a million emails
    must not wait for it. A loop that only ever fails makes no progress, and the watchdog will see that.
    """

    def __init__(self, name: str, step: Step, stop: threading.Event, pulse: Pulse) -> None:
        self.name = name
        self._step = SafeStep(name, step)
        self._stop = stop
        self._pulse = pulse

    def run(self) -> None:
        self._pulse.beat(self.name)
        while not self._stop.is_set():
            self._stop.wait(self._once())
        self._pulse.forget(self.name)

    def _once(self) -> float:
        seconds = self._step()
        if not self._step.failed:  # waiting for an outage to end is this loop's work, not its failure
            self._pulse.beat(self.name)
        return seconds

    def start(self) -> threading.Thread:
        """Run in a thread of its own."""
        thread = threading.Thread(target=self.run, name=self.name, daemon=True)
        thread.start()
        return thread


class LoopThread:
    """A loop in a thread of its own, with a stop event of its own."""

    def __init__(self, name: str, step: Step, pulse: Pulse) -> None:
        self._stop = threading.Event()
        self._thread = Loop(name, step, self._stop, pulse).start()

    def stop(self) -> None:
        """Have it end after its present step."""
        self._stop.set()

    def join(self) -> None:
        """Wait for that."""
        self._thread.join()
