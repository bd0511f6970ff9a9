"""How many emails of each job wait for their destination. A publisher counts them, and people look at them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.destinations import Destination, DomainPace
from eed_delivery.ledger.schema import eed_domain_backlog, eed_job

MOST = 20
"""Limit: destinations of a job that are kept, those with the most emails."""
FRESH_SECONDS = 3600.0
"""Older counts are of a publisher that has died, and are not shown."""
FORGOTTEN_SECONDS = 86_400.0

_b = eed_domain_backlog.c


@dataclass(frozen=True, slots=True)
class DestinationBacklog:
    """Emails of a job that wait for a destination, as they were counted last. `counted_at` is UTC."""

    name: str
    waiting: int
    pace: DomainPace
    counted_at: datetime


class BacklogCounts:
    """Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, job_id: int, counts: Mapping[Destination, int]) -> None:
        """Replace what is known of a job."""
        rows = [
            {
                "job_id": job_id,
                "name": one.name,
                "waiting": count,
                "per_second": one.pace.per_second,
                "concurrency": one.pace.concurrency,
            }
            for one, count in sorted(counts.items(), key=lambda item: (-item[1], item[0].name))[:MOST]
            if count
        ]

        def work(c: Connection) -> None:
            c.execute(delete(eed_domain_backlog).where(_b.job_id == job_id))
            if rows:
                c.execute(insert(eed_domain_backlog).values(counted_at=utc_now()), rows)

        self._database.run(work)

    def of(self, job_ids: Iterable[int]) -> dict[int, Sequence[DestinationBacklog]]:
        """What waits of each of these jobs, as far as they have not finished. Most first."""
        ids = sorted(set(job_ids))
        if not ids:
            return {}
        statement = (
            select(_b.job_id, _b.name, _b.waiting, _b.per_second, _b.concurrency, _b.counted_at)
            .join(eed_job, eed_job.c.job_id == _b.job_id)
            .where(_b.job_id.in_(ids), eed_job.c.finished_at.is_(None), _b.counted_at > utc_in(-FRESH_SECONDS))
            .order_by(_b.job_id, _b.waiting.desc(), _b.name)
        )
        found: dict[int, list[DestinationBacklog]] = {}
        for row in self._database.run(lambda c: c.execute(statement).all()):
            pace = DomainPace(row.per_second, row.concurrency)
            found.setdefault(row.job_id, []).append(DestinationBacklog(row.name, row.waiting, pace, row.counted_at))
        return dict(found)

    def forget(self) -> None:
        """Delete what was not counted for a day."""
        old = delete(eed_domain_backlog).where(_b.counted_at < utc_in(-FORGOTTEN_SECONDS))
        self._database.run(lambda c: c.execute(old))
