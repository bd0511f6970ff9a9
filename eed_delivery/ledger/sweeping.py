"""The sweeper's side of the ledger. It puts back lost emails, settles what cannot be known, and finishes jobs.

Ids are read first and changed one key at a time. An UPDATE over a range would lock rows that workers are at, and
deadlock with them.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy import Connection, Update, bindparam, exists, func, insert, or_, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import ColumnElement

from eed_delivery.addresses import went_to
from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.multi_statement import BoundStatement, execute
from eed_delivery.database.transactions import Database, is_away, is_contention
from eed_delivery.errors import Miscounted
from eed_delivery.ledger import manifests
from eed_delivery.ledger.actor import SERVICE
from eed_delivery.ledger.acts import Act, ActKind, note
from eed_delivery.ledger.dead_letters import DeadLetterLedger
from eed_delivery.ledger.job_lists import as_counts
from eed_delivery.ledger.keys import JOBS_A_QUERY, email_key, job_keys
from eed_delivery.ledger.schema import eed_attempt, eed_email, eed_job, eed_refusal
from eed_delivery.ledger.webhooks.outbox import SILENT, Outbox, with_reason
from eed_delivery.model import (
    DEFAULT_CHANNEL,
    END_STATES,
    OPEN_STATES,
    Email,
    EmailState,
    JobState,
    Ticket,
    Verdict,
    content_key,
)
from eed_delivery.notices import Notice, NoticeKind
from eed_delivery.source import Known, Source

log = structlog.get_logger(__name__)

DIED_ON_THE_WIRE = (
    "the worker died or lost the database after the wire grant, and the mail server may have accepted the email"
)
POISON = "its message was received too often without an answer and ended in the dead-letter queue"
UNREADABLE = "its row in the source cannot be read. See email_cannot_be_claimed in the log"

STATEMENTS_A_REQUEST = 100
"""Limit: emails that are ended in one request; still one key at a time, in the order of their ids."""


@dataclass(frozen=True, slots=True)
class Stray:
    """An email that needs the sweeper, with everything its UPDATE has to find unchanged."""

    email_id: int
    key: str
    gen: int
    token: int | None
    attempts: int
    recipient: str
    resend_of: int | None  # the source's row is not written then: it speaks of the original


_ON_THE_WIRE_TOO_LONG = (
    (eed_email.c.state == EmailState.SENDING) & eed_email.c.wire_at.is_not(None) & (eed_email.c.lease_until < utc_now())
)
_DROPPED_BEFORE_THE_WIRE = (
    (eed_email.c.state == EmailState.SENDING)
    & eed_email.c.wire_at.is_(None)
    & (eed_email.c.lease_until < utc_in(-bindparam("patience")))
)
_MESSAGE_IS_GONE = (
    (eed_email.c.state == EmailState.QUEUED)
    & (eed_email.c.changed_at < utc_in(-bindparam("patience")))
    & or_(eed_email.c.not_before.is_(None), eed_email.c.not_before < utc_in(-bindparam("patience")))
)

_ONE = update(eed_email).where(eed_email.c.email_id == bindparam("id")).where(eed_email.c.gen == bindparam("of_gen"))
_SAME_TOKEN = _ONE.where(eed_email.c.token == bindparam("its_token"))

DOUBT = _SAME_TOKEN.where(_ON_THE_WIRE_TOO_LONG).values(
    state=EmailState.IN_DOUBT, detail=DIED_ON_THE_WIRE, lease_until=None, changed_at=utc_now()
)
RESEND = _SAME_TOKEN.where(_ON_THE_WIRE_TOO_LONG).values(
    state=EmailState.PENDING, detail=DIED_ON_THE_WIRE, lease_until=None, wire_at=None, changed_at=utc_now()
)
# A store of files can be asked: the next worker does, by putting the same bytes. It has cost no try.
PUT_AGAIN = _SAME_TOKEN.where(_ON_THE_WIRE_TOO_LONG).values(
    state=EmailState.PENDING, lease_until=None, wire_at=None, attempts=eed_email.c.attempts - 1, changed_at=utc_now()
)
PICK_UP = _SAME_TOKEN.where(_DROPPED_BEFORE_THE_WIRE).values(
    state=EmailState.PENDING, lease_until=None, changed_at=utc_now()
)
PUT_BACK = _ONE.where(_MESSAGE_IS_GONE).values(state=EmailState.PENDING, changed_at=utc_now())
END_LEFTOVER = _ONE.where(eed_email.c.state.in_([EmailState.PENDING, EmailState.QUEUED])).values(
    state=bindparam("to_state"), detail=bindparam("reason"), changed_at=utc_now()
)
# What waits for its retry has done nothing wrong: it gets a fresh message instead.
_waits_for_nothing = or_(eed_email.c.not_before.is_(None), eed_email.c.not_before <= utc_now())
BURY_UNREADABLE = _ONE.where(
    eed_email.c.state.in_([EmailState.PENDING, EmailState.QUEUED]) & _waits_for_nothing
).values(state=EmailState.FAILED, detail=UNREADABLE, changed_at=utc_now())
BURY = _ONE.where(
    (eed_email.c.state == EmailState.SENDING) & eed_email.c.wire_at.is_(None) & (eed_email.c.lease_until < utc_now())
).values(state=EmailState.FAILED, detail=POISON, lease_until=None, changed_at=utc_now())
# Received too often, but never in anybody's hand: answers of the queue were lost, or workers died of something else.
REVIVE = _ONE.where(eed_email.c.state == EmailState.QUEUED).values(state=EmailState.PENDING, changed_at=utc_now())

EXPIRED = "expires_at passed before all its emails were sent"
_HAS_EXPIRED = (
    eed_job.c.state.in_([JobState.ACTIVE, JobState.PAUSED, JobState.HELD]),
    eed_job.c.finished_at.is_(None),
    eed_job.c.expires_at <= utc_now(),
)
EXPIRE_JOB = (
    update(eed_job)
    .where(eed_job.c.job_id == bindparam("id"))
    .where(*_HAS_EXPIRED)
    .values(state=JobState.CANCELLED, reason=EXPIRED)
)

FINISH = (
    update(eed_job)
    .where(eed_job.c.job_id == bindparam("id"))
    .where(eed_job.c.finished_at.is_(None))
    .values(finished_at=utc_now(), token=None, lease_until=None)
)
# Rows came to the source after the job was enlisted: the publisher takes them before the job is finished.
ENLIST_AGAIN = (
    update(eed_job)
    .where(eed_job.c.job_id == bindparam("id"))
    .where(eed_job.c.finished_at.is_(None))
    .values(enlisted_at=None)
)

_FRESH_DOUBT = (
    exists()
    .where(eed_email.c.job_id == eed_job.c.job_id)
    .where(eed_email.c.state == EmailState.IN_DOUBT)
    .where(eed_email.c.wire_at > utc_in(-bindparam("reconcile")))
)

_ENDED = {JobState.CANCELLED: EmailState.CANCELLED, JobState.FAILED: EmailState.FAILED}


class SweepLedger:
    """What a sweeper may do to the ledger. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(
        self,
        database: Database,
        source: Source,
        chunk: int = 500,
        *,
        reconcile_seconds: float = 0,
        outbox: Outbox = SILENT,
    ) -> None:
        """`reconcile_seconds` is how long after its wire an email in doubt keeps its job from being finished, so that
        its events may settle it first. 0 means not at all. `outbox` receives its notices."""
        self._database = database
        self._source = source
        self._outbox = outbox
        self._chunk = chunk
        self._reconcile_seconds = reconcile_seconds
        self.dead_letters = DeadLetterLedger(database)
        """Those that name no email of ours."""

    def put_again(self, file_channels: Collection[str]) -> int:
        """Emails of these channels whose worker died after the wire go to `pending`. Files that are there count as put,
        so none of them is in doubt. Returns how many."""

        def work(c: Connection) -> int:
            strays = self._strays(c, _ON_THE_WIRE_TOO_LONG, of_jobs=eed_job.c.channel.in_(sorted(file_channels)))
            return sum(c.execute(PUT_AGAIN, {**_same(s), "its_token": s.token}).rowcount for s in strays)

        return self._database.did(work) if file_channels else 0

    def settle_the_wire(
        self, *, resend_below: int, file_channels: Collection[str] = (), known: Collection[str] | None = None
    ) -> int:
        """Emails whose worker died after the wire become in doubt. Under the policy `resend` those with fewer than
        `resend_below` attempts go out again, the doubt on record. Those of `file_channels` are left to `put_again`.
        Those of channels that are not `known` here may be files, and wait for a host that knows them, unless their
        job was cancelled. Returns how many."""
        settled = 0
        others: ColumnElement[bool] = eed_job.c.channel.not_in(sorted(file_channels))
        if known is not None:
            others &= or_(eed_job.c.channel.in_(sorted(known)), eed_job.c.state.in_(_ENDED))
        for stray in self._database.run(lambda c: self._strays(c, _ON_THE_WIRE_TOO_LONG, of_jobs=others)):
            resend = stray.attempts < resend_below
            try:  # each for itself: one row that the source refuses must not leave the others unsettled
                settled += self._database.did(partial(self._settle, stray, resend))
            except DBAPIError:
                log.exception("cannot_be_settled", email=stray.key, email_id=stray.email_id)
        return settled

    def _settle(self, stray: Stray, resend: bool, c: Connection) -> bool:
        statement = RESEND if resend else DOUBT
        if c.execute(statement, {**_same(stray), "its_token": stray.token}).rowcount != 1:
            return False  # its worker has answered after all
        c.execute(
            insert(eed_attempt).values(
                email_id=stray.email_id,
                gen=stray.gen,
                attempt=stray.attempts,
                verdict=Verdict.IN_DOUBT,
                counted=True,
                reply=DIED_ON_THE_WIRE,
                worker="sweeper",
                ended_at=utc_now(),
                recipient=went_to(stray.recipient),
            )
        )
        if not resend:
            if stray.resend_of is None:
                self._source.write_email(c, stray.key, EmailState.IN_DOUBT, DIED_ON_THE_WIRE, stray.attempts, None)
            self._outbox.put(c, [Notice(NoticeKind.EMAIL_IN_DOUBT, email_id=stray.email_id, gen=stray.gen)])
        return True

    def pick_up_dropped(self, patience_seconds: float) -> int:
        """Emails whose worker died before the wire, and whose message has not come back either, go to `pending`."""

        def work(c: Connection) -> int:
            strays = self._strays(c, _DROPPED_BEFORE_THE_WIRE, patience=patience_seconds)
            return sum(
                c.execute(PICK_UP, {**_same(s), "its_token": s.token, "patience": patience_seconds}).rowcount
                for s in strays
            )

        return self._database.did(work)

    def put_back_queued(self, patience_seconds: float, channel: str = DEFAULT_CHANNEL) -> int:
        """Emails of a channel that have been `queued` for longer than any message of theirs can exist go back to
        `pending`."""
        return self._put_back(eed_job.c.channel == channel, patience_seconds)

    def put_back_held(self, patience_seconds: float) -> int:
        """Emails that have been `queued` for so long, of held jobs: their channel's queue went with it."""
        return self._put_back(eed_job.c.state == JobState.HELD, patience_seconds)

    def _put_back(self, of_jobs: ColumnElement[bool], patience_seconds: float) -> int:
        def work(c: Connection) -> int:
            strays = self._strays(c, _MESSAGE_IS_GONE, patience=patience_seconds, of_jobs=of_jobs)
            return sum(c.execute(PUT_BACK, {**_same(s), "patience": patience_seconds}).rowcount for s in strays)

        return self._database.did(work)

    def bury(self, ticket: Ticket) -> bool:
        """A dead letter. Its email ends as failed when its worker died while it held it, or when no worker can read its
        row. One that was never in a worker's hand goes out again with a fresh message (G4). True if it has failed."""

        def work(c: Connection) -> bool:
            row = c.execute(
                select(eed_email.c.source_key, eed_email.c.attempts, eed_email.c.resend_of).where(
                    eed_email.c.email_id == ticket.email_id
                )
            ).one_or_none()
            if row is None:
                return False
            key = row.source_key or str(ticket.email_id)
            values = {"id": ticket.email_id, "of_gen": ticket.gen}
            failed = [Notice(NoticeKind.EMAIL_FAILED, email_id=ticket.email_id, gen=ticket.gen)]
            # What cannot be read is not written either.
            if not self._is_readable(c, content_key(key, row.resend_of)):
                buried = c.execute(BURY_UNREADABLE, values).rowcount == 1
                self._outbox.put(c, failed if buried else ())
                return buried
            if c.execute(BURY, values).rowcount != 1:
                c.execute(REVIVE, values)
                return False
            if row.resend_of is None:
                self._source.write_email(c, key, EmailState.FAILED, POISON, row.attempts, None)
            self._outbox.put(c, failed)
            return True

        return self._database.did(work)

    def _is_readable(self, c: Connection, key: str) -> bool:
        """Whether a worker could load this email.

        Raises when none could be loaded, and then it is not this row's fault.
        """
        try:
            self._source.emails(c, [Email(0, 0, key, 0, 0, 0, "")])
        except DBAPIError as error:
            if is_away(error) or is_contention(error):
                raise
        except Exception:
            log.exception("email_cannot_be_read", email=key)
        else:
            return True
        self._source.emails(c, [Email(0, 0, "0", 0, 0, 0, "")])
        return False

    def job_keys(self, job_ids: Sequence[int]) -> dict[int, str]:
        """The source's keys of jobs."""
        return self._database.run(lambda c: job_keys(c, job_ids))

    def email_key(self, email_id: int) -> str | None:
        """The source's key of an email."""
        return self._database.run(lambda c: email_key(c, email_id))

    def knows(self, ticket: Ticket) -> bool:
        """Whether the ledger has this email, in this gen or a later one."""
        statement = select(eed_email.c.gen).where(eed_email.c.email_id == ticket.email_id)
        gen = self._database.run(lambda c: c.execute(statement).scalar_one_or_none())
        return gen is not None and ticket.gen <= gen

    def expire_jobs(self) -> int:
        """Jobs whose `expires_at` has passed are cancelled, with that as the reason."""

        def work(c: Connection) -> int:
            ids = c.execute(select(eed_job.c.job_id).where(*_HAS_EXPIRED).order_by(eed_job.c.job_id)).scalars().all()
            expired = [job_id for job_id in ids if c.execute(EXPIRE_JOB, {"id": job_id}).rowcount == 1]
            for job_id in expired:
                note(c, SERVICE, Act(ActKind.EXPIRE, job_id, reason=EXPIRED))
            facts = with_reason(EXPIRED)
            self._outbox.put(c, [Notice(NoticeKind.JOB_CANCELLED, job_id, facts=facts) for job_id in expired])
            return len(expired)

        return self._database.did(work)

    def end_leftovers(self) -> int:
        """Emails of cancelled or failed jobs that no worker holds end like their job.

        One chunk a call. Returns how many.
        """

        def work(c: Connection) -> int:
            jobs = c.execute(
                select(eed_job.c.job_id, eed_job.c.state, eed_job.c.reason)
                .where(eed_job.c.state.in_(_ENDED), eed_job.c.finished_at.is_(None))
                .order_by(eed_job.c.job_id)
            ).all()
            done = 0
            for job in jobs:
                if done < self._chunk:
                    done += self._end(c, job.job_id, _ENDED[JobState(job.state)], job.reason)
            return done

        return self._database.did(work)

    def _end(self, c: Connection, job_id: int, state: EmailState, reason: str | None) -> int:
        waiting = eed_email.c.state.in_([EmailState.PENDING, EmailState.QUEUED])
        strays = self._select(c, (eed_email.c.job_id == job_id) & waiting)
        to_state = {"to_state": state, "reason": reason}
        ends = [BoundStatement(END_LEFTOVER, {**_same(stray), **to_state}, rows=None) for stray in strays]
        requests = (ends[start : start + STATEMENTS_A_REQUEST] for start in range(0, len(ends), STATEMENTS_A_REQUEST))
        counts = [result.matched for request in requests for result in execute(c, request)]
        ended = [stray for stray, count in zip(strays, counts, strict=True) if count == 1]
        self._source.write_emails(c, [stray.key for stray in ended if stray.resend_of is None], state, reason or "")
        return len(ended)

    def finishable(self, *, ended_only: bool = False) -> list[int]:
        """Up to a chunk of jobs that are enlisted to the end and have no email left that is open, or whose doubt an
        event may still settle. `ended_only` means of the cancelled or failed ones."""
        open_email = (
            exists().where(eed_email.c.job_id == eed_job.c.job_id).where(eed_email.c.state.in_(sorted(OPEN_STATES)))
        )
        statement = select(eed_job.c.job_id).where(
            eed_job.c.finished_at.is_(None), eed_job.c.enlisted_at.is_not(None), ~open_email
        )
        if ended_only:
            statement = statement.where(eed_job.c.state.in_(_ENDED))
        if self._reconcile_seconds:
            statement = statement.where(~_FRESH_DOUBT).params(reconcile=self._reconcile_seconds)
        return self._database.run(lambda c: list(c.execute(statement.limit(self._chunk)).scalars()))

    def finish(
        self, job_id: int, manifests_of: Collection[str] = (), known: Collection[str] | None = None
    ) -> bool | None:
        """Finish a job that balances, and update the source. A job of the channels `manifests_of` wants a manifest
        then. So does one of a channel that is not `known` here, if it has put files: other hosts have its settings.
        None if it is open again. False if it does not balance."""
        return self._database.did(lambda c: self._finish(c, job_id, manifests_of, known))

    def _finish(
        self, c: Connection, job_id: int, manifests_of: Collection[str], known: Collection[str] | None
    ) -> bool | None:
        # The lock comes first: a requeue takes it too, so that it comes wholly before or wholly after this.
        job = c.execute(select(eed_job).where(eed_job.c.job_id == job_id).with_for_update()).one()
        counted = select(eed_email.c.state, func.count()).where(eed_email.c.job_id == job_id)
        counts: dict[str, int] = dict(c.execute(counted.group_by(eed_email.c.state)).all())
        if job.finished_at is not None or job.enlisted_at is None or OPEN_STATES & counts.keys():
            return None
        if sum(counts[state] for state in END_STATES & counts.keys()) != job.total:
            return False
        if self._has_late_rows(c, job_id, job.source_key):
            _must_change(c, ENLIST_AGAIN, job_id)
            return None
        ends_as = JobState(job.state) if job.state in _ENDED else JobState.FINISHED
        _must_change(c, FINISH.values(state=ends_as, final_counts=as_counts(counts)), job_id)
        if job.channel in manifests_of:
            manifests.want(c, job_id, job.channel, finished=ends_as is JobState.FINISHED)
        elif known is not None and job.channel not in known:
            manifests.want(c, job_id, job.channel, finished=False)
        self._source.write_job(c, job.source_key, ends_as)
        facts = with_reason(job.reason, state=ends_as, total=job.total, emails=counts, refused=job.refused)
        self._outbox.put(c, [Notice(NoticeKind.JOB_FINISHED, job_id, facts=facts)])
        return True

    def _has_late_rows(self, c: Connection, job_id: int, key: str) -> bool:
        """Whether the source has got unsent rows of this job since it was enlisted. Where the row is the job, it can
        have no others."""
        known = Known(eed_email, eed_refusal, job_id)
        return not self._source.single and bool(self._source.unknown(c, key, known, 1))

    def _strays(
        self,
        c: Connection,
        which: ColumnElement[bool],
        patience: float = 0,
        of_jobs: ColumnElement[bool] | None = None,
    ) -> list[Stray]:
        """Strays of unfinished jobs, found by the index on job and state. A walk over all emails ever sent is not what
        a database should do every ten seconds."""
        unfinished = select(eed_job.c.job_id).where(eed_job.c.finished_at.is_(None))
        if of_jobs is not None:
            unfinished = unfinished.where(of_jobs)
        jobs = list(c.execute(unfinished).scalars())
        found: list[Stray] = []
        for start in range(0, len(jobs), JOBS_A_QUERY):
            if len(found) < self._chunk:
                found += self._select(c, eed_email.c.job_id.in_(jobs[start : start + JOBS_A_QUERY]) & which, patience)
        return found

    def _select(self, c: Connection, which: ColumnElement[bool], patience: float = 0) -> list[Stray]:
        columns = [
            eed_email.c[name]
            for name in ("email_id", "source_key", "gen", "token", "attempts", "recipient", "resend_of")
        ]
        statement = select(*columns).where(which).limit(self._chunk)
        values = {"patience": patience} if "patience" in statement.compile().params else {}
        strays = [
            Stray(
                row.email_id,
                row.source_key or str(row.email_id),
                row.gen,
                row.token,
                row.attempts,
                row.recipient,
                row.resend_of,
            )
            for row in c.execute(statement, values)
        ]
        return sorted(strays, key=lambda stray: stray.email_id)  # one order for all processes' row locks


def _must_change(c: Connection, statement: Update, job_id: int) -> None:
    """Change a job that this transaction has locked. Raises `Miscounted` when it is not as it was read."""
    if c.execute(statement, {"id": job_id}).rowcount != 1:
        raise Miscounted(f"job {job_id} has changed under its lock, so nothing of it is written")


def _same(stray: Stray) -> dict[str, int]:
    return {"id": stray.email_id, "of_gen": stray.gen}
