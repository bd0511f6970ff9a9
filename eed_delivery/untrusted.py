"""Text from strangers, made safe to keep, to show and to log: names, replies and reasons go to terminals, pages,
spreadsheets and logs."""

import re
import unicodedata

HARMLESS = "\n\u200c\u200d"
"""Line ends, and the joiners that Persian and Indic names are written with."""

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How a cell begins that a spreadsheet would run: https://owasp.org/www-community/attacks/CSV_Injection"""
MARK = "'"

MAX_REPLY_CHARS = 500
MASK = "***"
# A local part, quoted or not. Its length is bounded so that no text, however long, takes quadratic time.
LOCAL_PART = re.compile(r"(?:\"[^\"\r\n]{1,128}\"|[^\s@<>\"(),:;\[\]\\]{1,128})@")


def visible(text: str) -> str:
    """`text` without anything that could move the cursor or reverse the line."""
    return "".join(c if c.isprintable() or c in HARMLESS else f"\\x{ord(c):02x}" for c in text)


def inert(text: str) -> str:
    """`text` as a cell that no spreadsheet runs: a ' before what begins like a formula. A text that begins with a '
    gets one too, so that taking one away (`bare`) gives back any text."""
    return MARK + text if text.startswith((*FORMULA, MARK)) else text


def bare(cell: str) -> str:
    """What `inert` was given."""
    return cell.removeprefix(MARK)


def clean(text: str | bytes) -> str:
    """`text` as one line of at most 500 characters.

    Bytes that are not UTF-8 become U+FFFD. Control and format characters (category C: escape sequences,
    line ends, bidirectional overrides) become spaces, because the reply is chosen by a stranger and read
    at a terminal."""
    if isinstance(text, bytes):
        # The tail would be cut anyway: no need to decode a hostile server's 64 KiB. A character has at
        # most 4 bytes.
        text = text[: MAX_REPLY_CHARS * 8].decode("utf-8", errors="replace")
    if text.isascii() and text.isprintable():  # nearly always, five times an email
        return " ".join(text.split())[:MAX_REPLY_CHARS]
    printable = "".join(" " if unicodedata.category(c).startswith("C") else c for c in text)
    return " ".join(printable.split())[:MAX_REPLY_CHARS]


def mask_addresses(text: str) -> str:
    """`anna@example.com` becomes `***@example.com`: the domain is for support, the person is nobody's business."""
    return LOCAL_PART.sub(f"{MASK}@", text) if "@" in text else text
