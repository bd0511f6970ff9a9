"""What a mail program shows of a message's header, for the demo's checks and for people who look before they send.

The parser of `email.policy.default` leaves a blank between two encoded words of a name, which RFC 2047, section 6.2,
forbids (https://github.com/python/cpython/issues/128110). So the fields are unfolded here, their structure is read
before their encoded words, and the library decodes only those.
"""

import re
from email.header import decode_header
from email.utils import getaddresses

_FOLD = re.compile(r"\r?\n(?=[ \t])")
_LINE_END = re.compile(r"\r?\n")
_HEADER_END = re.compile(rb"\r?\n\r?\n")


def fields(message: bytes, name: str) -> list[str]:
    """The values of all fields called `name`, unfolded, without the CRLF of a fold and with the white space after it
    (RFC 5322, section 2.2.3). Encoded words are left unchanged."""
    block = _HEADER_END.split(message, maxsplit=1)[0].decode("utf-8", "replace")  # RFC 6532: UTF-8
    lines = (line.partition(":") for line in _LINE_END.split(_FOLD.sub("", block)))
    return [value.strip() for key, _, value in lines if key.lower() == name.lower()]


def decoded(text: str) -> str:
    """`text` with its encoded words read. White space between two of them is no part of it (RFC 2047, section 6.2)."""
    pieces = decode_header(text)
    return "".join(piece if isinstance(piece, str) else piece.decode(charset or "ascii") for piece, charset in pieces)


def mailboxes(value: str) -> list[tuple[str, str]]:
    """Name and address of each mailbox in an address field. The structure comes before the encoded words, so a comma in
    a decoded name divides nothing (RFC 2047, section 6.1)."""
    return [(decoded(name), address) for name, address in getaddresses([value])]
