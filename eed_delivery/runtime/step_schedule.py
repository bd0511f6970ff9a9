"""Several loops in one thread. Their steps take turns, each when it is due."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from eed_delivery.runtime.loop import SafeStep, Step


@dataclass(eq=False)
class ScheduledStep:
    """A `RunningLoop` of a schedule."""

    step: SafeStep
    due_at: float = float("-inf")
    called_at: float = float("-inf")
    stopped: bool = False

    def stop(self) -> None:
        """It is not called again."""
        self.stopped = True

    def join(self) -> None:
        """There is nothing to wait for: whoever stops it is in the same thread."""


@dataclass
class StepTally:
    """How often steps were called, by name, and which of them waited or failed."""

    calls: Counter[str] = field(default_factory=Counter)
    waited: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)


class StepSchedule:
    """Calls steps until it is told to end. The one that has been due for longest comes first."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        """`wait` waits for some seconds, of which none may be."""
        self._clock = clock
        self._wait = wait or threading.Event().wait
        self._steps: list[ScheduledStep] = []

    def add(self, name: str, step: Step) -> ScheduledStep:
        """Call this step, too. It is a `LoopStarter`."""
        added = ScheduledStep(SafeStep(name, step))
        self._steps.append(added)
        return added

    def run(self, longest_wait: float, goes_on: Callable[[], bool]) -> StepTally:
        """Call steps while `goes_on`, which is asked between two of them and after `longest_wait` seconds at the
        latest. All are due at the beginning. The one that was not called for longest comes first, so that a short run
        leaves out none for good."""
        tally = StepTally()
        for scheduled in self._steps:
            scheduled.due_at = float("-inf")
        while goes_on():
            self._steps = [one for one in self._steps if not one.stopped]
            if not self._steps:
                break
            first = min(self._steps, key=lambda one: (one.due_at, one.called_at))
            if (seconds := first.due_at - self._clock()) > 0:
                self._wait(min(seconds, longest_wait))
                continue
            _call(first, tally, self._clock)
        return tally


def _call(scheduled: ScheduledStep, tally: StepTally, clock: Callable[[], float]) -> None:
    step = scheduled.step
    scheduled.called_at = clock()
    seconds = step()
    tally.calls[step.name] += 1
    tally.waited[step.name] += step.waits
    tally.failed[step.name] += step.failed
    scheduled.due_at = clock() + seconds
