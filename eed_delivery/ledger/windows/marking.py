"""The spans in which each unfinished job may leave, written into it.

Each is calculated from the configuration and from the database's clock. Overrides change, and spans are written, under
one lock, so no span is older than the overrides.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

import structlog
from sqlalchemy import Connection, Row, Select, bindparam, or_, select, update

from eed_delivery.config.job_windows import windows_of_job
from eed_delivery.database.clock import utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.duties import in_turn
from eed_delivery.ledger.keys import JOBS_A_QUERY
from eed_delivery.ledger.schema import SEND_WINDOW_LENGTH, eed_job, eed_window_override
from eed_delivery.model import WindowScope
from eed_delivery.send_windows.plan import NEVER, NextSpans, WindowPlan
from eed_delivery.send_windows.rules import SendWindows
from eed_delivery.send_windows.spans import Span

log = structlog.get_logger(__name__)

DUTY = "windows"
"""Under this lock overrides change, and jobs get their spans."""
JOBS_LOGGED = 10
_j, _o = eed_job.c, eed_window_override.c
_Row = Row[*tuple[Any, ...]]
_SPANS = (_j.window_from, _j.window_until, _j.next_window_from, _j.next_window_until)

MARK = (
    update(eed_job)
    .where(_j.job_id.in_(bindparam("ids", expanding=True)))
    .where(_j.channel == bindparam("of_channel"))  # a next round may have another one, and other windows
    .values(dict(zip(_SPANS, map(bindparam, ("begin", "end", "next_begin", "next_end")), strict=True)))
)
_UNFINISHED = (
    select(_j.job_id, _j.source_key, _j.channel, _j.category, _j.send_window, _j.expires_at, *_SPANS)
    .where(_j.job_id > bindparam("after"))
    .where(_j.finished_at.is_(None))
    .order_by(_j.job_id)
    .limit(JOBS_A_QUERY)
)
DUE = _UNFINISHED.where(or_(_j.window_until.is_(None), _j.window_until <= utc_now()))
"""New ones, and those whose first span is over."""
WITH_SPANS = _UNFINISHED.where(_j.window_until.is_not(None))
"""Those that have any, where windows are configured no more."""


@dataclass(frozen=True, slots=True)
class Override:
    """What is opened for a while, in UTC."""

    scope: WindowScope
    subject: str
    span: Span

    def concerns(self, job: _Row) -> bool:
        """Whether it opens a job."""
        of_job = {
            WindowScope.ALL: "",
            WindowScope.CHANNEL: job.channel,
            WindowScope.CATEGORY: job.category,
            WindowScope.JOB: job.source_key,
        }
        return bool(of_job[self.scope] == self.subject)


class WindowMarking:
    """Writes spans into jobs. Each call raises `DatabaseGone`."""

    def __init__(self, database: Database, plan: Callable[[], WindowPlan], *, is_configured: bool) -> None:
        """`plan` gives what is configured now. `is_configured`: jobs wait until they have spans."""
        self._database = database
        self._plan = plan
        self.is_configured = is_configured
        self._last: tuple[WindowPlan, Sequence[Override], object] | None = None

    def mark_due(self) -> None:
        """Give spans to new jobs, and to those whose first span is over."""
        plan = self._plan()
        if not plan.is_empty:
            self._mark(plan, DUE)

    def mark_changed(self) -> None:
        """As `mark_due`. All jobs get their spans where windows or overrides have changed, and once a day. Where no
        windows are configured, jobs lose theirs."""
        plan = self._plan()
        if plan.is_empty:
            return self._mark(plan, WITH_SPANS)
        now, overrides = self._database.run(lambda c: (_now(c), tuple(_overrides(c))))
        facts = (plan, overrides, now.date())
        if facts == self._last:
            return self.mark_due()
        self.mark_all(plan)
        self._last = facts
        return None

    def mark_all(self, plan: WindowPlan | None = None) -> None:
        """Give each unfinished job its spans."""
        plan = self._plan() if plan is None else plan
        self._mark(plan, WITH_SPANS if plan.is_empty else _UNFINISHED)

    def _mark(self, plan: WindowPlan, which: Select[Any]) -> None:
        after: int | None = 0
        while after is not None:
            if not self._database.run(partial(_is_any, after, which)):
                return
            after, news = self._database.run(partial(_mark_from, after, plan, which))
            for one in news:
                one.say()


@dataclass(frozen=True, slots=True)
class _Marked:
    """Jobs that had one set of spans, and have another now."""

    jobs: Sequence[_Row]
    spans: NextSpans | None
    problem: str
    now: datetime

    def say(self) -> None:
        """Log what people want to know of it."""
        keys = [job.source_key for job in self.jobs]
        facts = {"jobs": keys[:JOBS_LOGGED], "count": len(keys)}
        if self.spans is None:
            return
        opens_at = self.spans.first.start
        if self.problem:
            log.error("send_window_unusable", **facts, reason=self.problem, todo="correct the windows of further jobs")
        elif self.spans.first == NEVER:
            log.error("send_window_never_opens", **facts, todo="correct the windows")
        elif not self.spans.is_open(self.now) and any(job.window_until is not None for job in self.jobs):
            log.info("send_window_closed", **facts, opens_at=f"{opens_at}Z")
        for job in self.jobs:
            expires = job.expires_at
            if job.window_until is None and expires is not None and self.now < expires <= opens_at:
                at = {"expires_at": f"{expires}Z", "opens_at": f"{opens_at}Z"}
                log.warning("job_will_expire_unsent", job=job.source_key, job_id=job.job_id, **at)


def _is_any(after: int, which: Select[Any], c: Connection) -> bool:
    """Whether there is anything to do. It is asked without the lock."""
    return c.execute(which.limit(1), {"after": after}).first() is not None


def _mark_from(after: int, plan: WindowPlan, which: Select[Any], c: Connection) -> tuple[int | None, list[_Marked]]:
    """Mark the next jobs. Returns the last of them, or None at the end, and what has changed."""
    in_turn(c, DUTY)
    now, overrides = _now(c), _overrides(c)
    jobs = c.execute(which, {"after": after}).all()
    wanted: dict[tuple[str, NextSpans | None, str], list[_Row]] = {}
    known: dict[object, tuple[NextSpans | None, str]] = {}
    for job in jobs:
        if not plan.is_empty and job.channel not in plan.channels:
            continue  # it is held. Whether its window is open is not known here.
        opened = tuple(one.span for one in overrides if one.concerns(job))
        alike = (job.channel, job.category, job.send_window, opened)
        spans, problem = known.get(alike) or known.setdefault(alike, _spans_for(job, plan, opened, now))
        if _columns(spans) != (job.window_from, job.window_until, job.next_window_from, job.next_window_until):
            wanted.setdefault((job.channel, spans, problem), []).append(job)
    for (channel, spans, _), changed in wanted.items():
        values = dict(zip(("begin", "end", "next_begin", "next_end"), _columns(spans), strict=True))
        c.execute(MARK, {"ids": [job.job_id for job in changed], "of_channel": channel, **values})
    news = [_Marked(changed, spans, problem, now) for (_, spans, problem), changed in wanted.items()]
    return (jobs[-1].job_id if len(jobs) == JOBS_A_QUERY else None), news


def _spans_for(job: _Row, plan: WindowPlan, opened: Sequence[Span], now: datetime) -> tuple[NextSpans | None, str]:
    """When a job is open, and what is wrong with its own window. One that cannot be used keeps the job shut."""
    if plan.is_empty:
        return None, ""
    own, problem = own_windows(job.send_window)
    if problem and job.category not in plan.ignoring:
        current = sorted(span for span in opened if span.end > now)
        return NextSpans(current[0] if current else NEVER), problem
    return plan.next_spans(now, job.channel, job.category, own, opened), ""


def kept_window(text: str | None) -> str | None:
    """A job's own windows as the ledger keeps them. A longer text is cut, and cannot be used then."""
    return None if text is None else text[:SEND_WINDOW_LENGTH]


@lru_cache(maxsize=1000)
def own_windows(text: str | None) -> tuple[SendWindows | None, str]:
    """A job's own windows, and what is wrong with them."""
    if text is None:
        return None, ""
    try:
        return windows_of_job(text), ""
    except ValueError as error:
        return None, str(error)


def _columns(spans: NextSpans | None) -> tuple[datetime | None, ...]:
    if spans is None:
        return (None, None, None, None)
    return (*spans.first, *(spans.second or (None, None)))


def _overrides(c: Connection) -> list[Override]:
    statement = select(_o.scope, _o.subject, _o.set_at, _o.until_at).where(_o.until_at > utc_now())
    rows = c.execute(statement.order_by(_o.scope, _o.subject))
    return [Override(WindowScope(row.scope), row.subject, Span(row.set_at, row.until_at)) for row in rows]


def _now(c: Connection) -> datetime:
    moment: datetime = c.execute(select(utc_now())).scalar_one()
    return moment
