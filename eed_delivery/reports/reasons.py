"""Replies grouped by what they have in common. That is without their particulars, but with the reply's own codes, which
people look up."""

import re
from collections import Counter
from functools import lru_cache

from eed_delivery.particulars import masked

# RFC 5321 4.2: the code, and RFC 3463 2: the enhanced one
_CODES = re.compile(r"\d{3}(?:[ -]\d\.\d{1,3}\.\d{1,3})?(?=[ :-]|$)|\d\.\d{1,3}\.\d{1,3}(?= |$)")
LENGTH = 200
KINDS_KEPT = 5000
"""A server may put something else into every one of half a million replies."""


@lru_cache(maxsize=256)  # a server that gives no particulars says the same to all of them
def alike(reply: str) -> str:
    """What a reply has in common with those to other recipients."""
    reply = reply.strip()
    codes = _CODES.match(reply)
    start = codes.end() if codes else 0
    rest = masked(reply[start:])
    gap = " " if reply[start : start + 1].isspace() else ""
    return (reply[:start] + gap + rest)[:LENGTH]


class Reasons:
    """Counts why emails were not sent. `other` are those whose reason is none of those counted by name."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self.other = 0

    def add(self, state: str, reply: str | None) -> None:
        """Count an email, or a refused row."""
        kind = (state, alike(reply or "") or "no reason is known")
        if kind in self._counts or len(self._counts) < KINDS_KEPT:
            self._counts[kind] += 1
        else:
            self.other += 1

    def commonest(self, most: int) -> tuple[list[tuple[str, str, int]], int]:
        """State, reason and count, the largest first, and how many emails are not among these."""
        ordered = sorted(self._counts.items(), key=lambda item: (-item[1], item[0]))
        listed = [(state, reason, count) for (state, reason), count in ordered[:most]]
        return listed, self.other + sum(count for _, count in ordered[most:])
