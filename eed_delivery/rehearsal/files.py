"""Attachments as they are read, each with its SHA-256."""

import hashlib
from collections.abc import Iterable
from fnmatch import fnmatchcase

from eed_delivery.model import AttachmentRef
from eed_delivery.rendering.attachments import Attachment, AttachmentStore


class HashedAttachments(AttachmentStore):
    """A store that remembers what was read of one email's own attachments. For one thread.

    Those of the job are read once, whichever email comes first, and are no email's own.
    """

    _own: frozenset[AttachmentRef] = frozenset()
    _read: tuple[tuple[str, str], ...] = ()

    def begin(self, own: Iterable[AttachmentRef]) -> None:
        """The next email, which has these."""
        self._own, self._read = frozenset(own), ()

    def read(self, ref: AttachmentRef) -> Attachment:
        """As the store does."""
        found = super().read(ref)
        if ref in self._own:
            self._read += ((hashlib.sha256(found.content).hexdigest(), found.filename),)
        return found

    @property
    def noted(self) -> tuple[tuple[str, str], ...]:
        """SHA-256 and name of each that was read."""
        return self._read


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
