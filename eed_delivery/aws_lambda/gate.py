"""The breaker of a sandbox: the channel's gate in the ledger, and what this invocation has found."""

import structlog

from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger.gates import FIRST_SECONDS, Gate, GateEntry
from eed_delivery.worker.breaker import DOUBTS

log = structlog.get_logger(__name__)


class GateBreaker:
    """`WayOut` of a sandbox. The first answer that concerns all emails ends the batch, and shuts the gate for all."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._doubts = 0
        self._reason: str | None = None
        self.answers = 0
        self.tripped = False
        self.pause = 0.0
        """For how long nothing may be sent, after a trip."""

    @property
    def reason(self) -> str | None:
        """Why the way out is held to be broken. None when it is not."""
        return self._reason

    def begin(self, entry: GateEntry) -> None:
        """An invocation begins, and the gate says this."""
        self._reason, self.tripped, self.pause = entry.reason, False, entry.seconds

    def trip(self, reason: str) -> None:
        """The way out is broken."""
        if self.tripped:
            return
        self.tripped, self._reason, self.pause = True, reason, FIRST_SECONDS
        try:
            new = self._gate.shut(reason)
            self.pause = self._gate.look().seconds
        except DatabaseGone as gone:
            log.warning("gate_not_shut", reason=reason, database=str(gone))
        else:
            log.error("gate_shut", reason=reason, seconds=round(self.pause), new=new)

    def doubted(self, reply: str) -> None:
        """An email was left in doubt. A few in a row, and no more are put at risk."""
        self._doubts += 1
        if self._doubts >= DOUBTS:
            self.trip(f"{DOUBTS} emails or more in doubt without a reply between them, the last: {reply}")

    def answered(self) -> None:
        """The mail server has answered for an email, so the way out works."""
        self.answers += 1
        self._doubts = 0
        if self._reason is None or self.tripped:
            return
        try:
            if self._gate.open():
                log.info("gate_opened")
        except DatabaseGone as gone:  # it is tried again by the next invocation
            log.warning("gate_not_opened", reason=str(gone))
        self._reason = None
