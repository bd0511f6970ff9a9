"""Starts, takes, moves, stops and continues long acts. A chunk and its cursor are one transaction."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, delete, insert, or_, select

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, Particulars, new_operation, note, shortened
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.long_acts import statements as sql
from eed_delivery.ledger.long_acts.long_act import (
    ADDRESSES,
    ENDED,
    LongAct,
    LongActChunk,
    LongActKind,
    LongActOrder,
    LongActsPage,
    LongActState,
    NotOursAnyMore,
    TakenAct,
)
from eed_delivery.ledger.schema import (
    COMMAND_LENGTH,
    DETAIL_LENGTH,
    LONG_ACT_LENGTH,
    eed_approval,
    eed_operation,
    eed_rehearsal_lock,
    eed_rehearsal_part,
    eed_submitted_part,
)
from eed_delivery.ledger.webhooks.outbox import SILENT, Outbox
from eed_delivery.notices import Notice, NoticeKind
from eed_delivery.runtime import failpoints

LEASE_SECONDS = 60.0
APPROVAL_SECONDS = 900.0
WHO_LENGTH = 255
MOST_ERRORS = 10
MOST_RESULTS = 1000
KEPT_SECONDS = 90 * 86_400.0
"""How long an act that has ended is listed. The audit keeps it for good."""
UNDECIDED_SECONDS = 86_400.0
"""How long an act waits for a person to go on."""

_o = eed_operation.c
_GOING_ON = sorted(set(LongActState) - ENDED)


class LongActLedger:
    """Long acts. Each call raises `DatabaseGone`. Each decision on one is in the audit, in its transaction."""

    def __init__(self, database: Database, who: Actor, outbox: Outbox = SILENT) -> None:
        """`who` acts, for the audit."""
        self._database = database
        self._who = who
        self._outbox = outbox

    def now(self) -> datetime:
        """The database's clock."""
        moment: datetime = self._database.run(lambda c: c.execute(select(utc_now())).scalar_one())
        return moment

    def named(self) -> tuple[str, LongAct | None]:
        """The name of this call, and the act that it entered before its answer was lost."""
        operation = new_operation()
        return operation, self.of(operation)

    def start(
        self, order: LongActOrder, operation: str, first: Callable[[Connection], None] = lambda _: None
    ) -> LongAct:
        """Enter an act by the name of this call. The same call, made again, enters it once.

        `first` is done in the same transaction. What it raises leaves nothing entered.
        """
        row = {"operation_id": operation, **_values(order, self._who)}
        times = {"made_at": utc_now(), "moved_at": utc_now()}

        def work(c: Connection) -> LongAct:
            if c.execute(unless_there(insert(eed_operation).values(**row, **times))).rowcount == 1:
                first(c)
                after: Particulars = {"kind": order.kind, "total": order.total, "approval": order.approval}
                note(c, self._who, _about(operation, ActKind.OPERATION_START, order.reason, after))
                if order.approval is not None:
                    c.execute(insert(eed_approval).values(**_asked(operation, order, self._who)))
            return _act(_locked(c, operation))

        return self._database.run(work)

    def unfinished(self, most: int, *, reports: bool) -> int:
        """How many acts of this caller have not ended, counted up to `most`: reports, or all others."""
        of_kind = _o.kind == LongActKind.REPORT if reports else _o.kind != LongActKind.REPORT
        mine = select(_o.operation_id).where(_o.who == _who(self._who), _o.state.not_in(sorted(ENDED)), of_kind)
        return self._database.run(lambda c: len(c.execute(mine.limit(most)).all()))

    def results(self, kind: LongActKind) -> dict[str, Mapping[str, Any]]:
        """What acts of a kind that have not ended have said so far, by their ids."""
        going_on = select(_o.operation_id, _o.result).where(_o.kind == kind, _o.state.in_(_GOING_ON))
        rows = self._database.run(lambda c: c.execute(going_on.where(_o.result.is_not(None)).limit(MOST_RESULTS)).all())
        return {row.operation_id: json.loads(row.result) for row in rows}

    def of(self, act_id: str) -> LongAct | None:
        """One act."""
        row = self._database.run(lambda c: c.execute(select(eed_operation).where(_o.operation_id == act_id)).first())
        return None if row is None else _act(row)

    def page(self, limit: int, *, unfinished: bool = False, before: str | None = None) -> LongActsPage:
        """Acts, the newest first. `before` is the last one of the page before."""
        statement = select(eed_operation).order_by(_o.made_at.desc(), _o.operation_id.desc()).limit(limit + 1)
        if unfinished:
            statement = statement.where(_o.state.not_in(sorted(ENDED)))
        if before is not None:
            made = select(_o.made_at).where(_o.operation_id == before).correlate(None).scalar_subquery()
            statement = statement.where(or_(_o.made_at < made, (_o.made_at == made) & (_o.operation_id < before)))
        found = self._database.run(lambda c: [_act(row) for row in c.execute(statement)])
        return LongActsPage(found[:limit], found[limit - 1].id if len(found) > limit else None)

    def take(self, kinds: Collection[LongActKind], only: str | None = None) -> TakenAct | None:
        """The act of these kinds that has waited longest for its next chunk. None if there is none.

        `only` is the one that it may be."""
        token = new_token()
        waiting = (
            select(_o.operation_id)
            .where(_o.kind.in_(sorted(kinds)), _o.state.in_([LongActState.WAITING, LongActState.RUNNING]), sql.FREE)
            .order_by(_o.moved_at)
            .limit(10)
        )
        if only is not None:
            waiting = waiting.where(_o.operation_id == only)

        def work(c: Connection) -> TakenAct | None:
            for act_id in list(c.execute(waiting).scalars()):
                if c.execute(sql.TAKE, {"id": act_id, "new_token": token, "lease": LEASE_SECONDS}).rowcount == 1:
                    return TakenAct(_act(_locked(c, act_id)), token)
            return None

        return self._database.run(work)

    def advance(self, taken: TakenAct, chunk: LongActChunk, *, keep: bool = False) -> TakenAct:
        """Do a chunk. Raises `NotOursAnyMore`, and nothing of it is done then.

        `keep`: the act stays ours. Returns it as it is now.
        """
        self._database.run(lambda c: self._advance(c, taken, chunk, LEASE_SECONDS if keep else None))
        return replace(taken, act=replace(taken.act, after=chunk.after, done=taken.act.done + chunk.seen))

    def _advance(self, c: Connection, taken: TakenAct, chunk: LongActChunk, lease: float | None) -> None:
        before = _locked(c, taken.act.id)
        ours = before.token == taken.token
        if ours and before.after_key == chunk.after:
            return  # it is done, and the answer was lost
        if not ours or before.state != LongActState.RUNNING:
            raise NotOursAnyMore(taken.act.id)
        done = chunk.work(c)
        failpoints.reach("operations.chunk")
        rests = taken.act.canary is not None and taken.act.looked_at + chunk.seen >= taken.act.canary
        values = {
            **_fence(taken),
            "from_key": taken.act.after,
            "to_key": chunk.after,
            "more_done": done,
            "more_skipped": chunk.seen - done,
            "to_state": LongActState.CANARY if rests else LongActState.RUNNING,
            "its_total": chunk.total,
            "its_result": None if chunk.result is None else _json(chunk.result()),
            "lease": lease,
        }
        if c.execute(sql.ADVANCE, values).rowcount != 1:
            raise NotOursAnyMore(taken.act.id)

    def renew(self, taken: TakenAct, done: int) -> None:
        """Say how far a chunk has come that takes longer than a lease. Raises `NotOursAnyMore`."""
        values = {**_fence(taken), "lease": LEASE_SECONDS, "its_done": done}
        if self._database.run(lambda c: c.execute(sql.RENEW, values).rowcount) != 1:
            raise NotOursAnyMore(taken.act.id)

    def put_back(self, taken: TakenAct) -> None:
        """Let any process take it again, behind those that have waited longer. Nothing, if it is not ours any more."""
        self._database.run(lambda c: c.execute(sql.PUT_BACK, _fence(taken)))

    def end(
        self,
        taken: TakenAct,
        state: LongActState,
        errors: Sequence[str] = (),
        result: Mapping[str, Any] | None = None,
    ) -> None:
        """Write how an act has ended. Nothing, if it is not ours any more."""

        def work(c: Connection) -> None:
            values = {
                **_fence(taken),
                "to_state": state,
                "its_errors": _errors((*taken.act.errors, *errors)),
                "its_result": None if result is None else _json(result),
                "its_selection": _json(_without_persons(taken.act.selection)),
            }
            if c.execute(sql.END, values).rowcount == 1:
                _forget_parts(c, taken.act.id)
                self._tell(c, taken.act.id)

        self._database.run(work)

    def stop(self, act_id: str, reason: str) -> bool:
        """End an act before its time. What is done stays done. False if it has ended already."""

        return self._database.did(lambda c: self._stop(c, act_id, reason))

    def stop_neglected(self, act_id: str, reason: str) -> bool:
        """As `stop`, unless a person has decided about it since `neglected`."""
        still = select(_o.operation_id).where(_o.operation_id == act_id, _neglected()).with_for_update()

        def work(c: Connection) -> bool:
            return c.execute(still).first() is not None and self._stop(c, act_id, reason)

        return self._database.did(work)

    def _stop(self, c: Connection, act_id: str, reason: str) -> bool:
        act = self.stop_in(c, act_id)
        if act is None:
            return False
        before: Particulars = {"state": act.state, "done": act.done}
        note(c, self._who, _about(act_id, ActKind.OPERATION_STOP, reason, before=before))
        return True

    def stop_in(self, c: Connection, act_id: str) -> LongAct | None:
        """End an act in the caller's transaction, which notes why. Returns it as it was. None if it has ended."""
        act = _act(_locked(c, act_id))
        values = {"id": act_id, "its_selection": _json(_without_persons(act.selection))}
        if c.execute(sql.STOP, values).rowcount != 1:
            return None
        _forget_parts(c, act_id)
        self._tell(c, act_id)
        return act

    def go_on(self, act_id: str, reason: str | None) -> bool:
        """Continue an act whose first ones are done. False if it does not wait for that."""
        # By this call's own name a repeat finds that it was done.
        act = replace(_about(act_id, ActKind.OPERATION_CONTINUE, reason), operation=new_operation())

        def work(c: Connection) -> bool:
            if c.execute(sql.GO_ON, {"id": act_id}).rowcount != 1:
                return False
            note(c, self._who, act)
            return True

        return self._database.did(work)

    def neglected(self) -> list[str]:
        """Acts that no person has decided about in time."""
        late = select(_o.operation_id).where(_neglected()).limit(100)
        return self._database.run(lambda c: list(c.execute(late).scalars()))

    def forget(self) -> int:
        """Delete some acts that ended long ago. Returns how many."""
        old = select(_o.operation_id).where(_o.ended_at < utc_in(-KEPT_SECONDS)).limit(100)

        def work(c: Connection) -> int:
            ids = list(c.execute(old).scalars())
            for table in (eed_approval, eed_operation) if ids else ():
                c.execute(delete(table).where(table.c.operation_id.in_(ids)))
            return len(ids)

        return self._database.run(work)

    def _tell(self, c: Connection, act_id: str) -> None:
        if self._outbox.wants(NoticeKind.OPERATION_FINISHED):
            act = _act(_locked(c, act_id))
            facts = {"operation": act.id, "kind": act.kind, "state": act.state, "total": act.total, "done": act.done}
            self._outbox.put(c, [Notice(NoticeKind.OPERATION_FINISHED, facts=facts)])


