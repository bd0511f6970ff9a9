"""What follows from a comparison of source and ledger. It is recorded, and what can be corrected is corrected.

Nothing here sends an email. What is missing is enlisted by the code that enlists every other row. What was sent
is written back only where the source still says "not sent yet". Sums are counted again under the lock of their job.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, bindparam, case, func, or_, select, update

from eed_delivery.database.clock import seconds_until, utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.acts import Act, ActKind, Particulars, note
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.holds.held import UNMARKED
from eed_delivery.ledger.operating import WATCHED_ANEW
from eed_delivery.ledger.publishing.enlisting import LeasedJob
from eed_delivery.ledger.publishing.ledger import LEASE, PublishingLedger
from eed_delivery.ledger.reconciling.comparing import JobSums, sums_of
from eed_delivery.ledger.schema import eed_email, eed_job
from eed_delivery.ledger.sweeping import ENLIST_AGAIN
from eed_delivery.ledger.windows.is_open import SHUT
from eed_delivery.model import EmailState, JobState, ReadyJob
from eed_delivery.source import Source
from eed_delivery.source.tables import Key

FINISHED_DAYS = 7
"""Days within which a job must have finished to be compared for the first time."""
WRITTEN_AT_ONCE = 500
ENLISTED_AT_ONCE = 1000
ENLIST_LEASE_SECONDS = 60.0

_DUE = or_(
    # Once after it has finished, and once in a while before that.
    (eed_job.c.finished_at > utc_in(-FINISHED_DAYS * 86_400))
    & or_(eed_job.c.reconciled_at.is_(None), eed_job.c.reconciled_at < eed_job.c.finished_at),
    eed_job.c.finished_at.is_(None)
    & (func.coalesce(eed_job.c.reconciled_at, eed_job.c.created_at) < utc_in(-bindparam("every"))),
)
_IS_FREE = or_(eed_job.c.reconcile_until.is_(None), eed_job.c.reconcile_until < utc_now())

TAKE_TO_COMPARE = (
    update(eed_job)
    .where(eed_job.c.job_id.in_(bindparam("ids", expanding=True)))
    .where(_IS_FREE)
    .values(reconcile_token=bindparam("new_token"), reconcile_until=utc_in(bindparam("lease")))
)
_COMPARED_BY_US = (
    update(eed_job)
    .where(eed_job.c.reconcile_token == bindparam("our_token"))
    .where(eed_job.c.reconcile_until > utc_now())
)
STILL_COMPARING = _COMPARED_BY_US.where(eed_job.c.job_id.in_(bindparam("ids", expanding=True))).values(
    reconcile_until=utc_in(bindparam("lease"))
)
RECONCILED = _COMPARED_BY_US.where(eed_job.c.job_id == bindparam("id")).values(
    reconciled_at=bindparam("began"), differences=bindparam("found_different"), reconcile_until=None
)
RECONCILED_BY_HAND = (
    update(eed_job)
    .where(eed_job.c.job_id == bindparam("id"))
    .values(reconciled_at=bindparam("began"), differences=bindparam("found_different"))
)
# Unlike a next round, this leaves the cursor where it is: rows that have ended are not looked at again. `expires_at`
# stays, so that nothing goes out later than the source allows; and what was cancelled stays cancelled.
LATE_ROUND = (
    update(eed_job)
    .where(eed_job.c.job_id == bindparam("id"))
    .where(eed_job.c.finished_at.is_not(None))
    .values(
        {
            eed_job.c.state: case((eed_job.c.state == JobState.CANCELLED, JobState.CANCELLED), else_=JobState.ACTIVE),
            eed_job.c.reason: case((eed_job.c.state == JobState.CANCELLED, eed_job.c.reason), else_=None),
            eed_job.c.rounds: eed_job.c.rounds + 1,
            eed_job.c.revision: eed_job.c.revision + 1,
            eed_job.c.enlisted_at: None,
            eed_job.c.finished_at: None,
            **WATCHED_ANEW,
            **UNMARKED,
            **SHUT,
        }
    )
)
CORRECT_SUMS = (
    update(eed_job)
    .where(eed_job.c.job_id == bindparam("id"))
    .values(total=bindparam("its_total"), found=bindparam("its_found"), refused=bindparam("its_refused"))
)


@dataclass(frozen=True, slots=True)
class LateRows:
    """What became of a job's rows that were missing. `by_publisher` means that the job is open for them, and the
    publisher takes them."""

    enlisted: int = 0
    refused: int = 0
    regenerated: int = 0
    by_publisher: bool = False


SUMS = ("total", "found", "refused")


@dataclass(frozen=True, slots=True)
class CorrectedSums:
    """A job's sums before and after."""

    before: JobSums
    after: JobSums

    @property
    def words(self) -> list[str]:
        """What has changed."""
        pairs = ((name, getattr(self.before, name), getattr(self.after, name)) for name in SUMS)
        return [f"{name} was {was:,} and is {now:,}, counted from its rows" for name, was, now in pairs if was != now]

    @property
    def change(self) -> tuple[Particulars, Particulars]:
        """The sums before and after, for the audit."""
        before = {name: int(getattr(self.before, name)) for name in SUMS}
        return before, {name: int(getattr(self.after, name)) for name in SUMS}


