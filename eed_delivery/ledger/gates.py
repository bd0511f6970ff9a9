"""The gate of a channel: a breaker that all hosts and functions share, and that outlives each of them.

It is shut by the first answer that concerns all emails, for a while that doubles each time. Then one process or
invocation at a time tries. An answer of the mail server opens it.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, case, func, insert, or_, select, update

from eed_delivery.database.clock import seconds_until, utc_in, utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.multi_statement import BoundStatement, execute
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_gate

FIRST_SECONDS = 5.0
LONGEST_SECONDS = 300.0
"""It is shut for the first time that long, and at most that long. An email that comes meanwhile waits in the queue."""

_g = eed_gate.c
_OURS = update(eed_gate).where(_g.channel == bindparam("its_channel"))
_DOUBLED = case((_g.pause_seconds * 2 > LONGEST_SECONDS, LONGEST_SECONDS), else_=_g.pause_seconds * 2)

_OPENED = {"reason": None, "shut_at": None, "pause_seconds": FIRST_SECONDS, "trial_token": None, "trial_until": None}

SHUT = _OURS.where(_g.shut_until <= utc_now()).ordered_values(  # MySQL goes from left to right
    (_g.shut_until, utc_in(_g.pause_seconds)),
    (_g.pause_seconds, _DOUBLED),
    (_g.shut_at, func.coalesce(_g.shut_at, utc_now())),
    (_g.reason, bindparam("why")),
    (_g.trial_token, None),
    (_g.trial_until, None),
)
TRY = (
    _OURS.where(_g.reason.is_not(None))
    .where(_g.shut_until <= utc_now())
    .where(or_(_g.trial_until.is_(None), _g.trial_until <= utc_now()))
    .values(trial_token=bindparam("our_token"), trial_until=utc_in(bindparam("seconds")))
)
LEAVE = _OURS.where(_g.trial_token == bindparam("our_token")).values(trial_token=None, trial_until=None)
OPEN = _OURS.where(_g.reason.is_not(None)).where(_g.shut_until <= utc_now()).values(**_OPENED)
OPEN_PROVEN = _OURS.where(_g.shut_at == bindparam("since")).values(shut_until=utc_now(), **_OPENED)
TRY_NOW = _OURS.where(_g.shut_at == bindparam("since")).where(_g.shut_until > utc_now()).values(shut_until=utc_now())
MAPPING_OFF = _OURS.where(_g.reason.is_not(None)).where(_g.mapping_off_at.is_(None)).values(mapping_off_at=utc_now())
MAPPING_ON = _OURS.where(_g.mapping_off_at.is_not(None)).values(mapping_off_at=None)
_LOOK = select(
    _g.reason,
    _g.shut_at,
    _g.mapping_off_at,
    (-seconds_until(_g.shut_at)).label("since"),
    seconds_until(_g.shut_until).label("shut"),
    seconds_until(_g.trial_until).label("tried"),
).where(_g.channel == bindparam("its_channel"))


@dataclass(frozen=True, slots=True)
class GateEntry:
    """What `Gate.enter` says. `seconds`: for how long nothing may be sent; 0: now. `reason`: why it was shut, if it is
    not proven yet that the way out works again."""

    seconds: float = 0.0
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SeenGate:
    """A gate as it is. `shut_at` (UTC): since when it is shut, and `since` how many seconds that is. `seconds`: until
    one may try. `mapping_off`: the tick has turned the event source mapping off.

    `reason` None: it is open.
    """

    reason: str | None
    shut_at: datetime | str | None
    seconds: float
    since: float = 0.0
    mapping_off: bool = False


class Gate:
    """The gate of one channel. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, channel: str) -> None:
        self._database = database
        self._its = {"its_channel": channel}
        self._channel = channel

    def enter(self, token: int, trial_seconds: float) -> GateEntry:
        """Ask to send. While it is tried whether the way out works, only one is let in, for at most `trial_seconds`.
        `token` names the one who asks. A gate that is open costs one SELECT."""

        def work(c: Connection) -> GateEntry:
            (found,) = execute(c, [BoundStatement(_LOOK, self._its, rows=None)])
            row = next(iter(found.rows), None)
            if row is None or row.reason is None:
                return GateEntry()
            if row.shut > 0:
                return GateEntry(float(row.shut), row.reason)
            if c.execute(TRY, {**self._its, "our_token": token, "seconds": trial_seconds}).rowcount == 1:
                return GateEntry(0.0, row.reason)
            return GateEntry(min(FIRST_SECONDS, max(1.0, float(row.tried or 0))), row.reason)

        return self._database.run(work)

    def leave(self, token: int) -> None:
        """The one on trial has no more emails, and no answer: the next may try."""
        self._database.run(lambda c: c.execute(LEAVE, {**self._its, "our_token": token}))

    def shut(self, reason: str) -> bool:
        """The way out is broken. False: it is shut already."""

        def work(c: Connection) -> bool:
            if c.execute(SHUT, {**self._its, "why": reason[:DETAIL_LENGTH]}).rowcount == 1:
                return True
            first = {"shut_at": utc_now(), "shut_until": utc_in(FIRST_SECONDS), "pause_seconds": 2 * FIRST_SECONDS}
            new = unless_there(insert(eed_gate)).values(channel=self._channel, reason=reason[:DETAIL_LENGTH], **first)
            return c.execute(new).rowcount == 1

        return self._database.did(work)

    def open(self) -> bool:
        """The mail server has answered for an email. False: it was open, or another has shut it since."""
        return self._database.did(lambda c: c.execute(OPEN, self._its).rowcount == 1)

    def open_proven(self, shut_at: datetime | str | None) -> bool:
        """A host has found that the way out works, which was shut then. False: it was opened or shut anew since."""
        values = {**self._its, "since": shut_at}
        return self._database.did(lambda c: c.execute(OPEN_PROVEN, values).rowcount == 1)

    def look(self) -> SeenGate:
        """How it is, without asking to send."""
        row = self._database.run(lambda c: c.execute(_LOOK, self._its).one_or_none())
        off = row is not None and row.mapping_off_at is not None
        if row is None or row.reason is None:
            return SeenGate(None, None, 0.0, mapping_off=off)
        return SeenGate(row.reason, row.shut_at, max(0.0, float(row.shut)), float(row.since), off)

    def try_now(self, shut_at: datetime | str | None) -> bool:
        """A probe has found that the way out, which was shut then, may work. One may try at once. False: one may
        already, or it was shut anew since."""
        values = {**self._its, "since": shut_at}
        return self._database.did(lambda c: c.execute(TRY_NOW, values).rowcount == 1)

    def note_mapping_off(self) -> bool:
        """The event source mapping is about to be turned off. False: it is off, or the gate is open."""
        return self._database.did(lambda c: c.execute(MAPPING_OFF, self._its).rowcount == 1)

    def note_mapping_on(self) -> None:
        """It was turned on again."""
        self._database.run(lambda c: c.execute(MAPPING_ON, self._its))
