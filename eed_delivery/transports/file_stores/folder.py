"""A folder of another host, over one open connection. What the server says becomes an error that says what to do."""

import hashlib
import posixpath
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from eed_delivery.config.file_channels import FolderChannelSettings
from eed_delivery.errors import DeliveryFailure, InfrastructureFailure
from eed_delivery.model import Content
from eed_delivery.transports.file_stores.folder_connection import FolderConnection, FolderRefusal
from eed_delivery.transports.file_stores.time_limits import TimeLimit
from eed_delivery.untrusted import clean


class FolderConnectionLost(Exception):
    """The connection ended, or an answer did not come in time. What was asked may have been done."""


class NameTaken(Exception):
    """A file was not renamed, because the server has one of the new name."""


class RemoteFolder:
    """Each method raises a `DeliveryFailure` for a definite no, and `FolderConnectionLost`."""

    def __init__(self, connection: FolderConnection, settings: FolderChannelSettings) -> None:
        self._connection = connection
        self._settings = settings

    def size(self, path: str) -> int | None:
        """The size of a file in bytes; None if there is none."""
        with self._asking("look at document", path):
            return self._connection.size(path)

    def hash_of(self, path: str, limit: TimeLimit) -> str:
        """The SHA-256 of a file: calculated by the server, or else of its bytes, which are read."""
        with self._asking("read document", path):
            told = self._connection.sha256(path)
            if told is not None:
                return told
            digest = hashlib.sha256()
            for piece in self._connection.read(path):
                digest.update(piece)
                if limit.over():
                    raise FolderConnectionLost(f"reading {path[-200:]!r} took more than {limit}")
            return digest.hexdigest()

    def write(self, path: str, content: Content) -> None:
        """A new file with all of its bytes. Makes its directories if it may."""
        with self._asking("write document", path):
            try:
                self._connection.write(path, content)
                return
            except self._connection.errors as error:
                refusal = self._connection.refusal(error)
                if refusal is None or not (refusal.no_directory and self._settings.make_directories):
                    self._raise_if_full(path, len(content), refusal)
                    raise
        self._make_directories(posixpath.dirname(path))
        with self._asking("write document", path):
            self._connection.write(path, content)

    def rename(self, old: str, new: str) -> None:
        """Rename, and replace nothing. Raises `NameTaken`.

        Where a rename replaces, there is a look just before it. What another client puts there in between is replaced.
        No other email does: the wire has taken the path for this one.
        """
        if self._connection.rename_replaces and self.size(new) is not None:
            raise NameTaken(new)
        try:
            with self._asking("rename document", new):
                self._connection.rename(old, new)
        except InfrastructureFailure:
            if self.size(new) is not None:
                raise NameTaken(new) from None
            raise

    def remove(self, path: str) -> None:
        """Remove a file."""
        with self._asking("remove document", path):
            self._connection.remove(path)

    def look(self) -> None:
        """See whether the channel's directory is there."""
        with self._asking("look at directory", self._settings.directory):
            self._connection.look(self._settings.directory)

    def close(self) -> None:
        """Never raises, and waits for nothing."""
        self._connection.close()

    def _make_directories(self, directory: str) -> None:
        """Each down to this one. Another connection may make the same ones meanwhile."""
        made = "/" if directory.startswith("/") else ""
        for part in filter(None, directory.split("/")):
            made = posixpath.join(made, part)
            with self._asking("make directory", made):
                self._connection.make_directory(made)

    def _raise_if_full(self, path: str, needed: int, refusal: FolderRefusal | None) -> None:
        """Servers say little of a full disk, so the server is asked. That concerns every file."""
        with suppress(*self._connection.errors):
            free = self._connection.free_bytes(posixpath.dirname(path)) if refusal is not None else None
            if free is not None and free < needed:
                words = f"the server's disk is full: {free:,} bytes are free. Ask its operator for room"
                raise InfrastructureFailure(words)

    @contextmanager
    def _asking(self, action: str, path: str) -> Iterator[None]:
        try:
            yield
        except self._connection.errors as error:
            raise self._meaning(action, path, error) from error

    def _meaning(self, action: str, path: str, error: Exception) -> DeliveryFailure | FolderConnectionLost:
        refusal = self._connection.refusal(error)
        if refusal is None:
            return FolderConnectionLost(clean(str(error)) or type(error).__name__)
        words = f"the server refuses to {action} {path[-200:]!r}: {clean(refusal.said)}. {refusal.remedy}"
        if issubclass(refusal.failure, InfrastructureFailure):
            return refusal.failure(words, code=refusal.code)
        return refusal.failure(words)  # without a code: it is nothing that a mail server said of a recipient
