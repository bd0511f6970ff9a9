"""Turns to send. All hosts and functions take them from one row of a channel, several at a time.

A turn is a moment, and between two of them lies the time that the limit prescribes. So the limit holds however many
take turns. Turns that were taken and not used are lost.
"""

from collections.abc import Mapping

from sqlalchemy import Connection, DateTime, bindparam, case, insert, or_, select, update

from eed_delivery.database.clock import seconds_until, utc_in, utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.sql_function import SqlFunction
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.schema import eed_send_rate

SLOWEST = 0.05
RECOVERY_PER_SECOND = 0.05
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
MOST_TURNS = 10
"""No taker takes more at a time."""


class after_both(SqlFunction):  # noqa: N801 - see SqlFunction
    """Some seconds after a column's time or after now, whichever is later."""

    type = DateTime()
    inherit_cache = True
    mysql = "(GREATEST({0}, UTC_TIMESTAMP(6)) + INTERVAL ({1}) * 1000000 MICROSECOND)"
    sqlite = "strftime('%Y-%m-%d %H:%M:%f000', max({0}, strftime('%Y-%m-%d %H:%M:%f000', 'now')), ({1}) || ' seconds')"


class at_least_in(SqlFunction):  # noqa: N801
    """A column's time, or some seconds after now if that is later."""

    type = DateTime()
    inherit_cache = True
    mysql = "GREATEST({0}, UTC_TIMESTAMP(6) + INTERVAL ({1}) * 1000000 MICROSECOND)"
    sqlite = "max({0}, strftime('%Y-%m-%d %H:%M:%f000', 'now', ({1}) || ' seconds'))"


_r = eed_send_rate.c
_OURS = update(eed_send_rate).where(_r.channel == bindparam("its_channel"))
_RECOVERED = _r.factor - RECOVERY_PER_SECOND * seconds_until(_r.slowed_at)
_FACTOR = case(
    (or_(_r.slowed_at.is_(None), _RECOVERED >= 1.0), 1.0),
    (_RECOVERED < SLOWEST, SLOWEST),  # the database's clock was set back
    else_=_RECOVERED,
)
_STEP = bindparam("needs") / _FACTOR
_IMPOSSIBLE = _r.next_at > utc_in(bindparam("farthest"))  # likewise

TAKE = _OURS.where(or_(_r.next_at <= utc_in(bindparam("patience")), _IMPOSSIBLE)).values(
    next_at=case((_IMPOSSIBLE, utc_in(_STEP)), else_=after_both(_r.next_at, _STEP))
)
# The pause that the last answer has begun is half of the next one. Answers that come within it say nothing new.
SLOW = _OURS.where(or_(_r.slowed_at.is_(None), _r.slowed_at <= utc_in(-(_r.pause_seconds / 2)))).ordered_values(
    (_r.next_at, at_least_in(_r.next_at, _r.pause_seconds)),  # MySQL goes from left to right
    (
        _r.pause_seconds,
        case((_r.pause_seconds * 2 > LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS), else_=_r.pause_seconds * 2),
    ),
    (_r.factor, case((_FACTOR / 2 < SLOWEST, SLOWEST), else_=_FACTOR / 2)),
    (_r.slowed_at, utc_now()),
)
RECOVER = _OURS.where(_r.pause_seconds > FIRST_PAUSE_SECONDS).values(pause_seconds=FIRST_PAUSE_SECONDS)
_LOOK = select(seconds_until(_r.next_at).label("free"), _FACTOR.label("factor")).where(
    _r.channel == bindparam("its_channel")
)
_LOCKED = _LOOK.with_for_update()


class NotDue(Exception):
    """The next turn is `seconds` away, which is more than the caller would wait. None was taken."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the next turn is {seconds:.1f} s away")
        self.seconds = seconds


class SendTurns:
    """Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, limits: Mapping[str, float], count: int, patience: float) -> tuple[float, float]:
        """Take `count` turns under each of `limits`, emails a second by channel. Returns in how many seconds the first
        of them is, and how many lie between two. Raises `NotDue` if the first is more than `patience` seconds away."""

        channels = sorted(limits)

        def work(c: Connection) -> tuple[float, float] | NotDue:
            if len(channels) > 1:  # none is taken without the other
                for channel in channels:
                    free = _lock(c, channel)
                    if patience < free <= _farthest(limits[channel]):
                        return NotDue(free)
            found = [_taken(c, channel, limits[channel], count, patience) for channel in channels]
            far = [one for one in found if isinstance(one, NotDue)]
            if far:
                return far[0]
            taken = [one for one in found if not isinstance(one, NotDue)]
            return max(start for start, _ in taken), max(needs for _, needs in taken) / count

        done = self._database.run(work)
        if isinstance(done, NotDue):  # not within the transaction, whose connection would then count as broken
            raise done
        return done

    def slow_down(self, channel: str) -> None:
        """The provider says that we are too fast: nothing for a while, then slower for a while."""

        def work(c: Connection) -> None:
            _first(c, channel)
            c.execute(SLOW, {"its_channel": channel})

        self._database.run(work)

    def recover(self, channel: str) -> None:
        """The provider took an email, so the pauses may start small again."""
        self._database.run(lambda c: c.execute(RECOVER, {"its_channel": channel}))


def _farthest(limit: float) -> float:
    """No turn can be farther away, in seconds, than after the longest pause and a round of turns at the slowest."""
    return 2 * LONGEST_PAUSE_SECONDS + MOST_TURNS / limit / SLOWEST


def _taken(c: Connection, channel: str, limit: float, count: int, patience: float) -> tuple[float, float] | NotDue:
    needs = count / limit
    values = {"its_channel": channel, "needs": needs, "patience": patience, "farthest": _farthest(limit)}
    while c.execute(TAKE, values).rowcount != 1:
        row = c.execute(_LOOK, {"its_channel": channel}).one_or_none()
        if row is None:
            _first(c, channel)
        elif row.free > patience:  # else another taker has just made the row
            return NotDue(float(row.free))
    row = c.execute(_LOOK, {"its_channel": channel}).one()
    needs /= float(row.factor)
    return float(row.free) - needs, needs


def _lock(c: Connection, channel: str) -> float:
    """In how many seconds the next turn is. No other takes one until the transaction ends."""
    while (row := c.execute(_LOCKED, {"its_channel": channel}).one_or_none()) is None:
        _first(c, channel)
    return float(row.free)


def _first(c: Connection, channel: str) -> None:
    """Make the row, unless it is there."""
    values = {"channel": channel, "next_at": utc_now(), "pause_seconds": FIRST_PAUSE_SECONDS, "factor": 1.0}
    c.execute(unless_there(insert(eed_send_rate)).values(**values))
