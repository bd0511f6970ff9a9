"""Addresses are shown only to callers who have the right to see them. Others see the domain.

The path of an attachment often names its customer, so it is masked likewise.
"""

import re

from eed_delivery.access.rights import Right
from eed_delivery.operators.shell import caller_now
from eed_delivery.untrusted import mask_addresses

_ATTACHMENT = re.compile(r"(?<=attachment )(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}$")


def shown(text: str) -> str:
    """A text as the caller may see it."""
    return text if caller_now().may(Right.SEE_RECIPIENTS) else mask_addresses(_ATTACHMENT.sub(_masked_path, text))


def _masked_path(found: re.Match[str]) -> str:
    """The kind of file is left, because it may be the cause."""
    suffix = _SUFFIX.search(found[0][1:-1])
    return f"'***{suffix[0] if suffix else ''}'"


def shown_or_none(text: str | None) -> str | None:
    """As `shown`."""
    return None if text is None else shown(text)
