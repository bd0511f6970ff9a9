"""A kind of channel that puts files into a folder of another host, made of what differs between protocols."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import TypeVar

from eed_delivery.config.file_channels import FolderChannelSettings
from eed_delivery.transports.file_stores.folder_connection import FolderConnection
from eed_delivery.transports.file_stores.folder_transport import FolderTransport, wire_seconds
from eed_delivery.transports.kind import ChannelKind, Surroundings

_S = TypeVar("_S", bound=FolderChannelSettings)


def _no_cautions(_: FolderChannelSettings) -> Iterator[str]:
    return iter(())


def folder_kind(
    name: str,
    title: str,
    settings: type[_S],
    connector: Callable[[_S, Surroundings], Callable[[], FolderConnection]],
    connect_seconds: Callable[[_S], float],
    cautions: Callable[[_S], Iterator[str]] = _no_cautions,
) -> ChannelKind:
    """The kind.

    - `connector`: what opens a connection for each thread. Called once a process. Raises `ConfigError`.
    - `connect_seconds`: how long a connection and a login may take, by the settings' timeouts.
    - `cautions`: what the check says first, for people.
    """

    def make(given: _S, surroundings: Surroundings) -> Callable[[], FolderTransport]:
        return partial(FolderTransport, name, given, connector(given, surroundings), connect_seconds(given))

    def check(given: _S, surroundings: Surroundings) -> Iterator[str]:
        """Logs in, writes a file, reads it back and removes it."""
        yield from cautions(given)
        with closing(make(given, surroundings)()) as transport:
            transport.probe()
            yield f"{given.host}:{given.port} is the expected server, and accepts {given.username}"
            directory = transport.trial()
        yield f"a file was written to {directory}, read back and removed"

    def longest_send(given: _S) -> float:
        return wire_seconds(given, connect_seconds(given))

    return ChannelKind(name, title, settings, "files", make, check, longest_send)
