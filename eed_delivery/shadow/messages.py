"""An email as it is compared: decoded, whatever its encodings, boundaries and folding."""

import binascii
import hashlib
import re
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.header import decode_header
from email.message import Message
from email.policy import compat32
from email.utils import getaddresses, parsedate_to_datetime

from eed_delivery import addresses

MOST_BYTES = 64 * 1024 * 1024
MOST_PARTS = 1000
_ROWS = re.compile(rb"(?:[A-Za-z0-9+/]{60,76}\r?\n){16,}(?:[A-Za-z0-9+/=]{1,76}\r?\n)?")
"""Many rows of base64. The parser would read them line by line, which is most of its time."""
_MARK = secrets.token_hex(16)
_MARKS = re.compile(f"{_MARK}(\\d+)".encode())
_SPACES = re.compile(r"\s+")
_HOST_WIDE = ("to", "cc", "bcc")


class NoMessage(Exception):
    """It cannot be read as an email. The message says why."""


@dataclass(frozen=True, slots=True)
class ComparedFile:
    """An attachment. `sha256` is of its content, in hexadecimal."""

    name: str
    content_type: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class ComparedMessage:
    """An email. `recipients` are canonical addresses of To, Cc and Bcc, and `recipient_name` is the first one's.

    `headers` has all others, by their names in small letters. `text` and `html` are None where there is none.
    """

    recipients: tuple[str, ...]
    recipient_name: str
    sender: str
    reply_to: str
    subject: str
    headers: tuple[tuple[str, str], ...]
    text: str | None
    html: str | None
    files: tuple[ComparedFile, ...]


def read_message(content: bytes) -> ComparedMessage:
    """An email of its bytes. Raises `NoMessage`."""
    if len(content) > MOST_BYTES:
        raise NoMessage(f"it has more than {MOST_BYTES:,} bytes")
    try:
        rows = _SetAside()
        return _read(message_from_bytes(rows.taken_from(content), policy=compat32), rows)
    except (LookupError, ValueError, RecursionError, AssertionError) as error:
        raise NoMessage(f"it cannot be read: {type(error).__name__}") from error


def message_id_and_minute(head: bytes) -> tuple[str | None, int | None]:
    """Message-ID, without angle brackets, and minutes since 1970 of its Date, of an email's header."""
    found = message_from_bytes(head, policy=compat32)
    bare = _words(found.get("Message-ID")).strip("<> ")
    try:
        minute = int(parsedate_to_datetime(_words(found.get("Date"))).timestamp()) // 60
    except (ValueError, TypeError, OverflowError, IndexError):
        minute = None
    return bare or None, minute


def header_of(head: bytes, name: str) -> str | None:
    """One header's value. None without it."""
    found = message_from_bytes(head, policy=compat32).get(name)
    return None if found is None else _words(found)


class _SetAside:
    """Rows of base64, with a mark in their place that no message can have foreseen."""

    def __init__(self) -> None:
        self._rows: list[bytes] = []

    def taken_from(self, content: bytes) -> bytes:
        """A message with marks."""
        return _ROWS.sub(self._take, content)

    def _take(self, found: re.Match[bytes]) -> bytes:
        self._rows.append(found[0])
        return f"{_MARK}{len(self._rows) - 1}\r\n".encode()

    def content_of(self, part: Message) -> bytes:
        """The decoded content of a part that may have marks."""
        payload = part.get_payload()
        if isinstance(payload, str) and _MARK in payload:
            whole = _MARKS.sub(self._row, payload.encode("ascii", "surrogateescape"))
            if str(part.get("Content-Transfer-Encoding", "")).strip().lower() == "base64":
                with suppress(binascii.Error):
                    return binascii.a2b_base64(whole)
            part.set_payload(whole.decode("ascii", "surrogateescape"))
        found = part.get_payload(decode=True)
        return found if isinstance(found, bytes) else b""

    def _row(self, found: re.Match[bytes]) -> bytes:
        return self._rows[int(found[1])].rstrip(b"\r\n")


def _read(message: Message, rows: _SetAside) -> ComparedMessage:
    if not message.keys():
        raise NoMessage("it has no header")
    people = [_mailboxes(message.get_all(name, [])) for name in _HOST_WIDE]
    flat = [one for group in people for one in group]
    texts: dict[str, str] = {}
    files = []
    for part in _leaves(message):
        kind = part.get_content_type()
        if _is_file(part) or kind not in ("text/plain", "text/html") or kind in texts:
            files.append(_file(part, rows))
        else:
            texts[kind] = _text(part, rows)
    return ComparedMessage(
        recipients=tuple(sorted({address for _, address in flat})),
        recipient_name=flat[0][0] if flat else "",
        sender=_people(message.get_all("From", [])),
        reply_to=_people(message.get_all("Reply-To", [])),
        subject=_words(message.get("Subject")),
        headers=tuple(sorted((name.lower(), _words(value)) for name, value in message.items())),
        text=texts.get("text/plain"),
        html=texts.get("text/html"),
        files=tuple(files),
    )


def _leaves(message: Message) -> Iterator[Message]:
    for count, part in enumerate(message.walk()):
        if count > MOST_PARTS:
            raise NoMessage(f"it has more than {MOST_PARTS:,} parts")
        if not part.is_multipart():
            yield part


def _is_file(part: Message) -> bool:
    return part.get_content_disposition() == "attachment" or bool(part.get_filename())


def _file(part: Message, rows: _SetAside) -> ComparedFile:
    content = rows.content_of(part)
    if part.get_content_maintype() == "text":  # a mailbox keeps its lines with ends of its own
        content = content.replace(b"\r\n", b"\n")
    name = _words(part.get_filename() or "")
    return ComparedFile(name, part.get_content_type(), hashlib.sha256(content).hexdigest(), len(content))


def _text(part: Message, rows: _SetAside) -> str:
    content = rows.content_of(part)
    charset = part.get_content_charset() or "utf-8"
    try:
        return content.decode("utf-8" if charset == "us-ascii" else charset)
    except (LookupError, UnicodeDecodeError):
        return content.decode("utf-8", "replace")


def _words(value: object) -> str:
    """A header's text with its encoded words read and single spaces. Bytes beyond ASCII are UTF-8, or else Latin-1."""
    if value is None:
        return ""
    text = str(value).replace("\r", "").replace("\n", "")
    raw = text.encode("utf-8", "surrogateescape")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    return _SPACES.sub(" ", "".join(_decoded(text))).strip()


def _decoded(text: str) -> Iterator[str]:
    if "=?" not in text:
        yield text
        return
    try:
        pieces = decode_header(text)
    except ValueError:
        yield text
        return
    for piece, charset in pieces:
        if isinstance(piece, str):
            yield piece
            continue
        try:
            yield piece.decode(charset or "ascii")
        except (LookupError, UnicodeDecodeError):
            yield piece.decode("utf-8", "replace")


def _mailboxes(values: Iterable[object]) -> list[tuple[str, str]]:
    """Name and canonical address of each. The structure is read before encoded words (RFC 2047, section 6.1)."""
    texts = [str(value).replace("\r", "").replace("\n", "") for value in values]
    found = [(_words(name), address) for name, address in getaddresses(texts) if address]
    return [(name, addresses.canonical(address) or address.strip().casefold()) for name, address in found]


def _people(values: Iterable[object]) -> str:
    return ", ".join(f"{name} <{address}>" if name else address for name, address in _mailboxes(values))
