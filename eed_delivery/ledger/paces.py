"""Paces: send rates that people set in place of the configured ones, while the service runs.

A channel's pace replaces its configured rate. The pace of everything is a limit of all channels together, and each
process that sends has an equal share of it.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, or_, select

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, Particulars, is_noted, note
from eed_delivery.ledger.duties import in_turn
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_pace, eed_worker

TOGETHER = "*"
"""In place of a channel's name: all channels together."""
WHO_LENGTH = 255
DUTY = "paces"
"""Under this lock paces are set."""
ENDED = "the end of the pace has come"

_p = eed_pace.c
LASTS = or_(_p.until_at.is_(None), _p.until_at > utc_now())
END_PACE = delete(eed_pace).where(_p.channel == bindparam("its_channel")).where(_p.until_at <= utc_now())


@dataclass(frozen=True, slots=True)
class StoredPace:
    """A pace of a channel, or of all `TOGETHER`. Times are UTC. `until_at` None: until it is cleared."""

    channel: str
    per_second: float
    reason: str
    who: str
    set_at: datetime
    until_at: datetime | None


class PaceLedger:
    """Sets and clears paces, and gives workers their shares. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, who: Actor = SERVICE) -> None:
        """`who` acts, for the audit."""
        self._database = database
        self._who = who

    def all(self) -> tuple[StoredPace, ...]:
        """The paces that last, by channel."""
        return self._database.run(lambda c: _read(c, LASTS))

    def set(self, channel: str, per_second: float, reason: str, seconds: float | None) -> None:
        """Set a pace from now on. One that there is, is replaced."""
        row = {
            "channel": channel,
            "per_second": per_second,
            "reason": reason[:DETAIL_LENGTH],
            "who": self._who.user[:WHO_LENGTH],
            "set_at": utc_now(),
            "until_at": None if seconds is None else utc_in(seconds),
        }
        after = {"per_second": f"{per_second:g}", "until_seconds": None if seconds is None else round(seconds)}
        act = _act(ActKind.PACE_SET, channel, reason, after)

        def work(c: Connection) -> None:
            in_turn(c, DUTY)  # two first paces of a channel are no error
            if is_noted(c, act.operation):
                return
            c.execute(delete(eed_pace).where(_p.channel == channel))
            c.execute(insert(eed_pace).values(**row))
            note(c, self._who, act)

        self._database.run(work)

    def clear(self, channel: str, reason: str) -> bool:
        """End a pace. False: there is none."""
        act = _act(ActKind.PACE_CLEAR, channel, reason, None)

        def work(c: Connection) -> bool:
            if is_noted(c, act.operation):
                return True
            cleared = c.execute(delete(eed_pace).where(_p.channel == channel)).rowcount == 1
            if cleared:
                note(c, self._who, act)
            return cleared

        return self._database.run(work)

    def end_expired(self) -> list[str]:
        """Delete the paces whose end has come, and return their channels. No worker heeds them already."""

        def work(c: Connection) -> list[str]:
            over = [pace.channel for pace in _read(c, _p.until_at <= utc_now())]
            ended = [name for name in over if c.execute(END_PACE, {"its_channel": name}).rowcount == 1]
            for name in ended:
                note(c, self._who, _act(ActKind.PACE_CLEAR, name, ENDED, None))
            return ended

        return self._database.run(work)

    def is_together(self) -> bool:
        """Whether the pace of all channels lasts."""
        return self._database.run(lambda c: bool(_read(c, LASTS & (_p.channel == TOGETHER))))

    def limits(self, channel: str, configured: float | None) -> dict[str, float]:
        """Emails a second that all processes of a channel may send together, and all of all channels (`TOGETHER`).
        What is not limited is left out."""
        paces = {
            pace.channel: pace.per_second
            for pace in self._database.run(lambda c: _read(c, LASTS & _p.channel.in_([channel, TOGETHER])))
        }
        return paces if configured is None else {channel: configured} | paces

    def share(self, channel: str, configured: float | None, sharing: int, alive_seconds: float) -> float | None:
        """Emails a second that one of the `sharing` processes of a channel may send. None: there is no limit.

        `configured` is the limit of all of them by the configuration. A process of another channel counts for the pace
        of all while its last heartbeat is younger than `alive_seconds`.
        """

        def work(c: Connection) -> float | None:
            paces = {pace.channel: pace.per_second for pace in _read(c, LASTS & _p.channel.in_([channel, TOGETHER]))}
            own = paces.get(channel, configured)
            shares = [] if own is None else [own / max(1, sharing)]
            if TOGETHER in paces:
                shares.append(paces[TOGETHER] / max(1, _sending(c, alive_seconds)))
            return min(shares, default=None)

        return self._database.run(work)


def _sending(c: Connection, alive_seconds: float) -> int:
    w = eed_worker.c
    alive = (w.role == "worker") & w.sending & (w.heartbeat_at > utc_in(-alive_seconds))
    return c.execute(select(func.count()).where(alive)).scalar_one()


def _read(c: Connection, which: ColumnElement[bool]) -> tuple[StoredPace, ...]:
    columns = (_p[name] for name in ("channel", "per_second", "reason", "who", "set_at", "until_at"))
    return tuple(StoredPace(*row) for row in c.execute(select(*columns).where(which).order_by(_p.channel)))


def _act(kind: ActKind, channel: str, reason: str, after: Particulars | None) -> Act:
    return Act(kind, object=ActObject.CHANNEL, key=channel, reason=reason, after=after)
