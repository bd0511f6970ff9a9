"""What SQS and SES said last to a sweeper. Who looks asks neither, and gets figures with their age."""

from collections.abc import Mapping
from dataclasses import dataclass

from eed_delivery.channels.directory import ChannelDirectory
from eed_delivery.errors import QueueGone
from eed_delivery.ledger.aws_figures import AwsFigureLedger, QueueCounts, SesLimits
from eed_delivery.ledger.paces import PaceLedger
from eed_delivery.model import DEFAULT_CHANNEL, Depth

FRESH_SECONDS = 120.0
"""Older figures are unknown. A sweeper asks every 15 seconds, and a tick once a minute."""
UNKNOWN = "no sweeper has counted them for two minutes, because none runs or SQS does not answer it"


@dataclass(frozen=True, slots=True)
class QueueView:
    """The queue of a channel as SQS counts it, about. `dead` are its dead letters; None: it has no such queue."""

    channel: str
    waiting: int
    in_flight: int
    dead: int | None


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """`value` None: they are not known, and `problem` says why. `age` is that of the oldest count, in seconds."""

    value: tuple[QueueView, ...] | None
    age: float | None = None
    problem: str = ""


class AwsFigures:
    """Reads them. Each call raises `DatabaseGone`."""

    def __init__(self, ledger: AwsFigureLedger) -> None:
        self._ledger = ledger

    def queues(self) -> QueueFigures:
        """The queues of all channels."""
        fresh = self._fresh()
        if not fresh:
            return QueueFigures(None, problem=UNKNOWN)
        return QueueFigures(tuple(map(_view, fresh)), max(one.age for one in fresh))

    def depth(self) -> Depth:
        """The queue of the default channel. Raises `QueueGone` where that is not known."""
        return self._default().alive

    def dead_letters(self) -> float:
        """Those of the default channel. Raises `QueueGone` where that is not known."""
        dead = self._default().dead
        return 0.0 if dead is None else float(_all(dead))

    def limits(self) -> SesLimits | None:
        """What SES allows. None: it is not known."""
        found = self._ledger.limits()
        return found if found is not None and found.age < FRESH_SECONDS else None

    def quota_used_percent(self) -> float:
        """Of SES's quota of 24 hours. Raises `QueueGone` where that is not known."""
        limits = self.limits()
        if limits is None:
            raise QueueGone("no sweeper has asked SES for its limits within two minutes")
        return limits.used_percent

    def _default(self) -> QueueCounts:
        found = [one for one in self._fresh() if one.channel == DEFAULT_CHANNEL]
        if not found:
            raise QueueGone(UNKNOWN)
        return found[0]

    def _fresh(self) -> list[QueueCounts]:
        return [one for one in self._ledger.queues() if one.age < FRESH_SECONDS]


class AllowedRates:
    """How many emails a second all hosts may send, by channel: as configured, as SES allows, or as people set."""

    def __init__(self, directory: ChannelDirectory, figures: AwsFigures, paces: PaceLedger) -> None:
        self._directory = directory
        self._figures = figures
        self._paces = paces

    def now(self) -> Mapping[str, float]:
        """Emails a second by channel, and of all channels together (`paces.TOGETHER`). What is not limited is left out,
        and so is what SES has not said. Raises `DatabaseGone`."""
        configured = {name: channel.rate_per_second for name, channel in self._directory.now().items()}
        limits = self._figures.limits() if "ses" in configured.values() else None
        found: dict[str, float] = {}
        for name, rate in configured.items():
            if rate == "ses":
                found |= {} if limits is None else {name: limits.max_send_rate}
            elif rate:
                found[name] = rate
        return {**found, **{pace.channel: pace.per_second for pace in self._paces.all()}}


def _view(counts: QueueCounts) -> QueueView:
    dead = None if counts.dead is None else _all(counts.dead)
    return QueueView(counts.channel, counts.alive.visible + counts.alive.delayed, counts.alive.in_flight, dead)


def _all(depth: Depth) -> int:
    return depth.visible + depth.in_flight + depth.delayed
