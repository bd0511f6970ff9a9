"""One SFTP connection: version 3 of the protocol, as all servers speak it.

A rename by SSH_FXP_RENAME fails if the new name is taken (draft-ietf-secsh-filexfer-02, section 6.5), and OpenSSH does
it by link(2), in one step. `posix-rename@openssh.com`, which replaces, is not used. Some other servers replace.
"""

import logging
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Timer
from typing import Any, ClassVar

from paramiko import SFTPError, SSHException, Transport

from eed_delivery.errors import InfrastructureFailure
from eed_delivery.model import Content
from eed_delivery.transports.file_stores.folder_connection import FolderConnection, FolderRefusal
from eed_delivery.transports.sftp.client import PIECE, StrictSftpClient
from eed_delivery.transports.sftp.host_key import PinnedKey, parsed
from eed_delivery.transports.sftp.settings import SftpSettings
from eed_delivery.transports.sftp.statuses import NO_SUCH_FILE, SftpStatus, refused
from eed_delivery.untrusted import clean

logging.getLogger("paramiko").setLevel(logging.CRITICAL)  # what it logs, it raises too, and we say it


class SftpConnection(FolderConnection):
    """See `FolderConnection`. Raises InfrastructureFailure without a connection, and if the host key is another one."""

    errors: ClassVar[tuple[type[Exception], ...]] = (SSHException, SFTPError, EOFError, OSError)

    def __init__(self, settings: SftpSettings, log_in: Callable[[Transport], None]) -> None:
        self._ssh = _connected(settings, parsed(settings.host_key))
        self.rename_replaces = "OpenSSH" not in self._ssh.remote_version  # others do, by whatever they are made of
        wanted = settings.permissions
        self._permissions = int(wanted, 8) if wanted is not None else None
        try:
            with _ended_after(settings.connect_timeout_seconds, self._ssh):
                log_in(self._ssh)
                self._sftp: Any = StrictSftpClient.from_transport(self._ssh)
            self._sftp.get_channel().settimeout(settings.answer_timeout_seconds)
        except self.errors as error:
            self.close()
            why = clean(str(error)) or type(error).__name__
            raise InfrastructureFailure(f"{settings.host} broke off the login: {why}") from error
        except InfrastructureFailure:
            self.close()
            raise

    def refusal(self, error: Exception) -> FolderRefusal | None:
        """See `FolderConnection.refusal`."""
        return refused(error) if isinstance(error, SftpStatus) else None

    def size(self, path: str) -> int | None:
        """See `FolderConnection.size`."""
        try:
            return int(self._sftp.stat(path).st_size)
        except SftpStatus as status:
            if status.code != NO_SUCH_FILE:
                raise
            return None

    def sha256(self, path: str) -> str | None:
        """See `FolderConnection.sha256`."""
        found: str | None = self._sftp.sha256(path)
        return found

    def read(self, path: str) -> Iterator[bytes]:
        """See `FolderConnection.read`."""
        with self._sftp.open(path, "rb") as file:
            while piece := file.read(PIECE):
                yield piece

    def write(self, path: str, content: Content) -> None:
        """See `FolderConnection.write`."""
        self._sftp.write_new(path, content, self._permissions)

    def rename(self, old: str, new: str) -> None:
        """See `FolderConnection.rename`."""
        self._sftp.rename(old, new)

    def remove(self, path: str) -> None:
        """See `FolderConnection.remove`."""
        self._sftp.remove(path)

    def make_directory(self, path: str) -> None:
        """See `FolderConnection.make_directory`."""
        if self.size(path) is None:
            try:
                self._sftp.mkdir(path)
            except SftpStatus:
                if self.size(path) is None:
                    raise

    def free_bytes(self, directory: str) -> int | None:
        """See `FolderConnection.free_bytes`."""
        found: int | None = self._sftp.free_bytes(directory or ".")
        return found

    def look(self, directory: str) -> None:
        """See `FolderConnection.look`."""
        self._sftp.stat(directory or ".")

    def close(self) -> None:
        """See `FolderConnection.close`."""
        with suppress(*self.errors):
            self._ssh.close()


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


@contextmanager
def _ended_after(seconds: float, ssh: Transport) -> Iterator[None]:
    """Paramiko waits without end for some answers. They end with the connection."""
    clock = Timer(seconds, ssh.close)
    clock.daemon = True
    clock.start()
    try:
        yield
    finally:
        clock.cancel()
