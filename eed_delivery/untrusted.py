"""Text from strangers, made safe to keep, to show and to log: names, replies and reasons go to terminals, pages,
spreadsheets and logs."""

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any

HARMLESS = "\n\u200c\u200d"
"""Line ends, and the joiners that Persian and Indic names are written with."""

MARK = "'"
_SEPARATORS = r";,|\t\r\n"
_BLANKS = r"[ \u00a0\u1680\u2000-\u200d\u202f\u205f\u2060\u3000\ufeff]*"
_RUNS = rf"(?={_BLANKS}[=+\-@＝＋－＠'])"
"""How a cell begins that a spreadsheet would run, and our own mark:
https://owasp.org/www-community/attacks/CSV_Injection"""
_DANGEROUS = re.compile(rf"(^(?=[\t\r\n])|(?:^|[{_SEPARATORS}]){_RUNS})")
_MARKED = re.compile(rf"(^|[{_SEPARATORS}])'(?=[\t\r\n]|{_BLANKS}[=+\-@＝＋－＠'])")

_CHAT_MARKUP = re.compile(r"<(?=\S)|@(?=(?i:all|channel|everyone|here|group|team)\b)|\](?=\()")
_UNPRINTABLE = re.compile(r"[^ -~\n]")
MAX_REPLY_CHARS = 500
MASK = "***"
# A local part, quoted or not. Its length is bounded so that no text, however long, takes quadratic time.
LOCAL_PART = re.compile(r"(?:\"[^\"\r\n]{1,128}\"|[^\s@<>\"(),:;\[\]\\]{1,128})@")


def visible(text: str) -> str:
    """`text` without anything that could move the cursor or reverse the line."""
    return "".join(c if c.isprintable() or c in HARMLESS else f"\\x{ord(c):02x}" for c in text)


def inert(text: str) -> str:
    """`text` as a cell that no spreadsheet runs: a ' before what begins like a formula, also behind a separator, since
    a spreadsheet may take ; or a tab for what ends a cell. What has a ' there gets one too, so that `bare` gives back
    any text."""
    return _DANGEROUS.sub(rf"\1{MARK}", text)


def bare(cell: str) -> str:
    """What `inert` was given."""
    return _MARKED.sub(r"\1", cell)


def json_text(
    data: object, *, indent: int | None = None, ascii_only: bool = False, default: Callable[[Any], object]
) -> str:
    """JSON without a character that could move the cursor or reverse the line: those are escaped."""
    text = json.dumps(data, indent=indent, ensure_ascii=ascii_only, default=default)
    return text if text.isascii() and not _UNPRINTABLE.search(text) else _UNPRINTABLE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    c = found[0]
    return c if c.isprintable() or c in HARMLESS else json.dumps(c)[1:-1]


def without_markup(text: str) -> str:
    """`text` in which no chat program finds a mention or a link with another label: a stranger's reply wakes nobody and
    leads nowhere. An invisible space takes the marks apart (Slack `<!channel>`, `<@U1>`, `<address|label>`; Discord,
    Mattermost and Teams `@everyone`, `@here`, `[label](address)`).
    https://docs.slack.dev/messaging/formatting-message-text"""
    return _CHAT_MARKUP.sub("\\g<0>\u200b", text)


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


_ATTACHMENT = re.compile(r"\battachments? ['\"]")
_S3_KEY = re.compile(r"(s3://[^/\s'\"]+/)[^\s'\"]+")
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")


def mask_locations(text: str) -> str:
    """`attachment '***': there is no such file`: paths of attachments are made of customers' names and numbers."""
    found = _ATTACHMENT.search(text)
    if found is not None:
        text = text[: found.start()] + _QUOTED.sub(f"'{MASK}'", text[found.start() :])
    return _S3_KEY.sub(rf"\g<1>{MASK}", text) if "s3://" in text else text


def mask_addresses(text: str) -> str:
    """`anna@example.com` becomes `***@example.com`: the domain is for support, the person is nobody's business."""
    return LOCAL_PART.sub(f"{MASK}@", text) if "@" in text else text
