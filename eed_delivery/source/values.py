"""Values of the source's columns, as the ledger keeps them."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from eed_delivery.errors import RenderError
from eed_delivery.model import DEFAULT_CHANNEL

NEVER_SECONDS = 100 * 365 * 86_400
"""An `expires_at` further away than this (often 9999-12-31) means that the job never expires."""

YES = frozenset({"1", "true", "t", "yes", "y", "on", "\x01"})
"""The last is how a BIT column says it."""

CATEGORY_LENGTH = 191
"""Characters of a category that the ledger keeps."""

CHANNEL_LENGTH = 32
"""Characters of a channel's name."""


def existing(values: Mapping[str, Any]) -> dict[str, Any]:
    """Without columns that are not mapped."""
    return {name: value for name, value in values.items() if name}


def until_ever(seconds: Any) -> float | None:
    """Seconds left. None: it never expires."""
    return None if seconds is None or seconds > NEVER_SECONDS else float(seconds)


def whole_moment(now: datetime, seconds: float | None) -> datetime | None:
    """To the second, as schedules are. A difference of two times is not exact to the last digit."""
    return None if seconds is None else (now + timedelta(seconds=seconds + 0.5)).replace(microsecond=0)


def constant_or(constant: str | None, text: str | None) -> str | None:
    """The text that the configuration gives to all, or the row's own."""
    return text if constant is None else constant


def is_yes(constant: bool | None, text: str | None) -> bool:
    """A wish of a job. Only a clear yes is one, so no recipient is tracked because of an unknown word."""
    return (text or "").strip().lower() in YES if constant is None else constant


def category_of(constant: str | None, text: str | None) -> str:
    """A category as the ledger keeps it.

    A longer name is cut, here and for the list alike, so it stays one category.
    """
    return (constant_or(constant, text) or "").strip()[:CATEGORY_LENGTH].rstrip()


def channel_of(constant: str | None, text: str | None) -> str:
    """The name of a job's channel as the ledger keeps it. What no channel can be called stays a name of none: a longer
    name is cut and marked, and a letter of another script becomes "?"."""
    name = (constant_or(constant, text) or "").strip().encode("ascii", "replace").decode() or DEFAULT_CHANNEL
    return name if len(name) <= CHANNEL_LENGTH else f"{name[: CHANNEL_LENGTH - 1]}~"


def text_of(value: Any) -> str | None:
    """A column's value as text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return None if value is None else str(value)


def job_text_of(role: str, value: Any) -> str | None:
    """The same, and raises `RenderError` for bytes that are no text."""
    try:
        return value.decode("utf-8") if isinstance(value, bytes) else text_of(value)
    except UnicodeDecodeError as error:
        raise RenderError(
            f"{role}: the source's bytes are not UTF-8 text ({error.reason} at byte {error.start})"
        ) from error
