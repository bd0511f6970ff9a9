"""The channels that are there now: those of the configuration file, and those of the ledger."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import structlog
from pydantic import TypeAdapter, ValidationError

from eed_delivery.channels.channel import Channel
from eed_delivery.channels.checks import apart, checked
from eed_delivery.channels.of_file import channels_of
from eed_delivery.config import Settings
from eed_delivery.config.channels import ChannelName, ChannelSettings
from eed_delivery.config.problems import mistakes_of
from eed_delivery.config.references import is_reference, refuse_reference, texts_of
from eed_delivery.errors import ConfigError, Problem
from eed_delivery.ledger.channels.listing import ChannelLedger, StoredChannel

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FoundChannels:
    """The channels that can be used here, `default` first, and what is wrong with the others, by name."""

    channels: Mapping[str, Channel]
    unusable: Mapping[str, ConfigError] = field(default_factory=dict)


class ChannelDirectory:
    """Reads the ledger anew with each look. One of the ledger's channels that cannot be used here stops no other."""

    def __init__(self, settings: Settings, ledger: ChannelLedger) -> None:
        """Raises `ConfigError` for mistakes in the channels of the file."""
        self._settings = settings
        self._ledger = ledger
        self._of_file = channels_of(settings)
        self._reported: dict[str, str] = {}

    def now(self) -> Mapping[str, Channel]:
        """The channels that can be used here. What cannot be used is logged once. Raises `DatabaseGone`."""
        found = self.look()
        for name, error in found.unusable.items():
            if self._reported.get(name) != str(error):
                self._reported[name] = str(error)
                log.error("channel_unusable", channel=name, reason=str(error))
        return found.channels

    def look(self) -> FoundChannels:
        """All channels, checked. Raises `DatabaseGone`."""
        channels, unusable = dict(self._of_file), {}
        for name, stored in self._ledger.all().items():
            try:
                channels[name] = self._checked(stored, channels)
            except ConfigError as error:
                unusable[name] = error
        return FoundChannels(channels, unusable)

    def _checked(self, stored: StoredChannel, channels: Mapping[str, Channel]) -> Channel:
        if stored.name in self._of_file:
            what = "the configuration file has a channel of this name, which is used instead"
            raise ConfigError([Problem(f"channel.{stored.name}", what, "Remove one of the two.")])
        return checked_apart(stored.name, stored.settings, self._settings, channels, stored.version)


def checked_name(name: str) -> None:
    """Raises `ConfigError` for a name that no channel can have."""
    try:
        TypeAdapter(ChannelName).validate_python(name)
    except ValidationError as error:
        what = "a channel's name begins with a small letter, and has up to 32 small letters, digits, - and _"
        raise ConfigError([Problem(f"channel.{name}", what, "Choose another name.")]) from error


def checked_apart(
    name: str, given: Mapping[str, object], settings: Settings, others: Mapping[str, Channel], version: int
) -> Channel:
    """A channel of the ledger, whose settings are right by themselves and beside those of `others`.

    Raises `ConfigError` with every mistake in them.
    """
    checked_name(name)
    try:
        shared = ChannelSettings.model_validate(dict(given))
    except ValidationError as error:
        mistakes = mistakes_of(error, ChannelSettings)
        problems = [Problem(".".join(("channel", name, *path)), what, remedy) for path, what, remedy in mistakes]
        raise ConfigError(problems) from error
    channel = checked(name, shared, settings, "ledger", version)
    if problems := list(_secrets(name, given, settings)):
        raise ConfigError(problems)
    beside = [other for other in others.values() if other.name != name]
    if problems := list(apart([channel, *beside], settings)):
        raise ConfigError(problems)
    return channel


def _secrets(name: str, given: Mapping[str, object], settings: Settings) -> Iterator[Problem]:
    """What a person must not read of the environment and of AWS: the channel's host would get it."""
    allowed = settings.security
    remedy = "Choose another one, or name it there on every host."
    for key, text in texts_of(given):
        if not is_reference(text):
            continue
        if (what := refuse_reference(text, allowed.channel_variables, allowed.channel_secrets)) is not None:
            yield Problem(f"channel.{name}.{key}", what, remedy)
