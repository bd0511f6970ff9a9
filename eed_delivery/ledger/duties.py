"""What one process does for all hosts from time to time, or only one at a time."""

from sqlalchemy import Connection, bindparam, insert, or_, select, update

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
HOLD = (
    update(eed_duty)
    .where(eed_duty.c.name == bindparam("its_name"))
    .where(
        or_(
            eed_duty.c.held_until.is_(None),
            eed_duty.c.held_until <= utc_now(),
            eed_duty.c.holder == bindparam("our_token"),
        )
    )
    .values(holder=bindparam("our_token"), held_until=utc_in(bindparam("seconds")), done_at=utc_now())
)
LET_GO = (
    update(eed_duty)
    .where(eed_duty.c.name == bindparam("its_name"))
    .where(eed_duty.c.holder == bindparam("our_token"))
    .values(holder=None, held_until=None)
)
REST = update(eed_duty).where(eed_duty.c.name == bindparam("its_name")).values(done_at=utc_in(bindparam("seconds")))
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

    def rest(self, name: str, seconds: float) -> None:
        """Have nobody do it for so much longer."""
        self._database.run(lambda c: c.execute(REST, {"its_name": name, "seconds": seconds}))

    def hold(self, name: str, token: int, seconds: float) -> bool:
        """Whether the caller has it now, for so long. No other has it meanwhile. It may be asked for again."""
        values = {"its_name": name, "our_token": token, "seconds": seconds}

        def work(c: Connection) -> bool:
            if c.execute(HOLD, values).rowcount == 1:
                return True
            c.execute(_FIRST, {"its_name": name})
            return c.execute(HOLD, values).rowcount == 1

        return self._database.run(work)

    def let_go(self, name: str, token: int) -> None:
        """Another may have it at once."""
        self._database.run(lambda c: c.execute(LET_GO, {"its_name": name, "our_token": token}))


def in_turn(c: Connection, name: str) -> None:
    """Wait until no other transaction does this, and keep the others waiting until the caller's transaction ends.

    What is read afterwards is what the transactions before have left (READ COMMITTED). SQLite's are all in turn.
    """
    while c.execute(_LOCKED, {"its_name": name}).first() is None:
        c.execute(_FIRST, {"its_name": name})
