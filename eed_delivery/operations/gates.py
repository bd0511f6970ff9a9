"""Gates: why a channel sends nothing at all, and sending again at once."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from eed_delivery.ledger.shut_gates import ShutGate, ShutGates
from eed_delivery.operations.holds import unknown_channel
from eed_delivery.operations.refusals import WrongState
from eed_delivery.operations.values import reason
from eed_delivery.reports.moments import when

__all__ = ["GateOpening", "GateOperations", "ShutGate", "gate_words"]


@dataclass(frozen=True, slots=True)
class GateOpening:
    """Which channel is to send again, and why. Raises `InvalidRequest`."""

    channel: str
    reason: str

    def __post_init__(self) -> None:
        reason(self.reason)


class GateOperations:
    """Shows and opens gates. Each call raises `DatabaseGone`, and `OperationRefused` for what cannot be done."""

    def __init__(self, gates: ShutGates, channels: Callable[[], Collection[str]]) -> None:
        """`channels` names those that there are."""
        self._gates = gates
        self._channels = channels

    def all(self) -> tuple[ShutGate, ...]:
        """The gates that are shut."""
        return self._gates.all()

    def view(self, channel: str) -> ShutGate:
        """The gate of one channel. Raises `WrongState` if it is open."""
        found = next((gate for gate in self._gates.all() if gate.channel == channel and gate.reason is not None), None)
        if found is None:
            raise self._open(channel)
        return found

    def open(self, opening: GateOpening) -> tuple[ShutGate, ...]:
        """Let a channel send again, whatever its last answer was. The next answer that concerns all emails shuts it.
        Returns the gates that are still shut."""
        if not self._gates.open_by_hand(opening.channel, reason(opening.reason)):
            raise self._open(opening.channel)
        return self._gates.all()

    def _open(self, channel: str) -> Exception:
        known = self._channels()
        if channel not in known:
            return unknown_channel(channel, known)
        return WrongState(f"the gate of the channel {channel} is open", which=f"channel {channel}")


def gate_words(gate: ShutGate) -> str:
    """Why a channel sends nothing, in sentences."""
    if gate.reason is None:
        return f"The gate of channel {gate.channel} is open. The tick turns its event source mapping on again."
    since = f"The gate of channel {gate.channel} is shut since {when(gate.shut_at)}: {gate.reason.rstrip('.')}."
    next_try = f"It is tried again in {gate.seconds:.0f} s." if gate.seconds > 0 else "It is being tried."
    if gate.mapping_off_at is None:
        return f"{since} {next_try}"
    return f"{since} {next_try} The event source mapping is off since {when(gate.mapping_off_at)}."
