"""What people hold: everything, a channel, a category or a destination domain. With a proof of what left last."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from eed_delivery.ledger.holds.ledger import HoldLedger, StoredHold
from eed_delivery.ledger.holds.on_wire import LastWire, OnWire
from eed_delivery.ledger.workers import SeenProcess, WorkerLedger
from eed_delivery.model import HoldScope, HoldTarget
from eed_delivery.operations.refusals import InvalidRequest, UnknownKey, WrongState
from eed_delivery.operations.values import category, domain, reason, seconds_until_moment
from eed_delivery.operations.watching import DatabaseNews, looked

__all__ = [
    "HoldOperations", "HoldProof", "HoldRequest", "HoldScope", "HoldTarget", "HoldingProcess", "LastWire", "OnWire",
    "StoredHold", "called", "hold_target",
]  # fmt: skip

EVERYTHING = HoldTarget(HoldScope.ALL)


def hold_target(scope: HoldScope, subject: str = "") -> HoldTarget:
    """What is to be held, in the form that the ledger keeps. Raises `InvalidRequest`."""
    match scope:
        case HoldScope.ALL:
            if subject:
                raise InvalidRequest("a hold of everything names nothing", which="subject")
            return EVERYTHING
        case HoldScope.DOMAIN:
            return HoldTarget(scope, domain(subject))
        case HoldScope.CATEGORY:
            return HoldTarget(scope, category(subject))
    return HoldTarget(scope, subject)


def called(target: HoldTarget) -> str:
    """A target in words."""
    if target.scope is HoldScope.ALL:
        return "everything"
    if target == HoldTarget(HoldScope.CATEGORY):
        return "jobs without a category"
    return f"{'the ' if target.scope is HoldScope.CHANNEL else ''}{target.scope} {target.subject}"


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """A target to hold. `lasts` is seconds, or a time in UTC with its zone. None: until it is released.

    Raises `InvalidRequest`.
    """

    target: HoldTarget
    reason: str
    lasts: float | datetime | None = None

    def __post_init__(self) -> None:
        reason(self.reason)


@dataclass(frozen=True, slots=True)
class HoldingProcess:
    """A worker process that is alive. `seen` means that it was heard of after the hold was in force."""

    worker_id: str
    host: str
    channel: str
    last_seen: datetime
    last_wire_at: datetime | None
    seen: bool


@dataclass(frozen=True, slots=True)
class HoldProof:
    """A hold, what is on the wire of its target, and the processes that send it."""

    hold: StoredHold
    on_wire: OnWire
    processes: tuple[HoldingProcess, ...]

    @property
    def pending(self) -> tuple[str, ...]:
        """The processes that were not heard of since."""
        return tuple(process.worker_id for process in self.processes if not process.seen)


class HoldOperations:
    """Holds and releases. Each call raises `DatabaseGone`, and `OperationRefused` for what cannot be done."""

    def __init__(
        self,
        holds: HoldLedger,
        workers: WorkerLedger,
        channels: Callable[[], Collection[str]],
        heartbeat_seconds: float,
        now: Callable[[], datetime],
    ) -> None:
        """`channels` names those that there are. `now` is the database's clock."""
        self._holds = holds
        self._workers = workers
        self._channels = channels
        self._heartbeat_seconds = heartbeat_seconds
        self._now = now

    def all(self) -> tuple[StoredHold, ...]:
        """The holds that last."""
        return self._holds.all()

    def view_target(self, target: HoldTarget) -> HoldProof:
        """The hold of a target. Raises `UnknownKey`."""
        found = self._holds.of(target)
        if found is None:
            raise UnknownKey(f"{called(target)} is not held", which="hold")
        return self._proof(found)

    def view(self, hold_id: int) -> HoldProof:
        """One hold. Raises `UnknownKey`."""
        found = next((hold for hold in self._holds.all() if hold.hold_id == hold_id), None)
        if found is None:
            raise _unknown(hold_id)
        return self._proof(found)

    def hold(self, request: HoldRequest) -> HoldProof:
        """Let nothing of a target leave from the next wire grant on. Another hold of it is replaced."""
        self._must_be_there(request.target)
        seconds = seconds_until_moment(request.lasts, self._now())
        if seconds is not None and seconds <= 0:
            raise InvalidRequest("the end of the hold has passed", which="lasts")
        try:
            held = self._holds.hold(request.target, reason(request.reason), seconds)
        except ValueError as error:
            raise WrongState(str(error), which="hold", do="See eed-delivery hold list.") from error
        return self._proof(held)

    def release(self, hold_id: int) -> StoredHold:
        """End a hold."""
        released = self._holds.release(hold_id)
        if released is None:
            raise _unknown(hold_id)
        return released

    def release_target(self, target: HoldTarget) -> None:
        """End the hold of a target."""
        self._must_be_there(target)
        hold = self._holds.of(target)
        if hold is None or self._holds.release(hold.hold_id) is None:
            held = "there is no hold of all channels" if target == EVERYTHING else f"{called(target)} is not held"
            raise WrongState(held, which="hold")

    def on_wire(self, target: HoldTarget) -> OnWire:
        """What is on the wire of a target."""
        return self._holds.on_wire(target)

    def leaving(self, target: HoldTarget, pause: Callable[[], object]) -> Iterator[OnWire | DatabaseNews]:
        """What is on the wire of a held target, with each change until nothing is. What a worker left there that died
        is settled by the sweeper. `pause` waits until the next look."""
        told: int | None = None
        while told != 0:
            if told is not None:
                pause()
            found = yield from looked(lambda: self._holds.on_wire(target), pause)
            if found.emails != told:
                yield found
            told = found.emails

    def _proof(self, hold: StoredHold) -> HoldProof:
        wire = self._holds.on_wire(hold.target)
        last = {one.worker: one.at for one in wire.last if one.worker is not None}
        processes = (
            HoldingProcess(
                process.worker_id,
                process.host,
                process.channel,
                process.last_seen,
                last.get(process.worker_id),
                hold.in_force_at is not None and process.last_seen >= hold.in_force_at,
            )
            for process in self._alive(hold.target)
        )
        return HoldProof(hold, wire, tuple(processes))

    def _alive(self, target: HoldTarget) -> Iterator[SeenProcess]:
        for process in self._workers.all():
            of_target = target.scope is not HoldScope.CHANNEL or process.channel == target.subject
            if process.role == "worker" and of_target and process.is_alive(self._heartbeat_seconds):
                yield process

    def _must_be_there(self, target: HoldTarget) -> None:
        if target.scope is not HoldScope.CHANNEL:
            return
        known = self._channels()
        if target.subject not in known:
            raise unknown_channel(target.subject, known)


def unknown_channel(name: str, known: Collection[str]) -> UnknownKey:
    """The error for a channel that is not there."""
    return UnknownKey(
        f"there is no channel {name}. The channels are {', '.join(sorted(known))}", which=f"channel {name}"
    )


def _unknown(hold_id: int) -> UnknownKey:
    what = f"there is no hold {hold_id}"
    return UnknownKey(what, which=f"hold {hold_id}", do="It may have ended. See eed-delivery hold list.")
