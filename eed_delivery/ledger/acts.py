"""The audit: what was done to jobs and emails, by whom and why (G7).

Each act is written in the transaction that does it. It is never changed, except for the count of one that continues.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, Connection, bindparam, insert, select, update

from eed_delivery.database.clock import utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.errors import Miscounted
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_act

SERVICE = "service"
"""Who it was when it was no person."""
WHO_LENGTH = 255
ONE_ACT_SECONDS = 60.0
"""Equal acts on emails that follow each other so closely are one to people: one command, say."""
PAGE = 1000


class ActKind(StrEnum):
    """What was done."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    EXPIRE = "expire"  # the job's expires_at has passed
    FAIL = "fail"  # nothing of the job can be sent
    REQUEUE = "requeue"
    SETTLE = "settle"
    RESEND = "resend"
    REPAIR = "repair"  # by `reconcile --repair`; the reason says what


@dataclass(frozen=True, slots=True)
class Act:
    """One act. `count`: how many emails it is about, where it is about emails."""

    kind: ActKind
    job_id: int | None
    email_id: int | None = None
    reason: str | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class ActReport:
    """An act for people; `at` is UTC."""

    at: datetime
    act: ActKind
    who: str
    count: int | None
    reason: str | None


GO_ON = update(eed_act).where(eed_act.c.act_id == bindparam("id")).values(count=eed_act.c.count + bindparam("more"))


def note(c: Connection, who: str, act: Act) -> int:
    """Write an act into the transaction that does it. Returns its id."""
    values = {
        "job_id": act.job_id,
        "email_id": act.email_id,
        "act": act.kind,
        "who": who[:WHO_LENGTH],
        "reason": act.reason[:DETAIL_LENGTH] if act.reason else None,
        "count": act.count,
    }
    key = c.execute(insert(eed_act).values(**values, at=utc_now())).inserted_primary_key
    return int(key[0]) if key else 0


def go_on(c: Connection, act_id: int, more: int) -> None:
    """Add the next chunk's emails to an act's count."""
    if c.execute(GO_ON, {"id": act_id, "more": more}).rowcount != 1:
        raise Miscounted(f"act {act_id} has gone from the audit, so nothing of this chunk is written")


class ActLedger:
    """Reads the audit. Each call raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_job(self, job_id: int) -> Iterator[ActReport]:
        """What was done to a job and its emails, in order."""
        return merged(self._read(eed_act.c.job_id == job_id))

    def of_email(self, email_id: int) -> list[ActReport]:
        """What was done to one email by its key."""
        return list(self._read(eed_act.c.email_id == email_id))

    def _read(self, which: ColumnElement[bool]) -> Iterator[ActReport]:
        after = 0
        while rows := self._page(which, after):
            yield from (act for _, act in rows)
            after = rows[-1][0]

    def _page(self, which: ColumnElement[bool], after: int) -> list[tuple[int, ActReport]]:
        a = eed_act.c
        statement = select(a.act_id, a.at, a.act, a.who, a.count, a.reason).where(which, a.act_id > after)
        statement = statement.order_by(a.act_id).limit(PAGE)
        return self._database.run(
            lambda c: [(i, ActReport(at, ActKind(act), *rest)) for i, at, act, *rest in c.execute(statement)]
        )


def merged(acts: Iterator[ActReport]) -> Iterator[ActReport]:
    """Acts of one command on many emails as one."""
    last: ActReport | None = None
    until: datetime | None = None
    for act in acts:
        same = last is not None and (last.act, last.who, last.reason) == (act.act, act.who, act.reason)
        if last is not None and until is not None and same and act.count and last.count and act.at <= until:
            last = replace(last, count=last.count + act.count)
        else:
            if last is not None:
                yield last
            last = act
        until = act.at + timedelta(seconds=ONE_ACT_SECONDS)
    if last is not None:
        yield last
