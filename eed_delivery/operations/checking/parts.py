"""The parts that are checked. Each is made when it is checked, and one that cannot be made is a finding."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from eed_delivery.archive.spool import Spool
from eed_delivery.channels.channel import Channel
from eed_delivery.config import Settings
from eed_delivery.config.archive import ArchiveSettings
from eed_delivery.queue import Queue
from eed_delivery.tracking.bounces.verp import Verp
from eed_delivery.transports import FileTransport, Transport
from eed_delivery.transports.kind import Surroundings

if TYPE_CHECKING:
    from mypy_boto3_sesv2.client import SESV2Client


class CheckedArchives(Protocol):
    """The archives of the channels that have one, by the channel's name."""

    of: Mapping[str, ArchiveSettings]

    def spool(self, channel: str) -> Spool: ...

    def store(self, channel: str) -> Callable[[], FileTransport]: ...


class CheckedParts(Protocol):
    """What makes them. Each call may raise `EedError`."""

    @property
    def settings(self) -> Settings: ...

    @property
    def channels(self) -> Mapping[str, Channel]: ...

    def queue(self, connections: int = 10, channel: Channel | None = None) -> Queue: ...

    def surroundings(self, channel: Channel) -> Surroundings: ...

    def events_queue(self, url: str) -> Queue: ...

    def verp(self) -> Verp | None: ...

    def transport_factory(self) -> Callable[[], Transport]: ...

    @property
    def archives(self) -> CheckedArchives: ...

    def ses_client(self) -> "SESV2Client": ...
