"""Whether a job's send window is open: by the spans in the job itself, so that a wire grant reads no other table."""

from datetime import datetime

from sqlalchemy import case, or_

from eed_delivery.database.clock import utc_now
from eed_delivery.ledger.schema import eed_job

_j = eed_job.c
_IN_FIRST = (_j.window_from <= utc_now()) & (_j.window_until > utc_now())
_IN_SECOND = (_j.next_window_from <= utc_now()) & (_j.next_window_until > utc_now())

WINDOW_IS_OPEN = or_(_j.window_until.is_(None), _IN_FIRST, _IN_SECOND)
"""Of a job. Spans that no process has renewed are over, and the job waits."""
WINDOW_IS_SHUT = case((WINDOW_IS_OPEN, 0), else_=1) == 1
"""Of a job. A plain NOT would be NULL where one of the spans is."""
HAS_SPANS = _j.window_until.is_not(None)
"""Of a job. Where windows are configured, one without spans is not published yet."""
OPENED_AT = case((_IN_SECOND, _j.next_window_from), (_IN_FIRST, _j.window_from))
"""When the window that is open opened. NULL without one."""

LONG_AGO = datetime(1970, 1, 1)  # noqa: DTZ001 - as the ledger keeps times
SHUT = {
    _j.window_from: case((_j.window_until.is_(None), None), else_=LONG_AGO),
    _j.window_until: case((_j.window_until.is_(None), None), else_=LONG_AGO),
    _j.next_window_from: None,
    _j.next_window_until: None,
}
"""Of a job that opens again. Its spans are as old as its end. If it has any, it waits until it has new ones. The order
counts: MySQL assigns from left to right."""