def _values(order: LongActOrder, who: Actor) -> dict[str, Any]:
    return {
        "kind": order.kind,
        "state": LongActState.WAITING if order.approval is None else LongActState.UNAPPROVED,
        "selection": _json(order.selection),
        "parameters": _json(order.parameters),
        "selection_etag": order.selection_etag,
        "tolerance": order.tolerance,
        "canary": order.canary,
        "reason": order.reason[:DETAIL_LENGTH] if order.reason else None,
        "who": _who(who),
        "host": who.host[:WHO_LENGTH],
        "surface": who.surface,
        "command": shortened(who.command, COMMAND_LENGTH),
        "total": order.total,
        "errors": "[]",
    }


def _who(who: Actor) -> str:
    return who.user[:WHO_LENGTH]


def _asked(operation: str, order: LongActOrder, who: Actor) -> dict[str, Any]:
    return {
        "operation_id": operation,
        "rule": order.approval,
        "state": sql.WAITS,
        "asked_by": who.name[:WHO_LENGTH],
        "asked_subject": order.subject[:WHO_LENGTH],
        "asked_at": utc_now(),
        "until_at": utc_in(APPROVAL_SECONDS),
    }


def _neglected() -> ColumnElement[bool]:
    late = (_o.state == LongActState.CANARY) & (_o.moved_at < utc_in(-UNDECIDED_SECONDS))
    return late | (_o.state == LongActState.UNAPPROVED) & (_o.made_at < utc_in(-APPROVAL_SECONDS))


