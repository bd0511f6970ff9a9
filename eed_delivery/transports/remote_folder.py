"""Files put into a folder of another host: under a temporary name first, and renamed when whole and granted.

`sftp` and `ftp` bring the connection, a `RemoteFolder`. What is done with it, and what a lost answer means, is here.
"""

import contextlib
import hashlib
import math
import posixpath
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from eed_delivery.errors import DeliveryFailure, InDoubt, InfrastructureFailure, PermanentFailure, TransientFailure
from eed_delivery.model import Accepted, Content, File, Files
from eed_delivery.transports import Grant

Verify = Literal["size", "hash"]
"""How an upload is checked before it gets its name: by its size, or by the hash of what the server has."""

GRANTED_SECONDS = 60.0
"""From the grant on, no further file is begun after this time. It is in doubt then, and `settle` tells."""
STEPS_ON_WIRE = 8
"""Answers that the last file may wait for after that: while it is renamed, compared and removed."""

DONE = 250
"""The code of a yes: FTP's for a file that has got its name (RFC 959, section 4.2.1). SFTP has none of its own."""
_T = TypeVar("_T")


class FolderConnectionLost(Exception):
    """The connection ended, or an answer did not come in time. What was asked may have been done."""


class NameTaken(Exception):
    """A file was not renamed, because the server has one of the new name."""


class RemoteFolder(Protocol):
    """One open connection. Paths are those that the server sees.

    Each method raises a `DeliveryFailure` for a definite no, and `FolderConnectionLost`.
    """

    def size(self, path: str) -> int | None:
        """The size of a file in bytes; None if there is none."""
        ...

    def sha256(self, path: str) -> str | None:
        """The hash of a file as the server calculates it; None if it does not."""
        ...

    def read(self, path: str) -> Iterator[bytes]:
        """The content of a file, in pieces."""
        ...

    def write(self, path: str, content: Content) -> None:
        """A new file with all of its bytes, durable where the server offers that. Makes its directories if it may."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Rename, and replace nothing. Raises `NameTaken`."""
        ...

    def replace(self, old: str, new: str) -> None:
        """Rename, and replace what has the new name."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file."""
        ...

    def look(self) -> None:
        """See whether the channel's directory is there."""
        ...

    def close(self) -> None:
        """Never raises, and waits for nothing."""
        ...


@dataclass(frozen=True, slots=True)
class _Draft:
    """An uploaded file under its temporary name."""

    file: File
    temporary: str
    target: str


