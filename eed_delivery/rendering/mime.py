"""The message as bytes (RFC 5322, 2045 to 2049, 2183, 2231), put together directly.

The email package takes several times as long, and some of its releases can be led to write headers of
their own. Tests hold every kind of message against what the standard library's parser reads back.
"""

import binascii
import hashlib
import secrets
import struct
from collections.abc import Sequence
from typing import NamedTuple

from pybase64 import b64encode

from eed_delivery.errors import RenderError
from eed_delivery.rendering.headers import MAX_LINE, check_block, file_name

CRLF = b"\r\n"
_ROW = 76  # RFC 2045, section 6.8
_ROWS = [struct.Struct(f"{_ROW}s" * rows) for rows in range(65)]  # cut rows in one call: three times as fast as slicing
_BLOCK = _ROWS[64]
_CONTROLS = bytes({*range(0x20), 0x7F} - {*b"\t\n\r"})
_HIGH = bytes(range(0x80, 0x100))


Places = tuple[tuple[int, int], ...]
"""Where there is nothing but what `base64_rows` made: begin and end of each place, in order."""


class BodyPart(NamedTuple):
    """A body part, with its header fields (ending in CRLF), their names, and its body in pieces that are joined once.

    `rows` are places in the joined body.
    """

    fields: bytes
    names: tuple[bytes, ...]
    body: tuple[bytes, ...]
    rows: Places = ()

    @property
    def size(self) -> int:
        """Its bytes in the message."""
        return len(self.fields) + 2 + sum(map(len, self.body))


def text_part(subtype: str, text: str) -> BodyPart:
    """text/plain or text/html in UTF-8. It ends with a line end, and its line ends are CRLF."""
    try:
        data = text.encode()
    except UnicodeEncodeError as error:
        raise RenderError(f"the {subtype} text holds half a character (U+{ord(text[error.start]):04X})") from error
    if b"\r" in data:
        data = data.replace(CRLF, b"\n").replace(b"\r", b"\n")
    if not data.endswith(b"\n"):
        data += b"\n"
    encoding, body = _encoded_text(data.replace(b"\n", CRLF), _has_long_line(data))
    fields = f'Content-Type: text/{subtype}; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}\r\n'
    rows = ((0, len(body)),) if encoding == "base64" else ()
    return BodyPart(fields.encode("ascii"), (b"Content-Type", b"Content-Transfer-Encoding"), (body,), rows)


def _has_long_line(data: bytes) -> bool:
    """Whether a line of `data`, which ends in LF, is longer than MAX_LINE.

    Of the line ends within reach of a line's begin the last one is looked for, so that nearly all are passed over.
    """
    begin = 0
    while begin < len(data):
        begin = data.rfind(b"\n", begin, begin + MAX_LINE + 1) + 1
        if not begin:
            return True
    return False


def _encoded_text(data: bytes, long_lines: bool) -> tuple[str, bytes]:
    """The plainest encoding that is safe, and of the other two the shorter.

    7bit is RFC 2045's (section 2.7), less the control characters. `isascii` and `translate` look for it at the speed of
    memory. A regular expression for long lines took longer than all the rest of the rendering.
    """
    if not long_lines and data.isascii() and len(data.translate(None, _CONTROLS)) == len(data):
        return "7bit", data
    high = len(data) - len(data.translate(None, _HIGH))
    if high * 6 > len(data):  # quoted-printable costs 2 more for each such byte, base64 a third of everything
        return "base64", base64_rows(data)
    return "quoted-printable", binascii.b2a_qp(data, istext=True)


