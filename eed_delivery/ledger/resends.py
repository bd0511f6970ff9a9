"""Which emails are resends of another one."""

import re
from typing import Any

from sqlalchemy import Connection, Row, select

from eed_delivery.ledger.schema import eed_email
from eed_delivery.model import RESENT_AS

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


def resends_of(c: Connection, key: str, email_id: int) -> list[Row[Any]]:
    """The resends of an email, oldest first."""
    return [row for _, row in sorted(_numbered(c, key).items()) if row.resend_of == email_id]


def next_key(c: Connection, key: str) -> str:
    """The key of an email's next resend. An email of the source that has such a key keeps it."""
    return f"{key}{RESENT_AS}{max(_numbered(c, key), default=0) + 1}"


def _numbered(c: Connection, key: str) -> dict[int, Row[Any]]:
    """The emails whose keys are this one with a number behind it. By their keys, which have an index."""
    begins = f"{key}{RESENT_AS}"
    rows = c.execute(select(eed_email).where(eed_email.c.source_key.startswith(begins, autoescape=True)))
    numbered = [(row.source_key.removeprefix(begins), row) for row in rows]  # SQLite's LIKE does not tell a from A
    return {int(number): row for number, row in numbered if _NUMBER.fullmatch(number)}
