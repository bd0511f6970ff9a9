"""The one loop class, with a step that returns seconds until the next, a stop event, and a pulse for the watchdog."""

import threading
import time
from collections.abc import Callable, Sequence

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


class Loop:
    """Runs `step` until `stop` is set. The step returns how many seconds to wait until the next one.

    A step that finds the database or the queue gone is run again a little later. Nothing is lost by waiting. Any other
    error is a defect of ours. It is logged with its traceback and the loop continues, because half a million emails
    must not wait for it. A loop that only ever fails makes no progress, and the watchdog will see that.
    """

    def __init__(self, name: str, step: Callable[[], float], stop: threading.Event, pulse: Pulse) -> None:
        self.name = name
        self._step = step
        self._stop = stop
        self._pulse = pulse
        self._defects = Defects()

    def run(self) -> None:
        self._pulse.beat(self.name)
        while not self._stop.is_set():
            self._stop.wait(self._once())
        self._pulse.forget(self.name)

    def _once(self) -> float:
        try:
            seconds = self._step()
        except (DatabaseGone, QueueGone) as error:
            log.warning("waiting", loop=self.name, reason=str(error))
            self._pulse.beat(self.name)  # waiting for an outage to end is this loop's work, not its failure
            return AWAY_SECONDS
        except Exception as defect:
            if count := self._defects.seen(defect):
                log.exception("step_failed", loop=self.name, count=count)
            return AWAY_SECONDS
        self._pulse.beat(self.name)
        return seconds

    def start(self) -> threading.Thread:
        """Run in a thread of its own."""
        thread = threading.Thread(target=self.run, name=self.name, daemon=True)
        thread.start()
        return thread
