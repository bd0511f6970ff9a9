"""The partner's SFTP server of the second act, in threads of this process. It has one user and one directory."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import paramiko

from eed_delivery.demo.configuration import PASSWORD

USER = "bank"


class PartnerServer:
    """Listens on 127.0.0.1. `with PartnerServer(directory) as server: server.port`."""

    host = "127.0.0.1"

    def __init__(self, directory: Path) -> None:
        """`directory`: where files are put."""
        self._directory = directory
        self._key = paramiko.ECDSAKey.generate()
        self.host_key = f"{self._key.get_name()} {self._key.get_base64()}"
        self._listener = socket.create_server((self.host, 0))
        self.port: int = self._listener.getsockname()[1]
        self._connections: list[paramiko.Transport] = []

    def __enter__(self) -> "PartnerServer":
        threading.Thread(target=self._accept, name="partner", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._connections:
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return  # it is closed
            connection = paramiko.Transport(plain)
            self._connections.append(connection)
            connection.add_server_key(self._key)
            connection.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files, self._directory)
            connection.start_server(server=_Login(), event=threading.Event())


class _Login(paramiko.ServerInterface):  # type: ignore[misc]  # paramiko has no types
    def get_allowed_auths(self, _username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        is_right = (username, password) == (USER, PASSWORD)
        return int(paramiko.AUTH_SUCCESSFUL if is_right else paramiko.AUTH_FAILED)

    def check_channel_request(self, _kind: str, _number: int) -> int:
        return int(paramiko.OPEN_SUCCEEDED)


class _Files(paramiko.SFTPServerInterface):  # type: ignore[misc]
    """What a client may do in the directory. A rename replaces nothing, as OpenSSH has it."""

    def __init__(self, server: Any, directory: Path) -> None:
        super().__init__(server)
        self._directory = directory

    def stat(self, path: str) -> Any:
        return _answered(lambda: paramiko.SFTPAttributes.from_stat(self._at(path).stat()))

    def open(self, path: str, flags: int, _attributes: Any) -> Any:
        return _answered(lambda: _opened(self._at(path), flags))

    def rename(self, old: str, new: str) -> Any:
        def rename() -> None:
            self._at(new).hardlink_to(self._at(old))  # fails where there is one
            self._at(old).unlink()

        return _answered(rename)

    def remove(self, path: str) -> Any:
        return _answered(self._at(path).unlink)

    def mkdir(self, path: str, _attributes: Any) -> Any:
        return _answered(self._at(path).mkdir)

    def _at(self, path: str) -> Path:
        """`canonicalize` of the base class has resolved "..": it begins with "/"."""
        return self._directory / str(self.canonicalize(path)).lstrip("/")


def _opened(path: Path, flags: int) -> Any:
    writes = flags & (os.O_WRONLY | os.O_RDWR)
    file = os.fdopen(os.open(path, flags, 0o600), "wb" if writes else "rb")
    handle = paramiko.SFTPHandle(flags)
    setattr(handle, "writefile" if writes else "readfile", file)
    handle.stat = lambda: paramiko.SFTPAttributes.from_stat(os.fstat(file.fileno()))
    return handle


def _answered(do: Callable[[], Any]) -> Any:
    """The result, or the protocol's status."""
    try:
        return do() or paramiko.SFTP_OK
    except OSError as error:
        return paramiko.SFTPServer.convert_errno(error.errno)
