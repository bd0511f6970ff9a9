"""A message from a stranger, taken apart into its MIME parts, in bounded time and depth for any input.

The standard library's parser calls itself once a level and compares each line with every open boundary. A megabyte of
nested multiparts costs it minutes or ends in RecursionError. So the walk is here. The library does what it does well
with one part, which is the parameters of a field and the transfer encodings.
"""

import binascii
import quopri
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from email.header import decode_header
from email.message import Message
from html import unescape

MAX_PARTS = 64
MAX_DEPTH = 5
MAX_HEADER = 64 * 1024
"""Octets of one part's header section that are read."""
MAX_FIELD = 4000
"""Octets of one field that are read: a few of the library's readers are quadratic."""
MAX_CONTENT_TYPE = 800
"""Characters of a Content-Type: each part has one, and 4,000 semicolons take the library 20 ms."""
MAX_TEXT = 64 * 1024
"""Octets of one part's body that are decoded."""
MAX_BOUNDARY = 200
"""Characters; RFC 2046, 5.1.1 allows 70."""

# What text comes in. Not every codec of Python's: punycode and idna, for two, take quadratic time.
_CHARSETS = re.compile(
    r"us-ascii|utf-?8|utf-7|utf-?16(?:le|be)?|iso-?8859-\d{1,2}|windows-125\d|cp125\d|koi8-[ru]|gb2312|gbk|gb18030|big5"
    r"|shift_jis|euc-(?:jp|kr)|iso-2022-(?:jp|kr)|ks_c_5601-1987|tis-620|macintosh",
    re.ASCII,
)
_OLD_NAMES = {"unicode-1-1-utf-7": "utf-7"}
"""Exchange 2003 writes its reports in UTF-7 by the name of RFC 1642."""
_JIS = "\x1b$"
"""Begins Japanese letters of ISO-2022-JP, which some servers write into a field unencoded."""
_TAGS = re.compile(r"<[^<>]{0,1000}>")


class Fields:
    """A header section. Names in any case. Of several fields with one name the first counts."""

    def __init__(self, block: bytes) -> None:
        self._values: dict[str, str] = {}
        for name, value in _fields(block):
            self._values.setdefault(name, value)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._values

    def __bool__(self) -> bool:
        return bool(self._values)

    def get(self, name: str) -> str:
        """The field's value on one line, or an empty text."""
        return self._values.get(name.lower(), "")

    def decoded(self, name: str) -> str:
        """The same with its encoded words (RFC 2047) read."""
        value = self.get(name)
        if "=?" not in value:
            return _decode(value.encode(), "iso-2022-jp") if _JIS in value else value
        try:
            pieces = decode_header(value)
        except Exception:  # noqa: BLE001 - HeaderParseError, and whatever else a stranger's text brings forth
            return value
        return "".join(one if isinstance(one, str) else _decode(one, charset or "") for one, charset in pieces)


@dataclass(frozen=True, slots=True)
class MimePart:
    """One part that is not a multipart itself. `content_type` is in small letters. `body` is not decoded yet."""

    fields: Fields
    content_type: str
    charset: str
    body: bytes

    def content(self, most: int = MAX_TEXT) -> bytes:
        """The body without its transfer encoding. Of its octets as they came, the first `most`."""
        encoding = self.fields.get("content-transfer-encoding").strip().lower()
        body = self.body[:most]
        if encoding == "base64":
            return _base64(body)
        return quopri.decodestring(body) if encoding == "quoted-printable" else body

    def text(self) -> str:
        """The content as text. HTML is without its tags."""
        text = _decode(self.content(), self.charset)
        return unescape(_TAGS.sub(" ", text)) if self.content_type == "text/html" else text


@dataclass(frozen=True, slots=True)
class Mail:
    """A message, with its header, its content type with the report's kind if it is one, and its parts in order."""

    fields: Fields
    content_type: str
    report_type: str
    body: bytes
    parts: tuple[MimePart, ...]

    def of_type(self, *content_types: str) -> Iterator[MimePart]:
        return (part for part in self.parts if part.content_type in content_types)


def take_apart(raw: bytes, max_bytes: int) -> Mail:
    """Never raises. What is beyond `max_bytes`, 64 parts or 5 levels is as if it had not been sent.

    A message within the message (message/rfc822) is one part, and is not looked into.
    """
    raw = raw[:max_bytes].replace(b"\r\n", b"\n")
    fields, body = _split(raw)
    content_type, parameters = _content_type(fields)
    report_type = parameters.get("report-type", "").lower()
    return Mail(fields, content_type, report_type, body, tuple(_walk(fields, body)))