def base64_rows(data: bytes) -> bytes:
    """Base64 in rows of 76 with CRLF after each.

    Rows are joined by the block while they are in the processor's cache, in nearly half the time of joining all at
    once.
    """
    encoded = b64encode(data)
    blocks = len(encoded) - len(encoded) % _BLOCK.size
    joined = list(map(CRLF.join, _BLOCK.iter_unpack(memoryview(encoded)[:blocks])))
    rest = _ROWS[(len(encoded) - blocks) // _ROW]
    last = encoded[blocks + rest.size :]
    return CRLF.join([*joined, *rest.unpack_from(encoded, blocks), *((last,) if last else ()), b""])


def attachment_part(filename: str, content_type: str, content: bytes) -> BodyPart:
    """An attachment in base64. `filename` and `content_type` have been checked by attachments.py."""
    fields = (
        f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: base64\r\n"
        f"Content-Disposition: attachment;\r\n {file_name(filename)}\r\n"
    ).encode("ascii")
    names = (b"Content-Type", b"Content-Transfer-Encoding", b"Content-Disposition")
    check_block(fields, list(names))
    body = base64_rows(content)
    return BodyPart(fields, names, (body,), ((0, len(body)),) if body else ())


def body_part(text: str | None, html: str | None, boundary: str) -> BodyPart:
    """The readable part, text, HTML, or both as alternatives, the better one last (RFC 2046, section 5.1.4)."""
    parts = [text_part(kind, content) for kind, content in (("plain", text), ("html", html)) if content is not None]
    return parts[0] if len(parts) == 1 else _multipart("alternative", f"=_a_{boundary}", parts)


def message(
    fields: Sequence[bytes], body: BodyPart, attachments: Sequence[BodyPart], boundary: str, limit: int
) -> tuple[bytes, Places]:
    """The whole message, and where in it base64 is. Every element of `fields` is one header field with its CRLF.

    Raises RenderError when it is longer than `limit` bytes. Raises it also when its header block, read back from the
    bytes, is not exactly the fields that were meant.
    """
    top = _multipart("mixed", f"=_m_{boundary}", [body, *attachments]) if attachments else body
    check_size(sum(map(len, fields)) + top.size, limit)
    head = b"".join([*fields, b"MIME-Version: 1.0\r\n", top.fields])
    names = [field.partition(b":")[0] for field in fields]
    check_block(head, [*names, b"MIME-Version", *top.names])
    return b"".join([head, CRLF, *top.body]), _moved(top.rows, len(head) + len(CRLF))


def check_size(size: int, limit: int) -> None:
    """RenderError when a message of `size` bytes is more than `limit`."""
    if size > limit:
        mega = 1024 * 1024
        sizes = f"{size / mega:.1f} MB, the limit is {limit / mega:.1f} MB"
        raise RenderError(f"the email is too large: {sizes} (rendering.max_message_bytes)")


def new_boundary() -> str:
    """128 random bits. With the "=_" before it, it can't be in quoted-printable or base64, nor be guessed by a text."""
    return secrets.token_hex(16)


def boundary_of(fields: Sequence[bytes], *bodies: str | None) -> str:
    """128 bits of the hash of what stands before and between: the same for the same message. No text can hold its own
    hash."""
    digest = hashlib.sha256(b"".join(fields))
    for body in bodies:
        digest.update(b"\0" if body is None else body.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]


def _multipart(kind: str, boundary: str, parts: Sequence[BodyPart]) -> BodyPart:
    line = f"--{boundary}\r\n".encode("ascii")
    body: list[bytes] = []
    rows: Places = ()
    size = 0
    for part in parts:  # the CRLF before a boundary belongs to the boundary (RFC 2046, section 5.1.1)
        size += len(line)
        rows += _moved(part.rows, size + len(part.fields) + len(CRLF))
        size += part.size + len(CRLF)
        body += (line, part.fields, CRLF, *part.body, CRLF)
    body.append(f"--{boundary}--\r\n".encode("ascii"))
    fields = f'Content-Type: multipart/{kind};\r\n boundary="{boundary}"\r\n'.encode("ascii")
    return BodyPart(fields, (b"Content-Type",), tuple(body), rows)


def _moved(places: Places, by: int) -> Places:
    return tuple((begin + by, end + by) for begin, end in places)
