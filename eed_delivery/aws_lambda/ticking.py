"""One tick: for a while the steps of publisher, sweeper and the rest take turns, and then nothing runs any more."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from eed_delivery.app.tick_function import TickParts
from eed_delivery.aws_lambda.deadline import InvocationContext
from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.workers import HEARTBEATS
from eed_delivery.runtime.idle_time import IdleTime
from eed_delivery.runtime.step_schedule import StepTally

log = structlog.get_logger(__name__)

DUTY = "tick"
HOLD_SECONDS = 90.0
"""For so long a tick that was killed keeps others from beginning. No step takes longer. It is renewed between steps."""
END_SECONDS = 10.0
"""With less time left no step is begun."""
LONGEST_WAIT_SECONDS = 1.0
FREEZE_SECONDS = 3.0
"""After longer between two ticks no connection is trusted: the sandbox may have been frozen."""


class TickSandbox:
    """One thread, which belongs to the invocation. What the parts remember lasts from one tick to the next."""

    def __init__(
        self, parts: TickParts, clock: Callable[[], float] = time.monotonic, idle: IdleTime | None = None
    ) -> None:
        """`idle`: since the last tick."""
        self._parts = parts
        self._clock = clock
        self._idle = idle or IdleTime()
        self._token = new_token()
        self._lost = False
        self._beat_at = float("-inf")

    def invoke(self, event: Any, context: InvocationContext) -> dict[str, Any]:  # noqa: ARG002 - it says nothing
        """Work for a while, and say what was done. Never raises."""
        if self._idle.exceeds(FREEZE_SECONDS):
            self._parts.database.close()
        began = self._clock()
        answer: dict[str, Any]
        try:
            answer = self._tick(context)
        except DatabaseGone as gone:
            answer = {"tick": "waits", "why": str(gone)}
        except Exception as defect:
            log.exception("tick_failed")
            answer = {"tick": "failed", "why": type(defect).__name__}
        answer["seconds"] = round(self._clock() - began, 1)
        log.info("tick_ended", **answer)
        self._idle.used()
        return answer

    def _tick(self, context: InvocationContext) -> dict[str, Any]:
        """Raises `DatabaseGone` if it cannot even begin."""
        parts = self._parts
        if not parts.duties.hold(DUTY, self._token, HOLD_SECONDS):
            return {"tick": "left", "why": "another tick is at work"}
        self._lost, self._beat_at = False, float("-inf")
        published = sum(one.published for one in parts.publishers)
        until = self._clock() + parts.work_seconds
        try:
            tally = parts.schedule.run(LONGEST_WAIT_SECONDS, lambda: self._goes_on(context, until))
        finally:
            self._rest()
        done = sum(one.published for one in parts.publishers) - published
        return {"tick": "done", "published": max(0, done), **_told(tally)}  # a channel may have gone meanwhile

    def _goes_on(self, context: InvocationContext, until: float) -> bool:
        if self._clock() >= self._beat_at:
            self._heartbeat()
        enough = context.get_remaining_time_in_millis() / 1000 >= END_SECONDS
        return enough and not self._lost and self._clock() < until

    def _heartbeat(self) -> None:
        """Keep the duty, and say that the roles live. It is no step: it must not wait for a round of them."""
        parts = self._parts
        self._beat_at = self._clock() + parts.heartbeat_seconds
        try:
            if not parts.duties.hold(DUTY, self._token, HOLD_SECONDS):
                log.warning("tick_lost", todo="Give the function tick a reserved concurrency of 1.")
                self._lost = True
                return
            for process in parts.processes:
                alive = HEARTBEATS * parts.heartbeat_seconds
                parts.workers.beat(process, sending=False, detail=None, alive_seconds=alive)
        except DatabaseGone as gone:
            log.warning("waiting", loop="heartbeat", reason=str(gone))

    def _rest(self) -> None:
        """End all threads, and let another tick begin."""
        for publisher in self._parts.publishers:
            publisher.rest()
        try:
            self._parts.duties.let_go(DUTY, self._token)
        except DatabaseGone as gone:  # it is free after a while
            log.warning("tick_not_let_go", reason=str(gone))


def _told(tally: StepTally) -> dict[str, Mapping[str, int]]:
    """How often each step was called, and which could not do their work."""
    told: dict[str, Mapping[str, int]] = {"steps": dict(tally.calls)}
    for name, counted in (("waited", tally.waited), ("failed", tally.failed)):
        if found := {step: count for step, count in counted.items() if count}:
            told[name] = found
    return told
