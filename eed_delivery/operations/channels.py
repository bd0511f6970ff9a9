"""Channels are listed, created, changed, checked, held and removed. Those of the configuration file are only read."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from eed_delivery.channels.channel import Channel, Origin
from eed_delivery.channels.directory import ChannelDirectory, FoundChannels, checked_apart, checked_name
from eed_delivery.checks.findings import Finding
from eed_delivery.config.environment import is_own_secret
from eed_delivery.config.references import is_reference, texts_of
from eed_delivery.errors import ConfigError, DeliveryFailure, EedError, Problem
from eed_delivery.ledger.acts import new_operation
from eed_delivery.ledger.channels.listing import ChannelChange, ChannelLedger, StoredChannel
from eed_delivery.ledger.channels.listing import stored as as_stored
from eed_delivery.ledger.workers import SeenProcess, WorkerLedger
from eed_delivery.operations.channel_settings import (
    holds_secrets,
    moved_root,
    root_in_use,
    schema_of,
    shown_settings,
)
from eed_delivery.operations.checking import channels, emails, queues
from eed_delivery.operations.checking.parts import CheckedParts
from eed_delivery.operations.checks_at_once import MOST_CHECKS, ChecksAtOnce
from eed_delivery.operations.holds import (
    EVERYTHING,
    HoldOperations,
    HoldProof,
    HoldRequest,
    HoldScope,
    HoldTarget,
    OnWire,
    StoredHold,
    unknown_channel,
)
from eed_delivery.operations.refusals import UnknownKey, WrongState
from eed_delivery.operations.watching import DatabaseNews
from eed_delivery.transports.kind import kinds

__all__ = [
    "ALL", "ChannelChanged", "ChannelEdit", "ChannelKindView", "ChannelOperations", "ChannelView", "Finding",
    "NewChannel", "OnWire", "StoredHold",
]  # fmt: skip

ALL = "*"
"""In place of a name: every channel, those that come later too. No channel can be called this."""
LONGEST_VERSION = 10
"""Digits."""
OF_FILE = "it is described in the configuration file, and is only read here"


class ChannelChanged(WrongState):
    """Another person has changed the channel since it was read."""


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


@dataclass(frozen=True, slots=True)
class NewChannel:
    """A channel to create. `settings` are those of a table `[channel.NAME]` of the file, `kind` among them."""

    name: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChannelEdit:
    """New settings for a channel, all of them. `version` is the one that they were made from.

    `force`: also give it another root while jobs of it are under way, so their files lie in two places.
    """

    name: str
    settings: Mapping[str, Any]
    version: int
    force: bool = False


def version_of(text: str) -> int:
    """A channel's version as a person's request brings it back. What is none is that of no channel."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < LONGEST_VERSION else -1


