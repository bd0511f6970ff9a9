"""The kind `sftp` of channels. Paramiko comes with the extra `sftp`, and is loaded when a channel of it is used."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

from eed_delivery.errors import ConfigError, Problem
from eed_delivery.transports.kind import ChannelKind, Surroundings
from eed_delivery.transports.remote_folder import FolderTransport, wire_seconds
from eed_delivery.transports.sftp.settings import SftpSettings


def make(settings: SftpSettings, surroundings: Surroundings) -> Callable[[], FolderTransport]:
    """One connection a thread. Raises `ConfigError` without paramiko, or for a secret that cannot be used."""
    try:
        import paramiko  # noqa: F401 - 60 ms and 10 MB, only for those who use it

        from eed_delivery.transports.sftp.login import SftpLogin
        from eed_delivery.transports.sftp.transport import SftpFolder
    except ImportError as error:
        what = "the package paramiko is not installed"
        raise ConfigError([Problem("kind", what, "Install eed-delivery with the extra sftp.")]) from error
    login = SftpLogin(settings, surroundings)
    connect = partial(SftpFolder, settings, login.over)
    answer = settings.answer_timeout_seconds
    return partial(FolderTransport, "sftp", connect, settings.directory, settings.verify, answer)


def check(settings: SftpSettings, surroundings: Surroundings) -> Iterator[str]:
    """Logs in, writes a file, reads it back and removes it."""
    with closing(make(settings, surroundings)()) as transport:
        transport.probe()
        yield f"{settings.host}:{settings.port} has the pinned host key, and accepts {settings.username}"
        directory = transport.trial()
    yield f"a file was written to {directory}, read back and removed"


KIND = ChannelKind(
    name="sftp",
    title="Files into a directory of an SFTP server",
    settings=SftpSettings,
    carries="files",
    make=make,
    check=check,
    longest_send=lambda settings: wire_seconds(settings.answer_timeout_seconds),
)
