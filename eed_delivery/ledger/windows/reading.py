"""A job's send window for people, from its row."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from eed_delivery.database.clock import utc_now
from eed_delivery.ledger.windows.marking import own_windows
from eed_delivery.send_windows.plan import EVER, NEVER, NextSpans
from eed_delivery.send_windows.spans import Span

AS_OF = utc_now().label("window_as_of")
"""The column that `window_of` needs beside those of `eed_job`."""


@dataclass(frozen=True, slots=True)
class JobWindow:
    """When a job may leave. Times are UTC.

    `changes_at` is when an open window closes, or a closed one opens. None: it never does. Without `is_known` it is not
    calculated yet. `problem` is what is wrong with the job's own window.
    """

    is_open: bool
    changes_at: datetime | None
    is_known: bool = True
    problem: str = ""

    def opens_after(self, moment: datetime | None) -> bool:
        """Whether it is closed, and does not open before a moment."""
        closed = self.is_known and not self.is_open
        return closed and moment is not None and (self.changes_at is None or self.changes_at >= moment)


def window_of(row: Row[*tuple[Any, ...]]) -> JobWindow | None:
    """The window of a job's row. None: no window concerns it."""
    if row.window_until is None or (row.window_from, row.window_until) == EVER:
        return None
    if row.window_from is None:
        return JobWindow(False, None, is_known=False)
    spans = NextSpans(
        Span(row.window_from, row.window_until),
        None if row.next_window_until is None else Span(row.next_window_from, row.next_window_until),
    )
    now: datetime = row.window_as_of
    opened = next((span for span in spans if span is not None and span.has(now)), None)
    if opened is not None:
        return JobWindow(True, opened.end)
    opening = next((span.start for span in spans if span is not None and span.start > now), None)
    if opening is None:
        return JobWindow(False, None, is_known=False)
    _, problem = own_windows(row.send_window)
    return JobWindow(False, None if opening == NEVER.start else opening, problem=problem)
