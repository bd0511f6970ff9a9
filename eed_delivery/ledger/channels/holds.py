"""Held channels: no email leaves by them from the next wire grant on. A hold with an end is over by itself.

The hold comes first, and no publisher publishes for its channel from then on. Then each unfinished job of the channel
gets a copy of its end. A job that is registered between the two has no message yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, Update, bindparam, delete, func, insert, or_, select, update

from eed_delivery.database.clock import seconds_until, utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, Particulars, is_noted, note
from eed_delivery.ledger.channels.held import ALL, LASTS, is_held
from eed_delivery.ledger.keys import JOBS_A_QUERY
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_attempt, eed_channel_hold, eed_email, eed_job
from eed_delivery.model import EmailState

NEWEST_TRIES = 1000
"""Limit: tries among which the last email of a channel is looked for."""
WHO_LENGTH = 255
ENDED = "the end of the hold has come"

_hold = eed_channel_hold.c
END_HOLD = delete(eed_channel_hold).where(_hold.channel == bindparam("its_channel")).where(_hold.until_at <= utc_now())


FOR_EVER = datetime(9999, 12, 31)  # noqa: DTZ001 - as the ledger keeps times
MARK = (
    update(eed_job).where(eed_job.c.job_id.in_(bindparam("ids", expanding=True))).values(held_until=bindparam("until"))
)
MAY_BE_MARKED = (
    select(eed_job.c.job_id, eed_job.c.channel, eed_job.c.held_until)
    .where(eed_job.c.finished_at.is_(None))
    .where(or_(eed_job.c.held_until.is_not(None), is_held(eed_job.c.channel)))
    .order_by(eed_job.c.job_id)
)


@dataclass(frozen=True, slots=True)
class ChannelHold:
    """A hold, of one channel or of `ALL`. Times are UTC; `until_at` None: until it is released. `seconds`: how long it
    lasts still, None likewise."""

    channel: str
    reason: str
    who: str
    held_at: datetime
    until_at: datetime | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class OnWire:
    """How many emails are on the wire now, and when the last one had its answer, in UTC. None: none had one of late."""

    emails: int
    last_at: datetime | None


class ChannelHoldLedger:
    """Holds channels. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, who: Actor = SERVICE) -> None:
        """`who` acts, for the audit."""
        self._database = database
        self._who = who

    def all(self) -> dict[str, ChannelHold]:
        """The holds that last, by channel; `ALL` is one."""
        return self._database.run(_all)

    def hold(self, channel: str, reason: str, seconds: float | None) -> ChannelHold:
        """Hold a channel, or `ALL`, from now on. A hold that there is gets the new reason and end."""
        act = Act(ActKind.CHANNEL_HOLD, object=ActObject.CHANNEL, key=channel, reason=reason)

        def work(c: Connection) -> ChannelHold:
            before = _all(c).get(channel)
            if not is_noted(c, act.operation):
                c.execute(delete(eed_channel_hold).where(_hold.channel == channel))
                c.execute(insert(eed_channel_hold).values(**_row(channel, reason, self._who.user, seconds)))
                after = {"until_seconds": None if seconds is None else round(seconds)}
                note(c, self._who, _with(act, before, after))
            return _all(c)[channel]

        hold = self._database.run(work)
        self.mark()
        return hold

    def release(self, channel: str) -> bool:
        """End the hold of a channel, or of `ALL`. False: it is not held."""

        def work(c: Connection) -> bool:
            before = _all(c).get(channel)
            gone = c.execute(delete(eed_channel_hold).where(_hold.channel == channel)).rowcount == 1
            if before is None or not gone:
                return False
            act = Act(ActKind.CHANNEL_RELEASE, object=ActObject.CHANNEL, key=channel)
            note(c, self._who, _with(act, before, None))
            return True

        released = self._database.did(work)
        self.mark()
        return released

    def mark(self) -> None:
        """Give each unfinished job the end of what holds its channel, as far as it has another one. To be called now
        and then: should a process die between a hold and this, or a finished job be opened again, it is made up for."""
        holds, jobs = self._database.run(lambda c: (_all(c), c.execute(MAY_BE_MARKED).all()))
        wanted: dict[datetime | None, list[int]] = {}
        for job in jobs:
            until = _longest(holds.get(job.channel), holds.get(ALL))
            if until != job.held_until:
                wanted.setdefault(until, []).append(job.job_id)
        for until, ids in wanted.items():
            for start in range(0, len(ids), JOBS_A_QUERY):
                values = {"ids": ids[start : start + JOBS_A_QUERY], "until": until}
                self._database.run(partial(_execute, MARK, values))

    def end_expired(self) -> list[str]:
        """Delete the holds whose end has come, and return their channels. Emails leave without this already."""

        def work(c: Connection) -> list[str]:
            over = c.execute(select(_hold.channel).where(_hold.until_at <= utc_now())).scalars().all()
            ended = [name for name in over if c.execute(END_HOLD, {"its_channel": name}).rowcount == 1]
            for name in ended:
                note(c, self._who, Act(ActKind.CHANNEL_RELEASE, object=ActObject.CHANNEL, key=name, reason=ENDED))
            return ended

        return self._database.run(work)

    def on_wire(self, channel: str) -> OnWire:
        """What is on the wire of a channel, or of `ALL`."""
        return self._database.run(lambda c: _on_wire(c, channel))


