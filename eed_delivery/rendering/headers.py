"""Header lines as bytes, and the check of a finished header block.

We encode headers ourselves. The `email` package of some Python 3.11 releases decodes text that looks like an encoded
word ("=?utf-8?q?hi=0D=0ABcc:_x=40y.example?=") into a header line of its own. Here such text is encoded once more, so
that the reader sees exactly the text that was given.
"""

import binascii
import re
from collections.abc import Iterator
from urllib.parse import quote

from eed_delivery.errors import RenderError

MAX_HEADER_CHARS = 2000
"""Of a subject, a name or a file name: longer ones are a mistake in the data, and mail servers cut or refuse them."""
MAX_LINE = 998  # RFC 5322, section 2.1.1: without the CRLF
FOLD_AT = 76  # RFC 2047, section 2, of lines with encoded words

_WORD_BYTES = 39  # 52 characters of base64, 64 with "=?utf-8?b?" and "?=", 75 with "Reply-To: " before it
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""C0 and C1 controls, the line separators that str.splitlines() breaks at, and halves of surrogate pairs."""
_PLAIN = re.compile(r"[ -~]*")
_UNQUOTABLE = re.compile(r'["\\]|=\?|  ')
_PLAIN_FILE_NAME = re.compile(r"[A-Za-z0-9 ._()+,-]{1,60}")
_LINE = re.compile(rb"\r\n(?:([!-9;-~]+):|[ \t][ \t\v\f]*[^\s])")
"""How each line begins: with a field's name (RFC 5322, section 2.2: printable, without the colon), or, where a field
goes on, with white space and something after it."""


def one_line(text: str, what: str) -> str:
    """`text` without white space around it.

    Raises RenderError for a line break, a control character or excess length.
    """
    stripped = text.strip()
    found = _FORBIDDEN.search(stripped)
    if found:
        name = "a line break" if found[0] in "\r\n\x0b\x0c\x85\u2028\u2029" else f"the character U+{ord(found[0]):04X}"
        raise RenderError(f"the {what} contains {name}, which a mail header cannot hold")
    if len(stripped) > MAX_HEADER_CHARS:
        raise RenderError(f"the {what} is {len(stripped):,} characters long, and the limit is {MAX_HEADER_CHARS:,}")
    return stripped


def unstructured(name: str, text: str) -> bytes:
    """A whole field of free text, such as Subject, unchanged when plain and short, else in encoded words (RFC 2047)."""
    if _PLAIN.fullmatch(text) and "=?" not in text and "  " not in text:
        folded = _folded(f"{name}: {text}")
        if folded is not None:
            return folded.encode("ascii")
    return f"{name}: {encoded_words(text)}\r\n".encode("ascii")


def _folded(line: str) -> str | None:
    """`line` broken before single spaces. None if a word is too long for that."""
    if len(line) <= FOLD_AT:
        return f"{line}\r\n"
    lines, current = [], ""
    for word in line.split(" "):
        joined = f"{current} {word}" if current else word
        if len(joined) > FOLD_AT and current and not current.endswith(":"):
            lines.append(current)
            current = f" {word}"
        else:
            current = joined
        if len(current) > FOLD_AT:
            return None
    return "\r\n".join([*lines, current]) + "\r\n"


def encoded_words(text: str) -> str:
    """`text` in base64 encoded words of whole characters, one a line (RFC 2047, sections 2 and 5)."""
    words = (binascii.b2a_base64(piece, newline=False).decode("ascii") for piece in _pieces(text, _WORD_BYTES))
    return "\r\n ".join(f"=?utf-8?b?{word}?=" for word in words)


def _pieces(text: str, size: int) -> Iterator[bytes]:
    """UTF-8 of `text` in pieces of at most `size` bytes that never split a character."""
    data = text.encode()
    start = 0
    while start < len(data):
        end = min(start + size, len(data))
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end -= 1
        yield data[start:end]
        start = end


def mailbox(name: str | None, address: str) -> str:
    """`"Name" <address>` (RFC 5322, section 3.4), the name in encoded words where quotes won't do."""
    if not name:
        return address
    if _PLAIN.fullmatch(name) and len(name) <= 60 and _UNQUOTABLE.search(name) is None:
        fold = "" if len(name) + len(address) <= 60 else "\r\n"
        return f'"{name}"{fold} <{address}>'
    return f"{encoded_words(name)}\r\n <{address}>"


def file_name(name: str) -> str:
    """The `filename` parameter, quoted when plain and short, else by RFC 2231, in numbered pieces when long."""
    if _PLAIN_FILE_NAME.fullmatch(name):
        return f'filename="{name}"'
    pieces = [quote(piece, safe="") for piece in _pieces(name, 18)]  # at most 54 characters each
    if len(pieces) == 1:
        return f"filename*=utf-8''{pieces[0]}"
    numbered = (f"filename*{number}*={piece}" for number, piece in enumerate(pieces[1:], 1))
    return ";\r\n ".join([f"filename*0*=utf-8''{pieces[0]}", *numbered])


def check_block(block: bytes, names: list[bytes]) -> None:
    """The second line of defence checks that `block` is exactly the fields `names`, each once, and nothing else.

    `block` ends with the CRLF of its last field. Raises RenderError for any other name, a doubled one, or a stray CR,
    LF or NUL. Raises it also for a line of more than 998 bytes, or a continuation line that is blank.
    """
    lines = block.removesuffix(b"\r\n").split(b"\r\n")
    stray = not block.count(b"\r\n") == block.count(b"\r") == block.count(b"\n") or b"\0" in block
    if stray or max(map(len, lines)) > MAX_LINE:
        raise RenderError("a header line is broken or too long, so the email was not built")
    found = _LINE.findall(b"\r\n" + block)
    if len(found) != len(lines) or not found[0]:
        raise RenderError("a header line is broken, so the email was not built")
    if [name for name in found if name] != names:
        raise RenderError("the headers differ from the intended ones, so the email was not built")
