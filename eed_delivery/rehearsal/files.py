"""Attachments as they are read, each with its SHA-256, and none waited for without end."""

import hashlib
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from eed_delivery.errors import InfrastructureFailure, RenderError
from eed_delivery.model import AttachmentRef
from eed_delivery.rendering.attachments import Attachment, AttachmentStore

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READ_SECONDS = 60.0
HUNG_IN_A_ROW = 3
"""Reads that did not come back. It is the mount then, and no single file."""


class HashedAttachments(AttachmentStore):
    """A store that remembers what was read of one email's own attachments. For one thread.

    Those of the job are read once, whichever email comes first, and are no email's own. A read that takes longer than
    `seconds` is given up: a mount whose server is gone answers never.
    """

    def __init__(
        self,
        root: Path | None,
        s3_client: "S3Client | None" = None,
        allowed_s3: tuple[str, ...] = (),
        max_bytes: int = 10 * 1024 * 1024,
        allow_empty: bool = False,
        seconds: float = READ_SECONDS,
    ) -> None:
        super().__init__(root, s3_client, allowed_s3, max_bytes, allow_empty)
        self._seconds = seconds
        self._own: frozenset[AttachmentRef] = frozenset()
        self._read: tuple[tuple[str, str], ...] = ()
        self._reader = _Reader(self._read_from_disk)
        self._hung = 0

    def begin(self, own: Iterable[AttachmentRef]) -> None:
        """The next email, which has these."""
        self._own, self._read = frozenset(own), ()

    def read(self, ref: AttachmentRef) -> Attachment:
        """As the store does. Raises RenderError for a read that took too long, and InfrastructureFailure for several
        in a row."""
        found = self._reader.read(ref, self._seconds)
        if found is None:
            self._reader = _Reader(self._read_from_disk)
            self._hung += 1
            if self._hung >= HUNG_IN_A_ROW:
                raise InfrastructureFailure(f"{self._hung} reads of attachments took more than {self._seconds:.0f} s")
            raise RenderError(
                f"reading an attachment took more than {self._seconds:.0f} s (rehearsal.attachment_seconds)"
            )
        self._hung = 0
        if isinstance(found, Exception):
            raise found
        if ref in self._own:
            self._read += ((hashlib.sha256(found.content).hexdigest(), found.filename),)
        return found

    def _read_from_disk(self, ref: AttachmentRef) -> Attachment:
        return super().read(ref)

    @property
    def noted(self) -> tuple[tuple[str, str], ...]:
        """SHA-256 and name of each that was read."""
        return self._read


class _Reader:
    """A thread that reads. One that hangs is left behind, and ends with the process."""

    def __init__(self, read: Callable[[AttachmentRef], Attachment]) -> None:
        self._read = read
        self._asked: SimpleQueue[AttachmentRef] = SimpleQueue()
        self._found: SimpleQueue[Attachment | Exception] = SimpleQueue()
        self._thread: Thread | None = None

    def read(self, ref: AttachmentRef, seconds: float) -> Attachment | Exception | None:
        """The attachment, or why there is none. None: it took longer."""
        if self._thread is None:
            self._thread = Thread(target=self._loop, name="attachments", daemon=True)
            self._thread.start()
        self._asked.put(ref)
        try:
            return self._found.get(timeout=seconds)
        except Empty:
            return None

    def _loop(self) -> None:
        while True:
            try:
                self._found.put(self._read(self._asked.get()))
            except Exception as error:  # noqa: BLE001 - raised where it was asked for
                self._found.put(error)


class CommonFiles:
    """Enclosures that different recipients may share: by SHA-256, or by a name in which * stands for anything."""

    def __init__(self, given: tuple[str, ...]) -> None:
        self._given = frozenset(given)
        self._patterns = tuple(one for one in given if "*" in one)

    def has(self, sha256: str, name: str) -> bool:
        """Whether this file is one of them."""
        known = sha256 in self._given or name in self._given
        return known or any(fnmatchcase(name, pattern) for pattern in self._patterns)


NO_COMMON_FILES = CommonFiles(())
