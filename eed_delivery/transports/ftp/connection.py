"""One FTP connection: passive, binary, and by TLS for commands and files (RFC 959, 3659, 4217)."""

import ftplib
import io
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, suppress
from typing import Any, ClassVar

from eed_delivery.errors import ConfigError, InfrastructureFailure, Problem
from eed_delivery.model import Content
from eed_delivery.transports.file_stores.folder_connection import FolderConnection, FolderRefusal
from eed_delivery.transports.ftp.replies import UNAVAILABLE, code_of, refused
from eed_delivery.transports.ftp.settings import FtpSettings
from eed_delivery.untrusted import clean

CONNECT_ANSWERS = 10
"""Answers until the login is done: TCP, the greeting, AUTH, TLS, USER, PASS, PBSZ, PROT, TYPE, and one to spare."""
_BLOCK = 65_536
_REFUSALS = (ftplib.error_perm, ftplib.error_temp)
_LOST = (OSError, EOFError, ftplib.error_proto, ftplib.error_reply)


class _AnyReply(ftplib.FTP):
    """ftplib's client, for servers that speak to people in Latin-1. UTF-8 alone would end in a `ValueError`."""

    _replies: Any = None  # none before it is connected

    @property
    def file(self) -> Any:
        """What replies are read from: another one when TLS has begun."""
        return self._replies

    @file.setter
    def file(self, replies: Any) -> None:
        if replies is not None:
            replies.reconfigure(errors="backslashreplace")
        self._replies = replies


class _FtpOverTls(_AnyReply, ftplib.FTP_TLS):
    """ftplib's client, which resumes the session of its commands for each file: many servers refuse others, because
    anyone could connect to the data port first. https://bugs.python.org/issue19500"""

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        plain, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321 - TLS comes next
        commands: Any = self.sock
        return self.context.wrap_socket(plain, server_hostname=self.host, session=commands.session), size


class FtpConnection(FolderConnection):
    """See `FolderConnection`. Raises InfrastructureFailure if the server cannot be reached, or refuses the login."""

    errors: ClassVar[tuple[type[Exception], ...]] = (*_REFUSALS, *_LOST)
    rename_replaces = True  # on many servers

    def __init__(self, settings: FtpSettings, password: str) -> None:
        self._ftp = _client(settings)
        where = f"{settings.host}:{settings.port}"
        try:
            self._ftp.connect(settings.host, settings.port, settings.answer_timeout_seconds)
            self._ftp.login(settings.username, password)  # FTP_TLS begins TLS before it
            if isinstance(self._ftp, ftplib.FTP_TLS):
                self._ftp.prot_p()
            self._ftp.voidcmd("TYPE I")
        except self.errors as error:
            self.close()
            raise _not_connected(where, error, self.refusal(error)) from error

    def refusal(self, error: Exception) -> FolderRefusal | None:
        """See `FolderConnection.refusal`."""
        return refused(str(error)) if isinstance(error, _REFUSALS) else None

    def size(self, path: str) -> int | None:
        """By SIZE (RFC 3659, section 4). A file that we may not see counts as none."""
        try:
            return self._ftp.size(path)
        except ftplib.error_perm as error:
            if code_of(str(error)) != UNAVAILABLE:
                raise
            return None

    def read(self, path: str) -> Iterator[bytes]:
        """See `FolderConnection.read`."""
        with closing(self._ftp.transfercmd(f"RETR {path}")) as data:
            while piece := data.recv(_BLOCK):
                yield piece
        self._ftp.voidresp()

    def write(self, path: str, content: Content) -> None:
        """See `FolderConnection.write`."""
        self._ftp.storbinary(f"STOR {path}", _readable(content), _BLOCK)

    def rename(self, old: str, new: str) -> None:
        """See `FolderConnection.rename`."""
        self._ftp.rename(old, new)

    def remove(self, path: str) -> None:
        """See `FolderConnection.remove`."""
        self._ftp.delete(path)

    def make_directory(self, path: str) -> None:
        """See `FolderConnection.make_directory`. A server says the same of one that is there and of one that it refuses
        to make, so the upload after it shows which it is."""
        with suppress(ftplib.error_perm):
            self._ftp.mkd(path)

    def look(self, directory: str) -> None:
        """See `FolderConnection.look`."""
        here = self._ftp.pwd()
        if directory:
            self._ftp.cwd(directory)
            self._ftp.cwd(here)

    def close(self) -> None:
        """See `FolderConnection.close`."""
        with suppress(*_LOST):
            self._ftp.close()


def _readable(content: Content) -> Any:
    """From its beginning, without a copy of what is mapped from the disk."""
    if isinstance(content, bytes):
        return io.BytesIO(content)
    content.seek(0)
    return content


def _client(settings: FtpSettings) -> ftplib.FTP:
    if settings.tls == "none":
        return _AnyReply(encoding="utf-8")
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        what = f"it cannot be used: {error.strerror or error}"
        raise ConfigError([Problem("ca_file", what, "Give a file with certificates in PEM.")]) from error
    return _FtpOverTls(context=context, encoding="utf-8")


def _not_connected(where: str, error: Exception, refusal: FolderRefusal | None) -> InfrastructureFailure:
    why = clean(str(error)) or type(error).__name__
    if refusal is None:
        return InfrastructureFailure(f"no FTP connection to {where}: {why}. Check host, port and tls")
    words = f"the server refuses to log in at {where!r}: {why}. {refusal.remedy}"
    return InfrastructureFailure(words, code=code_of(str(error)), for_all=True)
