"""The parts of the channels' archives: spools, stores, and what puts copies into them."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from eed_delivery.app.aws_clients import AwsClients
from eed_delivery.archive.archiver import Archiver
from eed_delivery.archive.copies import Copies
from eed_delivery.archive.directory import DirectoryStore
from eed_delivery.archive.spool import Spool
from eed_delivery.aws.s3.bucket import ObjectOptions, S3Bucket
from eed_delivery.aws.s3.client import bucket_client
from eed_delivery.channels.channel import Channel
from eed_delivery.config.archive import ArchiveSettings
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.archiving import ArchiveLedger
from eed_delivery.transports import FileTransport
from eed_delivery.transports.file_stores.bucket_transport import BucketTransport

CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
TRIES = 5
"""Of a call of S3. A second PUT of a copy finds the first one there, so the SDK may try again."""


class ArchiveParts:
    """Makes them. Each call but `of` is for a channel that has an archive."""

    def __init__(self, clients: AwsClients, channels: Mapping[str, Channel]) -> None:
        self._clients = clients
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
        client = bucket_client(
            partial(self._clients.of, connections=archive.uploads + 1, tries=TRIES),
            region=None,
            endpoint_url=archive.endpoint_url,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
        )
        options = ObjectOptions(archive.kms_key, lock_mode=archive.object_lock_mode, lock_days=archive.object_lock_days)
        bucket = S3Bucket(client, archive.bucket, archive.prefix, options)
        return partial(BucketTransport, bucket, CONNECT_SECONDS + READ_SECONDS)

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
