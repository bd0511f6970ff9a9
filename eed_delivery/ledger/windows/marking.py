"""The spans in which each unfinished job may leave, written into it.

Each is calculated from the configuration and from the database's clock. Overrides change, and spans are written, under
one lock, so no span is older than the overrides.

Hosts say in `eed_duty` by which windows they mark. While there are two kinds, no host marks, and spans run out.
"""

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

import structlog
from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, insert, or_, select, update

from eed_delivery.config.job_windows import windows_of_job
from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.duties import in_turn
from eed_delivery.ledger.keys import JOBS_A_QUERY
from eed_delivery.ledger.schema import SEND_WINDOW_LENGTH, eed_duty, eed_job, eed_window_override
from eed_delivery.ledger.windows.is_open import LONG_AGO
from eed_delivery.model import WindowScope, WindowTarget
from eed_delivery.send_windows.plan import NEVER, NextSpans, WindowPlan
from eed_delivery.send_windows.rules import SendWindows
from eed_delivery.send_windows.spans import Span

log = structlog.get_logger(__name__)

DUTY = "windows"
"""Under this lock overrides change, and jobs get their spans."""
AGREED_SECONDS = 20.0
"""How long a host's windows count after it last marked a job by them. It looks every few seconds."""
JOBS_LOGGED = 10
_j, _o = eed_job.c, eed_window_override.c
_Row = Row[*tuple[Any, ...]]
_SPANS = (_j.window_from, _j.window_until, _j.next_window_from, _j.next_window_until)

