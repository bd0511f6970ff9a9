"""A channel is created, changed or removed, after its settings were checked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from eed_delivery.channels.channel import Channel
from eed_delivery.channels.directory import FoundChannels, checked_apart, checked_name
from eed_delivery.config import Settings
from eed_delivery.config.environment import is_own_secret
from eed_delivery.config.references import is_reference, texts_of
from eed_delivery.errors import ConfigError, Problem
from eed_delivery.ledger.acts import new_operation
from eed_delivery.ledger.channels.listing import ChannelChange, ChannelLedger, StoredChannel
from eed_delivery.ledger.channels.listing import stored as as_stored
from eed_delivery.operations.channel_settings import holds_secrets, moved_root, root_in_use
from eed_delivery.operations.holds import unknown_channel
from eed_delivery.operations.refusals import UnknownKey, WrongState

LONGEST_VERSION = 10
"""Digits."""
OF_FILE = "it is described in the configuration file, and is only read here"


class ChannelChanged(WrongState):
    """Another person has changed the channel since it was read."""


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


class ChannelChanges:
    """Each call raises `DatabaseGone`, and `OperationRefused` for what cannot be done."""

    def __init__(
        self,
        settings: Settings,
        look: Callable[[], FoundChannels],
        ledger: ChannelLedger,
        make_queues: Callable[[Channel], object],
        *,
        own_secrets: bool,
    ) -> None:
        """As `ChannelOperations`."""
        self._settings = settings
        self._look = look
        self._ledger = ledger
        self._make_queues = make_queues
        self._own_secrets = own_secrets

    def create(self, new: NewChannel) -> None:
        """Enter a channel. Raises `ConfigError`, and `QueueGone` where queues cannot be made."""
        found = self._free(new.name)
        channel = self.checked(new.name, new.settings, found.channels, 1)
        operation = new_operation()  # before the queues' own, or a repeat would take made queues for the whole
        self._make_queues(channel)
        if not self._ledger.create(new.name, new.settings, operation):
            raise WrongState(f"another person has just created the channel {new.name}", which=f"channel {new.name}")

    def check_name(self, name: str) -> None:
        """Raises `ConfigError` for a name that is none, and `WrongState` for one that is there."""
        checked_name(name)
        self._free(name)

    def _free(self, name: str) -> FoundChannels:
        found = self._look()
        if name in found.channels or name in found.unusable:
            raise WrongState(f"there is a channel {name} already", which=f"channel {name}", do="Use edit.")
        return found

    def edit(self, edit: ChannelEdit) -> None:
        """Replace a channel's settings. Raises as `create` does, and `ChannelChanged`."""
        stored, found = self._of_ledger(edit.name), self._look()
        channel = self.checked(edit.name, edit.settings, found.channels, edit.version + 1)
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

    def remove(self, name: str) -> tuple[str, ...]:
        """Remove a channel that no unfinished job names. Returns the URLs of its queues, which stay."""
        self._of_ledger(name)
        channel = self._look().channels.get(name)
        change = self._ledger.remove(name)
        if change is ChannelChange.IN_USE:
            raise self._in_use(name)
        if change is ChannelChange.MISSED:
            raise UnknownKey(f"the channel {name} was removed by another person", which=f"channel {name}")
        urls = (channel.queue.url, channel.queue.dead_letter_url) if channel else ()
        return tuple(url for url in urls if url is not None)

    def _in_use(self, name: str) -> WrongState:
        what = f"manifests of finished jobs on the channel {name} are outstanding"
        do = f'Wait until they are put, or set manifest = "" in channel.{name}.'
        if jobs := self._ledger.unfinished_jobs(name):
            what = f"{jobs:,} unfinished jobs name the channel {name}"
            do = "Wait until they have finished, or cancel them."
        return WrongState(what, which=f"channel {name}", do=do)

    def _of_ledger(self, name: str) -> StoredChannel:
        stored = self._ledger.all().get(name)
        if stored is not None:
            return stored
        found = self._look()
        if name in found.channels:
            raise WrongState(f"channel {name}: {OF_FILE}", which=f"channel {name}", do="Change the file.")
        raise unknown_channel(name, found.channels)

    def checked(self, name: str, settings: Mapping[str, Any], others: Mapping[str, Channel], version: int) -> Channel:
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
