"""What goes over the wire between DATA and the final dot.

It is the message, line ends checked and leading dots doubled.
"""

import re
from collections.abc import Sequence

from eed_delivery.errors import PermanentFailure
from eed_delivery.model import Rendered

_CRLF = b"\r\n"
_ROW = 76 + len(_CRLF)  # RFC 2045, section 6.8
_BASE64 = re.compile(rb"[A-Za-z0-9+/]{1,76}={0,2}\r\n")


def on_the_wire(message: Rendered) -> bytes:
    """The message's content, transparent (RFC 5321, 4.5.2) and with a CRLF at its end.

    Raises PermanentFailure for a bare CR or LF. The renderer should never make one. If it does, nothing must be sent.

    Base64 needs neither check nor dots. It is most of a message with attachments, and to look through it took as long
    as to render the rest. Where `message.rows` names a place that is not shaped like rows, everything is looked
    through.
    """
    content = message.content
    rows = message.rows if _are_rows(content, message.rows) else ()
    pieces: list[bytes | memoryview] = []
    done = 0
    for begin, end in rows:
        pieces += (_stuffed(content[done:begin]), memoryview(content)[begin:end])
        done = end
    pieces.append(_stuffed(content[done:]))
    # As nearly always no dot was doubled: then not a byte is copied.
    whole = content if sum(map(len, pieces)) == len(content) else b"".join(pieces)
    return whole if whole.endswith(_CRLF) else whole + _CRLF


def _are_rows(content: bytes, places: Sequence[tuple[int, int]]) -> bool:
    """Whether each place follows the one before and is shaped like rows."""
    done = 0
    for begin, end in places:
        if begin < done or not _shaped_like_rows(content, begin, end):
            return False
        done = end
    return True


def _shaped_like_rows(content: bytes, begin: int, end: int) -> bool:
    """The first row and the last are looked through, so that a place which is off by a little is noticed. Of the others
    only the beginning and end are. What is inside of them is trusted, because the renderer's encoder made them.
    """
    last = end - 1 - (end - begin - 1) % _ROW
    others = (last - begin) // _ROW
    return (
        content[begin + _ROW - 2 : last : _ROW] == b"\r" * others
        and content[begin + _ROW - 1 : last : _ROW] == b"\n" * others
        and b"." not in content[begin:last:_ROW]
        and _BASE64.fullmatch(content, begin, min(begin + _ROW, end)) is not None
        and _BASE64.fullmatch(content, last, end) is not None
    )


def _stuffed(text: bytes) -> bytes:
    """Lines with their leading dots doubled."""
    lines = _CRLF.join(text.splitlines())  # bytes know no other line ends than CR, LF and CRLF
    if text != lines + _CRLF and text != lines:
        # RFC 5321, 2.3.8. Servers that take a bare LF for a line end can be made to see a second message.
        raise PermanentFailure("the message has a bare CR or LF, but line ends must be CRLF")
    doubled = text.replace(b"\r\n.", b"\r\n..")
    return b"." + doubled if text.startswith(b".") else doubled