MARK = (
    update(eed_job)
    .where(_j.job_id.in_(bindparam("ids", expanding=True)))
    .where(_j.channel == bindparam("of_channel"))
    .where(_j.rounds == bindparam("seen"))  # a next round may have other windows
    .values(dict(zip(_SPANS, map(bindparam, ("begin", "end", "next_begin", "next_end")), strict=True)))
)
_UNFINISHED = (
    select(_j.job_id, _j.source_key, _j.channel, _j.category, _j.send_window, _j.expires_at, _j.rounds, *_SPANS)
    .where(_j.job_id > bindparam("after"))
    .where(_j.finished_at.is_(None))
    .order_by(_j.job_id)
    .limit(JOBS_A_QUERY)
)
DUE = _UNFINISHED.where(or_(_j.window_until.is_(None), _j.window_until <= utc_now()))
"""New ones, and those whose first span is over."""
WITH_SPANS = _UNFINISHED.where(_j.window_until.is_not(None))
"""Those that have any, where windows are configured no more."""
_OURS = "windows "
"""Before the digest of a host's windows, in the name of its row."""
SAY = update(eed_duty).where(eed_duty.c.name == bindparam("its_name")).values(done_at=utc_now())
_SAY_FIRST = unless_there(insert(eed_duty)).values(name=bindparam("its_name"), done_at=utc_now())
OTHERS = (
    select(eed_duty.c.name)
    .where(eed_duty.c.name.startswith(_OURS))
    .where(eed_duty.c.name != bindparam("its_name"))
    .where(eed_duty.c.done_at > utc_in(-AGREED_SECONDS))
)
"""Hosts with other windows."""


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

    def __init__(
        self,
        database: Database,
        plan: Callable[[], WindowPlan],
        *,
        is_configured: bool,
        digest: str = "",
        keep_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`plan` gives what is configured now, and is asked again after `keep_seconds`. `is_configured`: jobs wait
        until they have spans. `digest` is the same on all hosts with the same windows."""
        self._database = database
        self._ask = plan
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._kept: tuple[float, WindowPlan] | None = None
        self.is_configured = is_configured
        self._name = f"{_OURS}{digest}"
        self._last: tuple[WindowPlan, Sequence[Override], object] | None = None
        self._differs = False

    @property
    def _plan(self) -> WindowPlan:
        if self._kept is None or self._clock() >= self._kept[0]:
            self._kept = (self._clock() + self._keep_seconds, self._ask())
        return self._kept[1]

    def until_of_new(self) -> datetime | None:
        """The end of the spans of a job that is being entered. It waits until it has others. None: no windows count."""
        return LONG_AGO if self.is_configured or not self._plan.is_empty else None

    def mark_jobs(self, job_ids: Collection[int]) -> None:
        """Give spans to jobs that have just been entered."""
        plan = self._plan
        if not plan.is_empty and job_ids:
            self._mark(plan, _UNFINISHED.where(_j.job_id.in_(sorted(job_ids))))

    def mark_target(self, target: WindowTarget) -> None:
        """Give spans anew to the jobs that an override concerns."""
        plan = self._plan
        if not plan.is_empty:
            self._mark(plan, _UNFINISHED.where(*of_target(target)))

    def mark_due(self) -> None:
        """Give spans to new jobs, and to those whose first span is over. For the service: others learn its windows."""
        plan = self._plan
        if not plan.is_empty:
            self._say()
            self._mark(plan, DUE)

    def mark_changed(self) -> None:
        """As `mark_due`. All jobs get their spans where windows or overrides have changed, and once a day. Where no
        windows are configured on any host, jobs lose theirs."""
        plan = self._plan
        if plan.is_empty:
            return self._mark(plan, WITH_SPANS)
        now, overrides = self._database.run(lambda c: (_now(c), tuple(_overrides(c))))
        facts = (plan, overrides, now.date())
        if facts == self._last:
            return self.mark_due()
        self._say()
        self.mark_all()
        self._last = None if self._differs else facts
        return None

    def mark_all(self) -> None:
        """Give each unfinished job its spans."""
        self._mark(self._plan, WITH_SPANS if self._plan.is_empty else _UNFINISHED)

    def _say(self) -> None:
        def work(c: Connection) -> None:
            if c.execute(SAY, {"its_name": self._name}).rowcount != 1:
                c.execute(_SAY_FIRST, {"its_name": self._name})

        self._database.run(work)

    def _mark(self, plan: WindowPlan, which: Select[Any]) -> None:
        after: int | None = 0
        while after is not None:
            if not self._database.run(partial(_is_any, after, which)):
                return
            after, news = self._database.run(partial(self._mark_from, after, plan, which))
            for one in news:
                one.say()

    def _mark_from(
        self, after: int, plan: WindowPlan, which: Select[Any], c: Connection
    ) -> tuple[int | None, list["_Marked"]]:
        """Mark the next jobs, unless other hosts have other windows."""
        in_turn(c, DUTY)
        differs = c.execute(OTHERS, {"its_name": self._name}).first() is not None
        if differs and not self._differs:
            log.error("send_windows_differ", todo="give all hosts the same windows. Until then no job gets new ones")
        self._differs = differs
        return (None, []) if differs else _mark_from(after, plan, which, c)


def of_target(target: WindowTarget) -> list[ColumnElement[bool]]:
    """Which jobs it names, for a WHERE."""
    if target.scope is WindowScope.ALL:
        return []
    columns = {WindowScope.CHANNEL: _j.channel, WindowScope.CATEGORY: _j.category, WindowScope.JOB: _j.source_key}
    return [columns[target.scope] == target.subject]


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
        elif not self.spans.is_open(self.now) and not all(_is_new(job) for job in self.jobs):
            log.info("send_window_closed", **facts, opens_at=f"{opens_at}Z")
        for job in self.jobs:
            expires = job.expires_at
            if _is_new(job) and expires is not None and self.now < expires <= opens_at:
                at = {"expires_at": f"{expires}Z", "opens_at": f"{opens_at}Z"}
                log.warning("job_will_expire_unsent", job=job.source_key, job_id=job.job_id, **at)


def _is_new(job: _Row) -> bool:
    """Whether it had no spans before: it was entered, or has opened again."""
    return job.window_until is None or job.window_until == LONG_AGO


def _is_any(after: int, which: Select[Any], c: Connection) -> bool:
    """Whether there is anything to do. It is asked without the lock."""
    return c.execute(which.limit(1), {"after": after}).first() is not None


def _mark_from(after: int, plan: WindowPlan, which: Select[Any], c: Connection) -> tuple[int | None, list[_Marked]]:
    """Mark the next jobs. Returns the last of them, or None at the end, and what has changed."""
    now, overrides = _now(c), _overrides(c)
    jobs = c.execute(which, {"after": after}).all()
    wanted: dict[tuple[str, int, NextSpans | None, str], list[_Row]] = {}
    known: dict[object, tuple[NextSpans | None, str]] = {}
    for job in jobs:
        if job.channel not in plan.channels:
            continue  # it is held, or cannot be used on this host. Whether its window is open is not known here.
        opened = tuple(one.span for one in overrides if one.concerns(job))
        alike = (job.channel, job.category, job.send_window, opened)
        spans, problem = known.get(alike) or known.setdefault(alike, _spans_for(job, plan, opened, now))
        if _columns(spans) != (job.window_from, job.window_until, job.next_window_from, job.next_window_until):
            wanted.setdefault((job.channel, job.rounds, spans, problem), []).append(job)
    for (channel, seen, spans, _), changed in wanted.items():
        values = dict(zip(("begin", "end", "next_begin", "next_end"), _columns(spans), strict=True))
        ids = [job.job_id for job in changed]
        c.execute(MARK, {"ids": ids, "of_channel": channel, "seen": seen, **values})
    news = [_Marked(changed, spans, problem, now) for (_, _, spans, problem), changed in wanted.items()]
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
