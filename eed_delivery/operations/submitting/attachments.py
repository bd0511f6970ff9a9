"""The attachments that `submit` records, found below the attachments' root, with their SHA-256."""

import hashlib
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from eed_delivery.errors import RenderError
from eed_delivery.model import AttachmentRef
from eed_delivery.rendering.attachments import check_not_empty
from eed_delivery.rendering.local_files import read_file

S3 = "s3://"
REMEMBERED = 1024
"""An attachment of every email is read once."""


class SubmittedFiles:
    """Checks local attachments by the rules that the service uses when it sends.

    `root` is rendering.attachments_root, `allow_empty` is rendering.allow_empty_attachments. Files in S3 are not
    checked.
    """

    def __init__(self, root: Path | None, max_bytes: int, allow_empty: bool = False) -> None:
        self._root = root
        self._max_bytes = max_bytes
        self._allow_empty = allow_empty
        self._hash = lru_cache(REMEMBERED)(self._hash_of)

    def recorded(self, file: AttachmentRef) -> AttachmentRef:
        """`file` with its SHA-256. Raises `RenderError` when it is not there, not allowed, or not the one it should be.
        Raises `InfrastructureFailure` when the root cannot be read at all."""
        if file.location.startswith(S3):
            return file
        actual = self._hash(file.location)
        given = (file.sha256 or "").strip().lower()
        if given and given != actual:
            raise RenderError(f"attachment {file.location!r} is not the file with the sha256 {given[:12]}…")
        return replace(file, sha256=actual)

    def _hash_of(self, location: str) -> str:
        if self._root is None:
            raise RenderError(
                f"attachment {location!r}: no directory for attachments is set (rendering.attachments_root)"
            )
        content = read_file(self._root, location, self._max_bytes)
        check_not_empty(content, location, self._allow_empty)
        return hashlib.sha256(content).hexdigest()
