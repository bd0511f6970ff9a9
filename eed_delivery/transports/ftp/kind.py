"""The kind `ftp` of channels."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial

from eed_delivery.transports.ftp.settings import FtpSettings
from eed_delivery.transports.ftp.transport import FtpFolder
from eed_delivery.transports.kind import ChannelKind, Surroundings
from eed_delivery.transports.remote_folder import FolderTransport, wire_seconds


def make(settings: FtpSettings, surroundings: Surroundings) -> Callable[[], FolderTransport]:
    """One connection a thread. Raises `ConfigError` for a password that cannot be read."""
    connect = partial(FtpFolder, settings, surroundings.secret("password", settings.password))
    answer = settings.answer_timeout_seconds
    return partial(FolderTransport, "ftp", connect, settings.directory, settings.verify, answer)


def check(settings: FtpSettings, surroundings: Surroundings) -> Iterator[str]:
    """Logs in, writes a file, reads it back and removes it."""
    if settings.tls == "none":
        yield f"caution: the password and whole files go to {settings.host} in clear text, as allowed. Use TLS"
    with closing(make(settings, surroundings)()) as transport:
        transport.probe()
        yield f"{settings.host}:{settings.port} accepts {settings.username}"
        directory = transport.trial()
    yield f"a file was written to {directory}, read back and removed"


KIND = ChannelKind(
    name="ftp",
    title="Files into a directory of an FTP server, over TLS",
    settings=FtpSettings,
    carries="files",
    make=make,
    check=check,
    longest_send=lambda settings: wire_seconds(settings.answer_timeout_seconds),
)
