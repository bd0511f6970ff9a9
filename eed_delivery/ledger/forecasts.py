"""The last forecast of each job, with the verdict that was told. A verdict changes once it has lasted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.forecast.steadiness import SteadyVerdict, steadied
from eed_delivery.forecast.verdicts import ALARMING, ForecastVerdict
from eed_delivery.ledger.schema import eed_job, eed_job_forecast
from eed_delivery.ledger.webhooks.outbox import SILENT, Outbox
from eed_delivery.notices import Notice, NoticeKind

FRESH_SECONDS = 120.0
"""An older forecast is not shown."""
_f = eed_job_forecast.c
_CHANGES: dict[str, Any] = {
    name: bindparam(f"its_{name}") for name in ("end_at", "margin_seconds", "verdict", "seen", "looks")
}
CHANGE = (
    update(eed_job_forecast)
    .where(_f.job_id == bindparam("its_job_id"))
    .where(_f.at == bindparam("read_at"))  # no other process has looked meanwhile
    .values(at=utc_now(), **_CHANGES)
)
_FIRST = insert(eed_job_forecast).values(job_id=bindparam("its_job_id"), at=utc_now(), **_CHANGES)
_FORGET = delete(eed_job_forecast).where(
    _f.job_id.not_in(select(eed_job.c.job_id).where(eed_job.c.finished_at.is_(None)))
)


@dataclass(frozen=True, slots=True)
class ForecastLook:
    """One look at a job. `margin` is seconds to the deadline. `needed` is the emails a second that it needs."""

    job_id: int
    key: str
    end: datetime | None
    margin: float | None
    verdict: ForecastVerdict
    deadline: datetime | None
    needed: float | None


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A verdict that people and systems are told."""

    look: ForecastLook
    before: ForecastVerdict
    now: ForecastVerdict


@dataclass(frozen=True, slots=True)
class StoredForecast:
    """What is kept of a job's last forecast."""

    key: str
    end: datetime | None
    margin: float | None
    verdict: ForecastVerdict


class ForecastLedger:
    """Keeps forecasts. Each call raises `DatabaseGone`."""

    def __init__(self, database: Database, outbox: Outbox = SILENT) -> None:
        self._database = database
        self._outbox = outbox

    def note(self, looks: Sequence[ForecastLook]) -> list[VerdictChange]:
        """Keep these looks. Returns the verdicts that have changed, each once over all hosts."""

        def work(c: Connection) -> list[VerdictChange]:
            noted = [self._note(look, c) for look in looks]
            c.execute(_FORGET)
            return [change for change in noted if change is not None]

        return self._database.did(work)

    def _note(self, look: ForecastLook, c: Connection) -> VerdictChange | None:
        row = c.execute(select(eed_job_forecast).where(_f.job_id == look.job_id)).one_or_none()
        before = None if row is None else _steady(row)
        after = steadied(before, look.verdict)
        values = {
            "its_job_id": look.job_id,
            "its_end_at": look.end,
            "its_margin_seconds": look.margin,
            "its_verdict": after.shown,
            "its_seen": after.seen,
            "its_looks": after.looks,
        }
        if row is None:
            c.execute(_FIRST, values)
        elif c.execute(CHANGE, {**values, "read_at": row.at}).rowcount != 1:
            return None
        shown = ForecastVerdict.UNKNOWN if before is None else before.shown
        if after.shown is shown or not {after.shown, shown} & ALARMING or look.deadline is None:
            return None
        change = VerdictChange(look, shown, after.shown)
        self._outbox.put(c, [_notice(change)])
        return change

    def fresh(self) -> list[StoredForecast]:
        """The forecasts of unfinished jobs that are not older than two minutes."""
        statement = (
            select(eed_job.c.source_key, _f.end_at, _f.margin_seconds, _f.verdict)
            .join(eed_job, eed_job.c.job_id == _f.job_id)
            .where(eed_job.c.finished_at.is_(None), _f.at > utc_in(-FRESH_SECONDS))
            .order_by(_f.job_id)
        )
        rows = self._database.run(lambda c: c.execute(statement).all())
        return [StoredForecast(key, end, margin, ForecastVerdict(verdict)) for key, end, margin, verdict in rows]


def _steady(row: Row[tuple[Any, ...]]) -> SteadyVerdict:
    return SteadyVerdict(ForecastVerdict(row.verdict), ForecastVerdict(row.seen), row.looks)


def _notice(change: VerdictChange) -> Notice:
    look = change.look
    facts = {
        "verdict": change.now.value,
        "before": change.before.value,
        "deadline": f"{look.deadline}Z".replace(" ", "T"),
        "margin_seconds": None if look.margin is None else round(look.margin),
        "needed_per_second": None if look.needed is None else round(look.needed, 1),
    }
    return Notice(NoticeKind.JOB_DEADLINE_AT_RISK, look.job_id, facts=facts)