def _all(c: Connection) -> dict[str, ChannelHold]:
    left = seconds_until(_hold.until_at).label("seconds")
    statement = select(*(_hold[name] for name in ("channel", "reason", "who", "held_at", "until_at")), left)
    found = c.execute(statement.where(LASTS).order_by(_hold.channel))
    return {
        row.channel: ChannelHold(*row[:5], None if row.seconds is None else float(row.seconds)) for row in found
    }  # fmt: skip


def _longest(*holds: ChannelHold | None) -> datetime | None:
    """The end of the longest of these. None: there is none."""
    return max((hold.until_at or FOR_EVER for hold in holds if hold is not None), default=None)


def _execute(statement: Update, values: Mapping[str, object], c: Connection) -> None:
    c.execute(statement, values)


def _row(channel: str, reason: str, who: str, seconds: float | None) -> Mapping[str, object]:
    return {
        "channel": channel,
        "reason": reason[:DETAIL_LENGTH],
        "who": who[:WHO_LENGTH],
        "held_at": utc_now(),
        "until_at": None if seconds is None else utc_in(seconds),
    }


def _with(act: Act, before: ChannelHold | None, after: Particulars | None) -> Act:
    seconds = None if before is None or before.seconds is None else round(before.seconds)
    was: Particulars | None = None if before is None else {"reason": before.reason, "until_seconds": seconds}
    return replace(act, before=was, after=after)


def _on_wire(c: Connection, channel: str) -> OnWire:
    of_channel = () if channel == ALL else (eed_job.c.channel == channel,)
    jobs = list(c.execute(select(eed_job.c.job_id).where(eed_job.c.finished_at.is_(None), *of_channel)).scalars())
    on_wire = (eed_email.c.state == EmailState.SENDING) & eed_email.c.wire_at.is_not(None)
    emails = 0
    for start in range(0, len(jobs), JOBS_A_QUERY):
        counted = select(func.count()).where(eed_email.c.job_id.in_(jobs[start : start + JOBS_A_QUERY]), on_wire)
        emails += c.execute(counted).scalar_one()
    newest = select(eed_attempt.c.email_id, eed_attempt.c.ended_at).order_by(eed_attempt.c.attempt_id.desc())
    tries = newest.limit(NEWEST_TRIES).subquery()
    last = (
        select(func.max(tries.c.ended_at))
        .select_from(tries.join(eed_email, eed_email.c.email_id == tries.c.email_id))
        .join(eed_job, eed_job.c.job_id == eed_email.c.job_id)
        .where(*of_channel)
    )
    return OnWire(emails, c.execute(last).scalar_one())
