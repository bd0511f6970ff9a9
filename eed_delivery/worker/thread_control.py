"""How many threads are worth it: decided from what the present ones achieve, without threads, clocks or I/O.

More threads are a trial. It ends with the next observation: throughput has grown with them, or the number goes back and
the next trial waits longer. A mail server that refuses, and memory, end it at once.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from eed_delivery.config.threads import AUTO_FIRST, AUTO_LEAST, AUTO_MOST

BUSY = 0.8
"""Threads that have emails in hand for less than this share of the time could send more as they are."""
RAN_OUT = 0.5
"""Below this share emails ran out during a trial, which then says nothing about the next one."""
IDLE = 0.05
"""Below this share there are no emails."""
WORTH = 0.1
"""The share of the throughput that added threads should bring in proportion, and at least have to."""
STEEP = 0.5
"""The same from which on the next trial doubles the threads again. Below it the limit is near."""
SLOWER = 1.5
"""An email that takes this many times as long as before, without more throughput, means too many threads."""
PAUSE_SECONDS = 15.0
MOST_PAUSE_SECONDS = 240.0
"""From a trial that brought nothing to the next. It doubles."""
REFUSED_PAUSE_SECONDS = 120.0
MOST_REFUSED_PAUSE_SECONDS = 1920.0
"""The same after the mail server refused, or memory ran short."""
IDLE_SECONDS = 60.0
"""Without emails the number goes back to the first one after this time."""


class ThreadChange(StrEnum):
    """Why the number of threads changed."""

    TRIAL = "more threads on trial"
    NO_GAIN = "more threads sent no more"
    SLOWER = "emails took longer, and throughput did not grow"
    REFUSED = "the mail server refused"
    MEMORY = "memory is short"
    IDLE = "no emails"


@dataclass(frozen=True, slots=True)
class ThreadLimits:
    """Between what numbers of threads, where to begin, and the resident memory in bytes that a process may take."""

    memory_bytes: float
    least: int = AUTO_LEAST
    first: int = AUTO_FIRST
    most: int = AUTO_MOST


@dataclass(frozen=True, slots=True)
class ThreadsObserved:
    """What the threads achieved in `seconds`.

    - `answered`: emails that came to an outcome.
    - `busy`: the share of the time for which a thread had emails in hand, 0 to 1.
    - `refused`: replies that mean too much at once.
    - `shut`: whether the breaker was open. Then the figures say nothing about threads.
    - `memory_bytes`: resident memory of the process.
    """

    seconds: float
    answered: int
    busy: float
    refused: int = 0
    shut: bool = False
    memory_bytes: float = 0

    @property
    def per_second(self) -> float:
        return self.answered / self.seconds


@dataclass(frozen=True, slots=True)
class ThreadPlan:
    """How many threads are wanted, and what that decision rests on.

    - `before`: the number before the trial that runs. None: none runs.
    - `per_second`: the throughput to compare with. None: it is not known.
    - `settling`: threads have just begun or ended, so the next observation is not judged.
    - `climbing`: the trials until now have brought much, so the next one doubles the number.
    - `pause`, `wait`: seconds between trials after the next failure, and until the next one.
    - `idle`: seconds without emails.
    """

    wanted: int
    why: ThreadChange | None = None
    before: int | None = None
    per_second: float | None = None
    settling: bool = False
    climbing: bool = True
    pause: float = PAUSE_SECONDS
    wait: float = 0.0
    idle: float = 0.0

    def next(self, seen: ThreadsObserved, limits: ThreadLimits) -> "ThreadPlan":
        """The plan after one more observation."""
        if seen.refused or (seen.shut and self.before is not None):
            return self._shrunk(ThreadChange.REFUSED, limits)
        if seen.memory_bytes > limits.memory_bytes:
            return self._shrunk(ThreadChange.MEMORY, limits)
        if seen.shut:
            return replace(self, per_second=None)
        idle = self.idle + seen.seconds if seen.busy < IDLE else 0.0
        if idle >= IDLE_SECONDS:
            return self._rested(limits)
        plan = replace(self, idle=idle, wait=max(0.0, self.wait - seen.seconds))
        if plan.settling:
            return replace(plan, settling=False)
        if plan.before is not None:
            return plan._judged(plan.before, seen, limits)
        if seen.busy < BUSY:
            return replace(plan, per_second=None)
        return plan._steady(seen, limits)

    def _shrunk(self, why: ThreadChange, limits: ThreadLimits) -> "ThreadPlan":
        """Fewer threads, and a long wait until more are tried."""
        wanted = min(self.wanted * 3 // 4, self.before or self.wanted)
        pause = min(MOST_REFUSED_PAUSE_SECONDS, max(REFUSED_PAUSE_SECONDS, self.pause * 2))
        return ThreadPlan(max(limits.least, wanted), why, settling=True, climbing=False, pause=pause, wait=pause)

    def _rested(self, limits: ThreadLimits) -> "ThreadPlan":
        """No emails for a while. The next ones find the service as after its start."""
        if self.wanted > limits.first:
            return ThreadPlan(limits.first, ThreadChange.IDLE)
        return ThreadPlan(self.wanted, self.why)

    def _judged(self, before: int, seen: ThreadsObserved, limits: ThreadLimits) -> "ThreadPlan":
        """The end of a trial."""
        fair = 1 + (self.wanted / before - 1) * WORTH
        if self.per_second is None or seen.per_second >= self.per_second * fair:
            steep = self.per_second is None or seen.per_second >= self.per_second * (
                1 + (self.wanted / before - 1) * STEEP
            )
            kept = replace(self, before=None, per_second=seen.per_second, climbing=self.climbing and steep)
            return kept._tried(seen, limits) if seen.busy >= BUSY else kept
        back = ThreadPlan(
            before, ThreadChange.NO_GAIN, settling=True, climbing=self.climbing, pause=self.pause, wait=self.pause
        )
        if seen.busy < RAN_OUT:
            return replace(back, idle=self.idle)
        return replace(back, climbing=False, pause=max(self.pause, min(MOST_PAUSE_SECONDS, self.pause * 2)))

    def _steady(self, seen: ThreadsObserved, limits: ThreadLimits) -> "ThreadPlan":
        """No trial runs. Throughput that fell by a third with as many busy threads is an email that took longer."""
        if self.per_second is not None and seen.per_second * SLOWER < self.per_second:
            wanted = max(limits.least, self.wanted * 3 // 4)
            why = ThreadChange.SLOWER if wanted < self.wanted else self.why
            return ThreadPlan(wanted, why, settling=True, climbing=False, pause=self.pause, wait=self.pause)
        return replace(self, per_second=seen.per_second)._tried(seen, limits)

    def _tried(self, seen: ThreadsObserved, limits: ThreadLimits) -> "ThreadPlan":
        """More threads, if it is time for a trial."""
        more = min(limits.most, self.wanted * 2 if self.climbing else self.wanted + max(1, self.wanted // 4))
        if self.wait > 0 or more <= self.wanted or seen.memory_bytes > limits.memory_bytes * 0.9:
            return self
        return replace(self, wanted=more, why=ThreadChange.TRIAL, before=self.wanted, settling=True)
