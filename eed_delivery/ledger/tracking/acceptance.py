"""How long ago the mail server accepted emails, to distinguish a quick scanner from a person who reads."""

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import bindparam, func, select

from eed_delivery.database.clock import seconds_until
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.schema import eed_attempt
from eed_delivery.model import Verdict

EmailGeneration = tuple[int, int]
"""An email's id and generation."""

_TAKEN = (
    select(
        eed_attempt.c.email_id,
        eed_attempt.c.gen,
        seconds_until(func.min(eed_attempt.c.ended_at)).label("seconds"),
    )
    .where(eed_attempt.c.email_id.in_(bindparam("ids", expanding=True)))
    .where(eed_attempt.c.verdict.in_([Verdict.SENT, Verdict.IN_DOUBT]))
    .group_by(eed_attempt.c.email_id, eed_attempt.c.gen)
)


class AcceptanceLedger:
    """Safe for many threads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def ages(self, emails: Collection[EmailGeneration]) -> dict[EmailGeneration, timedelta]:
        """How long ago each was taken, or may have been, by the database's clock, without those of which we don't know
        yet. One request. Raises `DatabaseGone`."""
        ids = sorted({email_id for email_id, _ in emails})
        rows = self._database.run(lambda c: c.execute(_TAKEN, {"ids": ids}).all()) if ids else []
        return {(row.email_id, row.gen): timedelta(seconds=-float(row.seconds)) for row in rows}
