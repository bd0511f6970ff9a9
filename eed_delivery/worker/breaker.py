"""The breaker. While the way out is broken nothing is received, so that an outage burns no receive count (G4)."""

import threading
import time
from collections.abc import Callable

import structlog

from eed_delivery.errors import DeliveryFailure

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 1.0
IDLE_SECONDS = 0.25
DOUBTS = 5
"""Emails in doubt without any reply between them that mean an outage, hidden behind lost replies."""


class Breaker:
    """When it is closed, all threads may send.

    When it is open, none may. After a probe that succeeded, one thread at a time may, until one email has had an answer
    of any kind from the mail server.

    Pauses double from one second to `max_pause_seconds` as long as trips follow each other without such an answer.
    """

    def __init__(
        self, probe: Callable[[], None], max_pause_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._probe = probe
        self._max_pause = max_pause_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._reason: str | None = None
        self._open = False
        self._trial_by: int | None = None
        self._pause = FIRST_PAUSE_SECONDS
        self._probe_at = 0.0
        self._doubts = 0
        self.answers = 0

    @property
    def reason(self) -> str | None:
        """Why the way out is held to be broken. None when it is not."""
        return self._reason

    @property
    def open(self) -> bool:
        """True while no thread may send."""
        return self._open

    def enter(self) -> bool:
        """Ask to receive. False means not now. While the way out is on trial only one thread is let through."""
        with self._lock:
            if self._reason is None:
                return True
            if self._open or self._trial_by is not None:
                return False
            self._trial_by = threading.get_ident()
            return True

    def leave(self) -> None:
        """The thread on trial has no more emails. Without a verdict the next thread gets the trial."""
        with self._lock:
            if self._trial_by == threading.get_ident():
                self._trial_by = None

    def trip(self, reason: str) -> None:
        """The way out is broken."""
        with self._lock:
            if self._open:
                return
            self._open, self._trial_by = True, None
            self._reason = reason
            self._probe_at = self._clock() + self._pause
            pause, self._pause = self._pause, min(self._max_pause, self._pause * 2)
        log.error("breaker_open", reason=reason, probe_in_seconds=pause)

    def doubted(self, reply: str) -> None:
        """An email was left in doubt. A few in a row, and no more are put at risk."""
        with self._lock:
            self._doubts += 1
            many = self._doubts >= DOUBTS
        if many:
            self.trip(f"{DOUBTS} emails or more in doubt without a reply between them, the last: {reply}")

    def answered(self) -> None:
        """The mail server has answered for an email, so the way out works. `answers` counts them."""
        self.answers += 1
        self._doubts = 0
        if self._reason is None and self._pause == FIRST_PAUSE_SECONDS:
            return
        with self._lock:
            if self._open:
                return  # an answer that was on its way while another thread found the door shut
            closed, self._reason = self._reason is not None, None
            self._pause = FIRST_PAUSE_SECONDS
        if closed:
            log.info("breaker_closed")

    def step(self) -> float:
        """The probe loop, with one probe at a time and only while open."""
        if not self._open:
            return IDLE_SECONDS
        wait = self._probe_at - self._clock()
        if wait > 0:
            return min(wait, IDLE_SECONDS)
        try:
            self._probe()
        except DeliveryFailure as failure:
            self._still_broken(failure.reply)
        else:
            self._try_again()
        return 0.0

    def _still_broken(self, reason: str) -> None:
        with self._lock:
            self._reason = reason
            self._probe_at = self._clock() + self._pause
            self._pause = min(self._max_pause, self._pause * 2)
        log.warning("still_broken", reason=reason)

    def _try_again(self) -> None:
        with self._lock:
            self._open, self._trial_by = False, None
        log.info("breaker_on_trial")