class ReconcilingLedger:
    """Writes what a comparison comes to. Each call raises `DatabaseGone`."""

    def __init__(
        self, database: Database, source: Source, publishing: PublishingLedger, *, who: Actor = SERVICE
    ) -> None:
        """`who` acts, for the audit."""
        self._who = who
        self._database = database
        self._source = source
        self._publishing = publishing

    # --- which job is compared, by whom, and what came of it ---------------------------------------------------------

    def now(self) -> datetime:
        """The database's clock, in UTC, as the ledger keeps times."""
        moment: datetime = self._database.run(lambda c: c.execute(select(utc_now())).scalar_one())
        return moment

    def job_ids(self, beyond: int, limit: int) -> list[int]:
        """Jobs in the order of their ids, beyond one of them."""
        statement = select(eed_job.c.job_id).where(eed_job.c.job_id > beyond).order_by(eed_job.c.job_id).limit(limit)
        return self._database.run(lambda c: list(c.execute(statement).scalars()))

    def take(self, token: int, every_seconds: float, lease_seconds: float, limit: int) -> list[int]:
        """Take hold of up to `limit` jobs that are due. They are unfinished and not compared for `every_seconds`, or
        finished and not compared since."""
        due = select(eed_job.c.job_id).where(_DUE, _IS_FREE).order_by(eed_job.c.job_id).limit(limit)

        def work(c: Connection) -> list[int]:
            ids = list(c.execute(due, {"every": every_seconds}).scalars())
            if ids:
                c.execute(TAKE_TO_COMPARE, {"ids": ids, "new_token": token, "lease": lease_seconds})
            ours = (eed_job.c.reconcile_token == token) & (eed_job.c.reconcile_until > utc_now())
            held = select(eed_job.c.job_id).where(eed_job.c.job_id.in_(ids), ours).order_by(eed_job.c.job_id)
            return list(c.execute(held).scalars()) if ids else []

        return self._database.run(work)

    def still_ours(self, token: int, job_ids: Sequence[int], lease_seconds: float) -> bool:
        """Lengthen the hold on these jobs. False when it is lost for one of them."""
        values = {"our_token": token, "ids": list(job_ids), "lease": lease_seconds}
        return self._database.run(lambda c: c.execute(STILL_COMPARING, values).rowcount == len(job_ids))

    def reconciled(self, token: int, job_id: int, began: datetime, differences: int) -> bool:
        """Write down what a sweeper's comparison came to, and let go. False if another one has the job."""
        values = {"our_token": token, "id": job_id, "began": began, "found_different": differences}
        return self._database.did(lambda c: c.execute(RECONCILED, values).rowcount == 1)

    def reconciled_by_hand(self, job_id: int, began: datetime, differences: int) -> None:
        """Write down what an operator's comparison came to."""
        values = {"id": job_id, "began": began, "found_different": differences}
        self._database.run(lambda c: c.execute(RECONCILED_BY_HAND, values))

    def not_taken_up(self, limit: int) -> list[ReadyJob]:
        """Jobs that are ready in the source, and that the publisher has not picked up or begun again."""
        return self._database.run(lambda c: self._source.ready_jobs(c, eed_job, limit))

    # --- repairs -----------------------------------------------------------------------------------------------------

    def write_back_sent(self, keys: Sequence[Key]) -> list[Key]:
        """Write "sent" to those rows of the source that still say "not sent yet", and whose email was sent. Returns
        their keys. In chunks, in the order of their keys."""
        done: list[Key] = []
        for start in range(0, len(keys), WRITTEN_AT_ONCE):
            chunk = keys[start : start + WRITTEN_AT_ONCE]
            done += self._database.did(partial(self._write_back, chunk))
        return done

    def _write_back(self, keys: Sequence[Key], c: Connection) -> list[Key]:
        column = eed_email.c.email_id if all(isinstance(key, int) for key in keys) else eed_email.c.source_key
        statement = (
            select(eed_email, column.label("key"), seconds_until(eed_email.c.changed_at).label("left"))
            .where(column.in_(keys), eed_email.c.state == EmailState.SENT)
            .order_by(eed_email.c.email_id)
            .with_for_update()
        )
        written = [
            row
            for row in c.execute(statement).all()
            if self._source.write_sent_late(
                c, row.key, row.detail or "", row.attempts, row.message_id, max(0.0, -float(row.left or 0))
            )
        ]
        for job_id, count in Counter(row.job_id for row in written).items():
            self._note(c, job_id, 'the source said "not sent yet" of emails that were sent', count)
        return [row.key for row in written]

    def _note(
        self,
        c: Connection,
        job_id: int,
        what: str,
        count: int | None = None,
        change: tuple[Particulars, Particulars] | None = None,
    ) -> None:
        before, after = change or (None, None)
        note(c, self._who, Act(ActKind.REPAIR, job_id, reason=what, count=count, before=before, after=after))

    def correct_sums(self, job_id: int) -> CorrectedSums | None:
        """Count a job's sums again, and write what differs. None if they are right. Enlisting takes the same lock."""

        def work(c: Connection) -> CorrectedSums | None:
            c.execute(select(eed_job.c.job_id).where(eed_job.c.job_id == job_id).with_for_update()).one()
            (job,) = sums_of(c, [job_id])
            if not job.wrong:
                return None
            values = {"its_total": job.rows, "its_found": job.accounted, "its_refused": job.named}
            c.execute(CORRECT_SUMS, {"id": job_id, **values})
            corrected = CorrectedSums(job, sums_of(c, [job_id])[0])
            self._note(c, job_id, "; ".join(corrected.words), change=corrected.change)
            return corrected

        return self._database.did(work)

    def enlist_late(self, job_id: int) -> LateRows:
        """Open a job for rows that came too late for it, and enlist them. A job that a publisher holds is left to it.

        A finished job begins a round for them. Its expiry stands, and a cancelled one stays cancelled.
        """
        before = self._counts(job_id)
        job = self._database.did(partial(self._open, new_token(), job_id))
        if job is None:
            return LateRows(by_publisher=True)
        while self._publishing.enlist(job, ENLISTED_AT_ONCE, ENLIST_LEASE_SECONDS):
            pass
        self._publishing.let_go([job])
        after = self._counts(job_id)
        return LateRows(after[0] - before[0], after[1] - before[1], after[2] - before[2])

    def _counts(self, job_id: int) -> tuple[int, int, int]:
        columns = (eed_job.c.total, eed_job.c.refused, eed_job.c.regenerated)
        row = self._database.run(lambda c: c.execute(select(*columns).where(eed_job.c.job_id == job_id)).one())
        return row.total, row.refused, row.regenerated

    def _open(self, token: int, job_id: int, c: Connection) -> LeasedJob | None:
        if c.execute(LATE_ROUND, {"id": job_id}).rowcount == 1:
            self._note(c, job_id, "a further round, for rows that were added after it had finished")
            state = c.execute(select(eed_job.c.state).where(eed_job.c.job_id == job_id)).scalar_one()
            if state == JobState.ACTIVE:
                key = c.execute(select(eed_job.c.source_key).where(eed_job.c.job_id == job_id)).scalar_one()
                self._source.write_job(c, key, JobState.ACTIVE)
        else:
            c.execute(ENLIST_AGAIN, {"id": job_id})
            self._note(c, job_id, "opened for rows that were added after it was enlisted")
        row = c.execute(select(eed_job).where(eed_job.c.job_id == job_id)).one()
        if row.enlist_after is None:  # its templates have not been looked at: the publisher does that first
            return None
        values = {"ids": [job_id], "new_token": token, "lease": ENLIST_LEASE_SECONDS}
        if row.token != token and c.execute(LEASE, values).rowcount != 1:
            return None
        return LeasedJob(
            job_id,
            row.source_key,
            row.name,
            JobState(row.state),
            token,
            row.total,
            started=True,
            enlisted=False,
            channel=row.channel,
        )
