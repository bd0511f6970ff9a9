"""The audit of what was done and looked at, by whom, from where and why (G7).

Each act is written in the transaction that does it. What is only read, or happens outside of the database, is written
before. A row is never changed and never deleted. A long act has a row for each chunk, with one `operation`.
"""

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import count
from typing import Any

from sqlalchemy import ColumnElement, Connection, select

from eed_delivery.database.transactions import Database, at_the_end
from eed_delivery.ledger.actor import SERVICE, Actor, shown_name
from eed_delivery.ledger.audit_chain import append
from eed_delivery.ledger.schema import (
    COMMAND_LENGTH,
    DETAIL_LENGTH,
    OBJECT_LENGTH,
    PARTICULARS_LENGTH,
    eed_audit,
    eed_email,
    eed_job,
)

__all__ = [
    "SERVICE", "Act", "ActKind", "ActLedger", "ActObject", "ActReport", "Particulars", "merged", "note",
    "operations_named",
]  # fmt: skip

WHO_LENGTH = 255
VALUE_LENGTH = 200
"""Texts among an act's particulars are cut to this many characters."""
ONE_ACT_SECONDS = 60.0
"""Equal acts on emails that follow each other so closely are one to people: one command, say."""
PAGE = 1000
LAST_PAGE = 200

Particulars = Mapping[str, str | int | bool | None]
"""Counts, or a state before or after an act: a few short values."""


