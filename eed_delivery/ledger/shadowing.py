"""Comparisons with another server: its jobs, where its copies are, and what the comparison has come to so far.

Every count is written with the cursor behind it, in the transaction of the operation's chunk. Nothing of the source is
written.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, exists, func, insert, select, update

from eed_delivery.database.clock import seconds_until, utc_in, utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.duties import in_turn
from eed_delivery.ledger.long_acts.long_act import ENDED, LongActKind
from eed_delivery.ledger.schema import (
    eed_operation,
    eed_shadow,
    eed_shadow_acceptance,
    eed_shadow_copy,
    eed_shadow_email,
    eed_shadow_job,
    eed_worker,
)

KEPT_SECONDS = 90 * 86_400.0
"""How long a comparison is kept behind its begin, as an operation is."""
TURN = "shadow"
ALIVE_SECONDS = 60.0
SENDING_ROLES = ("publisher", "worker", "tick")
CLEANED, CLEANED_RUNS = 1000, 20

_s, _j, _e, _c, _a, _o = (
    table.c
    for table in (eed_shadow, eed_shadow_job, eed_shadow_email, eed_shadow_copy, eed_shadow_acceptance, eed_operation)
)


class ShadowJobState(StrEnum):
    """Where a job of a comparison stands."""

    FOLLOWED = "followed"  # the other server is at it
    OVER = "over"  # it has ended there, or moves no more
    DONE = "done"
    LEFT = "left"  # the comparison ended first


class AlreadyFollowed(Exception):
    """Another operation follows the old server. `operation` is its id."""

    def __init__(self, operation: str) -> None:
        super().__init__(operation)
        self.operation = operation


class SendersAlive(Exception):
    """Processes of ours run that would send the old server's emails."""

    def __init__(self, roles: Sequence[str]) -> None:
        super().__init__(", ".join(roles))
        self.roles = tuple(roles)


@dataclass(frozen=True, slots=True)
class ShadowedJob:
    """A job as the ledger has it. `unsent` is None before it was counted. `facts` are a tally, as JSON values.

    Seconds are by the database's clock: since it was looked at, since it moved, and since it was over.
    """

    key: str
    state: ShadowJobState
    unsent: int | None
    after: str
    emails: int
    facts: Mapping[str, Any]
    seen_at: datetime
    over_at: datetime | None
    ended_at: datetime | None
    looked_ago: float
    moved_ago: float
    over_ago: float | None


@dataclass(frozen=True, slots=True)
class KnownCopy:
    """A copy of what the other server has sent."""

    copy_id: str
    match: str
    path: str
    begin: int
    length: int
    message_id: str | None
    minute: int | None


@dataclass(frozen=True, slots=True)
class ShadowedEmail:
    """An email that is not the same. `groups` are names of its job's groups of differences."""

    job: str
    key: str
    verdict: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeptAcceptance:
    """A difference that a person accepts. `made_at` is UTC."""

    name: str
    field: str
    pattern: str
    who: str
    reason: str
    made_at: datetime


