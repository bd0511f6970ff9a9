"""Send rates that people set in place of the configured ones, and what each process says it uses."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime

from eed_delivery.ledger.paces import TOGETHER, PaceLedger, StoredPace
from eed_delivery.ledger.workers import SeenProcess, WorkerLedger
from eed_delivery.operations.holds import unknown_channel
from eed_delivery.operations.refusals import InvalidRequest, WrongState
from eed_delivery.operations.values import reason, seconds_until_moment

__all__ = ["TOGETHER", "PaceOperations", "PaceRequest", "PaceView", "StoredPace"]

SLOWEST, FASTEST = 0.01, 100_000.0
"""Emails a second."""


@dataclass(frozen=True, slots=True)
class PaceRequest:
    """Emails a second for a channel, or for all channels `TOGETHER`. None gives the configuration's back.

    `lasts` is seconds, or a time in UTC with its zone. None: until it is cleared. Raises `InvalidRequest`.
    """

    channel: str
    per_second: float | None
    reason: str
    lasts: float | datetime | None = None

    def __post_init__(self) -> None:
        reason(self.reason)
        if self.per_second is not None and not SLOWEST <= self.per_second <= FASTEST:
            what = f"a pace is {SLOWEST:g} to {FASTEST:,.0f} emails a second. To send nothing, hold the channel"
            raise InvalidRequest(what, which="per_second")


@dataclass(frozen=True, slots=True)
class PaceView:
    """The paces that last, and the workers that are alive, with the rate that each says it uses."""

    paces: tuple[StoredPace, ...]
    processes: tuple[SeenProcess, ...]


class PaceOperations:
    """Sets and clears paces. Each call raises `DatabaseGone`, and `OperationRefused` for what cannot be done."""

    def __init__(
        self,
        paces: PaceLedger,
        workers: WorkerLedger,
        channels: Callable[[], Collection[str]],
        heartbeat_seconds: float,
        now: Callable[[], datetime],
    ) -> None:
        """`channels` names those that there are. `now` is the database's clock."""
        self._paces = paces
        self._workers = workers
        self._channels = channels
        self._heartbeat_seconds = heartbeat_seconds
        self._now = now

    def view(self) -> PaceView:
        """What is set, and what each process says."""
        alive = (
            process
            for process in self._workers.all()
            if process.role == "worker" and process.is_alive(self._heartbeat_seconds)
        )
        return PaceView(self._paces.all(), tuple(alive))

    def set(self, request: PaceRequest) -> PaceView:
        """Set a pace, or clear it. Workers heed it with their next heartbeat."""
        self._must_be_there(request.channel)
        if request.per_second is None:
            if not self._paces.clear(request.channel, reason(request.reason)):
                which = "all channels together" if request.channel == TOGETHER else f"the channel {request.channel}"
                raise WrongState(f"there is no pace of {which}", which="pace")
            return self.view()
        seconds = seconds_until_moment(request.lasts, self._now())
        if seconds is not None and seconds <= 0:
            raise InvalidRequest("the end of the pace has passed", which="lasts")
        self._paces.set(request.channel, request.per_second, reason(request.reason), seconds)
        return self.view()

    def _must_be_there(self, channel: str) -> None:
        known = self._channels()
        if channel != TOGETHER and channel not in known:
            raise unknown_channel(channel, known)
