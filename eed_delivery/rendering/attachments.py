"""Attachments, read from their place, checked against their recorded hash, named and typed for a mail client."""

import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from eed_delivery.errors import RenderError
from eed_delivery.light_dataclass import light_dataclass
from eed_delivery.model import AttachmentRef
from eed_delivery.rendering.file_names import UNKNOWN_TYPE, display_name, type_of, with_extension
from eed_delivery.rendering.headers import one_line
from eed_delivery.rendering.local_files import read_file
from eed_delivery.rendering.s3_objects import SCHEME, read_object

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_WORD = r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*"  # RFC 6838, section 4.2
_TYPE = re.compile(rf"({_WORD}/{_WORD})\s*(;.*)?")
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([A-Za-z0-9_.:-]{1,40})"?\s*(?:;|$)', re.IGNORECASE)
_HASH = re.compile(r"[0-9a-f]{64}")


@light_dataclass
class Attachment:
    """An attachment with its content. `filename` and `content_type` are fit for a header."""

    filename: str
    content_type: str
    content: bytes


class AttachmentStore:
    """Where attachments are read from, a directory, S3, or both. Safe to use from many threads.

    `allowed_s3` are prefixes such as s3://bucket/statements. `max_bytes` bounds one attachment. `allow_empty` means
    that one of 0 bytes is sent, too.
    """

    def __init__(
        self,
        root: Path | None,
        s3_client: "S3Client | None" = None,
        allowed_s3: tuple[str, ...] = (),
        max_bytes: int = 10 * 1024 * 1024,
        allow_empty: bool = False,
    ) -> None:
        self._root = root
        self._s3_client = s3_client
        self._allowed_s3 = allowed_s3
        self._max_bytes = max_bytes
        self._allow_empty = allow_empty

    def read(self, ref: AttachmentRef) -> Attachment:
        """The attachment, its SHA-256 checked where one is recorded.

        Raises RenderError when it is missing, forbidden, empty, too large or not the recorded one. Raises
        InfrastructureFailure or Throttled when its disk or S3 is at fault.
        """
        location = _location(ref)
        expected = _expected_hash(ref, location)
        filename = _file_name(ref.filename, location)
        content_type = _content_type(ref.content_type, filename, location)
        filename = with_extension(filename, location, content_type.partition(";")[0])
        content = self._content(location)
        check_not_empty(content, location, self._allow_empty)
        _check_hash(content, expected, location)
        return Attachment(filename, content_type, content)

    def _content(self, location: str) -> bytes:
        if location.startswith(SCHEME):
            return read_object(self._s3_client, self._allowed_s3, location, self._max_bytes)
        if self._root is None:
            raise RenderError(
                f"attachment {location!r}: no directory for attachments is set (rendering.attachments_root)"
            )
        return read_file(self._root, location, self._max_bytes)


def _location(ref: AttachmentRef) -> str:
    location = one_line(ref.location, "location of an attachment")
    if not location:
        raise RenderError("an attachment has no location")
    return location


def _expected_hash(ref: AttachmentRef, location: str) -> str | None:
    """The recorded hash in lower case. None when the column is NULL or blank."""
    recorded = (ref.sha256 or "").strip().lower()
    if recorded and not _HASH.fullmatch(recorded):
        raise RenderError(
            f"attachment {location!r}: the recorded sha256 is not 64 hexadecimal digits. Nothing was sent"
        )
    return recorded or None


def _check_hash(content: bytes, expected: str | None, location: str) -> None:
    if expected is None:
        return
    actual = hashlib.sha256(content).hexdigest()
    if actual != expected:
        hashes = f"its sha256 begins {actual[:12]}, the recorded one {expected[:12]}"
        raise RenderError(f"attachment {location!r} is not the file that was recorded: {hashes}. Nothing was sent")


def check_not_empty(content: bytes, location: str, allowed: bool = False) -> None:
    """Raises RenderError for an attachment of 0 bytes. Whatever makes the files has died, or is not done."""
    if not content and not allowed:
        raise RenderError(f"attachment {location!r} is empty, so nothing was sent (rendering.allow_empty_attachments)")


def _file_name(given: str | None, location: str) -> str:
    """The name that the recipient sees. One with a control character is refused by `one_line`, because it is a
    mistake."""
    text = one_line(given, "file name of an attachment") if given else ""
    name = display_name(text, location)
    if not name:
        raise RenderError(f"attachment {location!r}: {(text or location)[:40]!r} is not a file name")
    return name


def _content_type(given: str | None, filename: str, location: str) -> str:
    """The given type, or the one of the name's or else the location's extension.

    Of parameters only `charset` is kept.
    """
    text = one_line(given, "content type of an attachment") if given else ""
    if not text:
        return _allowed(type_of(filename.rstrip(". ")) or type_of(location) or UNKNOWN_TYPE)
    kind = _checked_type(text)
    if kind is None:
        raise RenderError(f"attachment {location!r}: {text[:40]!r} is not a content type like application/pdf")
    return kind


@lru_cache(maxsize=64)  # the same few types, for every attachment
def _checked_type(text: str) -> str | None:
    """The type as it goes into the header. None when it is none."""
    found = _TYPE.fullmatch(text)
    if found is None or len(found[1]) > 127:  # RFC 6838, section 4.2
        return None
    charset = _CHARSET.search(found[2] or "")
    kind = _allowed(found[1])
    return f'{kind}; charset="{charset[1]}"' if charset and kind != UNKNOWN_TYPE else kind


def _allowed(kind: str) -> str:
    """In lower case. message/* and multipart/*, which may not be sent as base64 (RFC 2046, section 5.2.1), go as
    application/octet-stream."""
    return UNKNOWN_TYPE if kind.lower().startswith(("message/", "multipart/")) else kind.lower()
