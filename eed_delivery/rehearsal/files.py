"""Attachments as they are read, each with its SHA-256."""

import hashlib
from fnmatch import fnmatchcase

from eed_delivery.model import AttachmentRef
from eed_delivery.rendering.attachments import Attachment, AttachmentStore


class HashedAttachments(AttachmentStore):
    """A store that remembers what was read for one email. For one thread."""

    _read: list[tuple[str, str]]

    def read(self, ref: AttachmentRef) -> Attachment:
        """As the store does."""
        found = super().read(ref)
        self._noted().append((hashlib.sha256(found.content).hexdigest(), found.filename))
        return found

    def taken(self) -> tuple[tuple[str, str], ...]:
        """SHA-256 and name of each attachment since the last call."""
        found = tuple(self._noted())
        self._read = []
        return found

    def _noted(self) -> list[tuple[str, str]]:
        if not hasattr(self, "_read"):
            self._read = []
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
