"""Spans of time in UTC, in order and apart from each other."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple


class Span(NamedTuple):
    """From `start` on until before `end`. Both are UTC without a zone, as the ledger keeps times."""

    start: datetime
    end: datetime

    def has(self, moment: datetime) -> bool:
        """Whether a moment lies within."""
        return self.start <= moment < self.end


def united(spans: Iterable[Span]) -> tuple[Span, ...]:
    """What lies in any of them. Spans that touch become one, and empty ones are left out."""
    found: list[Span] = []
    for span in sorted(one for one in spans if one.start < one.end):
        if found and span.start <= found[-1].end:
            found[-1] = Span(found[-1].start, max(found[-1].end, span.end))
        else:
            found.append(span)
    return tuple(found)


def intersected(some: Sequence[Span], others: Sequence[Span]) -> tuple[Span, ...]:
    """What lies in both. Each is in order and apart."""
    found: list[Span] = []
    n = m = 0
    while n < len(some) and m < len(others):
        one, other = some[n], others[m]
        found.append(Span(max(one.start, other.start), min(one.end, other.end)))
        if one.end <= other.end:
            n += 1
        else:
            m += 1
    return united(found)
