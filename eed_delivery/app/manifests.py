"""Which channels put manifests, and what puts them."""

from collections.abc import Callable
from typing import cast

from eed_delivery.channels.channel import Channel
from eed_delivery.config.file_channels import FileChannelSettings
from eed_delivery.database.transactions import Database
from eed_delivery.errors import ConfigError
from eed_delivery.ledger.manifests import ManifestLedger
from eed_delivery.manifests.putter import ManifestPutter, unusable_here
from eed_delivery.rendering.manifest_paths import ManifestPaths
from eed_delivery.transports import FileTransport, Transport


def has_manifests(channel: Channel) -> bool:
    """Whether the jobs of this channel end with a manifest."""
    return isinstance(channel.settings, FileChannelSettings) and bool(channel.settings.manifest)


def putter(
    channel: Channel, database: Database, make_transport: Callable[[], Transport], beat: Callable[[], None]
) -> ManifestPutter:
    """What puts the manifests of a channel that puts files. Raises `ConfigError`."""
    template = channel.settings.manifest if isinstance(channel.settings, FileChannelSettings) else ""
    paths = ManifestPaths(template) if template else None
    make = cast("Callable[[], FileTransport]", make_transport)
    return ManifestPutter(channel.name, ManifestLedger(database), paths, make, beat)


def note_unusable(channel: str, database: Database, error: ConfigError) -> None:
    """Note at a channel's outstanding manifests why this host cannot put them. Raises `DatabaseGone`."""
    ManifestLedger(database).unusable(channel, unusable_here(error))
