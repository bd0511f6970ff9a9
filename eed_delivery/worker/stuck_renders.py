"""Emails whose rendering was stuck in the process before this one. They end as failed, each under its own token."""

import threading
from collections import deque
from collections.abc import Callable, Sequence

import structlog

from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger.delivering.claims import Fence
from eed_delivery.ledger.delivering.ledger import DeliveryLedger
from eed_delivery.model import Email
from eed_delivery.runtime.loop import AWAY_SECONDS
from eed_delivery.runtime.renders import StuckRender

log = structlog.get_logger(__name__)

PAUSE_AT = 3
"""So many stuck renders of one job, and it is paused: each costs a worker."""


class StuckRenders:
    """Fails them, each once."""

    def __init__(
        self, stuck: Sequence[StuckRender], ledger: DeliveryLedger, pause: Callable[[Email, str], None]
    ) -> None:
        self._stuck = deque(stuck)
        self._ledger = ledger
        self._pause = pause

    def end_all(self, stop: threading.Event, beat: Callable[[], None]) -> None:
        """End all of them. Waits for the database as long as it takes, or until `stop` is set."""
        while self._stuck and not stop.is_set():
            beat()
            try:
                self._end(self._stuck[0])
            except DatabaseGone as gone:
                log.warning("stuck_render_waits_for_database", reason=str(gone))
                stop.wait(AWAY_SECONDS)
            else:
                self._stuck.popleft()

    def _end(self, stuck: StuckRender) -> None:
        words = "its template or data kept a worker busy"
        reason = f"rendering took more than {stuck.seconds:.0f} s of CPU time: {words}, and the worker was replaced"
        fence = Fence(stuck.email_id, stuck.gen, stuck.token)
        email = self._ledger.fail_unsent(fence, reason, round(stuck.seconds * 1000))
        if email is None:
            facts = {"job_id": stuck.job_id, "email_id": stuck.email_id, "gen": stuck.gen}
            log.warning("stuck_render_not_failed", **facts, reason="it was claimed or has ended meanwhile")
            return
        log.error("stuck_render_failed", **email.log_facts(), reason=reason)
        if stuck.of_job >= PAUSE_AT:
            self._pause(email, f"{stuck.of_job} of its emails were stuck in rendering, and each cost a worker")