class ShadowLedger:
    """Keeps comparisons. Each call without a connection is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # One comparison

    def enter(self, c: Connection, operation: str, facts: Mapping[str, Any]) -> None:
        """Begin one, in the caller's transaction. Raises `AlreadyFollowed` and `SendersAlive`."""
        in_turn(c, TURN)
        other = select(_o.operation_id).where(
            _o.kind == LongActKind.SHADOW, _o.state.not_in(sorted(ENDED)), _o.operation_id != operation
        )
        if (found := c.execute(other.limit(1)).scalar()) is not None:
            raise AlreadyFollowed(found)
        if roles := senders(c):
            raise SendersAlive(roles)
        row = {"operation_id": operation, "facts": json.dumps(facts), "made_at": utc_now()}
        c.execute(unless_there(insert(eed_shadow).values(**row)))

    def senders(self) -> list[str]:
        """The roles of ours that run and would send emails."""
        return self._database.run(senders)

    def facts(self, operation: str) -> dict[str, Any]:
        """How far copies were read, and the like."""
        one = select(_s.facts).where(_s.operation_id == operation)
        found = self._database.run(lambda c: c.execute(one).scalar())
        return json.loads(found) if found else {}

    def put_facts(self, c: Connection, operation: str, facts: Mapping[str, Any]) -> None:
        """Keep them, in the caller's transaction."""
        c.execute(update(eed_shadow).where(_s.operation_id == operation).values(facts=json.dumps(facts)))

    def age(self, operation: str) -> float:
        """Seconds since a comparison began."""
        one = select(-seconds_until(_s.made_at)).where(_s.operation_id == operation)
        return float(self._database.run(lambda c: c.execute(one).scalar()) or 0.0)

    def operations(self, limit: int) -> list[str]:
        """Comparisons, the newest first."""
        newest = select(_s.operation_id).order_by(_s.made_at.desc(), _s.operation_id).limit(limit)
        return self._database.run(lambda c: list(c.execute(newest).scalars()))

    # Its jobs

    def jobs(self, operation: str, states: Collection[ShadowJobState] = ()) -> list[ShadowedJob]:
        """Those in these states, or all, in the order in which they were seen."""
        statement = _JOBS.where(_j.operation_id == operation).order_by(_j.seen_at, _j.job_key)
        if states:
            statement = statement.where(_j.state.in_(sorted(states)))
        return self._database.run(lambda c: [_job(row) for row in c.execute(statement)])

    def job(self, operation: str, key: str) -> ShadowedJob | None:
        """One job of a comparison."""
        one = _JOBS.where(_j.operation_id == operation, _j.job_key == key)
        row = self._database.run(lambda c: c.execute(one).first())
        return None if row is None else _job(row)

    def states(self, operation: str) -> dict[ShadowJobState, int]:
        """How many jobs of a comparison stand where."""
        counted = select(_j.state, func.count()).where(_j.operation_id == operation).group_by(_j.state)
        return {ShadowJobState(row[0]): row[1] for row in self._database.run(lambda c: c.execute(counted).all())}

    def job_keys(self, operation: str) -> set[str]:
        """The keys of all jobs of a comparison."""
        keys = select(_j.job_key).where(_j.operation_id == operation)
        return self._database.run(lambda c: set(c.execute(keys).scalars()))

    def follow(self, c: Connection, operation: str, keys: Collection[str], *, over: bool = False) -> None:
        """Enter jobs, in the caller's transaction. `over`: they have ended already."""
        state = ShadowJobState.OVER if over else ShadowJobState.FOLLOWED
        for key in keys:
            row = {"operation_id": operation, "job_key": key, "state": state, "facts": "{}"}
            times = {"seen_at": utc_now(), "looked_at": utc_in(-86_400), "moved_at": utc_now()}
            if over:
                times["over_at"] = utc_now()
            c.execute(unless_there(insert(eed_shadow_job).values(**row, **times)))

    def looked(self, c: Connection, operation: str, key: str, unsent: int, *, moved: bool, over: bool) -> None:
        """Note how far the other server is with a job, in the caller's transaction."""
        values: dict[str, Any] = {"unsent": unsent, "looked_at": utc_now()}
        if moved:
            values["moved_at"] = utc_now()
        if over:
            values |= {"state": ShadowJobState.OVER, "over_at": utc_now()}
        c.execute(_of_job(operation, key).where(_j.state == ShadowJobState.FOLLOWED).values(values))

    def advance(
        self,
        c: Connection,
        operation: str,
        key: str,
        step: tuple[str, str],
        facts: Mapping[str, Any],
        emails: int,
        named: Sequence[ShadowedEmail],
    ) -> None:
        """Write what a page has come to, in the caller's transaction. `step` is the cursor before and after it."""
        before, after = step
        moved = _of_job(operation, key).where(_j.after_key == before, _j.state == ShadowJobState.OVER)
        values = {"after_key": after, "facts": json.dumps(facts), "emails": _j.emails + emails}
        if c.execute(moved.values(values)).rowcount != 1:
            return  # this page is counted already
        rows = [
            {
                "operation_id": operation,
                "job_key": key,
                "email_key": one.key,
                "verdict": one.verdict,
                "differences": " ".join(one.groups)[:500],
            }
            for one in named
        ]
        if rows:
            c.execute(unless_there(insert(eed_shadow_email)), rows)

    def end_job(self, c: Connection, operation: str, key: str, state: ShadowJobState) -> None:
        """A job is compared to its end, or left, in the caller's transaction."""
        c.execute(_of_job(operation, key).values(state=state, ended_at=utc_now()))

    # Copies

    def put_copies(self, c: Connection, operation: str, copies: Sequence[KnownCopy]) -> None:
        """Keep where copies are, in the caller's transaction. Those that are known are passed over."""
        rows = [
            {
                "operation_id": operation,
                "copy_id": one.copy_id,
                "match_key": one.match,
                "path": one.path,
                "begin_at": one.begin,
                "length": one.length,
                "message_id": one.message_id[:255] if one.message_id else None,
                "minute": one.minute,
            }
            for one in copies
        ]
        if rows:
            c.execute(unless_there(insert(eed_shadow_copy)), rows)

    def copies(self, operation: str, matches: Collection[str]) -> dict[str, list[KnownCopy]]:
        """The copies of these keys or Message-IDs, the first ones first."""
        if not matches:
            return {}
        found: dict[str, list[KnownCopy]] = {}
        statement = select(eed_shadow_copy).where(_c.operation_id == operation, _c.match_key.in_(sorted(matches)))
        for row in self._database.run(lambda c: c.execute(statement.order_by(_c.path, _c.begin_at)).all()):
            found.setdefault(row.match_key, []).append(_copy(row))
        return found

    def use_copies(self, c: Connection, operation: str, used: Mapping[str, str]) -> None:
        """Note which emails these were compared for, by their ids, in the caller's transaction."""
        if used:
            c.execute(_USE, [{"of": operation, "id": copy_id, "its_key": key} for copy_id, key in used.items()])

    def copies_for(self, operation: str, email: str) -> list[KnownCopy]:
        """The copies that an email was compared with."""
        mine = select(eed_shadow_copy).where(_c.operation_id == operation, _c.email_key == email)
        rows = self._database.run(lambda c: c.execute(mine.order_by(_c.path, _c.begin_at)).all())
        return [_copy(row) for row in rows]

    def stray_copies(self, operation: str) -> int:
        """How many copies belong to no email that was compared."""
        count = select(func.count()).where(_c.operation_id == operation, _c.email_key.is_(None))
        return int(self._database.run(lambda c: c.execute(count).scalar_one()))

    # Its results

    def emails(self, operation: str, job: str | None, after: tuple[str, str] | None, limit: int) -> list[ShadowedEmail]:
        """Emails that are not the same, by job and key, behind `after`."""
        statement = select(eed_shadow_email).where(_e.operation_id == operation)
        if job is not None:
            statement = statement.where(_e.job_key == job)
        if after is not None:
            beyond = (_e.job_key > after[0]) | and_(_e.job_key == after[0], _e.email_key > after[1])
            statement = statement.where(beyond)
        rows = self._database.run(lambda c: c.execute(statement.order_by(_e.job_key, _e.email_key).limit(limit)).all())
        return [_email(row) for row in rows]

    def email(self, operation: str, key: str) -> ShadowedEmail | None:
        """One of them."""
        one = select(eed_shadow_email).where(_e.operation_id == operation, _e.email_key == key)
        row = self._database.run(lambda c: c.execute(one).first())
        return None if row is None else _email(row)

    # What is accepted

    def acceptances(self) -> list[KeptAcceptance]:
        """All, by name."""
        rows = self._database.run(lambda c: c.execute(select(eed_shadow_acceptance).order_by(_a.name)).all())
        return [KeptAcceptance(row.name, row.field, row.pattern, row.who, row.reason, row.made_at) for row in rows]

    def accept(self, c: Connection, name: str, field: str, pattern: str, who: str, reason: str) -> bool:
        """Enter one, in the caller's transaction. False if there is one of this name."""
        row = {"name": name, "field": field, "pattern": pattern, "who": who[:255], "reason": reason}
        return c.execute(unless_there(insert(eed_shadow_acceptance).values(**row, made_at=utc_now()))).rowcount == 1

    def revoke(self, c: Connection, name: str) -> bool:
        """Take one back, in the caller's transaction. False if there is none of this name."""
        return c.execute(delete(eed_shadow_acceptance).where(_a.name == name)).rowcount == 1

    def clean(self) -> None:
        """Delete some of comparisons that are old, and of copies of those that have ended."""
        ended = select(_s.operation_id).join(eed_operation, _o.operation_id == _s.operation_id)
        ended = ended.where(_o.state.in_(sorted(ENDED))).order_by(_s.made_at.desc()).limit(CLEANED_RUNS)
        wanted = exists().where(_e.operation_id == _c.operation_id, _e.email_key == _c.email_key)
        same = select(_c.copy_id).where(_c.operation_id == bindparam("of"), _c.email_key.is_not(None), ~wanted)
        old = select(_s.operation_id).where(_s.made_at < utc_in(-KEPT_SECONDS)).limit(1)

        def work(c: Connection) -> None:
            for operation in list(c.execute(ended).scalars()):
                if ids := list(c.execute(same.limit(CLEANED), {"of": operation}).scalars()):
                    c.execute(delete(eed_shadow_copy).where(_c.operation_id == operation, _c.copy_id.in_(ids)))
            if (one := c.execute(old).scalar()) is not None:
                for table in (eed_shadow_copy, eed_shadow_email, eed_shadow_job, eed_shadow):
                    c.execute(delete(table).where(table.c.operation_id == one))

        self._database.run(work)


