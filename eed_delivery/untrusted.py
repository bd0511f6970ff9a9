"""Text from strangers, made safe to keep, to show and to log. Names, replies and reasons go to terminals, pages,
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
_REPLY_CODE = re.compile(r"(?:^|(?<=: ))[245]\d\d-")
"""In front of the line of a reply that others follow (`550-anna@example.com`, RFC 5321 4.2.1). It looks like a part of
the address. A reply stands at the beginning, or behind what we say of it."""
MASK = "***"

AT_SIGNS = (
    "[\uff20\ufe6b]",  # full-width and small
    r"%(?:25){0,4}40",  # RFC 3986 2.1, also encoded twice
    r"[=+]40(?=[\w-])",  # RFC 2045 6.7 (quoted-printable, encoded words), RFC 3461 4 (xtext)
    r"&(?:amp;){0,4}(?:#0{0,9}64|#[xX]0{0,9}40|commat);",  # HTML
    r"\\{1,4}(?:[uU]0{0,6}40|x40|x\{40\}|100)",  # JSON and Python, C, RFC 6533 3, octal
    r"[ \t]?[(\[{<][ \t]?(?:at|AT|At|@)[ \t]?[)\]}>][ \t]?",  # "anna (at) example.com"
)
"""The ways to write the @ of an address. A bare " at " is left: "refused at mx.example.com" names no person."""
_DOT = r"(?:\.|[%=]2[eE]|\u3002|[ \t]?[(\[](?:dot|\.)[)\]])"
_NO_NUMBER = r"(?!\d{1,9}\.\d{1,9}(?![\w.]))"
_DOMAIN = rf"(?=\[|[%=]5[bB]|{_NO_NUMBER}[^\W_][\w-]*+{_DOT}[ \t]?[\w-])"
_CODED_AT = re.compile(rf"(?:{'|'.join(AT_SIGNS)}){_DOMAIN}")
_ENDS_CODED_LOCAL = frozenset(" \t\r\n@<>\"(),:;[]\\/?&#{}'=\uff20\ufe6b")
_MAY_BE_CODED = re.compile("[%=+&\\\\(\\[{<\uff20\ufe6b]")
# A part is tried where none goes on, and gives nothing back, so that no text, however long, takes quadratic time.
_LOCAL = r"[^\s@<>\"(),:;\[\]\\]"
_HEX = re.compile("[0-9A-Fa-f]{2}")
LOCAL_PART = re.compile(
    rf"(?:(?:(?<!{_LOCAL}){_LOCAL}++)?(?<![\\\"])\"(?>(?:[^\"\\\r\n]|\\.)*)\"|(?<!{_LOCAL}){_LOCAL}++)@"
)
"""What stands before quotes goes with them. Else it would be a part with the mask, and go when masked once more."""


def visible(text: str) -> str:
    """`text` without anything that could move the cursor or reverse the line."""
    return "".join(c if c.isprintable() or c in HARMLESS else f"\\x{ord(c):02x}" for c in text)


def inert(text: str) -> str:
    """`text` as a cell that no spreadsheet runs.

    A ' stands before what begins like a formula. It stands behind a separator, too, because a spreadsheet may take a
    semicolon or a tab for what ends a cell. What has a ' there gets one too, so that `bare` gives back any text."""
    return _DANGEROUS.sub(rf"\1{MARK}", text)


def bare(cell: str) -> str:
    """What `inert` was given."""
    return _MARKED.sub(r"\1", cell)


def json_text(
    data: object, *, indent: int | None = None, ascii_only: bool = False, default: Callable[[Any], object]
) -> str:
    """JSON without a character that could move the cursor or reverse the line. Those are escaped."""
    text = json.dumps(data, indent=indent, ensure_ascii=ascii_only, default=default)
    return text if text.isascii() and not _UNPRINTABLE.search(text) else _UNPRINTABLE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    c = found[0]
    return c if c.isprintable() or c in HARMLESS else json.dumps(c)[1:-1]


def without_markup(text: str) -> str:
    """`text` in which no chat program finds a mention or a link with another label.

    A stranger's reply alerts no one and links to nothing. An invisible space takes the marks apart (Slack `<!channel>`,
    `<@U1>`, `<address|label>`; Discord, Mattermost and Teams `@everyone`, `@here`, `[label](address)`).
    https://docs.slack.dev/messaging/formatting-message-text"""
    return _CHAT_MARKUP.sub("\\g<0>\u200b", text)


