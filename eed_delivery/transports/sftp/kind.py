"""The kind `sftp` of channels. Paramiko comes with the extra `sftp`, and is loaded when a channel of it is used."""

from collections.abc import Callable
from functools import partial

from eed_delivery.errors import ConfigError, Problem
from eed_delivery.transports.file_stores.folder_connection import FolderConnection
from eed_delivery.transports.file_stores.folder_kind import folder_kind
from eed_delivery.transports.kind import Surroundings
from eed_delivery.transports.sftp.settings import SftpSettings


def connector(settings: SftpSettings, surroundings: Surroundings) -> Callable[[], FolderConnection]:
    """Raises `ConfigError` without paramiko, or for a secret that cannot be used."""
    try:
        import paramiko  # noqa: F401 - 60 ms and 10 MB, only for those who use it

        from eed_delivery.transports.sftp.connection import SftpConnection
        from eed_delivery.transports.sftp.login import SftpLogin
    except ImportError as error:
        what = "the package paramiko is not installed"
        raise ConfigError([Problem("kind", what, "Install eed-delivery with the extra sftp.")]) from error
    return partial(SftpConnection, settings, SftpLogin(settings, surroundings).over)


KIND = folder_kind(
    name="sftp",
    title="Files into a directory of an SFTP server",
    settings=SftpSettings,
    connector=connector,
    connect_seconds=lambda settings: settings.connect_seconds,
)