_USE = (
    update(eed_shadow_copy)
    .where(_c.operation_id == bindparam("of"), _c.copy_id == bindparam("id"))
    .values(email_key=bindparam("its_key"))
)


def _copy(row: Row[Any]) -> KnownCopy:
    return KnownCopy(row.copy_id, row.match_key, row.path, row.begin_at, row.length, row.message_id, row.minute)


def senders(c: Connection) -> list[str]:
    """The roles that run and would send emails of the source."""
    w = eed_worker.c
    alive = select(w.role).where(w.role.in_(SENDING_ROLES), w.heartbeat_at > utc_in(-ALIVE_SECONDS)).distinct()
    return sorted(c.execute(alive).scalars())


_JOBS = select(
    eed_shadow_job,
    (-seconds_until(_j.looked_at)).label("looked_ago"),
    (-seconds_until(_j.moved_at)).label("moved_ago"),
    (-seconds_until(_j.over_at)).label("over_ago"),
)


def _of_job(operation: str, key: str) -> Any:
    return update(eed_shadow_job).where(_j.operation_id == operation, _j.job_key == key)


def _job(row: Row[Any]) -> ShadowedJob:
    return ShadowedJob(
        row.job_key,
        ShadowJobState(row.state),
        row.unsent,
        row.after_key,
        row.emails,
        json.loads(row.facts),
        row.seen_at,
        row.over_at,
        row.ended_at,
        float(row.looked_ago),
        float(row.moved_ago),
        None if row.over_ago is None else float(row.over_ago),
    )


def _email(row: Row[Any]) -> ShadowedEmail:
    return ShadowedEmail(row.job_key, row.email_key, row.verdict, tuple(row.differences.split()))
