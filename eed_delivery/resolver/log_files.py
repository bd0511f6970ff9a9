"""A relay's log file, read together with its predecessors, whatever its rotation does meanwhile."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import IO, Any, cast

from eed_delivery.resolver.seeking import start_of
from eed_delivery.tracking.relay_logs.moments import LineTimes
from eed_delivery.tracking.relay_logs.reading import line_minute

TRIES = 5
"""Limit: listings that a rotation may spoil, one after the other."""
COMPRESSED = frozenset({".gz", ".xz", ".bz2", ".zst", ".lz4", ".Z"})
BUFFER_BYTES = 1024 * 1024
_FIRST_BYTES = 256
"""By them a file is known that was emptied and written anew."""


class LogTorn(Exception):
    """The log was rotated while it was read. What was read is not whole, and is to be read again."""


@dataclass(frozen=True, slots=True)
class LogEnd:
    """`last` is when a line was added last, in UTC. None: that is not known. `unread` are compressed predecessors that
    have lines of the time that was asked for."""

    last: datetime | None
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    """A file that is open, as long as it was then. `first` are its first bytes."""

    file: IO[bytes]
    size: int
    first: bytes

    def is_whole(self) -> bool:
        """Whether it was only added to since."""
        descriptor = self.file.fileno()
        return os.fstat(descriptor).st_size >= self.size and os.pread(descriptor, len(self.first), 0) == self.first


class LogFiles:
    """A log at a path. Its predecessors begin with its name: `mail.log.1`, `mail.log-20261130`."""

    def __init__(self, path: Path, zone: tzinfo, beat: Callable[[], None]) -> None:
        """`zone` is of times that name none. `beat` is called from time to time while the log is read."""
        self.name = str(path)
        self._path = path
        self._zone = zone
        self._beat = beat

    def look(self, since: datetime) -> LogEnd:
        """How far the log goes, and what of it cannot be read from `since` on. Raises `OSError`."""
        with self._path.open("rb") as file:  # whether it may be read, too
            last = datetime.fromtimestamp(os.fstat(file.fileno()).st_mtime, UTC)
        unread = tuple(path.name for path, at in self._siblings(since) if path.suffix in COMPRESSED)
        return LogEnd(last, unread)

    @contextmanager
    def opened(self, since: datetime) -> Iterator[IO[bytes]]:
        """The lines from `since` on, and perhaps some before it. Raises `OSError` and, at its end, `LogTorn`."""
        with ExitStack() as closing:
            parts = self._open_all(since, closing)
            raw = _Parts(parts, [self._start(part, since) for part in parts], self._beat)
            yield cast("IO[bytes]", BufferedReader(raw, BUFFER_BYTES))
            if not all(part.is_whole() for part in parts):
                raise LogTorn

    def _open_all(self, since: datetime, closing: ExitStack) -> list[_Part]:
        """All parts as they were at one moment: between two listings that are alike."""
        for _ in range(TRIES):
            with ExitStack() as these:
                listed = self._listing(since)
                try:
                    files = [these.enter_context(path.open("rb")) for path, _ in listed]
                except FileNotFoundError:
                    continue
                inodes = [os.fstat(file.fileno()).st_ino for file in files]
                if files and [inode for _, inode in listed] == inodes and self._listing(since) == listed:
                    closing.enter_context(these.pop_all())
                    return [_part(file) for file in files]
        self._path.stat()  # raises where there is none
        raise LogTorn

    def _listing(self, since: datetime) -> list[tuple[Path, int]]:
        """The log and its predecessors that are no older than `since`, in the order of their lines, with inodes."""
        paths = [path for path, _ in self._siblings(since) if path.suffix not in COMPRESSED]
        found = []
        for path in (*paths, self._path):
            try:
                found.append((path, path.stat().st_ino))
            except FileNotFoundError:  # between two steps of a rotation
                continue
        return found

    def _siblings(self, since: datetime) -> list[tuple[Path, float]]:
        name, found = self._path.name, []
        with os.scandir(self._path.parent) as entries:
            for entry in entries:
                if entry.name.startswith((f"{name}.", f"{name}-")) and entry.is_file():
                    at = entry.stat().st_mtime
                    if at >= since.timestamp():
                        found.append((Path(entry.path), at))
        return sorted(found, key=lambda one: (one[1], one[0]))

    def _start(self, part: _Part, since: datetime) -> int:
        times = LineTimes(self._zone, datetime.now(UTC))
        return start_of(part.file, part.size, int(since.timestamp()) // 60, lambda line: line_minute(line, times))


def _part(file: IO[bytes]) -> _Part:
    descriptor = file.fileno()
    size = os.fstat(descriptor).st_size
    return _Part(file, size, os.pread(descriptor, min(size, _FIRST_BYTES), 0))


class _Parts(RawIOBase):
    """Files as one, each from a place to the size that it had."""

    def __init__(self, parts: Sequence[_Part], starts: Sequence[int], beat: Callable[[], None]) -> None:
        self._left = [[part.file.fileno(), start, part.size] for part, start in zip(parts, starts, strict=True)]
        self._beat = beat

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._beat()
        while self._left:
            descriptor, at, end = self._left[0]
            content = os.pread(descriptor, min(len(buffer), end - at), at) if at < end else b""
            if content:
                buffer[: len(content)] = content
                self._left[0][1] += len(content)
                return len(content)
            self._left.pop(0)
        return 0