class FolderTransport:
    """Puts files into a `RemoteFolder`. See `FileTransport` for the contract.

    `connect` opens a connection, or raises InfrastructureFailure. `answer_seconds`: how long one answer may take.
    """

    def __init__(
        self, name: str, connect: Callable[[], RemoteFolder], directory: str, verify: Verify, answer_seconds: float
    ) -> None:
        self.name = name
        self.wire_seconds = wire_seconds(answer_seconds)
        self._connect = connect
        self._directory = directory
        self._verify = verify
        self._folder: RemoteFolder | None = None
        self._left_behind: list[str] = []
        self._until = math.inf

    def send(self, message: Files, grant: Grant) -> Accepted:
        """See `FileTransport.send`. A file that is there with the same bytes is not uploaded."""
        folder, drafts = self._connected(lambda folder: self._drafts(folder, message.files))
        try:
            grant()
            self._until = time.monotonic() + GRANTED_SECONDS
            while drafts:
                self._be_in_time()
                self._publish(folder, drafts[0])
                drafts.pop(0)
        except FolderConnectionLost as error:
            self._lose(drafts)
            raise InDoubt(f"the connection was lost while a file got its name: {error}") from error
        finally:
            self._until = math.inf
            self._discard(drafts)
        return _accepted(message)

    def settle(self, message: Files) -> Accepted | None:
        """See `FileTransport.settle`."""
        _, all_there = self._connected(lambda folder: all(self._is_there(folder, file) for file in message.files))
        return _accepted(message) if all_there else None

    def put(self, file: File) -> None:
        """See `FileTransport.put`."""
        folder, draft = self._connected(lambda folder: self._draft(folder, file))
        drafts = [draft]
        try:
            folder.replace(draft.temporary, draft.target)
            drafts.clear()
        except FolderConnectionLost as error:
            self._lose(drafts)
            raise InDoubt(f"the connection was lost while a file got its name: {error}") from error
        finally:
            self._discard(drafts)

    def probe(self) -> None:
        """Connect, and look for the channel's directory. See `Transport.probe`."""
        self._connected(lambda folder: folder.look())

    def trial(self) -> str:
        """Write a file, read it back and remove it. Returns its path, for people."""
        content = secrets.token_bytes(64)
        file = File(temporary_name(), content, "application/octet-stream", hashlib.sha256(content).hexdigest())
        folder, draft = self._connected(lambda folder: self._draft(folder, file))
        same = self._hash_of(folder, draft.temporary) == file.sha256
        folder.remove(draft.temporary)
        if not same:
            raise InfrastructureFailure("the server gave back other bytes than were written. Check its disk")
        return posixpath.dirname(draft.target) or "."

    def close(self) -> None:
        """See `Transport.close`."""
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    def _connected(self, work: Callable[[RemoteFolder], _T]) -> tuple[RemoteFolder, _T]:
        """Does `work` before the grant. A kept connection that turns out to be dead is replaced once."""
        kept = self._folder is not None
        try:
            folder = self._open()
            return folder, work(folder)
        except FolderConnectionLost as error:
            self._lose([])
            if kept:
                return self._connected(work)
            raise InfrastructureFailure(f"the connection was lost: {error}") from error

    def _open(self) -> RemoteFolder:
        if self._folder is None:
            self._folder = self._connect()
            while self._left_behind:
                _remove(self._folder, self._left_behind.pop())
        return self._folder

    def _lose(self, drafts: list[_Draft]) -> None:
        """The connection has ended: what could not be removed over it is removed over the next."""
        self._left_behind += [draft.temporary for draft in drafts]
        drafts.clear()
        self.close()

    def _drafts(self, folder: RemoteFolder, files: tuple[File, ...]) -> list[_Draft]:
        drafts: list[_Draft] = []
        try:
            for file in files:
                if not self._is_there(folder, file):
                    drafts.append(self._draft(folder, file))
        except FolderConnectionLost:
            self._lose(drafts)
            raise
        except BaseException:
            self._discard(drafts)
            raise
        return drafts

    def _draft(self, folder: RemoteFolder, file: File) -> _Draft:
        target = self._target(file)
        draft = _Draft(file, posixpath.join(posixpath.dirname(target), temporary_name()), target)
        try:
            folder.write(draft.temporary, file.content)
            self._check(folder, draft)
        except FolderConnectionLost:
            self._left_behind.append(draft.temporary)
            raise
        except DeliveryFailure:
            self._discard([draft])
            raise
        return draft

    def _check(self, folder: RemoteFolder, draft: _Draft) -> None:
        size, meant = folder.size(draft.temporary), len(draft.file.content)
        if size != meant:
            words = f"the server has {size or 0:,} bytes of the {meant:,} that were sent"
            raise InfrastructureFailure(f"{words}. Its disk or quota may be full")
        if self._verify == "hash" and self._hash_of(folder, draft.temporary) != draft.file.sha256:
            raise TransientFailure("the server has other bytes than were sent")

    def _publish(self, folder: RemoteFolder, draft: _Draft) -> None:
        try:
            folder.rename(draft.temporary, draft.target)
        except NameTaken:
            if not self._is_there(folder, draft.file):
                raise TransientFailure("the server refused the file's name, and has no file of it") from None
            self._discard([draft])

    def _is_there(self, folder: RemoteFolder, file: File) -> bool:
        """Whether the same bytes are there. Raises PermanentFailure for other bytes."""
        path = self._target(file)
        size = folder.size(path)
        if size is None:
            return False
        if size != len(file.content) or self._hash_of(folder, path) != file.sha256:
            raise PermanentFailure(f"document {path[-200:]!r}: the server has one with other bytes, which stays")
        return True

    def _hash_of(self, folder: RemoteFolder, path: str) -> str:
        told = folder.sha256(path)
        if told is not None:
            return told
        digest = hashlib.sha256()
        for piece in folder.read(path):
            digest.update(piece)
            self._be_in_time()
        return digest.hexdigest()

    def _be_in_time(self) -> None:
        if time.monotonic() > self._until:
            raise FolderConnectionLost(f"it took more than {GRANTED_SECONDS:g} seconds")

    def _target(self, file: File) -> str:
        return posixpath.join(self._directory, file.path)

    def _discard(self, drafts: list[_Draft]) -> None:
        """Remove temporary files over the connection that they were written over. Never raises."""
        for number, draft in enumerate(drafts):
            if self._folder is None or not _remove(self._folder, draft.temporary):
                self._left_behind += [draft.temporary for draft in drafts[number:]]
                return


def temporary_name() -> str:
    """A name that no other upload has, and no path of an email (`rendering.file_paths`)."""
    return f".eed-{secrets.token_hex(8)}.part"


def ancestors(directory: str) -> Iterator[str]:
    """The directories down to this one, the outermost first."""
    made = "/" if directory.startswith("/") else ""
    for part in filter(None, directory.split("/")):
        made = posixpath.join(made, part)
        yield made


def wire_seconds(answer_seconds: float) -> float:
    """The longest time from the grant to the end of `send`."""
    return GRANTED_SECONDS + STEPS_ON_WIRE * answer_seconds


def _accepted(message: Files) -> Accepted:
    size, count = message.size, len(message.files)
    return Accepted(f"put {count} {'file' if count == 1 else 'files'}, {size:,} bytes", DONE, None)


def _remove(folder: RemoteFolder, path: str) -> bool:
    with contextlib.suppress(DeliveryFailure, FolderConnectionLost):
        folder.remove(path)
        return True
    return False
