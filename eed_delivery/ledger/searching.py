"""Finds emails and jobs over the whole ledger, each by an index."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select

from eed_delivery.database.transactions import Database
from eed_delivery.ledger.schema import eed_attempt, eed_email, eed_job
from eed_delivery.model import LARGEST_KEY, RESENT_AS

JOBS_LOOKED_AT = 10_000
"""The newest. Their names have no index."""
MOST = 100
"""Limit: what one look finds."""

_FACTS = (eed_job.c.source_key, eed_job.c.name, eed_job.c.state, eed_job.c.created_at)


@dataclass(frozen=True, slots=True)
class FoundJob:
    """A job by its name or key. `created_at` is UTC."""

    key: str
    name: str
    state: str
    created_at: datetime


class SearchLedger:
    """Read-only. Each call raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def with_key(self, key: str) -> list[int]:
        """The email with this key of the source, and its resends."""
        return self._database.run(lambda c: self._with_key(c, key))

    def _with_key(self, c: Connection, key: str) -> list[int]:
        e = eed_email.c
        resends = e.source_key.startswith(f"{key}{RESENT_AS}", autoescape=True)
        found = list(c.execute(select(e.email_id).where(or_(e.source_key == key, resends)).limit(MOST)).scalars())
        if key.isascii() and key.isdigit() and int(key) <= LARGEST_KEY:
            by_number = select(e.email_id).where(e.email_id == int(key), e.source_key.is_(None))
            found = [*c.execute(by_number).scalars(), *found]
        return found

    def with_message_id(self, message_id: str) -> list[int]:
        """Emails of which a try was answered with this id, as SES does."""
        a = eed_attempt.c
        statement = select(a.email_id).where(a.message_id == message_id).limit(MOST)
        return self._database.run(lambda c: sorted(set(c.execute(statement).scalars())))

    def jobs_with_key(self, key: str) -> list[FoundJob]:
        """The job with this key."""
        statement = select(*_FACTS).where(eed_job.c.source_key == key)
        return self._database.run(lambda c: [FoundJob(*row) for row in c.execute(statement)])

    def jobs_named(self, words: str, limit: int = MOST) -> list[FoundJob]:
        """The newest jobs first whose names have these words in them, in any case."""
        newest = select(*_FACTS, eed_job.c.job_id).order_by(eed_job.c.job_id.desc()).limit(JOBS_LOOKED_AT).subquery()
        columns = [newest.c[column.name] for column in _FACTS]
        statement = select(*columns).where(newest.c.name.icontains(words, autoescape=True))
        statement = statement.order_by(newest.c.job_id.desc()).limit(limit)
        return self._database.run(lambda c: [FoundJob(*row) for row in c.execute(statement)])
