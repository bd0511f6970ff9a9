"""A process's breaker, and the channel's gate that it shares with functions."""

from datetime import datetime

from eed_delivery.ledger.gates import Gate, SeenGate
from eed_delivery.worker.breaker import Breaker


class SharedGate:
    """Tells either of the other, once a heartbeat. The path of an email has no part in it.

    A process that probes finds sooner that the way out works again than a function, which only tries it.
    """

    def __init__(self, gate: Gate, breaker: Breaker) -> None:
        self._gate = gate
        self._breaker = breaker
        self._ours = False  # the gate was shut because of our breaker, or our breaker tripped because of the gate
        self._known: datetime | str | None = None
        self._on_trial = False
        self._answers = breaker.answers  # at the last step
        self._seen: tuple[datetime | str | None, int] | None = None  # a gate that is shut, and the answers by then

    def step(self) -> None:
        """Raises `DatabaseGone`. A gate is shut once for each time that our breaker trips: another host may have opened
        it since, because its own way out works."""
        reason = self._breaker.reason
        if reason is not None:
            self._tell(reason)
        elif self._ours:
            self._gate.open_proven(self._known)
            self._ours = self._on_trial = False
        else:
            self._heed()
        self._answers = self._breaker.answers

    def _tell(self, reason: str) -> None:
        if self._breaker.open and not self._ours:
            self._gate.shut(reason)
            self._known, self._ours = self._gate.look().shut_at, True
        elif self._ours and not self._breaker.open and not self._on_trial:
            self._gate.try_now(self._known)  # a probe has succeeded: nothing is published while it is shut
        self._on_trial = not self._breaker.open

    def _heed(self) -> None:
        """Open the gate if we have had an answer since it was shut, whoever shut it. Otherwise trip once for each time
        that it is shut, and not while answers come. What we then find out ourselves counts."""
        seen = self._gate.look()
        if seen.reason is None:
            self._seen = None
        elif self._seen is None or self._seen[0] != seen.shut_at:
            self._seen = (seen.shut_at, self._breaker.answers)
        elif self._breaker.answers > self._seen[1]:
            self._gate.open_proven(seen.shut_at)
            return
        self._trip_by(seen)

    def _trip_by(self, seen: SeenGate) -> None:
        answers = self._breaker.answers > self._answers
        if seen.seconds > 0 and seen.reason is not None and seen.shut_at != self._known and not answers:
            self._known, self._ours = seen.shut_at, True
            self._breaker.trip(seen.reason)
