"""What an operator may see of scheduled jobs, and do, before the publisher picks them up.

The source alone knows them, and when they start. One that is paused or cancelled before its time is entered in the
ledger as that, so that no publisher starts it. A paused one is not enlisted before it is resumed. Resumed before its
time, it is forgotten again, so that the source's time counts, and not one that was read earlier. A cancelled one is
enlisted at once and ends, email by email, as every cancelled job does (G1).
"""

from datetime import datetime

from sqlalchemy import Connection, delete, exists, insert, select
from sqlalchemy.exc import IntegrityError

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.errors import NotPossible
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.acts import Act, ActKind, note
from eed_delivery.ledger.publishing.enlisting import unusable
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_email, eed_job
from eed_delivery.ledger.webhooks.outbox import SILENT, Outbox, with_reason
from eed_delivery.ledger.windows.marking import kept_window
from eed_delivery.model import JobState, WaitingJob
from eed_delivery.notices import Notice, NoticeKind
from eed_delivery.source import Source

NAME_LENGTH = 255
_DONE = {
    JobState.PAUSED: (NoticeKind.JOB_PAUSED, ActKind.PAUSE),
    JobState.CANCELLED: (NoticeKind.JOB_CANCELLED, ActKind.CANCEL),
}

BEFORE_ITS_TIME = {"state": "waits for its time"}
"""In the audit. The ledger has no state for such a job."""
FOR_EVER = datetime(9999, 12, 31)  # noqa: DTZ001 - as the ledger keeps times
# What is paused before its time has a lease without a token and without an end, so that no publisher enlists it.
HELD_BACK = eed_job.c.token.is_(None) & (eed_job.c.lease_until == FOR_EVER)
# It holds for as long as the pause: what goes on, is cancelled or expires is any publisher's.
NO_LONGER_HELD_BACK = HELD_BACK & (eed_job.c.state != JobState.PAUSED)
FORGET = (
    delete(eed_job)
    .where(HELD_BACK, eed_job.c.state == JobState.PAUSED, eed_job.c.finished_at.is_(None))
    .where(eed_job.c.enlisted_at.is_(None), eed_job.c.enlist_after.is_(None), eed_job.c.found == 0)
    .where(~exists().where(eed_email.c.job_id == eed_job.c.job_id))
)


class SchedulingLedger:
    """What there is to do with jobs before their time. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, source: Source, *, outbox: Outbox = SILENT, who: Actor = SERVICE) -> None:
        """`outbox` receives its notices. `who` acts, for the audit."""
        self._database = database
        self._source = source
        self._outbox = outbox
        self._who = who

    def waiting(self, limit: int) -> list[WaitingJob]:
        """Jobs that the ledger does not know and whose time has not come, those that start first in front."""
        return self._database.run(lambda c: self._source.waiting_jobs(c, limit, unknown_to=eed_job))

    def job(self, key: str) -> WaitingJob | None:
        """One job whose time has not come, whether or not the ledger knows it."""
        return self._database.run(lambda c: self._waits(c, key))

    def _waits(self, c: Connection, key: str) -> WaitingJob | None:
        return next(iter(self._source.waiting_jobs(c, 1, key=key)), None)

    def emails(self, job: WaitingJob) -> int:
        """How many of its emails are not sent yet, by the source."""
        return self._database.run(lambda c: self._source.unsent_count(c, job.key))

    def pause(self, job: WaitingJob, reason: str) -> bool:
        """Keep a job from being started. False if a publisher was faster, and it is to be paused as any other."""
        return self._enter(job, JobState.PAUSED, reason)

    def cancel(self, job: WaitingJob, reason: str) -> bool:
        """End a job before its time. False if a publisher was faster, and it is to be cancelled as any other."""
        return self._enter(job, JobState.CANCELLED, reason)

    def _enter(self, job: WaitingJob, state: JobState, reason: str) -> bool:
        if (why := unusable(job.key)) is not None:
            raise NotPossible(f"job {job.key}: {why}. The publisher will refuse it when its time has come.")
        row = {
            "job_id": job.key if isinstance(job.key, int) else None,  # NULL: the database numbers it
            "source_key": str(job.key),
            "name": job.name[:NAME_LENGTH],
            "category": job.category,
            "channel": job.channel,
            "send_window": kept_window(job.send_window),
            "state": state,
            "reason": reason[:DETAIL_LENGTH],
            "expires_at": utc_in(job.expires_in_seconds) if job.expires_in_seconds is not None else None,
            "deadline": utc_in(job.due_in_seconds) if job.due_in_seconds is not None else None,
            "created_at": utc_now(),
            "lease_until": FOR_EVER if state is JobState.PAUSED else None,
        }

        def work(c: Connection) -> bool:
            entered = c.execute(insert(eed_job).values(**row)).inserted_primary_key
            job_id = int(entered[0])  # type: ignore[index]  # an INSERT of one row always has it
            kind, act = _DONE[state]
            note(c, self._who, Act(act, job_id, reason=reason, before=BEFORE_ITS_TIME, after={"state": state}))
            # With the key: should it be let go on before this is told, its row is not there to look it up in.
            facts = with_reason(reason, job=str(job.key))
            self._outbox.put(c, [Notice(kind, job_id, facts=facts)])
            return True

        try:
            return self._database.did(work)
        except IntegrityError:
            return self._stands_so(job, state, reason)

    def _stands_so(self, job: WaitingJob, state: JobState, reason: str) -> bool:
        """Whether it was we who entered it. Then the commit went through, and its answer was lost."""
        ours = (eed_job.c.source_key == str(job.key)) & (eed_job.c.state == state)
        statement = select(eed_job.c.job_id).where(ours, eed_job.c.reason == reason[:DETAIL_LENGTH])
        return self._database.run(lambda c: c.execute(statement).first() is not None)

    def let_wait(self, job_id: int, key: str, reason: str | None = None) -> WaitingJob | None:
        """Let a job that was paused before its time wait for it again. None if its time has come, or it had begun."""

        def work(c: Connection) -> WaitingJob | None:
            job = self._waits(c, key)
            if job is None or c.execute(FORGET.where(eed_job.c.job_id == job_id)).rowcount != 1:
                return None
            before = {"state": JobState.PAUSED}
            resume = Act(ActKind.RESUME, job_id, reason=reason, key=key, before=before, after=BEFORE_ITS_TIME)
            note(c, self._who, resume)
            self._outbox.put(c, [Notice(NoticeKind.JOB_RESUMED, job_id, facts={"job": key})])
            return job

        return self._database.did(work)