class ActKind(StrEnum):
    """What was done, or looked at."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    HOLD = "hold"  # there is no channel of the job's
    RELEASE = "release"  # its channel is there
    EXPIRE = "expire"  # the job's expires_at has passed
    FAIL = "fail"  # nothing of the job can be sent
    REQUEUE = "requeue"
    SETTLE = "settle"
    RESEND = "resend"
    REPAIR = "repair"  # by `reconcile --repair`; the reason says what
    SUBMIT = "submit"
    SUBMISSION_DISCARD = "submission_discard"  # a job whose last row never came
    SUPPRESSION_ADD = "suppression_add"
    SUPPRESSION_REMOVE = "suppression_remove"
    SUPPRESSION_IMPORT = "suppression_import"
    PERSON_ERASE = "person_erase"
    WEBHOOK_RETRY = "webhook_retry"
    WEBHOOK_RESUME = "webhook_resume"  # the endpoint's pause ended
    WEBHOOK_TEST = "webhook_test"
    ALERT_TEST = "alert_test"
    DB_INIT = "db_init"
    QUEUE_INIT = "queue_init"
    CHANNEL_CREATE = "channel_create"
    CHANNEL_EDIT = "channel_edit"
    CHANNEL_REMOVE = "channel_remove"
    CHANNEL_TRIAL = "channel_trial"  # settings that are not saved: their host was connected to, with their secrets
    CHANNEL_HOLD = "channel_hold"
    CHANNEL_RELEASE = "channel_release"
    CATEGORY_HOLD = "category_hold"
    CATEGORY_RELEASE = "category_release"
    DOMAIN_HOLD = "domain_hold"  # by a person
    DOMAIN_RELEASE = "domain_release"
    PACE_SET = "pace_set"
    PACE_CLEAR = "pace_clear"
    DOMAIN_PACE_SET = "domain_pace_set"
    DOMAIN_PACE_CLEAR = "domain_pace_clear"
    GATE_OPEN = "gate_open"  # by a person: a channel sends again, although its last answer concerned all emails
    WINDOW_OVERRIDE = "window_override"  # send windows are opened for a while
    WINDOW_END = "window_end"  # they count again
    MANIFEST_PUT = "manifest_put"  # by the service
    DEAD_LETTER_DELETE = "dead_letter_delete"  # a message that names no email of ours
    OPERATION_START = "operation_start"  # its chunks have rows of what they did, with the same operation
    OPERATION_STOP = "operation_stop"
    OPERATION_CONTINUE = "operation_continue"  # behind its first ones
    OPERATION_APPROVE = "operation_approve"  # by a second person
    OPERATION_REFUSE = "operation_refuse"
    RETRY_NOW = "retry_now"  # emails that waited for their retry
    NUDGE = "nudge"  # a job was registered before the publisher looked for it
    USER_ADD = "user_add"
    USER_REVOKE = "user_revoke"
    TOKEN_ADD = "token_add"  # noqa: S105 - a word, and no token
    TOKEN_REVOKE = "token_revoke"  # noqa: S105 - likewise
    LOGIN = "login"
    LOGOUT = "logout"
    SESSION_REVOKE = "session_revoke"  # by an admin
    SHADOW_ACCEPT = "shadow_accept"  # differences from the old server are accepted
    SHADOW_REVOKE = "shadow_revoke"  # they are not any more
    # Personal data was read:
    REPORT = "report"
    EMAILS = "emails"
    EMAIL = "email"
    PREVIEW = "preview"  # an email was rendered for a person
    SAMPLE_SEND = "sample_send"  # a rehearsed email went to a tester
    SUPPRESSION_LIST = "suppression_list"
    SUPPRESSION_EXPORT = "suppression_export"
    AUDIT = "audit"
    PERSON_SHOW = "person_show"


READS = frozenset(
    {
        ActKind.REPORT,
        ActKind.EMAILS,
        ActKind.EMAIL,
        ActKind.PREVIEW,
        ActKind.SAMPLE_SEND,
        ActKind.SUPPRESSION_LIST,
        ActKind.SUPPRESSION_EXPORT,
        ActKind.AUDIT,
        ActKind.PERSON_SHOW,
    }
)
"""Acts that changed nothing. They are in the audit, and not in what was done to a job or email."""


class ActObject(StrEnum):
    """What kind of thing an act was about. The audit has its key beside it."""

    JOB = "job"
    EMAIL = "email"
    ADDRESS = "address"
    SUPPRESSION_LIST = "suppression list"
    WEBHOOK = "webhook"
    WEBHOOKS = "webhooks"
    ALERT_RULE = "alert rule"
    LEDGER = "ledger"
    CHANNEL = "channel"
    CATEGORY = "category"
    DOMAIN = "domain"
    QUEUE = "queue"
    USER = "user"
    TOKEN = "token"  # noqa: S105 - as above
    AUDIT = "audit"
    OPERATION = "operation"
    DEAD_LETTER = "dead letter"
    ACCEPTANCE = "accepted difference"


_given: ContextVar[Iterator[str] | None] = ContextVar("operations", default=None)


def new_operation() -> str:
    """A name for one call of an operation, which all of its rows have."""
    given = _given.get()
    return secrets.token_hex(8) if given is None else next(given)


@contextmanager
def operations_named(first: str) -> Iterator[None]:
    """Within it, operations have names that follow from `first`, which is the first of them. Whoever begins anew finds
    by them what was done before (`is_noted`)."""

    def names() -> Iterator[str]:
        yield first
        for n in count(1):
            yield hashlib.sha256(f"{first} {n}".encode()).hexdigest()[:16]

    token = _given.set(names())
    try:
        yield
    finally:
        _given.reset(token)


@dataclass(frozen=True, slots=True)
class Act:
    """One act. `count` is how many emails or entries it is about.

    An act on a job or email of the ledger finds its `object` and `key` by the ids, unless they are given.
    """

    kind: ActKind
    job_id: int | None = None
    email_id: int | None = None
    reason: str | None = None
    count: int | None = None
    object: ActObject | None = None
    key: str | None = None
    counts: Particulars | None = None
    before: Particulars | None = None
    after: Particulars | None = None
    operation: str = field(default_factory=new_operation)


@dataclass(frozen=True, slots=True)
class ActReport:
    """An act for people. `at` is UTC."""

    at: datetime
    act: ActKind
    who: str
    count: int | None
    reason: str | None


def note(c: Connection, who: Actor, act: Act) -> None:
    """Write an act into the transaction that does it. The row is written at its end, as the next one of the chain."""
    of_email = None if act.email_id is None else ActObject.EMAIL
    values = {
        "job_id": act.job_id,
        "email_id": act.email_id,
        "act": str(act.kind),
        "who": who.user[:WHO_LENGTH],
        "sudo_user": who.sudo_user[:WHO_LENGTH] if who.sudo_user else None,
        "host": who.host[:WHO_LENGTH],
        "surface": who.surface,
        "command": shortened(who.command, COMMAND_LENGTH) or None,
        "object_kind": act.object or of_email or (None if act.job_id is None else ActObject.JOB),
        "object_key": None if act.key is None else shortened(act.key, OBJECT_LENGTH),
        "reason": act.reason[:DETAIL_LENGTH] if act.reason else None,
        "count": act.count,
        "counts": as_text(act.counts),
        "state_before": as_text(act.before),
        "state_after": as_text(act.after),
        "operation": act.operation,
    }
    at_the_end(c, _write, values)


def _write(c: Connection, acts: list[dict[str, Any]]) -> None:
    """Write a transaction's acts. Those on a job or an email without a key get it here."""
    keyless = [act for act in acts if act["object_key"] is None]
    emails = _keys(c, eed_email.c.email_id, eed_email.c.source_key, {act["email_id"] for act in keyless})
    of_jobs = {act["job_id"] for act in keyless if act["email_id"] is None}
    jobs = _keys(c, eed_job.c.job_id, eed_job.c.source_key, of_jobs)
    for act in keyless:
        if act["email_id"] is not None:
            act["object_key"] = emails.get(act["email_id"]) or str(act["email_id"])
        else:
            act["object_key"] = jobs.get(act["job_id"])
    append(c, acts)


