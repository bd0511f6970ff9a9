"""What people have opened for a while, whatever its send windows say. An override ends by itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, is_noted, new_operation, note
from eed_delivery.ledger.duties import in_turn
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_job, eed_window_override
from eed_delivery.ledger.windows.marking import DUTY, WindowMarking, of_target
from eed_delivery.model import WindowScope, WindowTarget

WHO_LENGTH = 255
ENDED = "the end of the override has come"
ALL_CHANNELS = "*"
"""In the audit, in place of a channel's name."""

_o = eed_window_override.c
LASTS = _o.until_at > utc_now()
END_OVERRIDE = delete(eed_window_override).where(_o.override_id == bindparam("id")).where(_o.until_at <= utc_now())
_OBJECTS = {
    WindowScope.ALL: ActObject.CHANNEL,
    WindowScope.CHANNEL: ActObject.CHANNEL,
    WindowScope.CATEGORY: ActObject.CATEGORY,
    WindowScope.JOB: ActObject.JOB,
}


@dataclass(frozen=True, slots=True)
class StoredOverride:
    """An override. Times are UTC. From `set_at` until before `until_at` its target may leave at any time."""

    override_id: int
    target: WindowTarget
    reason: str
    who: str
    set_at: datetime
    until_at: datetime
    jobs: int
    """Unfinished jobs that it concerns."""


class OverrideLedger:
    """Sets and ends overrides. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, marking: WindowMarking, who: Actor = SERVICE) -> None:
        """`marking` writes the spans of jobs after each change. `who` acts, for the audit."""
        self._database = database
        self._marking = marking
        self._who = who

    def all(self) -> tuple[StoredOverride, ...]:
        """Those that last, by scope and subject."""
        return self._database.run(lambda c: _read(c, LASTS))

    def set(self, target: WindowTarget, reason: str, seconds: float) -> StoredOverride | None:
        """Open a target for this many seconds from now on. Another override of it is replaced, and its number kept.

        None if it has ended meanwhile."""
        operation = new_operation()

        def work(c: Connection) -> None:
            in_turn(c, DUTY)
            if is_noted(c, operation):
                return
            before = next(iter(_read(c, _is(target) & LASTS)), None)
            c.execute(delete(eed_window_override).where(_is(target)))
            kept = {} if before is None else {"override_id": before.override_id}
            c.execute(insert(eed_window_override).values(**kept, **_row(target, reason, self._who.user, seconds)))
            was = None if before is None else {"reason": before.reason, "until": f"{before.until_at}Z"}
            act = _act(c, ActKind.WINDOW_OVERRIDE, target, reason, operation)
            note(c, self._who, Act(**act, before=was, after={"until_seconds": round(seconds)}))  # type: ignore[arg-type]

        self._database.run(work)
        self._marking.mark_target(target)
        return next((one for one in self.all() if one.target == target), None)

    def end(self, target: WindowTarget, reason: str) -> StoredOverride | None:
        """End the override of a target. Windows count again. Returns it, or None if there is none."""
        operation = new_operation()

        def work(c: Connection) -> StoredOverride | None:
            in_turn(c, DUTY)
            before = next(iter(_read(c, _is(target) & LASTS)), None)
            if before is not None:
                c.execute(delete(eed_window_override).where(_is(target)))
                was = {"reason": before.reason, "until": f"{before.until_at}Z"}
                act = _act(c, ActKind.WINDOW_END, before.target, reason, operation)
                note(c, self._who, Act(**act, before=was))  # type: ignore[arg-type]
            return before

        ended = self._database.did(work)
        if ended is not None:
            self._marking.mark_target(target)
        return ended

    def end_expired(self) -> list[StoredOverride]:
        """Delete the overrides whose end has come, and return them. Nothing leaves by them already."""

        def work(c: Connection) -> list[StoredOverride]:
            over = _read(c, ~LASTS)
            if not over:
                return []
            in_turn(c, DUTY)
            ended = [one for one in over if c.execute(END_OVERRIDE, {"id": one.override_id}).rowcount == 1]
            for one in ended:
                note(c, SERVICE, Act(**_act(c, ActKind.WINDOW_END, one.target, ENDED, new_operation())))  # type: ignore[arg-type]
            return ended

        return self._database.did(work)


def _is(target: WindowTarget) -> ColumnElement[bool]:
    return (_o.scope == target.scope) & (_o.subject == target.subject)


def _read(c: Connection, which: ColumnElement[bool]) -> tuple[StoredOverride, ...]:
    names = ("override_id", "scope", "subject", "reason", "who", "set_at", "until_at")
    statement = select(*(_o[name] for name in names)).where(which).order_by(_o.scope, _o.subject)
    return tuple(
        StoredOverride(row.override_id, target, row.reason, row.who, row.set_at, row.until_at, _concerned(c, target))
        for row in c.execute(statement).all()
        for target in [WindowTarget(WindowScope(row.scope), row.subject)]
    )


def _concerned(c: Connection, target: WindowTarget) -> int:
    statement = select(func.count()).where(eed_job.c.finished_at.is_(None), *of_target(target))
    return c.execute(statement).scalar_one()


def _row(target: WindowTarget, reason: str, who: str, seconds: float) -> Mapping[str, object]:
    return {
        "scope": target.scope,
        "subject": target.subject,
        "reason": reason[:DETAIL_LENGTH],
        "who": who[:WHO_LENGTH],
        "set_at": utc_now(),
        "until_at": utc_in(seconds),
    }


def _act(
    c: Connection, kind: ActKind, target: WindowTarget, reason: str | None, operation: str
) -> Mapping[str, object]:
    """What an act on a target has. One on a job is among what was done to it."""
    key = ALL_CHANNELS if target.scope is WindowScope.ALL else target.subject
    job_id = None
    if target.scope is WindowScope.JOB:
        job_id = c.execute(select(eed_job.c.job_id).where(eed_job.c.source_key == target.subject)).scalar()
    found = {"kind": kind, "job_id": job_id, "object": _OBJECTS[target.scope], "key": key, "reason": reason}
    return {**found, "operation": operation}