def _forget_parts(c: Connection, act_id: str) -> None:
    for table in (eed_submitted_part, eed_rehearsal_part, eed_rehearsal_lock):
        c.execute(delete(table).where(table.c.operation_id == act_id))


def _fence(taken: TakenAct) -> dict[str, Any]:
    return {"id": taken.act.id, "our_token": taken.token}


def _about(
    operation: str,
    kind: ActKind,
    reason: str | None,
    after: Particulars | None = None,
    before: Particulars | None = None,
) -> Act:
    return Act(
        kind, reason=reason, object=ActObject.OPERATION, key=operation, before=before, after=after, operation=operation
    )


def _locked(c: Connection, act_id: str) -> Row[Any]:
    one = select(eed_operation).where(_o.operation_id == bindparam("id")).with_for_update()
    return c.execute(one, {"id": act_id}).one()


def _act(row: Row[Any]) -> LongAct:
    return LongAct(
        id=row.operation_id,
        kind=LongActKind(row.kind),
        state=LongActState(row.state),
        selection=json.loads(row.selection),
        parameters=json.loads(row.parameters),
        selection_etag=row.selection_etag,
        tolerance=row.tolerance,
        canary=row.canary,
        reason=row.reason,
        who=Actor(row.who, row.surface, row.host, command=row.command or ""),
        total=row.total,
        done=row.done,
        skipped=row.skipped,
        after=row.after_key,
        errors=tuple(json.loads(row.errors)),
        result=None if row.result is None else json.loads(row.result),
        tries=row.tries,
        made_at=row.made_at,
        started_at=row.started_at,
        moved_at=row.moved_at,
        ended_at=row.ended_at,
    )


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)


def _errors(texts: Sequence[str]) -> str:
    """A few of them, as long as they fit. Each is cut, so that ten are never too long in JSON."""
    kept = [shortened(text, 150) for text in texts[:MOST_ERRORS]]
    while len(found := json.dumps(kept, ensure_ascii=False)) > LONG_ACT_LENGTH:
        kept.pop()
    return found


def _without_persons(selection: Mapping[str, Any]) -> dict[str, Any]:
    return {name: len(value) if name == ADDRESSES else value for name, value in selection.items()}
