"""What one process does for all hosts from time to time, or only one at a time."""

from sqlalchemy import Connection, bindparam, insert, select, update

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.schema import eed_duty

TAKE = (
    update(eed_duty)
    .where(eed_duty.c.name == bindparam("its_name"))
    .where(eed_duty.c.done_at <= utc_in(-bindparam("seconds")))
    .values(done_at=utc_now())
)
_LOCKED = select(eed_duty.c.name).where(eed_duty.c.name == bindparam("its_name")).with_for_update()
_FIRST = unless_there(insert(eed_duty)).values(name=bindparam("its_name"), done_at=utc_now())


class DutyLedger:
    """Says whose turn it is. Each call raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, name: str, seconds: float) -> bool:
        """Whether the caller is to do it now. It is due `seconds` after the last time. A caller that dies meanwhile
        leaves it out once."""

        def work(c: Connection) -> bool:
            if c.execute(TAKE, {"its_name": name, "seconds": seconds}).rowcount:
                return True
            return c.execute(_FIRST, {"its_name": name}).rowcount == 1

        return self._database.did(work)


def in_turn(c: Connection, name: str) -> None:
    """Wait until no other transaction does this, and keep the others waiting until the caller's transaction ends.

    What is read afterwards is what the transactions before have left (READ COMMITTED). SQLite's are all in turn.
    """
    while c.execute(_LOCKED, {"its_name": name}).first() is None:
        c.execute(_FIRST, {"its_name": name})
