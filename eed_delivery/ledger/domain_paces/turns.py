"""Turns to send to destinations. All hosts and functions take them from one row of a destination.

A turn is a moment, and between two of them lies the time that the pace prescribes. Turns of the last second that no
process took may be taken still, so a pace is used to the full. None is given ahead, so no process waits for one.

A destination with a concurrency has places, too. A thread has one place for all emails of its batch, which it sends one
after the other. The place of a process that died is free once its lease is over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import floor
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.multi_statement import BoundStatement, execute
from eed_delivery.database.transactions import Database
from eed_delivery.destinations import Destination
from eed_delivery.ledger.schema import eed_domain_slot, eed_domain_turn

CREDIT_SECONDS = 1.0
"""Turns that lie back no longer than this may be taken."""
FULL_SECONDS = 1.0
"""When to ask again for a place, where all are taken."""
FARTHEST_SECONDS = 60.0
"""Limit: seconds to wait before the next question. A pace may have been raised by then."""
FORGOTTEN_SECONDS = 86_400.0
"""Rows that were not used for longer are deleted."""
FORGOTTEN_AT_ONCE = 1000

_t, _s = eed_domain_turn.c, eed_domain_slot.c


class TurnKind(StrEnum):
    """What a turn is for. Each has turns of its own: what is published is still to be sent."""

    WIRE = "wire"
    PUBLISH = "publish"


TURN = (
    update(eed_domain_turn)
    .where(_t.kind == bindparam("its_kind"))
    .where(_t.name == bindparam("its_name"))
    .values(next_at=bindparam("its_next"))
)
_FIRST = unless_there(insert(eed_domain_turn)).values(
    kind=bindparam("its_kind"), name=bindparam("its_name"), next_at=utc_in(-CREDIT_SECONDS)
)
_LOCKED = (
    select(_t.name, _t.next_at, utc_now().label("now"))
    .where(_t.kind == bindparam("its_kind"))
    .where(_t.name.in_(bindparam("names", expanding=True)))
    .order_by(_t.name)
    .with_for_update()
)
_TAKEN = (
    select(_s.name, func.count().label("places"))
    .where(_s.name.in_(bindparam("names", expanding=True)), _s.until_at > utc_now(), _s.token != bindparam("ours"))
    .group_by(_s.name)
)
KEEP = (
    update(eed_domain_slot)
    .where(_s.name == bindparam("its_name"))
    .where(_s.token == bindparam("ours"))
    .values(until_at=utc_in(bindparam("lease")))
)
_PLACE = insert(eed_domain_slot).values(
    name=bindparam("its_name"), token=bindparam("ours"), until_at=utc_in(bindparam("lease"))
)
_LAPSED = delete(eed_domain_slot).where(_s.name.in_(bindparam("names", expanding=True)), _s.until_at <= utc_now())
_LEAVE = delete(eed_domain_slot).where(_s.name.in_(bindparam("names", expanding=True)), _s.token == bindparam("ours"))


@dataclass(frozen=True, slots=True)
class TakenTurns:
    """How many emails may go to a destination now, and in how many seconds to ask again for the others."""

    count: int
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Place:
    """Who holds a place, and for how many seconds it is theirs if they are not heard of."""

    token: int
    lease_seconds: float


class DestinationTurns:
    """Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(
        self, wanted: Mapping[Destination, int], kind: TurnKind = TurnKind.WIRE, place: Place | None = None
    ) -> dict[str, TakenTurns]:
        """Take up to as many turns of each destination as are wanted, by its name. `place` is who sends, where places
        count."""
        ordered = sorted((one for one in wanted if not one.pace.is_closed), key=lambda one: one.name)
        closed = {one.name: TakenTurns(0, FARTHEST_SECONDS) for one in wanted if one.pace.is_closed}
        if not ordered:
            return closed
        return closed | self._database.run(lambda c: _take(c, ordered, wanted, kind, place))

    def leave(self, names: Sequence[str], token: int) -> None:
        """Give places back."""
        self._database.run(lambda c: c.execute(_LEAVE, {"names": list(names), "ours": token}))

    def forget(self) -> None:
        """Delete what was not used for a day."""
        old = select(_t.kind, _t.name).where(_t.next_at < utc_in(-FORGOTTEN_SECONDS)).limit(FORGOTTEN_AT_ONCE)

        def work(c: Connection) -> None:
            for row in c.execute(old).all():
                which = (_t.kind == row.kind) & (_t.name == row.name) & (_t.next_at < utc_in(-FORGOTTEN_SECONDS))
                c.execute(delete(eed_domain_turn).where(which))
            c.execute(delete(eed_domain_slot).where(_s.until_at < utc_in(-FORGOTTEN_SECONDS)))

        self._database.run(work)


