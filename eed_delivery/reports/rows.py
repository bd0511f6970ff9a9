"""The emails of a job as CSV rows. The bytes are part of the certificate: they may not change within its version.

RFC 4180: a header, commas, CRLF, quotes only where they are needed. UTF-8 without a mark at its start. A cell that a
spreadsheet would run gets a ' before it (`untrusted.inert`). Times are UTC with milliseconds and a Z.
"""

import csv
import io
from datetime import datetime
from typing import Any

from eed_delivery.ledger.reporting import EmailReport
from eed_delivery.untrusted import inert

COLUMNS = (
    *("email", "recipient", "state", "attempts", "changed_at", "message_id", "detail"),
    *("outcome", "outcome_at"),
)


def facts(email: EmailReport) -> dict[str, Any]:
    """An email as the report has it, by column."""
    values = (
        *(email.key, email.recipient, email.state, email.attempts, email.changed_at, email.message_id, email.detail),
        *(email.outcome, email.outcome_at),
    )
    return dict(zip(COLUMNS, values, strict=True))


def utc(moment: datetime | None) -> str:
    """A time of the ledger; "" for none."""
    return "" if moment is None else moment.isoformat(timespec="milliseconds") + "Z"


class CsvRows:
    """Turns rows into bytes, one at a time."""

    def __init__(self) -> None:
        self._buffer = io.StringIO(newline="")
        self._writer = csv.writer(self._buffer, lineterminator="\r\n")

    def header(self) -> bytes:
        """The first line."""
        return self._line(COLUMNS)

    def row(self, email: EmailReport) -> bytes:
        """An email's line."""
        return self._line([_cell(value) for value in facts(email).values()])

    def _line(self, cells: Any) -> bytes:
        self._writer.writerow(cells)
        text = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return text.encode("utf-8", "backslashreplace")  # half a surrogate is no text, and stops no report


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return utc(value)
    return "" if value is None else inert(str(value))