class ChannelOperations:
    """Each call raises `DatabaseGone`, and `OperationRefused` for what cannot be done."""

    def __init__(
        self,
        parts: CheckedParts,
        directory: Callable[[], ChannelDirectory],
        ledger: ChannelLedger,
        holds: HoldOperations,
        workers: WorkerLedger,
        make_queues: Callable[[Channel], object],
        *,
        own_secrets: bool = True,
        checks: ChecksAtOnce | None = None,
    ) -> None:
        """`make_queues` makes those that a channel asks for. Not `own_secrets`: a channel must not refer to a secret of
        the service, or of a channel of the file, because its host would get it. `checks` limits those of all callers.
        """
        self._own_secrets = own_secrets
        self._checks = checks or ChecksAtOnce(MOST_CHECKS)
        self._parts = parts
        self._settings = parts.settings
        self._make_directory = directory
        self._ledger = ledger
        self._holds = holds
        self._workers = workers
        self._make_queues = make_queues

    def kinds(self) -> tuple[ChannelKindView, ...]:
        """The kinds that a channel can have here."""
        return tuple(ChannelKindView(kind.name, kind.title, kind.carries, schema_of(kind)) for kind in kinds().values())

    def all(self) -> tuple[ChannelView, ...]:
        """All channels, `default` first, then those of the file."""
        found, stored, holds = self._look(), self._ledger.all(), self._by_target()
        alive = self._alive()
        names = list(dict.fromkeys((*found.channels, *found.unusable)))
        return tuple(self._view(name, found, stored.get(name), holds, alive) for name in names)

    def view(self, name: str) -> ChannelView:
        """One channel. Raises `UnknownKey`."""
        found, stored = self._look(), self._ledger.all()
        if name not in found.channels and name not in found.unusable:
            raise unknown_channel(name, (*found.channels, *found.unusable))
        return self._view(name, found, stored.get(name), self._by_target(), self._alive())

    def create(self, new: NewChannel) -> ChannelView:
        """Enter a channel. Workers of it start within seconds. Its queues are made first, if it asks for that.

        Raises `ConfigError` for its settings, and `QueueGone` where queues cannot be made.
        """
        found = self._free(new.name)
        channel = self._checked(new.name, new.settings, found.channels, 1)
        operation = new_operation()  # before the queues' own, or a repeat would take made queues for the whole
        self._make_queues(channel)
        if not self._ledger.create(new.name, new.settings, operation):
            raise WrongState(f"another person has just created the channel {new.name}", which=f"channel {new.name}")
        return self.view(new.name)

    def trial(self, new: NewChannel) -> tuple[Finding, ...]:
        """Check settings that are not saved: those of a new channel, or new ones of a channel that is there.

        It tries the queue and the way out as `check` does, and saves nothing. It is in the audit before anything is
        connected to. Raises `ConfigError`."""
        channel = self._checked(new.name, new.settings, self._look().channels, 0)
        with self._checks.one():
            self._ledger.note_trial(new.name, new.settings)
            way_out = _found(f"channel {new.name}", lambda: self._way_out(channel))
            if channel.queue.create:
                return (Finding("ok", queues.place(channel), "its queues are made when it is saved"), *way_out)
            return (*(one for where, look in self._queue_looks(channel) for one in _found(where, look)), *way_out)

    def check_name(self, name: str) -> None:
        """Whether a channel of this name can be created, before its settings are asked for.

        Raises `ConfigError` for one that is none, and `WrongState` for one that is there.
        """
        checked_name(name)
        self._free(name)

    def _free(self, name: str) -> FoundChannels:
        found = self._look()
        if name in found.channels or name in found.unusable:
            raise WrongState(f"there is a channel {name} already", which=f"channel {name}", do="Use edit.")
        return found

    def edit(self, edit: ChannelEdit) -> ChannelView:
        """Replace a channel's settings. Its workers start anew with them. Raises as `create` does.

        A channel that puts files gets no other root while an unfinished job names it, or a manifest is outstanding.
        """
        stored, found = self._of_ledger(edit.name), self._look()
        channel = self._checked(edit.name, edit.settings, found.channels, edit.version + 1)
        moved = () if edit.force else moved_root(found.channels.get(edit.name), stored.settings, channel)
        if moved and self._ledger.is_in_use(edit.name):
            raise root_in_use(edit.name, moved)
        operation = new_operation()  # as in `create`
        self._make_queues(channel)
        change = self._ledger.change(edit.name, edit.settings, edit.version, operation, only_unused=bool(moved))
        if change is ChannelChange.IN_USE:
            raise root_in_use(edit.name, moved)
        if change is ChannelChange.MISSED:
            what = f"the channel {edit.name} has changed since you read it"
            raise ChannelChanged(what, which=f"channel {edit.name}", do="Look at it again, then repeat your change.")
        return self.view(edit.name)

    def remove(self, name: str) -> tuple[str, ...]:
        """Remove a channel, and return the URLs of its queues. No queue is ever deleted, whoever made it.

        A channel that unfinished jobs name is not removed.
        """
        self._of_ledger(name)
        channel = self._look().channels.get(name)
        change = self._ledger.remove(name)
        if change is ChannelChange.IN_USE:
            jobs = self._ledger.unfinished_jobs(name)
            what = f"{jobs:,} unfinished jobs name the channel {name}"
            if not jobs:
                what = f"manifests of finished jobs on the channel {name} are outstanding"
                do = f'Wait until they are put, or set manifest = "" in channel.{name}.'
                raise WrongState(what, which=f"channel {name}", do=do)
            raise WrongState(what, which=f"channel {name}", do="Wait until they have finished, or cancel them.")
        if change is ChannelChange.MISSED:
            raise UnknownKey(f"the channel {name} was removed by another person", which=f"channel {name}")
        urls = (channel.queue.url, channel.queue.dead_letter_url) if channel else ()
        return tuple(url for url in urls if url is not None)

    def check(self, name: str) -> tuple[Finding, ...]:
        """Try a channel, its queue and its way out. Nothing is sent, and nothing stays."""
        found = self._look()
        if name in found.unusable:
            return (Finding("error", f"channel {name}", str(found.unusable[name])),)
        if (channel := found.channels.get(name)) is None:
            raise unknown_channel(name, found.channels)
        looks = (*self._queue_looks(channel), (f"channel {name}", lambda: self._way_out(channel)))
        with self._checks.one():
            found_by_looks = tuple(finding for where, look in looks for finding in _found(where, look))
        return (*found_by_looks, *self._differences(name))

    def _queue_looks(self, channel: Channel) -> "Sequence[_Look]":
        place = queues.place(channel)
        return (
            (place, lambda: queues.queue(self._parts, channel)),
            (f"{place}.dead_letter_url", lambda: queues.dead_letters(self._parts, channel)),
        )

    def _differences(self, name: str) -> Iterator[Finding]:
        if hosts := _differing(self._alive().get(name, ())):
            what = f"the workers on {', '.join(hosts)} have different settings of it"
            remedy = "After a change this lasts seconds. If it stays, give all hosts the same configuration file."
            yield Finding("warning", f"channel {name}", what, remedy)

    def _way_out(self, channel: Channel) -> Iterator[Finding]:
        return emails.transport(self._parts) if channel.kind is None else channels.way_out(self._parts, channel)

    def hold(self, channel: str, reason: str, lasts: float | datetime | None = None) -> HoldProof:
        """Hold a channel, or `ALL`, as `HoldOperations.hold` does."""
        return self._holds.hold(HoldRequest(_target(channel), reason, lasts))

    def on_wire(self, channel: str) -> OnWire:
        """What is on the wire of a channel, or of `ALL`."""
        return self._holds.on_wire(_target(channel))

    def leaving(self, channel: str, pause: Callable[[], object]) -> Iterator[OnWire | DatabaseNews]:
        """As `HoldOperations.leaving`."""
        return self._holds.leaving(_target(channel), pause)

    def release(self, channel: str) -> tuple[StoredHold, ...]:
        """End the hold of a channel, or that of `ALL`. Returns the holds that there are still."""
        self._holds.release_target(_target(channel))
        return self._holds.all()

    def _by_target(self) -> dict[HoldTarget, StoredHold]:
        return {hold.target: hold for hold in self._holds.all()}

    def _of_ledger(self, name: str) -> StoredChannel:
        stored = self._ledger.all().get(name)
        if stored is not None:
            return stored
        found = self._look()
        if name in found.channels:
            raise WrongState(f"channel {name}: {OF_FILE}", which=f"channel {name}", do="Change the file.")
        raise unknown_channel(name, found.channels)

    def _checked(self, name: str, settings: Mapping[str, Any], others: Mapping[str, Channel], version: int) -> Channel:
        """The channel of these settings. Raises `ConfigError`."""
        channel = checked_apart(name, settings, self._settings, others, version)
        if channel.kind is not None and holds_secrets(channel.kind):
            what = f"the kind {channel.kind.name} has a secret itself among its settings"
            remedy = (
                "Describe the channel in the configuration file. Here, a setting may name the place of a secret only."
            )
            raise ConfigError([Problem(f"channel.{name}", what, remedy)])
        if not self._own_secrets and (keys := [key for key, text in texts_of(settings) if self._is_anothers(text)]):
            what = "it is a secret of the service itself, or of a channel of the file"
            remedy = "Use one of the channel's own, or the command line."
            raise ConfigError([Problem(f"channel.{name}.{key}", what, remedy) for key in keys])
        try:
            as_stored(settings)
        except ValueError as error:
            raise ConfigError([Problem(f"channel.{name}", str(error), "Shorten them.")]) from error
        return channel

    def _is_anothers(self, text: str) -> bool:
        """Whether a text is a reference to a secret that is not this channel's own."""
        if is_own_secret(text):
            return True
        of_file = (one.of_kind for one in self._settings.channel.values())
        return is_reference(text) and any(text == other for given in of_file for _, other in texts_of(given))

    def _look(self) -> FoundChannels:
        return self._make_directory().look()

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
            hold=holds.get(_target(name)) or holds.get(EVERYTHING),
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
        )


_Look = tuple[str, Callable[[], Iterator[Finding]]]


def _differing(workers: Iterable[SeenProcess]) -> tuple[str, ...]:
    """The hosts of workers, if not all of these have the same settings of their channel."""
    hosts: dict[str | None, set[str]] = {}
    for worker in workers:
        hosts.setdefault(worker.mark, set()).add(worker.host)
    return tuple(sorted(set().union(*hosts.values()))) if len(hosts) > 1 else ()


def _target(channel: str) -> HoldTarget:
    return EVERYTHING if channel == ALL else HoldTarget(HoldScope.CHANNEL, channel)


def _found(where: str, look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return list(look())
    except DeliveryFailure as error:
        return [Finding("error", where, error.reply)]
    except EedError as error:
        return [Finding("error", where, str(error))]
