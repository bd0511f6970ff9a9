"""The send rate where hosts and functions share one. Turns are taken from the ledger, several at a time."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping

import structlog

from eed_delivery.errors import DatabaseGone, Stopping
from eed_delivery.ledger.send_turns import MOST_TURNS, NotDue, SendTurns
from eed_delivery.worker.send_rate import SLICE_SECONDS

log = structlog.get_logger(__name__)

TURNS_AT_ONCE = MOST_TURNS
AHEAD_SECONDS = 0.5
"""Turns are taken for about so long. Those of a process that then has no email are lost."""
FARTHEST_SECONDS = 2.0
"""No turn is taken that is farther away, so that a new limit counts soon."""
HOSTS_SECONDS = 1.0
"""Hosts take no turn that is farther away than this, plus what they have waited for one. To wait costs a host nothing,
and a function gives up after `FARTHEST_SECONDS`. So busy hosts leave turns to functions, and get theirs in the end."""
STALE_SECONDS = 1.0
"""A turn that was not used for longer is gone, or an idle process would make a crowd of its turns."""


class SharedSendRate:
    """As `SendRate`, for threads of a process or for an invocation. Without limits it asks the ledger for nothing.

    `patience` is how long one may wait for a turn: all the time on a host. A function is paid by time, so `take` raises
    `Stopping` there, and `away` says when the next turn is.
    """

    def __init__(
        self,
        turns: SendTurns,
        channel: str,
        stop: threading.Event,
        clock: Callable[[], float] = time.monotonic,
        patience: float = math.inf,
    ) -> None:
        self._turns = turns
        self._channel = channel
        self._stop = stop
        self._clock = clock
        self._patience = patience
        self._limits: Mapping[str, float] | None = None
        self._due: deque[float] = deque()
        self._turnstile = threading.Lock()
        self._slowed = False
        self._waits_since: float | None = None
        self.wanted: float = math.inf
        """How many emails there are to be sent. No more turns are taken."""
        self.away = 0.0

    def set_limits(self, limits: Mapping[str, float]) -> None:
        """Emails a second of the channel and of all channels, as `PaceLedger.limits` has them."""
        if limits != self._limits:
            self._limits, self._due = limits, deque()

    def slow_down(self) -> None:
        """The provider says we are too fast."""
        self._due = deque()  # replaced and never cleared: a thread may be about to take from it
        self._slowed = True
        try:
            self._turns.slow_down(self._channel)
        except DatabaseGone as gone:  # then nothing is sent either
            log.warning("send_rate_not_lowered", reason=str(gone))

    def accepted(self) -> None:
        """The provider took an email, so the pauses may start small again."""
        if self._slowed:
            self._slowed = False
            try:
                self._turns.recover(self._channel)
            except DatabaseGone:
                self._slowed = True

    def take(self, beat: Callable[[], None] = lambda: None) -> None:
        """Wait for a turn. `beat` is called meanwhile. Raises `Stopping` when asked to stop, `DatabaseGone`."""
        if self._limits is not None and not self._limits and not self._slowed:
            return
        while not self._turnstile.acquire(timeout=SLICE_SECONDS):
            self._mind(0, beat)
        try:
            while (wait := self._turn()) > 0:
                self._mind(min(wait, SLICE_SECONDS), beat)
        finally:
            self._turnstile.release()
        self.wanted -= 1

    def _mind(self, seconds: float, beat: Callable[[], None]) -> None:
        beat()
        if self._stop.wait(seconds):
            raise Stopping("the service is stopping")

    def _turn(self) -> float:
        """Take a turn if one is due and return 0. Otherwise return how many seconds to wait. One thread at a time."""
        limits = self._limits
        if limits is None:
            if self._patience < math.inf:
                raise Stopping("the send rate is not known")
            return SLICE_SECONDS
        while True:
            due = self._due
            if not due:
                if (wait := self._fetch(limits or {self._channel: math.inf}, due)) > 0:
                    return wait
                continue
            now = self._clock()
            if now < due[0]:
                return due[0] - now
            if now - due.popleft() <= STALE_SECONDS:
                return 0.0

    def _farthest(self) -> float:
        """How far away a turn may be."""
        if self._patience < math.inf:
            return FARTHEST_SECONDS
        now = self._clock()
        if self._waits_since is None:
            self._waits_since = now
        return HOSTS_SECONDS + min(now - self._waits_since, FARTHEST_SECONDS)

    def _fetch(self, limits: Mapping[str, float], due: deque[float]) -> float:
        """Take some turns. Returns 0, or how many seconds the next one is too far away."""
        slowest = min(limits.values())
        count = int(max(1, min(TURNS_AT_ONCE, self.wanted, slowest * AHEAD_SECONDS)))
        farthest = self._farthest()
        try:
            start, gap = self._turns.take(limits, count, farthest)
        except NotDue as far:
            if far.seconds > self._patience:
                self.away = far.seconds
                raise Stopping(str(far)) from far
            return min(far.seconds - farthest, SLICE_SECONDS)
        self._waits_since = None
        first = self._clock() + start  # read afterwards, or turns would come early by what the ledger took
        due.extend(first + n * gap for n in range(count))
        return 0.0
