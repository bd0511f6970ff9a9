"""Jobs that start only if they were rehearsed as they are now. The publisher asks before it publishes any email."""

from sqlalchemy import Connection, bindparam, select, update

from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import SERVICE
from eed_delivery.ledger.acts import Act, ActKind, note
from eed_delivery.ledger.publishing.enlisting import LeasedJob
from eed_delivery.ledger.rehearsing import KeptRehearsal, newest_whole
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_email, eed_job
from eed_delivery.ledger.webhooks.outbox import SILENT, Outbox, with_reason
from eed_delivery.model import EmailState, JobState
from eed_delivery.notices import Notice, NoticeKind
from eed_delivery.source import Source

BEGUN = "begun"
"""In place of a rehearsal: emails of the job were under way before it was asked for one."""
NOT_REHEARSED = "not rehearsed as it is now"
"""Begins the reason of the pause."""

_j, _e = eed_job.c, eed_email.c
_NOT_STARTED = (
    update(eed_job)
    .where(_j.job_id == bindparam("id"))
    .where(_j.token == bindparam("our_token"))
    .where(_j.state == JobState.ACTIVE)
    .where(_j.rehearsal.is_(None))
)
BIND = _NOT_STARTED.values(rehearsal=bindparam("to_rehearsal"))
PAUSE = _NOT_STARTED.values(state=JobState.PAUSED, reason=bindparam("why"))


class RehearsedStarts:
    """Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, source: Source, outbox: Outbox = SILENT) -> None:
        """`outbox` receives its notices."""
        self._database = database
        self._source = source
        self._outbox = outbox

    def has_begun(self, job: LeasedJob) -> bool:
        """Whether any email of it has left `pending`."""
        others = sorted(state for state in EmailState if state is not EmailState.PENDING)
        begun = select(_e.email_id).where(_e.job_id == job.job_id, _e.state.in_(others)).limit(1)
        return self._database.run(lambda c: c.execute(begun).first() is not None)

    def newest(self, job: LeasedJob) -> KeptRehearsal | None:
        """The newest rehearsal of all its emails."""
        return self._database.run(lambda c: newest_whole(c, job.key))

    def now(self, job: LeasedJob) -> tuple[int, int]:
        """Its emails that are not sent yet, and its round."""
        rounds = select(_j.rounds).where(_j.job_id == job.job_id)

        def work(c: Connection) -> tuple[int, int]:
            return self._source.unsent_count(c, job.key), int(c.execute(rounds).scalar_one())

        return self._database.run(work)

    def bind(self, job: LeasedJob, rehearsal: str) -> None:
        """Note by which rehearsal it starts."""
        values = {"id": job.job_id, "our_token": job.token, "to_rehearsal": rehearsal}
        self._database.run(lambda c: c.execute(BIND, values))

    def pause(self, job: LeasedJob, why: str) -> bool:
        """Pause a job that is not to start. False if it has changed since it was leased."""
        reason = f"{NOT_REHEARSED}: {why}"
        values = {"id": job.job_id, "our_token": job.token, "why": reason[:DETAIL_LENGTH]}

        def work(c: Connection) -> bool:
            if c.execute(PAUSE, values).rowcount != 1:
                return False
            note(c, SERVICE, Act(ActKind.PAUSE, job.job_id, reason=reason, after={"state": JobState.PAUSED}))
            self._outbox.put(c, [Notice(NoticeKind.JOB_PAUSED, job.job_id, facts=with_reason(reason))])
            return True

        return self._database.did(work)
