"""A provider's own words, made safe to keep in the ledger and to show at a terminal."""

import unicodedata

MAX_REPLY_CHARS = 500


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
