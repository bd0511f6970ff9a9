"""Figures of the whole ledger for monitoring. Each query reads a bounded number of rows."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from eed_delivery.database.transactions import Database
from eed_delivery.ledger.audit_chain import head_in
from eed_delivery.ledger.long_acts.long_act import LongActState
from eed_delivery.ledger.schema import eed_email, eed_job, eed_operation, eed_suppression, eed_webhook
from eed_delivery.ledger.webhooks.outbox import WAITING
from eed_delivery.ledger.windows.is_open import WINDOW_IS_SHUT
from eed_delivery.model import JobState

MOST_JOBS = 50
MOST_EMAILS = 5_000_000
"""Of the jobs whose emails are counted, the newest first."""
MOST_ROWS = 200_000
"""Of suppressed addresses and waiting webhooks. More are not counted."""


@dataclass(frozen=True, slots=True)
class LedgerCounts:
    """`job_emails` is by the job's key and the email's state, `jobs` by state. Both are about unfinished jobs.
    `window_closed` are active jobs that wait for their send window. None: there is more than is counted."""

    job_emails: dict[tuple[str, str], int]
    jobs: dict[str, int]
    window_closed: int
    suppressions: dict[str, int] | None
    webhooks_waiting: int | None
    operations_running: int
    audit_head: int


class FiguresLedger:
    """Reads them. Raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def counts(self) -> LedgerCounts:
        """All of them, in one transaction."""
        return self._database.run(_counts)


def _counts(c: Connection) -> LedgerCounts:
    unfinished = eed_job.c.finished_at.is_(None)
    shut = select(func.count()).where(unfinished, eed_job.c.state == JobState.ACTIVE, WINDOW_IS_SHUT)
    by_state = select(eed_job.c.state, func.count()).where(unfinished).group_by(eed_job.c.state)
    sources = select(eed_suppression.c.source).limit(MOST_ROWS + 1).subquery()
    by_source = select(sources.c.source, func.count()).group_by(sources.c.source)
    waiting = select(eed_webhook.c.webhook_id).where(eed_webhook.c.state == WAITING).limit(MOST_ROWS + 1).subquery()
    running = select(func.count()).where(eed_operation.c.state == LongActState.RUNNING)
    suppressions = _pairs(c, by_source)
    webhooks = int(c.execute(select(func.count()).select_from(waiting)).scalar_one())
    return LedgerCounts(
        _of_jobs(c),
        _pairs(c, by_state),
        int(c.execute(shut).scalar_one()),
        suppressions if sum(suppressions.values()) <= MOST_ROWS else None,
        webhooks if webhooks <= MOST_ROWS else None,
        int(c.execute(running).scalar_one()),
        head_in(c).sequence,
    )


def _of_jobs(c: Connection) -> dict[tuple[str, str], int]:
    """The newest unfinished jobs, as long as they have no more emails together than may be counted."""
    newest = select(eed_job.c.job_id, eed_job.c.source_key, eed_job.c.total).where(eed_job.c.finished_at.is_(None))
    found: Counter[tuple[str, str]] = Counter()
    emails = 0
    for job_id, key, total in c.execute(newest.order_by(eed_job.c.job_id.desc()).limit(MOST_JOBS)).all():
        emails += total
        if emails > MOST_EMAILS:
            break
        states = select(eed_email.c.state, func.count()).where(eed_email.c.job_id == job_id)
        for state, count in _pairs(c, states.group_by(eed_email.c.state)).items():
            found[key, state] += count
    return dict(found)


def _pairs(c: Connection, statement: Any) -> dict[str, int]:
    return {row[0]: int(row[1]) for row in c.execute(statement)}
