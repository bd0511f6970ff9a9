"""Deletes sessions, login attempts and idempotency keys that are over."""

from sqlalchemy import Connection, Table, delete, select
from sqlalchemy.sql.elements import ColumnElement

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.access.idempotency import KEPT_SECONDS
from eed_delivery.ledger.access.login_attempts import FORGOTTEN_AFTER_SECONDS
from eed_delivery.ledger.schema import eed_idempotency_key, eed_login_attempt, eed_session

ROWS_AT_ONCE = 500
STEP_SECONDS = 60.0


class AccessHousekeeping:
    """Deletes a few rows at each step, by their keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def step(self) -> float:
        """Delete up to a number of rows. Returns the seconds until the next step, 0 where there is more."""
        over: dict[Table, ColumnElement[bool]] = {
            eed_session: eed_session.c.ends_at < utc_now(),
            eed_login_attempt: eed_login_attempt.c.last_at < utc_in(-FORGOTTEN_AFTER_SECONDS),
            eed_idempotency_key: eed_idempotency_key.c.made_at < utc_in(-KEPT_SECONDS),
        }
        found = [self._delete(table, term) for table, term in over.items()]
        return 0.0 if max(found) == ROWS_AT_ONCE else STEP_SECONDS

    def _delete(self, table: Table, over: ColumnElement[bool]) -> int:
        (key,) = table.primary_key.columns

        def work(c: Connection) -> int:
            keys = list(c.execute(select(key).where(over).limit(ROWS_AT_ONCE)).scalars())
            for one in keys:
                c.execute(delete(table).where(key == one, over))
            return len(keys)

        return self._database.run(work)
