"""The emails of a job as CSV rows. The bytes are part of the certificate, and may not change within its version.

Version 1 has what does not change any more once all outcomes are in. Version 2 has opens and clicks behind it,
which keep changing and are deleted one day, so only on request. Version 3 has a line for each refused row of the source
as well, behind the emails. It holds its key, the state `refused`, when, and the reason as the detail. Version 4 has the
SHA-256 of what was sent, and when the archive had its copy.

RFC 4180: a header, commas, CRLF, quotes only where they are needed. UTF-8 without a mark at its start. A cell that a
spreadsheet would run gets a ' before it (`untrusted.inert`). Times are UTC with milliseconds and a Z.
"""

import csv
import io
from datetime import datetime
from typing import Any

from eed_delivery.ledger.proofs import NO_PROOF, Proof
from eed_delivery.ledger.reporting import EmailReport, RefusalReport
from eed_delivery.ledger.tracking.engagement import Engagement
from eed_delivery.reports.served import REFUSED
from eed_delivery.untrusted import inert

COLUMNS = (
    *("email", "recipient", "state", "attempts", "changed_at", "message_id", "detail"),
    *("outcome", "outcome_at", "sha256", "archived_at"),
)
ENGAGEMENT_COLUMNS = ("opens", "clicks", "machine_opens", "machine_clicks")


def facts(email: EmailReport, engagement: Engagement | None = None, proof: Proof = NO_PROOF) -> dict[str, Any]:
    """An email as the report has it, by column. With `engagement`, its opens and clicks too."""
    values = (
        *(email.key, email.recipient, email.state, email.attempts, email.changed_at, email.message_id, email.detail),
        *(email.outcome, email.outcome_at, proof.sha256, proof.archived_at),
    )
    found = dict(zip(COLUMNS, values, strict=True))
    return found if engagement is None else found | {name: getattr(engagement, name) for name in ENGAGEMENT_COLUMNS}


def utc(moment: datetime | None) -> str:
    """A time of the ledger. "" for none."""
    return "" if moment is None else moment.isoformat(timespec="milliseconds") + "Z"


class CsvRows:
    """Turns rows into bytes, one at a time."""

    def __init__(self) -> None:
        self._buffer = io.StringIO(newline="")
        self._writer = csv.writer(self._buffer, lineterminator="\r\n")

    def header(self, with_engagement: bool) -> bytes:
        """The first line."""
        return self._line(COLUMNS + ENGAGEMENT_COLUMNS if with_engagement else COLUMNS)

    def row(self, email: EmailReport, engagement: Engagement | None, proof: Proof) -> bytes:
        """An email's line."""
        return self._line([_cell(value) for value in facts(email, engagement, proof).values()])

    def refusal(self, refusal: RefusalReport, with_engagement: bool) -> bytes:
        """The line of a refused row."""
        cells = dict.fromkeys(COLUMNS, "") | {
            "email": _cell(refusal.key),
            "state": REFUSED,
            "attempts": "0",
            "changed_at": utc(refusal.refused_at),
            "detail": _cell(refusal.reason),
        }
        return self._line([*cells.values(), *(["0"] * len(ENGAGEMENT_COLUMNS) if with_engagement else [])])

    def _line(self, cells: Any) -> bytes:
        self._writer.writerow(cells)
        text = self._buffer.getvalue()
        self._buffer.seek(0)
        self._buffer.truncate()
        return text.encode("utf-8", "backslashreplace")  # half a surrogate is no text, and stops no report


def text_cell(value: object) -> str:
    """A cell as the CSV has it, before quotes."""
    return _cell(value).encode("utf-8", "backslashreplace").decode()


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return utc(value)
    return "" if value is None else inert(str(value))
