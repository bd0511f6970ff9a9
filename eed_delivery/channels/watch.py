"""Watches which channels are there and which are held, and says which worker processes are wanted for it."""

from collections.abc import Callable
from dataclasses import dataclass

from eed_delivery.channels.directory import ChannelDirectory
from eed_delivery.ledger.holds.ledger import HoldLedger
from eed_delivery.model import HoldScope, HoldTarget

LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class WantedWorkers:
    """The workers of one channel on this host. `mark` changes with the channel's settings: they start anew then."""

    channel: str
    processes: int
    mark: str


class ChannelWatch:
    """One loop of the role `channels`."""

    def __init__(
        self,
        directory: ChannelDirectory,
        holds: HoldLedger,
        want: Callable[[tuple[WantedWorkers, ...]], None],
    ) -> None:
        self._directory = directory
        self._holds = holds
        self._want = want
        self._wanted: tuple[WantedWorkers, ...] | None = None

    def step(self) -> float:
        """Look, and say what is wanted when that has changed. Raises `DatabaseGone`: then all stays as it is."""
        held = {hold.target for hold in self._holds.all()}
        all_held = HoldTarget(HoldScope.ALL) in held
        wanted = tuple(
            WantedWorkers(channel.name, channel.processes, f"{channel.origin} {channel.version}")
            for channel in self._directory.now().values()
            if not all_held and HoldTarget(HoldScope.CHANNEL, channel.name) not in held
        )
        if wanted != self._wanted:
            self._want(wanted)
            self._wanted = wanted
        return LOOK_SECONDS
