"""One SFTP connection as a `RemoteFolder`: version 3 of the protocol, as all servers speak it.

A rename by SSH_FXP_RENAME fails if the new name is taken (draft-ietf-secsh-filexfer-02, section 6.5), and OpenSSH does
it by link(2), in one step. `posix-rename@openssh.com` replaces, and is used for manifests alone.
"""

import logging
import posixpath
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from paramiko import SFTPError, SSHException, Transport

from eed_delivery.errors import InfrastructureFailure
from eed_delivery.model import Content
from eed_delivery.transports.remote_folder import FolderConnectionLost, NameTaken, ancestors
from eed_delivery.transports.sftp.client import PIECE, StrictSftpClient
from eed_delivery.transports.sftp.host_key import PinnedKey, parsed
from eed_delivery.transports.sftp.settings import SftpSettings
from eed_delivery.transports.sftp.statuses import NO_SUCH_FILE, SftpStatus, full, refused
from eed_delivery.untrusted import clean

logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # what it logs, it raises too, and we say it
_LOST = (SSHException, SFTPError, EOFError, OSError)


class SftpFolder:
    """See `RemoteFolder`. Raises InfrastructureFailure if there is no connection, or the host key is another one."""

    def __init__(self, settings: SftpSettings, log_in: Callable[[Transport], None]) -> None:
        self._settings = settings
        self._ssh = _connected(settings, parsed(settings.host_key))
        try:
            with self._asking("open directory", settings.directory):
                self._ssh.auth_timeout = settings.connect_timeout_seconds
                log_in(self._ssh)
                self._sftp: Any = StrictSftpClient.from_transport(self._ssh)
                self._sftp.get_channel().settimeout(settings.answer_timeout_seconds)
        except FolderConnectionLost as error:
            self.close()
            raise InfrastructureFailure(f"{settings.host} broke off the login: {error}") from error
        except InfrastructureFailure:
            self.close()
            raise

    def size(self, path: str) -> int | None:
        """See `RemoteFolder.size`."""
        with self._asking("look at document", path):
            try:
                return int(self._sftp.stat(path).st_size)
            except SftpStatus as status:
                if status.code != NO_SUCH_FILE:
                    raise
        return None

    def sha256(self, path: str) -> str | None:
        """See `RemoteFolder.sha256`."""
        with self._asking("read document", path):
            found: str | None = self._sftp.sha256(path)
            return found

    def read(self, path: str) -> Iterator[bytes]:
        """See `RemoteFolder.read`."""
        with self._asking("read document", path), self._sftp.open(path, "rb") as file:
            while piece := file.read(PIECE):
                yield piece

    def write(self, path: str, content: Content) -> None:
        """See `RemoteFolder.write`."""
        with self._asking("write document", path):
            try:
                self._write(path, content)
            except SftpStatus as status:
                if status.code != NO_SUCH_FILE or not self._settings.make_directories:
                    self._say_if_full(path, len(content))
                    raise
                self._make_directories(posixpath.dirname(path))
                self._write(path, content)

    def rename(self, old: str, new: str) -> None:
        """See `RemoteFolder.rename`."""
        try:
            with self._asking("rename document", new):
                self._sftp.rename(old, new)
        except InfrastructureFailure:
            if self.size(new) is not None:
                raise NameTaken(new) from None
            raise

    def replace(self, old: str, new: str) -> None:
        """See `RemoteFolder.replace`. Where the server cannot do it in one step, there is a moment without a file."""
        with self._asking("rename document", new):
            if not self._sftp.replace(old, new):
                with suppress(SftpStatus):
                    self._sftp.remove(new)
                self._sftp.rename(old, new)

    def remove(self, path: str) -> None:
        """See `RemoteFolder.remove`."""
        with self._asking("remove document", path):
            self._sftp.remove(path)

    def look(self) -> None:
        """See `RemoteFolder.look`."""
        with self._asking("look at directory", self._settings.directory):
            self._sftp.stat(self._settings.directory or ".")

    def close(self) -> None:
        """See `RemoteFolder.close`."""
        with suppress(*_LOST):
            self._ssh.close()

    @contextmanager
    def _asking(self, action: str, path: str) -> Iterator[None]:
        try:
            yield
        except SftpStatus as status:
            raise refused(action, path, status) from status
        except _LOST as error:
            raise FolderConnectionLost(clean(str(error)) or type(error).__name__) from error

    def _write(self, path: str, content: Content) -> None:
        wanted = self._settings.permissions
        self._sftp.write_new(path, content, int(wanted, 8) if wanted is not None else None)

    def _make_directories(self, directory: str) -> None:
        """Each that is missing. Another connection may make the same ones meanwhile."""
        for made in ancestors(directory):
            if self.size(made) is None:
                try:
                    self._sftp.mkdir(made)
                except SftpStatus:
                    if self.size(made) is None:
                        raise

    def _say_if_full(self, path: str, needed: int) -> None:
        with suppress(SftpStatus):
            free = self._sftp.free_bytes(posixpath.dirname(path) or ".")
            if free is not None and free < needed:
                raise full(free)


def _connected(settings: SftpSettings, pinned: PinnedKey) -> Transport:
    """The encrypted connection to the server that has the pinned key. The login comes after that."""
    where = f"{settings.host}:{settings.port}"
    ssh = None
    try:
        plain = socket.create_connection((settings.host, settings.port), settings.connect_timeout_seconds)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each answer waits 40 ms for the next packet
        ssh = Transport(plain)
        ssh.banner_timeout = settings.connect_timeout_seconds
        if pinned.algorithms:
            ssh.get_security_options().key_types = pinned.algorithms
        ssh.start_client(timeout=settings.connect_timeout_seconds)
        key = ssh.get_remote_server_key()
        pinned.check(key.asbytes(), key.get_name())
    except (OSError, EOFError, SSHException, ValueError) as error:
        if ssh is not None:
            ssh.close()
        why = clean(str(error)) or type(error).__name__
        raise InfrastructureFailure(f"no SFTP connection to {where}: {why}. Check host, port and host_key") from error
    except InfrastructureFailure:
        if ssh is not None:
            ssh.close()
        raise
    return ssh