def _keys(c: Connection, id_column: Any, key_column: Any, ids: set[int | None]) -> dict[int | None, str]:
    wanted = sorted(number for number in ids if number is not None)
    found: dict[int | None, str] = {}
    for first in range(0, len(wanted), PAGE):
        which = id_column.in_(wanted[first : first + PAGE])
        found.update((row[0], row[1]) for row in c.execute(select(id_column, key_column).where(which)))
    return found


def is_noted(c: Connection, operation: str, kind: ActKind | None = None) -> bool:
    """Whether this call's own row is there. Then it was committed, and the answer was lost.

    With `kind`, only a row of it counts: a long act's start has the same operation.
    """
    mine = select(eed_audit.c.act_id).where(eed_audit.c.operation == operation).limit(1)
    if kind is not None:
        mine = mine.where(eed_audit.c.act == kind)
    return c.execute(mine).first() is not None


@dataclass(frozen=True, slots=True)
class NotedAct:
    """What an act was about, and how many."""

    key: str
    count: int


def noted(c: Connection, operation: str) -> NotedAct | None:
    """What this call's own row says. None: it is not there."""
    mine = (
        select(eed_audit.c.object_key, eed_audit.c.count.label("emails"))
        .where(eed_audit.c.operation == operation)
        .limit(1)
    )
    row = c.execute(mine).first()
    return None if row is None else NotedAct(row.object_key or "", row.emails or 0)


def shortened(text: str, length: int) -> str:
    """A text cut to a column's length, which shows that it was cut. Bytes that are no text are written out, because an
    argument of a command line may hold any."""
    text = text.encode("utf-8", "backslashreplace").decode()
    return text if len(text) <= length else text[: length - 1] + "…"


def as_text(particulars: Particulars | None) -> str | None:
    """As the audit keeps them, in JSON of bounded length."""
    if particulars is None:
        return None
    bounded = {
        name: shortened(value, VALUE_LENGTH) if isinstance(value, str) else value
        for name, value in particulars.items()
        if value is not None
    }
    text = json.dumps(bounded, ensure_ascii=False)
    return text if len(text) <= PARTICULARS_LENGTH else json.dumps({"left out": "too long"})


class ActLedger:
    """Reads what was done. Each call raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_job(self, job_id: int) -> Iterator[ActReport]:
        """What was done to a job and its emails, in order."""
        return merged(self._read(eed_audit.c.job_id == job_id))

    def last_of_job(self, job_id: int, most: int) -> tuple[list[ActReport], bool]:
        """The last acts on a job and its emails, in order, and whether there are more before. Read from the end."""
        rows: list[tuple[int, ActReport]] = []
        acts: list[ActReport] = []
        while len(acts) <= most:
            earlier = [eed_audit.c.act_id < rows[0][0]] if rows else []
            found = self._page([eed_audit.c.job_id == job_id, *earlier], LAST_PAGE, newest=True)
            rows = found[::-1] + rows
            acts = list(merged(act for _, act in rows))
            if len(found) < LAST_PAGE:
                break
        return acts[-most:], len(acts) > most

    def of_email(self, email_id: int) -> list[ActReport]:
        """What was done to one email by its key."""
        return list(self._read(eed_audit.c.email_id == email_id))

    def _read(self, which: ColumnElement[bool]) -> Iterator[ActReport]:
        after = 0
        while rows := self._page([which, eed_audit.c.act_id > after], PAGE):
            yield from (act for _, act in rows)
            after = rows[-1][0]

    def _page(
        self, which: Sequence[ColumnElement[bool]], limit: int, *, newest: bool = False
    ) -> list[tuple[int, ActReport]]:
        """The oldest of these acts, or the newest, each in its order."""
        a = eed_audit.c
        order = a.act_id.desc() if newest else a.act_id
        statement = select(a.act_id, a.at, a.act, a.who, a.sudo_user, a.count, a.reason)
        statement = statement.where(*which, a.act.not_in(READS)).order_by(order).limit(limit)
        return self._database.run(
            lambda c: [
                (i, ActReport(at, ActKind(act), shown_name(who, sudo), *rest))
                for i, at, act, who, sudo, *rest in c.execute(statement)
            ]
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
