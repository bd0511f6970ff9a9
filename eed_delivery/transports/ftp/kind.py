"""The kind `ftp` of channels."""

from collections.abc import Callable, Iterator
from functools import partial

from eed_delivery.transports.file_stores.folder_kind import folder_kind
from eed_delivery.transports.ftp.connection import CONNECT_ANSWERS, FtpConnection
from eed_delivery.transports.ftp.settings import FtpSettings
from eed_delivery.transports.kind import Surroundings


def connector(settings: FtpSettings, surroundings: Surroundings) -> Callable[[], FtpConnection]:
    """Raises `ConfigError` for a password that cannot be read."""
    return partial(FtpConnection, settings, surroundings.secret("password", settings.password))


def cautions(settings: FtpSettings) -> Iterator[str]:
    """What is allowed, and less safe than by default."""
    if settings.tls == "none":
        yield f"caution: the password and whole files go to {settings.host} in clear text, as allowed. Use TLS"


KIND = folder_kind(
    name="ftp",
    title="Files into a directory of an FTP server, over TLS",
    settings=FtpSettings,
    connector=connector,
    connect_seconds=lambda settings: CONNECT_ANSWERS * settings.answer_timeout_seconds,
    cautions=cautions,
)