def _take(
    c: Connection,
    ordered: Sequence[Destination],
    wanted: Mapping[Destination, int],
    kind: TurnKind,
    place: Place | None,
) -> dict[str, TakenTurns]:
    names = [one.name for one in ordered]
    rows = _rows(c, names, kind)
    full = _full(c, ordered, place) if place is not None else frozenset()
    found: dict[str, TakenTurns] = {}
    changes: list[BoundStatement] = []
    for one in ordered:
        row = rows[one.name]
        if one.name in full:
            found[one.name] = TakenTurns(0, FULL_SECONDS)
            continue
        turns, next_at = turns_of(row.next_at, row.now, one.pace.per_second, wanted[one])
        found[one.name] = turns
        if turns.count and one.pace.per_second is not None:
            values = {"its_kind": kind, "its_name": one.name, "its_next": next_at}
            changes.append(BoundStatement(TURN, values, rows=None))
    if changes:
        execute(c, changes)
    if place is not None:
        for one in ordered:
            if one.pace.concurrency is not None and found[one.name].count:
                _hold(c, one.name, place)
    return found


def turns_of(next_at: datetime, now: datetime, per_second: float | None, most: int) -> tuple[TakenTurns, datetime]:
    """The turns that are there, and the first one that is free behind them."""
    if per_second is None:
        return TakenTurns(most), next_at
    step = 1 / per_second
    if next_at > now + timedelta(seconds=step + 2 * CREDIT_SECONDS):
        next_at = now  # the pace was raised, or the database's clock was set back
    start = max(next_at, now - timedelta(seconds=CREDIT_SECONDS))
    behind = (now - start).total_seconds()
    if behind < 0:
        return TakenTurns(0, min(FARTHEST_SECONDS, -behind)), next_at
    count = min(most, floor(behind / step + 1e-6) + 1)
    rest = 0.0 if count == most else max(0.0, count * step - behind)
    return TakenTurns(count, min(FARTHEST_SECONDS, rest)), start + timedelta(seconds=count * step)


def _rows(c: Connection, names: Sequence[str], kind: TurnKind) -> dict[str, Row[*tuple[Any, ...]]]:
    """The rows of these destinations, which no other process changes until the transaction ends."""
    while True:
        rows: dict[str, Row[*tuple[Any, ...]]] = {
            row.name: row for row in c.execute(_LOCKED, {"its_kind": kind, "names": list(names)})
        }
        missing = [name for name in names if name not in rows]
        if not missing:
            return rows
        c.execute(_FIRST, [{"its_kind": kind, "its_name": name} for name in missing])


def _full(c: Connection, ordered: Sequence[Destination], place: Place) -> frozenset[str]:
    """The destinations all of whose places are others'."""
    limits = {one.name: one.pace.concurrency for one in ordered if one.pace.concurrency is not None}
    if not limits:
        return frozenset()
    c.execute(_LAPSED, {"names": list(limits)})
    taken = {row.name: row.places for row in c.execute(_TAKEN, {"names": list(limits), "ours": place.token})}
    return frozenset(name for name, limit in limits.items() if taken.get(name, 0) >= limit)


def _hold(c: Connection, name: str, place: Place) -> None:
    values = {"its_name": name, "ours": place.token, "lease": place.lease_seconds}
    if c.execute(KEEP, values).rowcount != 1:
        c.execute(_PLACE, values)
