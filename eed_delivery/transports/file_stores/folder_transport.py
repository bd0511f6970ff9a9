"""Files put into a folder of another host: under a temporary name first, and renamed when whole and granted.

A kind brings the connection. What is done over it, and what a lost answer means, is here.
"""

import contextlib
import hashlib
import math
import posixpath
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from eed_delivery.config.file_channels import FolderChannelSettings
from eed_delivery.errors import DeliveryFailure, InDoubt, InfrastructureFailure, OtherBytes, TransientFailure
from eed_delivery.model import Accepted, File, Files
from eed_delivery.runtime.idle_time import IdleTime
from eed_delivery.transports import Grant, file_stores
from eed_delivery.transports.file_stores import time_limits
from eed_delivery.transports.file_stores.folder import FolderConnectionLost, NameTaken, RemoteFolder
from eed_delivery.transports.file_stores.folder_connection import FolderConnection
from eed_delivery.transports.file_stores.time_limits import PUT_SECONDS, SETTLE_SECONDS, Clock, TimeLimit

DONE = 250
"""The code of a yes: FTP's for a file that has got its name (RFC 959, section 4.2.1). SFTP has none of its own."""
LAST_FILE_ANSWERS = 9
"""Answers that the last file may wait for: it is looked for, renamed, compared with what is there, and removed."""
LAST_QUESTION_ANSWERS = 4
"""Answers that the last file may wait for when it is asked for: its size, its hash, or the end of its content."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Draft:
    """An uploaded file under its temporary name."""

    file: File
    temporary: str
    target: str


class FolderTransport:
    """Puts files into a folder. See `FileTransport` for the contract.

    `connect` opens a connection, or raises InfrastructureFailure. `connect_seconds`: how long that may take.
    """

    def __init__(
        self,
        name: str,
        settings: FolderChannelSettings,
        connect: Callable[[], FolderConnection],
        connect_seconds: float,
        clock: Clock = time.monotonic,
    ) -> None:
        self.name = name
        self.wire_seconds = wire_seconds(settings, connect_seconds)
        self._settings = settings
        self._connect = connect
        self._clock = clock
        self._folder: RemoteFolder | None = None
        self._idle = IdleTime()
        self._left_behind: list[str] = []
        self._limit = TimeLimit()

    def send(self, message: Files, grant: Grant) -> Accepted:
        """See `FileTransport.send`. A file that is there with the same bytes is not uploaded."""
        folder, drafts = self._connected(lambda folder: self._drafts(folder, message.files))
        file_stores.uploaded(message)
        try:
            grant()
            with self._within(PUT_SECONDS):
                while drafts:
                    self._be_in_time()
                    self._publish(folder, drafts[0])
                    drafts.pop(0)
                    file_stores.named(message)
        except FolderConnectionLost as error:
            self._lose(drafts)
            raise InDoubt(f"the connection was lost while a file got its name: {error}") from error
        finally:
            self._discard(drafts)
        return file_stores.accepted(message, DONE)

    def settle(self, message: Files) -> Accepted | None:
        """See `FileTransport.settle`."""

        def all_there(folder: RemoteFolder) -> bool:
            return all(self._is_there(folder, file) for file in message.files)

        found = self._connected(all_there, SETTLE_SECONDS)[1]
        return file_stores.accepted(message, DONE) if found else None

    def probe(self) -> None:
        """Connect, and look for the channel's directory. See `Transport.probe`."""
        self._connected(lambda folder: folder.look())

    def trial(self) -> str:
        """Write a file, read it back and remove it. Returns its directory, for people."""
        content = secrets.token_bytes(64)
        file = File(temporary_name(), content, "application/octet-stream", hashlib.sha256(content).hexdigest())
        folder, draft = self._connected(lambda folder: self._draft(folder, file))
        same = folder.hash_of(draft.temporary, self._limit) == file.sha256
        folder.remove(draft.temporary)
        if not same:
            raise InfrastructureFailure("the server gave back other bytes than were written. Check its disk")
        return posixpath.dirname(draft.target) or "."

    def close(self) -> None:
        """See `Transport.close`."""
        if self._folder is not None:
            self._folder.close()
            self._folder = None

    def _connected(self, work: Callable[[RemoteFolder], _T], seconds: float = math.inf) -> tuple[RemoteFolder, _T]:
        """Does `work` without a grant. A kept connection that turns out to be dead is replaced once. One that was idle
        for long is replaced at once, because to ask over it may take its whole timeout. `seconds`: from the
        connection on."""
        if self._idle.exceeds(self._settings.max_idle_seconds):
            self.close()
        kept = self._folder is not None
        try:
            folder = self._folder = self._folder or RemoteFolder(self._connect(), self._settings)
            with self._within(seconds):
                while self._left_behind and not self._limit.over():
                    _remove(folder, self._left_behind.pop())
                found = work(folder)
            self._idle.used()
            return folder, found
        except FolderConnectionLost as error:
            self._lose([])
            if kept:
                return self._connected(work, seconds)
            raise InfrastructureFailure(f"the connection was lost: {error}") from error

    @contextlib.contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """No further step is begun after this time."""
        self._limit = TimeLimit(self._clock, seconds)
        try:
            yield
        finally:
            self._limit = TimeLimit()

    def _be_in_time(self) -> None:
        if self._limit.over():
            raise FolderConnectionLost(f"the server needed more than {self._limit} for the files before this one")

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
        by_hash = self._settings.verify == "hash"
        if by_hash and folder.hash_of(draft.temporary, self._limit) != draft.file.sha256:
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
        self._be_in_time()
        path = self._target(file)
        size = folder.size(path)
        if size is None:
            return False
        if size != len(file.content) or folder.hash_of(path, self._limit) != file.sha256:
            raise OtherBytes(f"document {path[-200:]!r}: the server has one with other bytes, which stays", file.path)
        return True

    def _target(self, file: File) -> str:
        return posixpath.join(self._settings.directory, file.path)

    def _discard(self, drafts: list[_Draft]) -> None:
        """Remove temporary files over the connection that they were written over. Never raises."""
        for number, draft in enumerate(drafts):
            if self._folder is None or not _remove(self._folder, draft.temporary):
                self._left_behind += [draft.temporary for draft in drafts[number:]]
                return


def temporary_name() -> str:
    """A name that no other upload has, and no path of an email (`rendering.file_paths`)."""
    return f".eed-{secrets.token_hex(8)}.part"


def wire_seconds(settings: FolderChannelSettings, connect_seconds: float) -> float:
    """See `FileTransport`. `connect_seconds`: how long a connection and a login may take."""
    answer = settings.answer_timeout_seconds
    return time_limits.wire_seconds(
        last_file=LAST_FILE_ANSWERS * answer,
        connecting=connect_seconds,
        last_question=LAST_QUESTION_ANSWERS * answer,
    )


def _remove(folder: RemoteFolder, path: str) -> bool:
    with contextlib.suppress(DeliveryFailure, FolderConnectionLost):
        folder.remove(path)
        return True
    return False
