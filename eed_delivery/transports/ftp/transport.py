"""One FTP connection as a `RemoteFolder`: passive, binary, and by TLS for commands and files (RFC 959, 3659, 4217)."""

import ftplib
import io
import posixpath
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

from eed_delivery.errors import ConfigError, InfrastructureFailure, Problem
from eed_delivery.model import Content
from eed_delivery.transports.ftp.replies import NAME_REFUSED, UNAVAILABLE, UNKNOWN, code_of, refused
from eed_delivery.transports.ftp.settings import FtpSettings
from eed_delivery.transports.remote_folder import FolderConnectionLost, NameTaken, ancestors
from eed_delivery.untrusted import clean

_BLOCK = 65_536
_REFUSALS = (ftplib.error_perm, ftplib.error_temp)
_LOST = (OSError, EOFError, ftplib.error_proto, ftplib.error_reply)


class _FtpOverTls(ftplib.FTP_TLS):
    """ftplib's client, which resumes the session of its commands for each file: many servers refuse others, because
    anyone could connect to the data port first. https://bugs.python.org/issue19500"""

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[socket.socket, int | None]:
        plain, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321 - TLS comes next
        commands: Any = self.sock
        return self.context.wrap_socket(plain, server_hostname=self.host, session=commands.session), size


class FtpFolder:
    """See `RemoteFolder`. Raises InfrastructureFailure if the server cannot be reached, or refuses the login."""

    def __init__(self, settings: FtpSettings, password: str) -> None:
        self._settings = settings
        self._ftp = _client(settings)
        where = f"{settings.host}:{settings.port}"
        try:
            self._ftp.connect(settings.host, settings.port, settings.answer_timeout_seconds)
            self._ftp.login(settings.username, password)  # FTP_TLS begins TLS before it
            if isinstance(self._ftp, ftplib.FTP_TLS):
                self._ftp.prot_p()
            self._ftp.voidcmd("TYPE I")
        except _REFUSALS as error:
            self.close()
            failure = refused("log in at", where, str(error))
            raise InfrastructureFailure(str(failure), code=code_of(str(error)), for_all=True) from error
        except _LOST as error:
            self.close()
            why = clean(str(error)) or type(error).__name__
            raise InfrastructureFailure(f"no FTP connection to {where}: {why}. Check host, port and tls") from error

    def size(self, path: str) -> int | None:
        """By SIZE (RFC 3659, section 4). A file that we may not see counts as none."""
        with self._asking("look at document", path):
            try:
                return self._ftp.size(path)
            except ftplib.error_perm as error:
                if code_of(str(error)) != UNAVAILABLE:
                    raise
                return None

    def sha256(self, path: str) -> str | None:
        """FTP has no agreed way."""

    def read(self, path: str) -> Iterator[bytes]:
        """See `RemoteFolder.read`."""
        with self._asking("read document", path):
            with closing(self._ftp.transfercmd(f"RETR {path}")) as data:
                while piece := data.recv(_BLOCK):
                    yield piece
            self._ftp.voidresp()

    def write(self, path: str, content: Content) -> None:
        """See `RemoteFolder.write`."""
        with self._asking("write document", path):
            try:
                self._ftp.storbinary(f"STOR {path}", _readable(content), _BLOCK)
            except ftplib.error_perm as error:
                may_make = self._settings.make_directories and posixpath.dirname(path)
                if code_of(str(error)) not in (UNAVAILABLE, NAME_REFUSED) or not may_make:
                    raise
                self._make_directories(posixpath.dirname(path))
                self._ftp.storbinary(f"STOR {path}", _readable(content), _BLOCK)

    def rename(self, old: str, new: str) -> None:
        """See `RemoteFolder.rename`. RNTO replaces on many servers, so there is a look just before it. A file that
        another client puts there between the two is replaced."""
        if self.size(new) is not None:
            raise NameTaken(new)
        try:
            with self._asking("rename document", new):
                self._ftp.rename(old, new)
        except InfrastructureFailure:
            if self.size(new) is not None:
                raise NameTaken(new) from None
            raise

    def replace(self, old: str, new: str) -> None:
        """See `RemoteFolder.replace`. Where RNTO does not replace, there is a moment without a file."""
        with self._asking("rename document", new):
            try:
                self._ftp.rename(old, new)
            except ftplib.error_perm:
                self._ftp.delete(new)
                self._ftp.rename(old, new)

    def remove(self, path: str) -> None:
        """See `RemoteFolder.remove`."""
        with self._asking("remove document", path):
            self._ftp.delete(path)

    def look(self) -> None:
        """See `RemoteFolder.look`."""
        with self._asking("look at directory", self._settings.directory):
            here = self._ftp.pwd()
            if self._settings.directory:
                self._ftp.cwd(self._settings.directory)
                self._ftp.cwd(here)

    def close(self) -> None:
        """See `RemoteFolder.close`."""
        with suppress(*_LOST):
            self._ftp.close()

    @contextmanager
    def _asking(self, action: str, path: str) -> Iterator[None]:
        try:
            yield
        except _REFUSALS as error:
            if code_of(str(error)) in UNKNOWN:
                words = f"the server cannot {action} files as we need it: {clean(str(error))}. Ask its operator"
                raise InfrastructureFailure(words) from error
            raise refused(action, path, str(error)) from error
        except _LOST as error:
            raise FolderConnectionLost(clean(str(error)) or type(error).__name__) from error

    def _make_directories(self, directory: str) -> None:
        """Each of them. A server says the same of one that is there and of one that it refuses to make."""
        for made in ancestors(directory):
            with suppress(ftplib.error_perm):
                self._ftp.mkd(made)


def _readable(content: Content) -> Any:
    """From its beginning, without a copy of what is mapped from the disk."""
    if isinstance(content, bytes):
        return io.BytesIO(content)
    content.seek(0)
    return content


def _client(settings: FtpSettings) -> ftplib.FTP:
    if settings.tls == "none":
        return ftplib.FTP(encoding="utf-8")  # noqa: S321 - allowed by a setting
    try:
        context = ssl.create_default_context(cafile=settings.ca_file)
    except OSError as error:
        what = f"it cannot be used: {error.strerror or error}"
        raise ConfigError([Problem("ca_file", what, "Give a file with certificates in PEM.")]) from error
    return _FtpOverTls(context=context, encoding="utf-8")
