"""What a second person has to decide. Approved once, an act is the runner's."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, new_operation, note
from eed_delivery.ledger.long_acts import statements as sql
from eed_delivery.ledger.long_acts.ledger import LongActLedger
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_approval

WHO_LENGTH = 255
EXPIRED = "expired"

_a = eed_approval.c


@dataclass(frozen=True, slots=True)
class Approval:
    """What somebody asked for. `state` is waiting, approved, refused or expired. Times are UTC."""

    operation: str
    rule: str
    state: str
    asked_by: str
    asked_subject: str
    asked_at: datetime
    until_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None


class ApprovalLedger:
    """Approvals. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, who: Actor, acts: LongActLedger) -> None:
        """`who` decides, for the audit."""
        self._acts = acts
        self._database = database
        self._who = who

    def of(self, operation: str) -> Approval | None:
        """What is asked about one act."""
        statement = _all().where(_a.operation_id == operation)
        row = self._database.run(lambda c: c.execute(statement).first())
        return None if row is None else _approval(row)

    def newest(self, limit: int, *, waiting: bool) -> list[Approval]:
        """What was asked, the newest first."""
        statement = _all().order_by(_a.asked_at.desc()).limit(limit)
        if waiting:
            statement = statement.where(_a.state == sql.WAITS, sql.IS_OVER == 0)
        return self._database.run(lambda c: [_approval(row) for row in c.execute(statement)])

    def approve(self, operation: str, subject: str, reason: str | None) -> bool:
        """Let an act begin. False if it was decided before, or its time is over."""
        return self._decide(operation, subject, reason, sql.APPROVE, ActKind.OPERATION_APPROVE)

    def refuse(self, operation: str, subject: str, reason: str) -> bool:
        """Forbid an act, which ends. False as above."""
        return self._decide(operation, subject, reason, sql.REFUSE, ActKind.OPERATION_REFUSE)

    def _decide(self, operation: str, subject: str, reason: str | None, to: str, kind: ActKind) -> bool:
        values = {
            "id": operation,
            "to_state": to,
            "who": self._who.name[:WHO_LENGTH],
            "its_subject": subject[:WHO_LENGTH],
            "why": reason[:DETAIL_LENGTH] if reason else None,
        }

        name = new_operation()  # by it a repeat finds that it was done

        def work(c: Connection) -> bool:
            if c.execute(sql.DECIDE, values).rowcount != 1:
                return False
            if to == sql.APPROVE and c.execute(sql.APPROVED, {"id": operation}).rowcount != 1:
                raise _StoppedMeanwhile
            if to == sql.REFUSE:
                self._acts.stop_in(c, operation)
            asked_by = c.execute(select(_a.asked_by).where(_a.operation_id == operation)).scalar_one()
            after = {"asked_by": asked_by}
            note(
                c,
                self._who,
                Act(kind, None, None, reason, None, ActObject.OPERATION, operation, after=after, operation=name),
            )
            return True

        try:
            return self._database.did(work)
        except _StoppedMeanwhile:
            return False


class _StoppedMeanwhile(Exception):
    """The act does not wait for its approval any more. What was begun is rolled back."""


def _all() -> Any:
    return select(eed_approval, sql.IS_OVER.label("is_over"))


def _approval(row: Row[Any]) -> Approval:
    over = row.state == sql.WAITS and row.is_over
    return Approval(
        operation=row.operation_id,
        rule=row.rule,
        state=EXPIRED if over else row.state,
        asked_by=row.asked_by,
        asked_subject=row.asked_subject,
        asked_at=row.asked_at,
        until_at=row.until_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        reason=row.reason,
    )
