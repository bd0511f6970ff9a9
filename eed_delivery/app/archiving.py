"""The parts of the channels' archives: spools, stores, and what puts copies into them."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from botocore.config import Config

from eed_delivery.archive.archiver import Archiver
from eed_delivery.archive.copies import Copies
from eed_delivery.archive.directory import DirectoryStore
from eed_delivery.archive.s3 import ObjectProtection, S3Store
from eed_delivery.archive.spool import Spool
from eed_delivery.aws.sessions import session
from eed_delivery.channels.channel import Channel
from eed_delivery.config import Settings
from eed_delivery.config.archive import ArchiveSettings
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.archiving import ArchiveLedger
from eed_delivery.transports import FileTransport

CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0


class ArchiveParts:
    """Makes them. Each call but `of` is for a channel that has an archive."""

    def __init__(self, settings: Settings, channels: Mapping[str, Channel]) -> None:
        self._settings = settings
        archives = ((name, channel.archive) for name, channel in channels.items())
        self.of: Mapping[str, ArchiveSettings] = {name: one for name, one in archives if one.url is not None}
        """The channels that have an archive, and its settings."""

    def spool(self, channel: str) -> Spool:
        """Where copies wait on this host."""
        archive = self.of[channel]
        return Spool(archive.spool / channel, archive.spool_max_bytes, sync=archive.spool_sync)

    def store(self, channel: str) -> Callable[[], FileTransport]:
        """Makes one way into the archive for each thread. The S3 client behind them is shared."""
        archive = self.of[channel]
        if not archive.in_s3:
            return partial(DirectoryStore, Path(str(archive.url)))
        config = Config(
            max_pool_connections=archive.uploads + 1, connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS
        )
        client = session(self._settings.aws).client("s3", endpoint_url=archive.endpoint_url, config=config)
        protection = ObjectProtection(archive.object_lock_mode, archive.object_lock_days or 0, archive.kms_key)
        return partial(S3Store, client, str(archive.url), protection, CONNECT_SECONDS + READ_SECONDS)

    def copies(self, channel: str, database: Database) -> Copies | None:
        """What keeps copies for the workers of a channel; None if it has no archive."""
        return Copies(self.spool(channel), ArchiveLedger(database).want) if channel in self.of else None

    def archivers(self, database: Database, beat: Callable[[str], None]) -> list[tuple[str, Archiver]]:
        """What empties the spools of this host, one for each channel. `beat`: with its name."""
        ledger = ArchiveLedger(database)
        return [
            (name, Archiver(name, self.spool(name), ledger, self.store(name), one.uploads, partial(beat, name)))
            for name, one in self.of.items()
        ]
