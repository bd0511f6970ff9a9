"""Reads one HTTP/1.1 answer from a connection (RFC 9112), and refuses everything else.

With http.client in its place an SES email costs 12 % more CPU of the service, and more (docs/performance.md). It also
accepts answers that are refused here. Their header or trailer ends with the connection, their length is not a number,
or they have two lengths. Others have a chunk of negative size, or lines that are no header fields.
"""

import re
from dataclasses import dataclass
from typing import BinaryIO

MAX_LINE = 65_536
MAX_FIELDS = 100
"""Both as http.client has them."""
MAX_BODY = 2**27
"""Bytes. Ten messages of 1 MiB are all that a receive of SQS may bring, and JSON may write a byte in six."""
_STATUS = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: [^\r\n]*)?\r?\n")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([^\r\n]*)\r?\n")  # RFC 9110, 5.1 and 5.6.2
_LENGTH = re.compile(r"[0-9]{1,15}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,12})[ \t]*(?:;[^\r\n]*)?\r?\n")  # RFC 9112, 7.1
_END_OF_LINE = (b"\r\n", b"\n")
_NO_BODY = (204, 304)


class UnreadableAnswer(Exception):
    """What arrived is no HTTP answer, or only a part of one."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """`fields` are the header fields by their names in small letters.

    `kept` says whether the connection may be used again.
    """

    status: int
    fields: dict[str, str]
    body: bytes
    kept: bool


def read_answer(stream: BinaryIO) -> HttpAnswer:
    """The next final answer. Interim answers (1xx, RFC 9110 15.2) are skipped.

    Raises `UnreadableAnswer`, and what the stream raises.
    """
    while True:
        minor, status = _status(stream)
        fields = _fields(stream)
        if status >= 200:
            break
    body, delimited = _body(stream, status, fields)
    stays = minor > 0 and "close" not in fields.get("connection", "").lower()
    return HttpAnswer(status, fields, body, stays and delimited)


def _status(stream: BinaryIO) -> tuple[int, int]:
    line = stream.readline(MAX_LINE)
    if not line:
        raise UnreadableAnswer("the connection was closed without an answer")
    match = _STATUS.fullmatch(line)
    if match is None:
        raise UnreadableAnswer("the answer does not begin with a status line")
    return int(match[1]), int(match[2])


def _fields(stream: BinaryIO) -> dict[str, str]:
    """A field that comes twice is one with both values (RFC 9110, 5.2)."""
    fields: dict[str, str] = {}
    for _ in range(MAX_FIELDS):
        line = stream.readline(MAX_LINE)
        if line in _END_OF_LINE:
            return fields
        match = _FIELD.fullmatch(line)
        if match is None:
            raise UnreadableAnswer("a header field is not one")
        name, value = match[1].decode("ascii").lower(), match[2].strip(b" \t").decode("latin-1")
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    raise UnreadableAnswer("there are too many header fields")


def _body(stream: BinaryIO, status: int, fields: dict[str, str]) -> tuple[bytes, bool]:
    """The body, and whether its end was known before the connection's (RFC 9112, 6.3)."""
    if status in _NO_BODY:
        return b"", True
    length, coding = fields.get("content-length"), fields.get("transfer-encoding")
    if coding is not None:
        if coding.lower() != "chunked" or length is not None:
            raise UnreadableAnswer("it cannot be known where the answer ends")
        return _chunks(stream), True
    if length is None:
        body = stream.read(MAX_BODY + 1)
        _check_size(len(body))
        return body, False
    if _LENGTH.fullmatch(length) is None:
        raise UnreadableAnswer("the answer's length is not a number")
    return _exactly(stream, int(length)), True


def _chunks(stream: BinaryIO) -> bytes:
    """The chunks joined. What trails them is read and dropped."""
    chunks: list[bytes] = []
    total = 0
    while size := _chunk_size(stream):
        total += size
        _check_size(total)
        chunks.append(_exactly(stream, size))
        if stream.readline(2) not in _END_OF_LINE:
            raise UnreadableAnswer("a chunk does not end where it says")
    _fields(stream)
    return b"".join(chunks)


def _chunk_size(stream: BinaryIO) -> int:
    match = _CHUNK.fullmatch(stream.readline(MAX_LINE))
    if match is None:
        raise UnreadableAnswer("a chunk does not say its size")
    return int(match[1], 16)


def _exactly(stream: BinaryIO, size: int) -> bytes:
    _check_size(size)
    data = stream.read(size)
    if len(data) != size:
        raise UnreadableAnswer(f"the connection was closed after {len(data)} of {size} bytes")
    return data


def _check_size(size: int) -> None:
    if size > MAX_BODY:
        raise UnreadableAnswer("the answer is larger than any of AWS's")
