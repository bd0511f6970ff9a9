"""What one field of SES's JSON may hold. All of it is a stranger's. It is read or passed over, and never trusted."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from eed_delivery.untrusted import MASK, clean, mask_addresses

MAX_ADDRESS_CHARS = 320  # 64 + "@" + 255, RFC 5321 section 4.5.3.1
MAX_MESSAGE_ID_CHARS = 255  # the ledger's column; SES's have 60
MAX_TEXT_CHARS = 2000  # of a stranger's text are looked at, to keep 500 of them
MAX_LOCAL_PART_CHARS = 130  # as many as mask_addresses sees in one, with its quotes
MAX_SHOWN_CHARS = 100
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

WORD = re.compile(r"[A-Za-z0-9 _-]{1,64}")
STATUS = re.compile(r"[245]\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.])")  # RFC 3463 section 2
# A Diagnostic-Code is "smtp; 550 5.1.1 why" (RFC 3464 section 2.3.6), an smtpResponse the same without its type.
REPLY = re.compile(r"\s*(?:smtp;\s*)?([2-5][0-9]{2})(?![0-9])[ -]*", re.IGNORECASE)
# In a link "@" may be "%40", and what stands before the local part is seldom a space.
ADDRESS_IN_LINK = re.compile(r"[^\s/?&=#:;,\"<>@]{1,128}(@|%40)")


@dataclass(frozen=True, slots=True)
class ServerReply:
    """What a mail server said, with SMTP's code, the enhanced one (RFC 3463), and its words."""

    code: int | None
    enhanced: str | None
    text: str


def text(value: Any) -> str:
    """Fit for people and for the ledger, as one line of at most 500 characters, without addresses."""
    return _kept(value, mask_addresses, _mask_in_link)


def link(value: Any) -> str:
    """As `text`, but where it leads is still to be seen. All of `https://example.com/anna` might be a local part."""
    return _kept(value, _mask_in_link)


def _mask_in_link(line: str) -> str:
    return ADDRESS_IN_LINK.sub(rf"{MASK}\1", line) if "@" in line or "%40" in line else line


def _kept(value: Any, *masks: Callable[[str], str]) -> str:
    if not isinstance(value, str):
        return ""
    line = value[:MAX_TEXT_CHARS]
    for mask in masks:
        line = mask(line)
    if len(value) > MAX_TEXT_CHARS:
        line = line[:-MAX_LOCAL_PART_CHARS]  # may be the beginning of an address whose "@" was cut off
    return clean(line)


def shown(value: Any) -> str:
    """A few words on a value that cannot be used, for an error."""
    return text(value)[:MAX_SHOWN_CHARS] if isinstance(value, str) else type(value).__name__


def word(value: Any) -> str:
    """One of SES's own names (General, not-spam), known to us or not. Otherwise empty."""
    return value if isinstance(value, str) and WORD.fullmatch(value) else ""


def address(value: Any) -> str | None:
    fits = isinstance(value, str) and "@" in value and len(value) <= MAX_ADDRESS_CHARS and value.isprintable()
    return value if fits else None


def entries(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def tag(tags: Any, name: str, pattern: re.Pattern[str], most: int) -> int | None:
    """The number our transport sent along as `name`. None if there is none that it can have sent."""
    values = entries(tags.get(name)) if isinstance(tags, dict) else []
    value = values[0] if len(values) == 1 else None
    number = int(value) if isinstance(value, str) and pattern.fullmatch(value) else None
    return number if number is not None and number <= most else None


def message_id(mail: Mapping[str, Any]) -> str:
    """SES's own. Raises ValueError if there is none, or none that the ledger could hold."""
    value = mail.get("messageId")
    if isinstance(value, str) and 0 < len(value) <= MAX_MESSAGE_ID_CHARS and value.isascii() and value.isprintable():
        return value
    raise ValueError("the event has no SES message id")


def time(value: Any) -> datetime:
    """ISO 8601 with an offset, as UTC. SES writes Z, and an offset is in its examples too. Raises ValueError."""
    try:
        at = datetime.fromisoformat(value)
        if at >= EPOCH:  # which is a TypeError for a time without an offset
            return at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(f"the event's time cannot be read: {shown(value)}")


def server_reply(said: Any, status: Any = None) -> ServerReply:
    """`status` is the DSN's, and goes before the one that `said` has."""
    line = said if isinstance(said, str) else ""
    reply = REPLY.match(line)
    own = STATUS.match(status) if isinstance(status, str) else None
    enhanced = own or (STATUS.match(line, reply.end()) if reply else None)
    return ServerReply(int(reply[1]) if reply else None, enhanced[0] if enhanced else None, text(said))
