"""An SFTP server of another make than OpenSSH: takes passwords, replaces when it renames, and can hash files.

Paramiko's server, in a thread a connection. It has none of OpenSSH's extensions.
"""

import os
import shutil
import socket
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import paramiko

from tests.servers import temporary_directory

USER, PASSWORD = "partner", "a password for tests"


class LaxSftp:
    """Listens from `with` on. `silent`: it says nothing any more after the login."""

    def __init__(self, *, silent: bool = False) -> None:
        self.over = threading.Event()
        self._silent = silent
        self.directory = temporary_directory("lax")
        self.root = self.directory / "root"
        self.root.mkdir()
        self._key = paramiko.RSAKey.generate(2048)
        self.host_key = f"{self._key.get_name()} {self._key.get_base64()}"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[paramiko.Transport] = []

    def __enter__(self) -> "LaxSftp":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            connection.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            connection = paramiko.Transport(plain)
            self._open.append(connection)
            connection.add_server_key(self._key)
            connection.set_subsystem_handler("sftp", paramiko.SFTPServer, _Files, self.root)
            connection.start_server(server=_Logins(self.over if self._silent else None), event=threading.Event())


class _Logins(paramiko.ServerInterface):  # type: ignore[misc]
    def __init__(self, silent_until: threading.Event | None) -> None:
        self._silent_until = silent_until

    def get_allowed_auths(self, username: str) -> str:
        return "password"

    def check_auth_password(self, username: str, password: str) -> int:
        right = (username, password) == (USER, PASSWORD)
        return int(paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        if self._silent_until is not None:
            self._silent_until.wait(60)
        return int(paramiko.OPEN_SUCCEEDED)


class _Files(paramiko.SFTPServerInterface):  # type: ignore[misc]
    """A directory, as far as the tests need it."""

    def __init__(self, server: Any, root: Path, *more: Any) -> None:
        super().__init__(server)
        self._root = root

    def _at(self, path: str) -> str:
        return str(self._root / path.lstrip("/"))

    def _done(self, do: Any, *arguments: Any) -> Any:
        try:
            return do(*arguments) or paramiko.SFTP_OK
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    def stat(self, path: str) -> Any:
        return self._done(lambda: paramiko.SFTPAttributes.from_stat(os.stat(self._at(path))))

    def open(self, path: str, flags: int, attr: Any) -> Any:
        return self._done(self._opened, path, flags)

    def _opened(self, path: str, flags: int) -> Any:
        reading = not flags & (os.O_WRONLY | os.O_RDWR)
        file = os.fdopen(os.open(self._at(path), flags, 0o644), "rb" if reading else "wb")
        handle = paramiko.SFTPHandle(flags)
        if reading:
            handle.readfile = file
        else:
            handle.writefile = file
        handle.stat = lambda: paramiko.SFTPAttributes.from_stat(os.fstat(file.fileno()))
        return handle

    def rename(self, oldpath: str, newpath: str) -> Any:
        return self._done(os.replace, self._at(oldpath), self._at(newpath))

    def remove(self, path: str) -> Any:
        return self._done(os.unlink, self._at(path))

    def mkdir(self, path: str, attr: Any) -> Any:
        return self._done(os.mkdir, self._at(path))
