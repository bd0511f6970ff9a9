"""How facts look on a page: others' words, times, numbers, lengths of time, states."""

from datetime import datetime

from flask import g
from markupsafe import Markup, escape

from eed_delivery.access.callers import Caller
from eed_delivery.access.rights import Right
from eed_delivery.model import EmailState, JobState
from eed_delivery.untrusted import mask_addresses, visible

SHAPES = {
    JobState.ACTIVE: "▶",
    JobState.PAUSED: "‖",
    JobState.HELD: "‖",
    JobState.CANCELLED: "✕",
    JobState.FAILED: "✕",
    JobState.FINISHED: "✓",
    EmailState.PENDING: "○",
    EmailState.QUEUED: "○",
    EmailState.SENDING: "▶",
    EmailState.SENT: "✓",
    EmailState.IN_DOUBT: "?",
    EmailState.SUPPRESSED: "⊘",
    "scheduled": "◷",
    "unapproved": "?",
    "waiting": "○",
    "running": "▶",
    "canary": "‖",
    "stopped": "✕",
    "done": "✓",
    "alive": "✓",
    "gone": "✕",
    "good": "✓",
    "bad": "✕",
    "warning": "!",
}
"""A state has a word and a shape, because colour alone tells nothing to many."""
WORDS = {EmailState.IN_DOUBT: "in doubt: may have arrived"}
_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))


def may_see(text: str | None) -> str:
    """Others' words as the caller may see them. Nothing in them moves the cursor or reverses the line."""
    known = "" if text is None else text
    caller: Caller | None = g.get("caller")
    may = caller is not None and caller.may(Right.SEE_RECIPIENTS)
    return visible(known if may else mask_addresses(known))


def words(text: object) -> Markup:
    """The same, apart from the line around them (`<bdi>`)."""
    return Markup("<bdi>{}</bdi>").format(may_see(None if text is None else str(text)))


def moment(at: datetime | None, missing: str = "–") -> Markup:
    """A time of the ledger. The script of the page writes the local time behind it."""
    if at is None:
        return escape(missing)
    return Markup('<time datetime="{}Z">{:%Y-%m-%d %H:%M:%S} UTC</time>').format(
        at.isoformat(timespec="milliseconds"), at
    )


def number(count: float | None) -> str:
    """With its thousands."""
    return "–" if count is None else f"{count:,.0f}"


def lasting(seconds: float | None) -> str:
    """A length of time, to its two largest units."""
    if seconds is None:
        return "–"
    left, parts = round(max(0.0, seconds)), list[str]()
    for length, name in _UNITS:
        if left >= length or parts:
            parts.append(f"{left // length} {name}")
            left %= length
    return " ".join(parts[:2]) if parts and parts[0] else f"{left} s"


def state(word: str, text: str = "") -> Markup:
    """A state: its shape, and its word."""
    shown = text or WORDS.get(word, str(word).replace("_", " "))  # type: ignore[call-overload]
    return Markup('<span class="state state-{}"><span class="shape" aria-hidden="true">{}</span> {}</span>').format(
        word, SHAPES.get(word, "•"), shown
    )


FILTERS = {"words": words, "plain": may_see, "moment": moment, "number": number, "lasting": lasting, "state": state}
"""As templates know them."""