def header_of(content: bytes) -> Fields:
    """The header section that a copy of a message begins with, or a part that is nothing but fields."""
    return _split(content.replace(b"\r\n", b"\n").lstrip(b"\n"))[0]


def field_groups(content: bytes, most: int) -> list[Fields]:
    """The groups of fields that empty lines divide, as in a delivery status (RFC 3464, 2.1). At most `most` of them."""
    blocks = re.split(rb"\n[ \t]{0,80}\n", content.replace(b"\r\n", b"\n").strip(b"\n"), maxsplit=most)
    groups = (Fields(block.lstrip(b"\n")) for block in blocks[:most])
    return [group for group in groups if group]


def _walk(fields: Fields, body: bytes) -> Iterator[MimePart]:
    """The parts in the order in which they come, depth first, without recursion."""
    waiting = deque([(fields, body, 0)])
    room = MAX_PARTS
    while waiting:
        fields, body, depth = waiting.popleft()
        content_type, parameters = _content_type(fields)
        boundary = parameters.get("boundary", "")
        if not content_type.startswith("multipart/") or depth == MAX_DEPTH:
            yield MimePart(fields, content_type, parameters.get("charset", ""), body)
            continue
        pieces = _pieces(body, boundary, room) if boundary else []
        if not pieces:  # the boundary was lost or changed on the way: what is there can still be read
            yield MimePart(Fields(b""), "text/plain", "", body)
        inner = [(*_split(piece), depth + 1) for piece in pieces]
        room -= len(inner)
        waiting.extendleft(reversed(inner))


def _pieces(body: bytes, boundary: str, room: int) -> list[bytes]:
    """What stands between the boundary's lines (RFC 2046, 5.1.1).

    At most `room` pieces, of which the last may be cut.
    """
    mark = boundary[:MAX_BOUNDARY].encode("utf-8", "surrogateescape")
    line = re.compile(rb"^--" + re.escape(mark) + rb"(--)?[ \t]{0,80}$", re.MULTILINE)
    pieces: list[bytes] = []
    start: int | None = None
    for found in line.finditer(body):
        if start is not None:
            pieces.append(body[start : max(start, found.start() - 1)])
        start = None if found[1] else found.end() + 1
        if start is None or len(pieces) >= room:
            break
    if start is not None and len(pieces) < room:
        pieces.append(body[start:])  # the message was cut off
    return pieces


def _split(raw: bytes) -> tuple[Fields, bytes]:
    """The header section and the body."""
    if raw.startswith(b"\n"):
        return Fields(b""), raw[1:]
    end = raw.find(b"\n\n")
    return (Fields(raw), b"") if end < 0 else (Fields(raw[:end]), raw[end + 2 :])


def _fields(block: bytes) -> Iterator[tuple[str, str]]:
    """Name in small letters and value of each field. What is none is skipped, such as mbox's "From sender date"."""
    unfolded = re.sub(rb"\n[ \t]", b" ", block[:MAX_HEADER])
    for line in unfolded.split(b"\n"):
        name, colon, value = line[:MAX_FIELD].partition(b":")
        name = name.rstrip()
        if colon and name and name.isascii() and b" " not in name:
            yield name.decode("ascii").lower(), value.decode("utf-8", "replace").strip()


def _content_type(fields: Fields) -> tuple[str, dict[str, str]]:
    """The type in small letters, and its parameters. text/plain for what has none or cannot be read."""
    message = Message()
    message["content-type"] = fields.get("content-type")[:MAX_CONTENT_TYPE] or "text/plain"
    try:
        parameters = message.get_params(failobj=[])
        values = {name.lower(): value for name, value in parameters[1:] if isinstance(value, str)}
        return message.get_content_type(), values
    except Exception:  # noqa: BLE001 - no text is known that raises in 3.11; RFC 2231 in the library did before
        return "text/plain", {}


def _base64(body: bytes) -> bytes:
    letters = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
    return binascii.a2b_base64(letters[: len(letters) // 4 * 4] + _last_letters(letters))


def _last_letters(letters: bytes) -> bytes:
    """The end that is no whole group of four, filled up. One letter alone means nothing."""
    rest = letters[len(letters) // 4 * 4 :]
    return rest.ljust(4, b"=") if len(rest) > 1 else b""


def _decode(content: bytes, charset: str) -> str:
    name = charset.strip().lower()
    name = _OLD_NAMES.get(name, name)
    if not _CHARSETS.fullmatch(name):
        name = "utf-8"
    try:
        return content.decode(name, "replace")
    except (LookupError, ValueError):
        return content.decode("utf-8", "replace")
