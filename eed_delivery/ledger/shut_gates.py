"""Gates as people see them, and opened by hand."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, or_, select, update

from eed_delivery.database.clock import seconds_until, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, is_noted, note
from eed_delivery.ledger.gates import FIRST_SECONDS
from eed_delivery.ledger.schema import eed_gate

_g = eed_gate.c
OPEN_BY_HAND = (
    update(eed_gate)
    .where(_g.channel == bindparam("its_channel"))
    .where(_g.reason.is_not(None))
    .values(
        reason=None,
        shut_at=None,
        shut_until=utc_now(),
        pause_seconds=FIRST_SECONDS,
        trial_token=None,
        trial_until=None,
    )
)
_ALL = (
    select(_g.channel, _g.reason, _g.shut_at, seconds_until(_g.shut_until).label("seconds"), _g.mapping_off_at)
    .where(or_(_g.reason.is_not(None), _g.mapping_off_at.is_not(None)))
    .order_by(_g.channel)
)


@dataclass(frozen=True, slots=True)
class ShutGate:
    """A channel's gate that is shut since `shut_at`. `seconds`: until one may try; 0: one is to try now.

    `mapping_off_at`: since when the event source mapping of its function is off. Without a `reason` the gate is open,
    and the tick turns the mapping on again.
    """

    channel: str
    reason: str | None
    shut_at: datetime | None
    seconds: float
    mapping_off_at: datetime | None


class ShutGates:
    """Reads and opens gates. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, who: Actor = SERVICE) -> None:
        """`who` acts, for the audit."""
        self._database = database
        self._who = who

    def all(self) -> tuple[ShutGate, ...]:
        """Those that are shut, by channel."""

        def read(c: Connection) -> tuple[ShutGate, ...]:
            return tuple(
                ShutGate(row.channel, row.reason, row.shut_at, max(0.0, float(row.seconds)), row.mapping_off_at)
                for row in c.execute(_ALL)
            )

        return self._database.run(read)

    def open_by_hand(self, channel: str, reason: str) -> bool:
        """Open one, whatever the last answer was. False: it is open."""
        act = Act(ActKind.GATE_OPEN, object=ActObject.CHANNEL, key=channel, reason=reason)

        def work(c: Connection) -> bool:
            if is_noted(c, act.operation):
                return True
            opened = c.execute(OPEN_BY_HAND, {"its_channel": channel}).rowcount == 1
            if opened:
                note(c, self._who, act)
            return opened

        return self._database.run(work)
