"""The spool: a directory of this host in which copies wait for the archive. Only its owner can read it.

A copy is one file, named by its email, its token and its SHA-256 (`names`). It is written before the wire as a draft,
and renamed after the grant. So a draft was never sent by the process that wrote it.

What a process that is killed has written, the system keeps. A power cut needs more: with `sync` each copy is on the
disk (fsync) before its email is sent. The rename is not synced, because the ledger's record of the answer counts for
more than the name.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from eed_delivery.archive.names import DRAFT, ON_WIRE, CopyName, parsed
from eed_delivery.archive.usage import SpoolUsage

DIRECTORY_MODE = 0o700
FILE_MODE = 0o600
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Spool:
    """The copies of one channel on this host. Safe for threads and processes. Its calls raise OSError."""

    def __init__(self, directory: Path, max_bytes: int, *, sync: bool = True) -> None:
        """`max_bytes`: of all copies together."""
        self.directory = directory
        self.max_bytes = max_bytes
        self._sync = sync
        self._lock = threading.Lock()
        self._opened: SpoolUsage | None = None

    @property
    def _usage(self) -> SpoolUsage:
        """The directory is made when it is first used: a disk that is full or gone must stop no worker."""
        with self._lock:
            if self._opened is None:
                self.directory.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
                self.directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
                self.directory.chmod(DIRECTORY_MODE)
                self._opened = SpoolUsage(self.directory / ".usage")
            return self._opened

    def close(self) -> None:
        with self._lock:
            if self._opened is not None:
                self._opened.close()
                self._opened = None

    @property
    def used_bytes(self) -> int:
        """How many bytes wait here."""
        return self._usage.used_bytes

    def write(self, name: CopyName, content: bytes) -> bool:
        """Write a draft. False: there is no room for it."""
        if not self._usage.take(len(content), self.max_bytes):
            return False
        try:
            self._create(self._path(name, DRAFT), content)
        except BaseException:
            self._usage.give_back(len(content))
            raise
        return True

    def _create(self, path: Path, content: bytes) -> None:
        file = os.open(path, _NEW, FILE_MODE)
        try:
            left = memoryview(content)
            while left:
                left = left[os.write(file, left) :]
            if self._sync:
                os.fsync(file)  # of a new file: its name too, on ext4, XFS and Btrfs
        except BaseException:
            with suppress(OSError):
                path.unlink()
            raise
        finally:
            os.close(file)

    def put_on_wire(self, name: CopyName) -> None:
        """Its email has the wire."""
        self._path(name, DRAFT).rename(self._path(name, ON_WIRE))

    def read(self, name: CopyName, ending: str) -> bytes:
        return self._path(name, ending).read_bytes()

    def drop(self, name: CopyName, ending: str) -> None:
        """Remove a copy. One that is gone is no error."""
        path = self._path(name, ending)
        try:
            size = path.lstat().st_size
            path.unlink()
        except FileNotFoundError:
            return
        self._usage.give_back(size)

    def copies(self) -> Iterator[tuple[CopyName, str]]:
        """The copies that wait, each with its ending, in no order. Files that are not ours are passed over."""
        with os.scandir(self.directory) as entries:
            for entry in entries:
                if (found := parsed(entry.name)) is not None:
                    yield found

    def recount(self) -> None:
        """Make the directory if it is not there, and set right what killed processes have miscounted."""
        self._usage.recount(lambda: sum(self._sizes()))

    def _sizes(self) -> Iterator[int]:
        with os.scandir(self.directory) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # another process has removed it meanwhile
                    if parsed(entry.name) is not None:
                        yield entry.stat(follow_symlinks=False).st_size

    def _path(self, name: CopyName, ending: str) -> Path:
        return self.directory / name.file_name(ending)
