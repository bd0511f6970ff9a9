"""Addresses are shown only to callers who have the right to see them. Others see the domain."""

from eed_delivery.access.rights import Right
from eed_delivery.operators.shell import caller_now
from eed_delivery.untrusted import mask_addresses


def shown(text: str) -> str:
    """A text as the caller may see it."""
    return text if caller_now().may(Right.SEE_RECIPIENTS) else mask_addresses(text)


def shown_or_none(text: str | None) -> str | None:
    """As `shown`."""
    return None if text is None else shown(text)
