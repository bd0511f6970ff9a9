"""Channels as people see them: each with what holds it, what uses it, and when it is open."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from eed_delivery.channels.channel import Origin
from eed_delivery.channels.directory import FoundChannels
from eed_delivery.config import Settings
from eed_delivery.ledger.channels.listing import ChannelLedger, StoredChannel
from eed_delivery.ledger.workers import SeenProcess, WorkerLedger
from eed_delivery.operations.channel_settings import schema_of, shown_settings
from eed_delivery.operations.holds import (
    EVERYTHING,
    HoldOperations,
    HoldScope,
    HoldTarget,
    StoredHold,
    unknown_channel,
)
from eed_delivery.operations.windows import WindowView
from eed_delivery.transports.kind import kinds

ALL = "*"
"""In place of a name: every channel, those that come later too. No channel can be called this."""


@dataclass(frozen=True, slots=True)
class ChannelKindView:
    """A kind that is installed here. `schema` is the JSON Schema of a channel's settings, those of every kind too."""

    name: str
    title: str
    carries: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChannelView:
    """A channel, what holds it, and what uses it. `problem` says why it cannot be used on this host; None if it can.

    `settings` are as they were given. Of a secret they have the place only. `queue_url` is None if the channel cannot
    be used here. `jobs` are unfinished ones. `workers` are processes of all hosts that are alive. `differing` are their
    hosts, if not all of them have the same settings. `sending` is how many of them send, and `details` say why others
    do not, as their breakers do. `rate_per_second` 0 is no limit. `archive` is where copies of its emails are kept.
    `window` is its own send window. None: it has none, or all channels were asked for.
    """

    name: str
    kind: str
    origin: Origin
    version: int
    settings: Mapping[str, Any]
    queue_url: str | None
    hold: StoredHold | None
    jobs: int
    workers: int
    differing: tuple[str, ...] = ()
    problem: str | None = None
    changed_by: str | None = None
    changed_at: datetime | None = None
    made_by: str | None = None
    rate_per_second: float | str | None = None
    archive: str | None = None
    sending: int = 0
    details: tuple[str, ...] = ()
    window: WindowView | None = None


class ChannelViews:
    """Reads channels. Each call raises `DatabaseGone`."""

    def __init__(
        self,
        settings: Settings,
        look: Callable[[], FoundChannels],
        ledger: ChannelLedger,
        holds: HoldOperations,
        workers: WorkerLedger,
        window: Callable[[str], WindowView | None],
    ) -> None:
        """`look` finds the channels that there are. `window` is the send window of one of them."""
        self._settings = settings
        self._look = look
        self._ledger = ledger
        self._holds = holds
        self._workers = workers
        self._window = window

    def kinds(self) -> tuple[ChannelKindView, ...]:
        """The kinds that a channel can have here."""
        return tuple(ChannelKindView(kind.name, kind.title, kind.carries, schema_of(kind)) for kind in kinds().values())

    def all(self) -> tuple[ChannelView, ...]:
        """All channels, `default` first, then those of the file."""
        found, stored, holds = self._look(), self._ledger.all(), self._by_target()
        alive = self._alive()
        names = list(dict.fromkeys((*found.channels, *found.unusable)))
        return tuple(self._view(name, found, stored.get(name), holds, alive) for name in names)

    def one(self, name: str) -> ChannelView:
        """One channel. Raises `UnknownKey`."""
        found, stored = self._look(), self._ledger.all()
        if name not in found.channels and name not in found.unusable:
            raise unknown_channel(name, (*found.channels, *found.unusable))
        window = None if name in found.unusable else self._window(name)
        return self._view(name, found, stored.get(name), self._by_target(), self._alive(), window)

    def differing(self, name: str) -> tuple[str, ...]:
        """The hosts of a channel's workers, if not all of these have the same settings of it."""
        return _differing(self._alive().get(name, ()))

    def _by_target(self) -> dict[HoldTarget, StoredHold]:
        return {hold.target: hold for hold in self._holds.all()}

    def _alive(self) -> Mapping[str, list[SeenProcess]]:
        """The living workers of each channel."""
        alive: dict[str, list[SeenProcess]] = {}
        for process in self._workers.all():
            if process.role == "worker" and process.is_alive(self._settings.worker.heartbeat_seconds):
                alive.setdefault(process.channel, []).append(process)
        return alive

    def _view(
        self,
        name: str,
        found: FoundChannels,
        stored: StoredChannel | None,
        holds: Mapping[HoldTarget, StoredHold],
        alive: Mapping[str, Sequence[SeenProcess]],
        window: WindowView | None = None,
    ) -> ChannelView:
        channel = found.channels.get(name)
        of_ledger = stored if channel is None or channel.origin == "ledger" else None
        settings = (
            of_ledger.settings if of_ledger is not None else shown_settings(channel, self._settings.transport.kind)
        )
        workers = alive.get(name, ())
        return ChannelView(
            name=name,
            kind=str(settings.get("kind")),
            origin="file" if of_ledger is None else "ledger",
            version=0 if of_ledger is None else of_ledger.version,
            settings=settings,
            queue_url=None if channel is None else channel.queue.url,
            hold=holds.get(target_of(name)) or holds.get(EVERYTHING),
            jobs=self._ledger.unfinished_jobs(name),
            workers=len(workers),
            differing=_differing(workers),
            problem=str(found.unusable[name]) if name in found.unusable else None,
            changed_by=None if of_ledger is None else of_ledger.changed_by,
            changed_at=None if of_ledger is None else of_ledger.changed_at,
            made_by=None if of_ledger is None else of_ledger.made_by,
            rate_per_second=None if channel is None else channel.rate_per_second,
            archive=None if channel is None else channel.archive.url,
            sending=sum(one.sending for one in workers),
            details=tuple(dict.fromkeys(one.detail for one in workers if one.detail and not one.sending)),
            window=window,
        )


def target_of(channel: str) -> HoldTarget:
    """What is held with a channel, or with `ALL`."""
    return EVERYTHING if channel == ALL else HoldTarget(HoldScope.CHANNEL, channel)


def _differing(workers: Iterable[SeenProcess]) -> tuple[str, ...]:
    hosts: dict[str | None, set[str]] = {}
    for worker in workers:
        hosts.setdefault(worker.mark, set()).add(worker.host)
    return tuple(sorted(set().union(*hosts.values()))) if len(hosts) > 1 else ()
