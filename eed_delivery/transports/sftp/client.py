"""Paramiko's client with what it leaves out: the status of each answer, and OpenSSH's extensions.

Paramiko's own files forget what the server said of writes that it did not wait for, and of the close. A full disk would
leave a hole in a file of the right size.
"""

import struct
from collections import deque
from contextlib import suppress
from typing import Any

from paramiko import SFTPClient
from paramiko.sftp import (
    CMD_CLOSE,
    CMD_EXTENDED,
    CMD_FSETSTAT,
    CMD_HANDLE,
    CMD_OPEN,
    CMD_WRITE,
    SFTP_EOF,
    SFTP_FLAG_CREATE,
    SFTP_FLAG_EXCL,
    SFTP_FLAG_WRITE,
    SFTP_OK,
    SFTPError,
    int64,
)
from paramiko.sftp_attr import SFTPAttributes

from eed_delivery.model import Content
from eed_delivery.transports.sftp.statuses import FAILURE, UNSUPPORTED, SftpStatus

PIECE = 32_768
"""Bytes that every server reads and writes at once: draft-ietf-secsh-filexfer-02, section 3."""
_UNANSWERED = 64  # writes on their way; 2 MB, as OpenSSH's own client has
_NEW = SFTP_FLAG_WRITE | SFTP_FLAG_CREATE | SFTP_FLAG_EXCL


class StrictSftpClient(SFTPClient):  # type: ignore[misc]  # paramiko has no types
    """Raises `SftpStatus` for each answer that is not OK. `lacks`: extensions that the server does not offer.

    https://github.com/openssh/openssh-portable/blob/master/PROTOCOL
    """

    def __init__(self, sock: Any) -> None:
        super().__init__(sock)
        self.lacks: set[str] = set()

    def write_new(self, path: str, content: Content, permissions: int | None) -> None:
        """A new file with all of its bytes, on the server's disk where it offers fsync."""
        kind, answer = self._request(CMD_OPEN, path, _NEW, SFTPAttributes())
        if kind != CMD_HANDLE:
            raise SFTPError("the server gave no handle")
        handle = answer.get_binary()
        try:
            self._write(handle, content)
            if permissions is not None:
                attributes = SFTPAttributes()
                attributes.st_mode = permissions
                self._request(CMD_FSETSTAT, handle, attributes)
            self.offered("fsync@openssh.com", handle)
        except SftpStatus:
            with suppress(SftpStatus):
                self._request(CMD_CLOSE, handle)
            raise
        self._request(CMD_CLOSE, handle)

    def free_bytes(self, path: str) -> int | None:
        """What a user may still write to the file system of `path`; None if the server does not say."""
        answer = self.offered("statvfs@openssh.com", path)
        if answer is None:
            return None
        _, fragment, _, _, available = struct.unpack_from(">5Q", answer.get_remainder())
        return int(fragment * available)

    def sha256(self, path: str) -> str | None:
        """By the extension check-file, which OpenSSH lacks. draft-ietf-secsh-filexfer-extensions-00, section 3"""
        if "check-file" in self.lacks:
            return None
        with self.open(path, "rb") as file:
            try:
                return bytes(file.check("sha256")).hex()
            except SftpStatus as status:
                if status.code not in (UNSUPPORTED, FAILURE):
                    raise
        self.lacks.add("check-file")
        return None

    def offered(self, extension: str, *arguments: Any) -> Any:
        """The answer; None if the server does not offer the extension, which is then not asked for again."""
        if extension in self.lacks:
            return None
        try:
            return self._request(CMD_EXTENDED, extension, *arguments)[1]
        except SftpStatus as status:
            if status.code != UNSUPPORTED:
                raise
            self.lacks.add(extension)
            return None

    def _write(self, handle: bytes, content: Content) -> None:
        sent: deque[int] = deque()
        for begin in range(0, len(content), PIECE):
            piece = content[begin : begin + PIECE]
            sent.append(self._async_request(type(None), CMD_WRITE, handle, int64(begin), piece))
            if len(sent) > _UNANSWERED:
                self._read_response(sent.popleft())
        while sent:
            self._read_response(sent.popleft())

    def _convert_status(self, msg: Any) -> None:
        code, words = msg.get_int(), msg.get_text()
        if code == SFTP_EOF:
            raise EOFError(words)
        if code != SFTP_OK:
            raise SftpStatus(code, words)
