"""What people hold. No email of it leaves from the next wire grant on. A hold with an end is over by itself."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, select

from eed_delivery.database.clock import seconds_until, utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, Particulars, is_noted, new_operation, note
from eed_delivery.ledger.duties import in_turn
from eed_delivery.ledger.holds.held import LASTS
from eed_delivery.ledger.holds.marking import DUTY, as_copied, mark
from eed_delivery.ledger.holds.on_wire import OnWire, on_wire
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_hold
from eed_delivery.model import HoldScope, HoldTarget

WHO_LENGTH = 255
ENDED = "the end of the hold has come"
ALL_CHANNELS = "*"
"""In the audit, in place of a channel's name."""

_h = eed_hold.c
END_HOLD = delete(eed_hold).where(_h.hold_id == bindparam("id")).where(_h.until_at <= utc_now())
_OBJECTS = {
    HoldScope.ALL: ActObject.CHANNEL,
    HoldScope.CHANNEL: ActObject.CHANNEL,
    HoldScope.CATEGORY: ActObject.CATEGORY,
    HoldScope.DOMAIN: ActObject.DOMAIN,
}
_HOLDS = {
    ActObject.CHANNEL: (ActKind.CHANNEL_HOLD, ActKind.CHANNEL_RELEASE),
    ActObject.CATEGORY: (ActKind.CATEGORY_HOLD, ActKind.CATEGORY_RELEASE),
    ActObject.DOMAIN: (ActKind.DOMAIN_HOLD, ActKind.DOMAIN_RELEASE),
}


@dataclass(frozen=True, slots=True)
class StoredHold:
    """A hold. Times are UTC. `until_at` None: until it is released. `seconds`: how long it lasts still, likewise.

    From `in_force_at` on nothing of it is let go. It is None for the moment in which the jobs get their copies.
    """

    hold_id: int
    target: HoldTarget
    reason: str
    who: str
    held_at: datetime
    in_force_at: datetime | None
    until_at: datetime | None
    seconds: float | None


class HoldLedger:
    """Holds and releases. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(
        self, database: Database, who: Actor = SERVICE, file_channels: Callable[[], Collection[str]] = tuple
    ) -> None:
        """`who` acts, for the audit. `file_channels` put files, which go to no domain."""
        self._database = database
        self._who = who
        self._file_channels = file_channels

    def all(self) -> tuple[StoredHold, ...]:
        """The holds that last, by scope and subject."""
        return self._database.run(_all)

    def of(self, target: HoldTarget) -> StoredHold | None:
        """The hold of a target. None: it has none of its own."""
        return self._database.run(lambda c: _one(c, _is(target)))

    def hold(self, target: HoldTarget, reason: str, seconds: float | None) -> StoredHold:
        """Hold a target from now on. A hold that there is gets the new reason and end, and keeps its number.

        Raises ValueError if too many domains are held."""
        act = _act(target, reason, released=False)

        def work(c: Connection) -> None:
            in_turn(c, DUTY)
            if is_noted(c, act.operation):
                return
            before = _one(c, _is(target))
            domains = {hold.target.subject for hold in _all(c) if hold.target.scope is HoldScope.DOMAIN}
            if target.scope is HoldScope.DOMAIN and as_copied(domains | {target.subject}) is None:
                raise ValueError("too many domains are held at once")
            c.execute(delete(eed_hold).where(_is(target)))
            kept = {} if before is None else {"hold_id": before.hold_id}
            c.execute(insert(eed_hold).values(**kept, **_row(target, reason, self._who.user, seconds)))
            after = {"until_seconds": None if seconds is None else round(seconds)}
            note(c, self._who, _with(act, before, after))

        self._database.run(work)
        self.mark()
        held = self.of(target)
        if held is None:  # it ended, or was released, in the same moment
            raise ValueError("the hold has ended already")
        return held

    def release(self, hold_id: int) -> StoredHold | None:
        """End a hold. Returns it, or None if there is none of this number."""
        operation = new_operation()

        def work(c: Connection) -> StoredHold | None:
            in_turn(c, DUTY)
            before = _one(c, _h.hold_id == hold_id)
            gone = c.execute(delete(eed_hold).where(_h.hold_id == hold_id)).rowcount == 1
            if before is None or not gone:
                return None
            act = replace(_act(before.target, None, released=True), operation=operation)
            note(c, self._who, _with(act, before, None))
            return before

        released = self._database.did(work)
        self.mark()
        return released

    def mark(self) -> None:
        """As `marking.mark`."""
        mark(self._database, self._file_channels())

    def end_expired(self) -> list[HoldTarget]:
        """Delete the holds whose end has come, and return what they held. Emails leave without this already."""

        def work(c: Connection) -> list[HoldTarget]:
            in_turn(c, DUTY)
            over = _read(c, _h.until_at <= utc_now())
            ended = [hold.target for hold in over if c.execute(END_HOLD, {"id": hold.hold_id}).rowcount == 1]
            for target in ended:
                note(c, self._who, _act(target, ENDED, released=True))
            return ended

        return self._database.run(work)

    def on_wire(self, target: HoldTarget) -> OnWire:
        """What is on the wire of a target, and when the last email of it was let go."""
        return self._database.run(lambda c: on_wire(c, target))


def _is(target: HoldTarget) -> ColumnElement[bool]:
    return (_h.scope == target.scope) & (_h.subject == target.subject)


def _all(c: Connection) -> tuple[StoredHold, ...]:
    return _read(c, LASTS)


def _one(c: Connection, which: ColumnElement[bool]) -> StoredHold | None:
    return next(iter(_read(c, which & LASTS)), None)


def _read(c: Connection, which: ColumnElement[bool]) -> tuple[StoredHold, ...]:
    times = (_h.held_at, _h.in_force_at, _h.until_at)
    left = seconds_until(_h.until_at).label("seconds")
    statement = select(_h.hold_id, _h.scope, _h.subject, _h.reason, _h.who, *times, left)
    return tuple(
        StoredHold(
            row.hold_id,
            HoldTarget(HoldScope(row.scope), row.subject),
            *row[3:8],
            seconds=None if row.seconds is None else float(row.seconds),
        )
        for row in c.execute(statement.where(which).order_by(_h.scope, _h.subject))
    )


def _row(target: HoldTarget, reason: str, who: str, seconds: float | None) -> Mapping[str, object]:
    return {
        "scope": target.scope,
        "subject": target.subject,
        "reason": reason[:DETAIL_LENGTH],
        "who": who[:WHO_LENGTH],
        "held_at": utc_now(),
        "in_force_at": None,
        "until_at": None if seconds is None else utc_in(seconds),
    }


def _act(target: HoldTarget, reason: str | None, *, released: bool) -> Act:
    object_ = _OBJECTS[target.scope]
    key = ALL_CHANNELS if target.scope is HoldScope.ALL else target.subject
    return Act(_HOLDS[object_][released], object=object_, key=key, reason=reason)


def _with(act: Act, before: StoredHold | None, after: Particulars | None) -> Act:
    seconds = None if before is None or before.seconds is None else round(before.seconds)
    was: Particulars | None = None if before is None else {"reason": before.reason, "until_seconds": seconds}
    return replace(act, before=was, after=after)
