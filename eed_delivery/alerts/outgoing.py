"""A thread for each receiver: an alert waits there for its turn, and a receiver that hangs delays no other."""

import queue
import threading
import time
from dataclasses import replace

import structlog

from eed_delivery.alerts.alert import Alert
from eed_delivery.alerts.receivers import AlertReceiver, NotHandedOver
from eed_delivery.logs import unheard

log = structlog.get_logger(__name__)

WAITING = 20
"""Limit: alerts that wait for one receiver. Further ones are dropped, and counted."""
PAUSES_SECONDS = (2.0, 15.0, 60.0)
"""Before the second, third and fourth try."""


class Outgoing:
    """One way out. `put` never waits. The rest happens in the thread, which begins with the first alert."""

    def __init__(self, receiver: AlertReceiver, pauses_seconds: tuple[float, ...] = PAUSES_SECONDS) -> None:
        self._receiver = receiver
        self._pauses = pauses_seconds
        self._alerts: queue.Queue[Alert | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._lost = 0

    @property
    def lost(self) -> int:
        """Alerts that were dropped and not reported yet."""
        return self._lost

    def put(self, alert: Alert) -> None:
        """Have it sent. To be called by one thread only."""
        try:
            self._alerts.put_nowait(alert)
        except queue.Full:
            self._give_up(alert, f"{WAITING} alerts wait already")
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self._receiver.label, daemon=True)
            self._thread.start()

    def close(self, until: float) -> None:
        """Let what waits go out until `until` (`time.monotonic()`), each with one try more. The thread is a daemon and
        holds up no exit."""
        self._closing.set()
        if self._thread is None:
            return
        try:
            self._alerts.put(None, timeout=max(0.0, until - time.monotonic()))
        except queue.Full:
            return
        self._thread.join(max(0.0, until - time.monotonic()))

    def _run(self) -> None:
        with unheard():
            while (alert := self._alerts.get()) is not None:
                self._hand_over(alert)

    def _hand_over(self, alert: Alert) -> None:
        problem = self._try(alert)
        for pause in self._pauses:
            if not problem or self._closing.is_set():
                break
            log.warning("alert_delayed", rule=alert.rule, receiver=self._receiver.label, reason=problem)
            self._closing.wait(pause)
            problem = self._try(alert)
        if problem:
            self._give_up(alert, problem)

    def _try(self, alert: Alert) -> str:
        """Why it has not left. "" when it has."""
        lost = self._lost
        try:
            self._receiver.send(replace(alert, lost=lost))
        except NotHandedOver as error:
            return str(error) or "no reason was given"
        except Exception as error:  # a defect of ours, or of a library: this way only, and not its thread
            log.exception("alert_defect", rule=alert.rule)
            return type(error).__name__
        with self._lock:
            self._lost -= lost
        log.info("alert_sent", rule=alert.rule, receiver=self._receiver.label)
        return ""

    def _give_up(self, alert: Alert, reason: str) -> None:
        with self._lock:
            self._lost += 1
        log.error("alert_lost", rule=alert.rule, receiver=self._receiver.label, reason=reason)