def clean(text: str | bytes) -> str:
    """`text` as one line of at most 500 characters.

    Bytes that are not UTF-8 become U+FFFD. Control and format characters (category C, such as escape sequences, line
    ends and bidirectional overrides) become spaces. The reply is chosen by a stranger and read at a terminal."""
    if isinstance(text, bytes):
        # The tail would be cut anyway: no need to decode a hostile server's 64 KiB. A character has at
        # most 4 bytes.
        text = text[: MAX_REPLY_CHARS * 8].decode("utf-8", errors="replace")
    if text.isascii() and text.isprintable():  # nearly always, five times an email
        return " ".join(text.split())[:MAX_REPLY_CHARS]
    printable = "".join(" " if unicodedata.category(c).startswith("C") else c for c in text)
    return " ".join(printable.split())[:MAX_REPLY_CHARS]


_ATTACHMENT = re.compile(r"\b(?:attachments?|documents?) ['\"]")
_S3_KEY = re.compile(r"(s3://[^/\s'\"]+/)[^\s'\"]+")
_QUOTED = re.compile(r"""(?<!\\)'(?>(?:[^'\\]|\\.)*)'|(?<!\\)"(?>(?:[^"\\]|\\.)*)\"""")


def mask_locations(text: str) -> str:
    """Makes `attachment '***': there is no such file`, because their paths hold customers' names and numbers. The same
    for documents, which channels put."""
    found = _ATTACHMENT.search(text)
    if found is not None:
        text = text[: found.start()] + _QUOTED.sub(f"'{MASK}'", text[found.start() :])
    return _S3_KEY.sub(rf"\g<1>{MASK}", text) if "s3://" in text else text


def mask_addresses(text: str) -> str:
    """`anna@example.com` becomes `***@example.com`, and `anna%40example.com` `***%40example.com`. Support needs the
    domain and the code of a reply, and the person stays private."""
    if "@" in text:
        text = LOCAL_PART.sub(lambda found: f"{text[found.start() : _behind_code(text, found.start())]}{MASK}@", text)
    return _mask_coded(text) if _MAY_BE_CODED.search(text) else text


def masked_reply(reply: str) -> str:
    """A mail server's reply as it is stored: without addresses, nor half of one where it was cut off."""
    if len(reply) >= MAX_REPLY_CHARS and " " in reply:
        reply = reply[: reply.rfind(" ")]
    return mask_addresses(reply) if may_hold_address(reply) else reply


def _behind_code(text: str, start: int) -> int:
    """Where a local part begins that seems to begin at `start`."""
    code = _REPLY_CODE.match(text, start)
    return code.end() if code else start


def _mask_coded(text: str) -> str:
    done = 0
    parts = []
    for found in _CODED_AT.finditer(text):
        start = _behind_code(text, _start_of_local(text, found.start(), done))
        if start < found.start():
            parts += [text[done:start], MASK]
            done = found.start()
    return "".join([*parts, text[done:]])


def _start_of_local(text: str, end: int, least: int) -> int:
    """Where the local part that ends at `end` begins. An = is one of its letters where it codes another."""
    start = end
    while start > least and (text[start - 1] not in _ENDS_CODED_LOCAL or _codes_a_letter(text, start - 1, end)):
        start -= 1
    return start


def _codes_a_letter(text: str, at: int, end: int) -> bool:
    """In quoted-printable, where the @ is coded alike."""
    return text[at] == text[end] == "=" and at + 3 <= end and _HEX.fullmatch(text, at + 1, at + 3) is not None


def may_hold_address(text: str) -> bool:
    """False means that `mask_addresses` leaves it unchanged. That is quick to know of nearly every log line."""
    return "@" in text or _MAY_BE_CODED.search(text) is not None


_QUOTED_TEXT = re.compile(r"(?<!\w)(?:\"[^\"]*+\"|'[^']*+'(?!\w)|“[^“”]*+”|„[^„“”]*+[“”]|«[^«»]*+»)")
_LONG_NUMBER = re.compile(r"(?<![\w.:/-])(?=\w*+(?<=\w))(?=(?:[^\W\d]*+\d){8})\w++(?![.:/]\w)")
"""An account, a card, a phone number: no IP address, and no part of a URL."""


def mask_accounts(text: str) -> str:
    """`text` without addresses, quoted text and long numbers (accounts, cards, telephone numbers).

    IP addresses and URLs stay, because they say who speaks."""
    return _LONG_NUMBER.sub(MASK, _QUOTED_TEXT.sub(MASK, mask_addresses(text)))
