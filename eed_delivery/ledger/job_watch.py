"""The watch's side of the ledger.

It counts cheaply what became of running jobs' emails, and writes the pause that follows.

Every change names the revision that was read, because a resume or a requeue in between has made the counts void.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Update, bindparam, func, select, update

from eed_delivery.database.transactions import Database
from eed_delivery.events import DeliveryOutcome
from eed_delivery.ledger.actor import SERVICE
from eed_delivery.ledger.acts import Act, ActKind, note
from eed_delivery.ledger.keys import JOBS_A_QUERY
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_email, eed_job
from eed_delivery.ledger.webhooks.outbox import SILENT, Outbox, with_reason
from eed_delivery.model import EmailState, JobState
from eed_delivery.notices import Notice, NoticeKind

HARMFUL = (DeliveryOutcome.COMPLAINED, DeliveryOutcome.HARD_BOUNCED)
"""What does harm to the sender's name. A soft bounce does not: it says that the mailbox is full, or the server busy."""


@dataclass(frozen=True, slots=True)
class WatchedJob:
    """A running job. `since` is its last resume, None if there was none. `sent_before` is how many were sent by then,
    and `warned_of` what was warned of since."""

    job_id: int
    key: str
    revision: int
    since: datetime | None
    sent_before: int
    warned_of: frozenset[DeliveryOutcome]


@dataclass(frozen=True, slots=True)
class OutcomeCounts:
    """How many emails of a job were sent, and how many of these were complained about or bounced hard."""

    sent: int
    complained: int
    hard_bounced: int

    def of(self, outcome: DeliveryOutcome) -> int:
        """How many of these had that outcome, one of `HARMFUL`."""
        return self.complained if outcome is DeliveryOutcome.COMPLAINED else self.hard_bounced


_AS_READ = (
    update(eed_job)
    .where(eed_job.c.job_id == bindparam("id"))
    .where(eed_job.c.revision == bindparam("as_read"))
    .where(eed_job.c.finished_at.is_(None))
    .where(eed_job.c.state == JobState.ACTIVE)
)
PAUSE = _AS_READ.values(state=JobState.PAUSED, reason=bindparam("why"))
WARN_OF_BOUNCES = _AS_READ.where(eed_job.c.warned_of_bounces.is_(False)).values(warned_of_bounces=True)
WARN_OF_COMPLAINTS = _AS_READ.where(eed_job.c.warned_of_complaints.is_(False)).values(warned_of_complaints=True)
_WARN = {DeliveryOutcome.HARD_BOUNCED: WARN_OF_BOUNCES, DeliveryOutcome.COMPLAINED: WARN_OF_COMPLAINTS}


class WatchLedger:
    """What the watch may do to the ledger. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, outbox: Outbox = SILENT) -> None:
        """`outbox` receives its notices."""
        self._database = database
        self._outbox = outbox

    def jobs(self, after_sent: int) -> list[WatchedJob]:
        """Running jobs that are watched and can have sent enough after their last resume."""
        statement = (
            select(eed_job)
            .where(eed_job.c.finished_at.is_(None), eed_job.c.state == JobState.ACTIVE, eed_job.c.watched.is_(True))
            .where(eed_job.c.total - eed_job.c.sent_before >= after_sent)
            .order_by(eed_job.c.job_id)
        )
        return self._database.run(lambda c: [_job(row) for row in c.execute(statement)])

    def harmed(self, jobs: Sequence[WatchedJob]) -> dict[int, OutcomeCounts]:
        """Of each job that has any, all its emails with a harmful outcome. `sent` is left 0. By the index alone, as
        many as count against the job, or more."""
        ids = [job.job_id for job in jobs]
        parts = [ids[start : start + JOBS_A_QUERY] for start in range(0, len(ids), JOBS_A_QUERY)]
        return self._database.run(lambda c: {i: tally for part in parts for i, tally in _harmed(c, part).items()})

    def sent(self, job: WatchedJob) -> int:
        """How many emails of a job were sent, ever. The number never shrinks."""
        statement = select(func.count()).where(eed_email.c.job_id == job.job_id, eed_email.c.state == EmailState.SENT)
        return self._database.run(lambda c: c.execute(statement).scalar_one())

    def tally(self, job: WatchedJob, sent: int) -> OutcomeCounts:
        """What counts against a job, which is emails that left after its last resume.

        `sent` is how many it has sent, ever.
        """
        counted = [eed_email.c.job_id == job.job_id, eed_email.c.outcome.in_(HARMFUL)]
        counted.append(eed_email.c.state == EmailState.SENT)
        if job.since is not None:
            counted.append(eed_email.c.wire_at >= job.since)
        statement = select(eed_email.c.outcome, func.count()).where(*counted).group_by(eed_email.c.outcome)
        found: dict[str, int] = self._database.run(lambda c: {o: n for o, n in c.execute(statement)})  # noqa: C416
        return _tally(found, sent - job.sent_before)

    def pause(self, job: WatchedJob, reason: str) -> bool:
        """Pause a job as it was read. False when an operator, or another host's watch, was faster."""
        notice = Notice(NoticeKind.JOB_PAUSED, job.job_id, facts=with_reason(reason))
        act = Act(ActKind.PAUSE, job.job_id, reason=reason)
        return self._did(PAUSE, job, {"why": reason[:DETAIL_LENGTH]}, [notice], act)

    def warn(self, job: WatchedJob, outcome: DeliveryOutcome) -> bool:
        """Note that a job is warned of. False when it has been."""
        return self._did(_WARN[outcome], job, {})

    def _did(
        self,
        statement: Update,
        job: WatchedJob,
        values: dict[str, Any],
        told: Sequence[Notice] = (),
        act: Act | None = None,
    ) -> bool:
        fence = {"id": job.job_id, "as_read": job.revision}

        def work(c: Connection) -> bool:
            changed = c.execute(statement, {**fence, **values}).rowcount == 1
            if changed and act is not None:
                note(c, SERVICE, act)
            self._outbox.put(c, told if changed else ())
            return changed

        return self._database.did(work)


def _harmed(c: Connection, job_ids: Sequence[int]) -> dict[int, OutcomeCounts]:
    where = eed_email.c.job_id.in_(job_ids) & eed_email.c.outcome.in_(HARMFUL)
    columns = (eed_email.c.job_id, eed_email.c.outcome)
    found: dict[int, dict[str, int]] = {}
    for job_id, outcome, count in c.execute(select(*columns, func.count()).where(where).group_by(*columns)):
        found.setdefault(job_id, {})[outcome] = count
    return {job_id: _tally(counts, 0) for job_id, counts in found.items()}


def _tally(counts: dict[str, int], sent: int) -> OutcomeCounts:
    return OutcomeCounts(sent, *(counts.get(outcome, 0) for outcome in HARMFUL))


def _job(row: Row[*tuple[Any, ...]]) -> WatchedJob:
    warned = {
        DeliveryOutcome.HARD_BOUNCED: row.warned_of_bounces,
        DeliveryOutcome.COMPLAINED: row.warned_of_complaints,
    }
    return WatchedJob(
        job_id=row.job_id,
        key=row.source_key,
        revision=row.revision,
        since=row.watched_from,
        sent_before=row.sent_before,
        warned_of=frozenset(outcome for outcome, told in warned.items() if told),
    )
