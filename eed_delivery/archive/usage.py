"""How many bytes the spool of this host holds: one number that all processes share."""

import fcntl
import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_NUMBER = struct.Struct("<q")


class SpoolUsage:
    """A counter in a file, changed under its lock (flock). Safe for threads and processes.

    A process that is killed between counting and writing leaves the number off by one copy. `recount` sets it right.
    """

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self._lock = threading.Lock()  # flock knows processes alone

    def close(self) -> None:
        os.close(self._file)

    @property
    def used_bytes(self) -> int:
        """The number as it stands."""
        with self._locked():
            return self._read()

    def take(self, size: int, limit: int) -> bool:
        """Count `size` more bytes; False if there would be more than `limit`."""
        with self._locked():
            total = self._read() + size
            if total > limit:
                return False
            self._write(total)
            return True

    def give_back(self, size: int) -> None:
        """Count `size` bytes less."""
        with self._locked():
            self._write(max(0, self._read() - size))

    def recount(self, count: Callable[[], int]) -> None:
        """Set the number to what `count` finds, while no process counts a new copy."""
        with self._locked():
            self._write(count())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._lock:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)

    def _read(self) -> int:
        found = os.pread(self._file, _NUMBER.size, 0)
        return int(_NUMBER.unpack(found)[0]) if len(found) == _NUMBER.size else 0

    def _write(self, total: int) -> None:
        os.pwrite(self._file, _NUMBER.pack(total), 0)
