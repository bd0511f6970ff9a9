"""What the old server has sent, found in folders of .eml files, Maildirs and mboxes. Only what is new is read."""

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.errors import MessageError
from pathlib import Path
from typing import Any

from eed_delivery.shadow.asked import READ_AND_UNREAD, CopyPlace
from eed_delivery.shadow.messages import header_of, message_id_and_minute

HEAD_BYTES = 65_536
OVERLAP_SECONDS = 60.0
"""Files that came within so long before the last look are looked at once more."""
WRITTEN_SECONDS = 5.0
"""The last message of an mbox that changed so lately may not be whole."""
LONGEST_KEY = 191
LONGEST_PATH = 1000
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class CopyFolder:
    """Where copies are. `kind` is eml, maildir or mbox. `key` is file_name, message_id, or header:NAME."""

    path: Path
    kind: str
    key: str


@dataclass(frozen=True, slots=True)
class FoundCopy:
    """A copy. `match` is the key of its email, or its Message-ID. `minute` is of its Date, since 1970."""

    match: str
    place: CopyPlace
    message_id: str | None
    minute: int | None

    @property
    def copy_id(self) -> str:
        """The same for the same copy, however often it is found."""
        where = f"{self.match}\0{_lasting(self.place.path)}\0{self.place.begin}"
        return hashlib.sha256(where.encode("utf-8", "surrogateescape")).hexdigest()[:32]


@dataclass(slots=True)
class CopyScan:
    """Looks for copies that came since the last look. `state` is what `kept` gave then."""

    folder: CopyFolder
    state: Mapping[str, Any]
    since: float
    """Seconds since 1970: what came before is of no interest."""
    skipped: int = 0
    _next: dict[str, Any] = field(default_factory=dict)

    def found(self, now: float) -> Iterator[FoundCopy]:
        """Each of them. `now` is the time of the file system. Raises `OSError`."""
        if self.folder.kind == "mbox":
            yield from self._mbox(now)
            return
        since = max(self.since, float(self.state.get("at", 0)) - OVERLAP_SECONDS)
        for path in self._files(since):
            if (copy := self._of_file(path)) is not None:
                yield copy
        self._next = {"at": now}

    def kept(self) -> dict[str, Any]:
        """What the next look begins with."""
        return self._next or dict(self.state)

    def _files(self, since: float) -> Iterator[Path]:
        """Files whose status changed since then. A copy that keeps its own time has a new one of this."""
        folders = [self.folder.path]
        while folders:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        if self.folder.kind != "maildir" or entry.name != "tmp":
                            folders.append(Path(entry.path))
                    elif self._may_be(entry.name) and entry.stat().st_ctime >= since:
                        yield Path(entry.path)

    def _may_be(self, name: str) -> bool:
        return self.folder.kind == "maildir" or name.lower().endswith(".eml")

    def _of_file(self, path: Path) -> FoundCopy | None:
        try:
            with path.open("rb") as file:
                head = _head(file.read(HEAD_BYTES))
        except FileNotFoundError:
            return None  # it was moved from new to cur meanwhile, and is found there
        return self._copy(head, CopyPlace(str(path)), path.name)

    def _mbox(self, now: float) -> Iterator[FoundCopy]:
        status = self.folder.path.stat()
        begin = int(self.state.get("end", 0))
        if self.state.get("inode") != status.st_ino or begin > status.st_size:
            begin = 0  # it was rotated
        end = status.st_size
        with self.folder.path.open("rb") as file:
            starts = list(_starts(file, begin))
            if starts and now - status.st_mtime < WRITTEN_SECONDS:
                end = starts.pop()  # it may be written still, and is read the next time
            for at, until in zip(starts, [*starts, end][1:], strict=True):
                file.seek(at)
                head = _head(file.read(min(HEAD_BYTES, until - at)).partition(b"\n")[2])
                copy = self._copy(head, CopyPlace(str(self.folder.path), at, until - at), "")
                if copy is not None:
                    yield copy
        self._next = {"inode": status.st_ino, "end": end}

    def _copy(self, head: bytes, place: CopyPlace, name: str) -> FoundCopy | None:
        try:
            message_id, minute = message_id_and_minute(head)
            match = self._match(head, message_id, name)
        except (MessageError, ValueError, LookupError):
            match = None
        if not match or len(match) > LONGEST_KEY or len(place.path) > LONGEST_PATH or not _is_text(place.path + match):
            self.skipped += 1
            return None
        return FoundCopy(match, place, message_id, minute)

    def _match(self, head: bytes, message_id: str | None, name: str) -> str | None:
        kind, _, header = self.folder.key.partition(":")
        if kind == "message_id":
            return message_id
        if kind == "header":
            return (header_of(head, header) or "").strip()
        return name.rpartition(".")[0] if name.lower().endswith(".eml") else name


def _lasting(path: str) -> str:
    """A path without what a mail program changes in a Maildir: the folder new or cur, and the flags behind a colon."""
    folder, _, name = path.rpartition("/")
    base, _, place = folder.rpartition("/")
    return f"{base}/{name.partition(':')[0]}" if place in READ_AND_UNREAD else path


def _head(content: bytes) -> bytes:
    """The header of a message, with its empty line."""
    found = re.search(rb"\r?\n\r?\n", content)
    return content if found is None else content[: found.end()]


def _starts(file: Any, begin: int) -> Iterator[int]:
    """Where messages of an mbox begin, from here on: a line with From, behind an empty one."""
    file.seek(begin)
    at, before, last = begin, b"\n\n", -1
    while block := file.read(_BLOCK):
        content = before + block
        base = at - len(before)
        for found in re.finditer(rb"(?<=\n\n)From |(?<=\r\n\r\n)From ", content):
            if base + found.start() > last:
                last = base + found.start()
                yield last
        at += len(block)
        before = content[-9:]
        file.seek(at)


def _is_text(words: str) -> bool:
    try:
        words.encode()
    except UnicodeEncodeError:
        return False
    return True
