"""The operator's side of the ledger, to requeue, settle, pause, resume and cancel. Works while the service runs."""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, Select, Update, bindparam, case, func, insert, or_, select, update
from sqlalchemy.sql.elements import ColumnElement

from eed_delivery.addresses import canonical
from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.errors import NotPossible
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.acts import Act, ActKind, Particulars, is_noted, new_operation, note
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.holds.held import UNMARKED
from eed_delivery.ledger.schema import DETAIL_LENGTH, RECIPIENT_LENGTH, eed_attempt, eed_email, eed_job
from eed_delivery.ledger.webhooks.outbox import SILENT, Outbox, with_reason
from eed_delivery.ledger.windows.is_open import SHUT
from eed_delivery.model import EmailState, JobState, Verdict, content_key
from eed_delivery.notices import Notice, NoticeKind
from eed_delivery.source import Source

ChosenEmail = Row[tuple[int, int, int, str | None, int | None]]
REQUEUEABLE = frozenset({EmailState.FAILED, EmailState.IN_DOUBT})


class JobChanged(NotPossible):
    """Another person has changed the job since it was looked at. Nothing was done."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which emails a requeue is about. Empty fields do not narrow it.

    `jobs` are job ids, `emails` email ids, and `since_seconds` how long ago an email may have ended at most.
    `error_like` is a SQL LIKE pattern on the reason, with / before a % or _ that is meant literally.
    """

    state: EmailState = EmailState.FAILED
    jobs: tuple[int, ...] = ()
    emails: tuple[int, ...] = ()
    since_seconds: float | None = None
    error_like: str | None = None
    changed_since: datetime | None = None
    """Only emails that have come to their state since then, in UTC."""
    changed_until: datetime | None = None

    @property
    def words(self) -> str:
        """What of it an audit should know. The emails are named there by themselves."""
        ago = "" if self.since_seconds is None else f", ended within {self.since_seconds:,.0f} s"
        like = "" if self.error_like is None else f", reason like {self.error_like}"
        return f"{self.state} ones{ago}{like}"

    def __post_init__(self) -> None:
        if self.state not in REQUEUEABLE:
            raise NotPossible(f"only failed and in_doubt emails can be requeued, not {self.state} ones")


REQUEUE = (
    update(eed_email)
    .where(eed_email.c.email_id == bindparam("id"))
    .where(eed_email.c.gen == bindparam("of_gen"))
    .where(eed_email.c.state == bindparam("from_state"))
    .values(
        state=EmailState.PENDING,
        gen=eed_email.c.gen + 1,
        token=None,  # a worker that still holds the old one writes nothing (G5)
        attempts=0,
        lease_until=None,
        wire_at=None,
        not_before=None,
        detail=None,  # the new generation has no reply yet
        outcome=None,
        outcome_at=None,
        changed_at=utc_now(),
    )
)
SETTLE = (
    update(eed_email)
    .where(eed_email.c.email_id == bindparam("id"))
    .where(eed_email.c.gen == bindparam("of_gen"))
    .where(eed_email.c.state == EmailState.IN_DOUBT)
    .values(
        state=bindparam("to_state"),
        token=bindparam("new_token"),
        detail=bindparam("reason"),
        changed_at=utc_now(),
    )
)
WAIVED = "waived"
"""In place of a rehearsal: a person has let the job start without one."""
_UNFINISHED = update(eed_job).where(eed_job.c.job_id == bindparam("id")).where(eed_job.c.finished_at.is_(None))
PAUSE = _UNFINISHED.where(eed_job.c.state.in_([JobState.ACTIVE, JobState.HELD])).values(
    state=JobState.PAUSED, reason=bindparam("why")
)
_SENT_BY_NOW = (
    select(func.count())
    .where(eed_email.c.job_id == eed_job.c.job_id, eed_email.c.state == EmailState.SENT)
    .correlate(eed_job)
    .scalar_subquery()
)
# An operator has looked at the job: what left before counts against it no more.
WATCHED_ANEW = {
    eed_job.c.watched_from: utc_now(),
    eed_job.c.sent_before: _SENT_BY_NOW,
    eed_job.c.warned_of_bounces: False,
    eed_job.c.warned_of_complaints: False,
}
_OPEN_AGAIN = {
    eed_job.c.state: JobState.ACTIVE,
    eed_job.c.finished_at: None,
    eed_job.c.reason: None,
    **WATCHED_ANEW,
    **UNMARKED,
    **SHUT,
}
RESUME = _UNFINISHED.where(eed_job.c.state == JobState.PAUSED).values(
    {
        eed_job.c.state: JobState.ACTIVE,
        eed_job.c.reason: None,
        eed_job.c.revision: eed_job.c.revision + 1,
        eed_job.c.watched: bindparam("is_watched"),
        eed_job.c.rehearsal: bindparam("of_rehearsal"),  # NULL: the publisher asks for one before it starts
        **WATCHED_ANEW,
    }
)
CANCEL = _UNFINISHED.where(eed_job.c.state.in_([JobState.ACTIVE, JobState.PAUSED, JobState.HELD])).values(
    state=JobState.CANCELLED, reason=bindparam("why")
)
# A job that could not start may be tried again once its template is mended; a cancelled one stays cancelled.
REOPEN = (
    update(eed_job)
    .where(eed_job.c.job_id == bindparam("id"))
    .where(eed_job.c.state.in_([JobState.ACTIVE, JobState.PAUSED, JobState.HELD, JobState.FINISHED, JobState.FAILED]))
    .values(
        revision=eed_job.c.revision + 1,
        # An operator who requeues wants it sent: a time that has passed would only cancel it again.
        expires_at=case((eed_job.c.expires_at <= utc_now(), None), else_=eed_job.c.expires_at),
    )
)


class OperatingLedger:
    """What an operator may do to the ledger. Each call raises `DatabaseGone` when the database stays away.

    Each change is in the audit, in its own transaction (G7).
    """

    def __init__(
        self, database: Database, source: Source, chunk: int = 1000, *, outbox: Outbox = SILENT, who: Actor = SERVICE
    ) -> None:
        """`outbox` receives its notices. `who` acts, for the audit."""
        self._database = database
        self._who = who
        self._source = source
        self._outbox = outbox
        self._chunk = chunk

    def count(self, selection: Selection) -> int:
        """How many emails a requeue of `selection` would touch."""
        counted = select(func.count()).select_from(chosen_emails(selection).subquery())
        return self._database.run(lambda c: c.execute(counted).scalar_one())

    def requeue(self, selection: Selection, reason: str | None = None) -> int:
        """Give the selected emails a new generation and send them again. Returns how many.

        In chunks of one transaction each. What a crash leaves undone stays failed and can be requeued again.
        """
        done = Counter[int]()
        operation = new_operation()
        after = 0
        while rows := self.next_rows(selection, after, self._chunk):
            # Chosen outside of the transaction that changes them: should that one run again, because its answer was
            # lost, then for the same generations, and never for a doubt that has come since.
            chunk = self._database.did(partial(self.requeue_rows, selection, rows, operation, reason=reason))
            done.update(chunk)
            after = rows[-1].email_id
        return done.total()

    def next_rows(self, selection: Selection, after: int, limit: int) -> Sequence[ChosenEmail]:
        """The selected emails behind one, by their ids."""
        chosen = chosen_emails(selection).where(eed_email.c.email_id > after).order_by(eed_email.c.email_id)
        return self._database.run(lambda c: c.execute(chosen.limit(limit)).all())

    def requeue_rows(
        self,
        selection: Selection,
        rows: Sequence[ChosenEmail],
        operation: str,
        c: Connection,
        reason: str | None = None,
    ) -> dict[int, int]:
        """For each job how many of these were requeued, in the caller's transaction."""
        # Jobs first: the sweeper's `finish` takes the same lock, and so never finishes a job that is open again.
        open_jobs = {job_id for job_id in sorted({r.job_id for r in rows}) if self._reopens(c, job_id)}
        requeued: list[ChosenEmail] = []
        for row in rows:
            values = {"id": row.email_id, "of_gen": row.gen, "from_state": selection.state}
            if row.job_id in open_jobs and c.execute(REQUEUE, values).rowcount == 1:
                requeued.append(row)
        keys = [row.source_key or str(row.email_id) for row in requeued if row.resend_of is None]
        self._source.write_emails(c, keys, EmailState.PENDING, "")
        return self._note_requeue(c, selection, requeued, operation, reason)

    def _note_requeue(
        self, c: Connection, selection: Selection, requeued: Sequence[ChosenEmail], operation: str, reason: str | None
    ) -> dict[int, int]:
        """A row of the audit for each job of this chunk, or for each email where they were named."""
        counts = Counter(row.job_id for row in requeued)
        before, after = {"state": selection.state}, {"state": EmailState.PENDING}
        why = f"{reason} ({selection.words})" if reason else selection.words
        act = Act(ActKind.REQUEUE, reason=why, before=before, after=after, operation=operation)
        if selection.emails:
            for row in requeued:
                self._note(c, replace(act, job_id=row.job_id, email_id=row.email_id, count=1))
        else:
            for job_id, count in counts.items():
                self._note(c, replace(act, job_id=job_id, count=count))
        return dict(counts)

    def _reopens(self, c: Connection, job_id: int) -> bool:
        return reopen(c, self._source, self._outbox, job_id)

    def _note(self, c: Connection, act: Act) -> None:
        note(c, self._who, act)

    def readdressed(self, selection: Selection) -> int:
        """How many of the selected emails have another address in the source than the ledger knows. A requeue sends
        them there."""
        found = 0
        after = 0
        while rows := self._database.run(partial(self._next_addressed, selection, after)):
            found += self._database.run(partial(self._readdressed, rows))
            after = rows[-1].email_id
        return found

    def _next_addressed(self, selection: Selection, after: int, c: Connection) -> Sequence[Row[Any]]:
        chosen = chosen_emails(selection).add_columns(eed_email.c.recipient)
        chosen = chosen.where(eed_email.c.email_id > after, eed_email.c.redirected.is_(False))
        return c.execute(chosen.order_by(eed_email.c.email_id).limit(self._chunk)).all()

    def _readdressed(self, rows: Sequence[Row[Any]], c: Connection) -> int:
        known = [(content_key(r.source_key or str(r.email_id), r.resend_of), r.recipient) for r in rows]
        now = self._source.recipients(c, [key for key, _ in known])
        return sum(_is_another(recipient, now[key]) for key, recipient in known if key in now)

    def settle(
        self, email_ids: Sequence[int], state: EmailState, reason: str, file_channels: Collection[str] = ()
    ) -> list[int]:
        """Write an operator's decision on emails in doubt, `sent` or `failed`. Returns the ids that were settled.

        Those of `file_channels` are not settled as sent: no manifest would list their files.
        """
        if state not in (EmailState.SENT, EmailState.FAILED):
            raise NotPossible(f"an email in doubt can be settled as sent or failed, not as {state}")
        if state is EmailState.SENT and file_channels:
            self.refuse_files(email_ids, file_channels)
        operation = new_operation()
        # Read outside of the transaction that settles them, as in `requeue`.
        doubts = self._database.run(partial(_doubts_of, email_ids))
        return self._database.did(lambda c: self.settle_rows(doubts, state, reason, operation, c))

    def settle_rows(
        self, emails: Sequence[tuple[int, int]], state: EmailState, reason: str, operation: str, c: Connection
    ) -> list[int]:
        """Settle those of the emails that are in doubt in this generation, in the caller's transaction.

        `emails` are ids and generations. Returns the ids of those that are settled.
        """
        before, after = {"state": EmailState.IN_DOUBT}, {"state": state}
        act = Act(ActKind.SETTLE, reason=reason, count=1, before=before, after=after, operation=operation)
        return [i for i, gen in emails if self._settle(c, i, gen, state, reason, act)]

    def refuse_files(self, email_ids: Sequence[int], file_channels: Collection[str]) -> None:
        """Raises `NotPossible` if one of these is on a channel that puts files."""
        which = (
            select(eed_email.c.email_id, eed_email.c.source_key)
            .join(eed_job, eed_job.c.job_id == eed_email.c.job_id)
            .where(eed_email.c.email_id.in_(email_ids), eed_email.c.state == EmailState.IN_DOUBT)
            .where(eed_job.c.channel.in_(sorted(file_channels)))
            .limit(1)
        )
        row = self._database.run(lambda c: c.execute(which).one_or_none())
        if row is not None:
            raise NotPossible(
                f"email {row.source_key or row.email_id} is on a channel that puts files, and no person needs to know "
                "whether they are there. Settle it as failed and requeue it: files that are there count as put."
            )

    def _settle(self, c: Connection, email_id: int, gen: int, state: EmailState, reason: str, act: Act) -> bool:
        values = {
            "id": email_id,
            "of_gen": gen,
            "to_state": state,
            "reason": reason[:DETAIL_LENGTH],
            "new_token": new_token(),
        }
        if c.execute(SETTLE, values).rowcount != 1:
            return False
        row = c.execute(select(eed_email).where(eed_email.c.email_id == email_id)).one()
        verdict = Verdict.SENT if state is EmailState.SENT else Verdict.PERMANENT
        c.execute(
            insert(eed_attempt).values(
                email_id=email_id,
                gen=row.gen,
                attempt=row.attempts,
                verdict=verdict,
                counted=False,
                reply=reason[:DETAIL_LENGTH],
                worker="operator",
                ended_at=utc_now(),
            )
        )
        self._note(c, replace(act, job_id=row.job_id, email_id=email_id))
        if row.resend_of is None:
            key = row.source_key or str(email_id)
            self._source.write_email(c, key, state, reason, row.attempts, row.message_id)
        if state is EmailState.FAILED:
            self._outbox.put(c, [Notice(NoticeKind.EMAIL_FAILED, row.job_id, email_id, row.gen)])
        return True

    def version(self, job_id: int) -> str | None:
        """What changes with each decision on a job. None if it has gone."""
        return self._database.run(lambda c: _version(_standing(c, job_id)))

    def pause(self, job_id: int, reason: str, *, notice_reason: str | None = None, version: str | None = None) -> bool:
        """Stop giving out the wire for a job. False when it is neither active nor held.

        `notice_reason` is what a webhook says in place of a reason that quotes a mail server. `version` is the one that
        was seen. Raises `JobChanged` if it is another one by now.
        """
        notice = Notice(NoticeKind.JOB_PAUSED, job_id, facts=with_reason(notice_reason or reason))
        values = {"id": job_id, "why": reason[:DETAIL_LENGTH]}
        act = Act(ActKind.PAUSE, job_id, reason=reason, after={"state": JobState.PAUSED})
        return self._change(PAUSE, values, act, notice, version)

    def resume(
        self,
        job_id: int,
        *,
        watched: bool = True,
        rehearsed: bool = True,
        reason: str | None = None,
        version: str | None = None,
    ) -> bool:
        """Resume a paused job, with its templates read again, and watched again or not any more. False when it is not
        paused. `version` as in `pause`. With `rehearsed` False no rehearsal is asked for."""
        values = {"id": job_id, "is_watched": watched, "of_rehearsal": None if rehearsed else WAIVED}
        left_out = [None if watched else "unwatched", None if rehearsed else "unrehearsed"]
        why = ", ".join(filter(None, [*left_out, reason]))
        act = Act(ActKind.RESUME, job_id, reason=why or None, after={"state": JobState.ACTIVE, "watched": watched})
        return self._change(RESUME, values, act, Notice(NoticeKind.JOB_RESUMED, job_id), version)

    def cancel(self, job_id: int, reason: str, version: str | None = None) -> bool:
        """End a job. What is not on the wire yet will not be sent. False when it has ended already. `version` as in
        `pause`."""
        notice = Notice(NoticeKind.JOB_CANCELLED, job_id, facts=with_reason(reason))
        values = {"id": job_id, "why": reason[:DETAIL_LENGTH]}
        act = Act(ActKind.CANCEL, job_id, reason=reason, after={"state": JobState.CANCELLED})
        return self._change(CANCEL, values, act, notice, version)

    def _change(
        self, statement: Update, values: Mapping[str, object], act: Act, notice: Notice, version: str | None
    ) -> bool:
        def work(c: Connection) -> bool:
            if is_noted(c, act.operation, act.kind):
                return True  # it was committed, and its answer was lost: the version is another one by that itself
            standing = _standing(c, act.job_id)
            if version is not None and version != _version(standing):
                raise JobChanged("the job has changed since you looked at it. Look again, then decide")
            before = None if standing is None else {name: standing[name] for name in ("state", "reason", "watched")}
            changed = c.execute(statement, values).rowcount == 1
            if changed:
                self._note(c, replace(act, before=before))
                self._outbox.put(c, [notice])
            return changed

        return self._database.did(work)


def _standing(c: Connection, job_id: int | None) -> Particulars | None:
    """A job's state before it is changed, held until then."""
    j = eed_job.c
    columns = (j.state, j.reason, j.watched, j.revision, j.rounds, j.finished_at.is_not(None).label("ended"))
    found = c.execute(select(*columns).where(j.job_id == job_id).with_for_update()).one_or_none()
    return None if found is None else dict(found._mapping)


def _version(standing: Particulars | None) -> str | None:
    """A pause has no number of its own: its reason stands for it."""
    if standing is None:
        return None
    facts = repr([(name, bool(value) if name in ("watched", "ended") else value) for name, value in standing.items()])
    return hashlib.sha256(facts.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def reopen(c: Connection, source: Source, outbox: Outbox, job_id: int) -> bool:
    """Lock a job to which emails are about to come back, and open it if it has finished. False for a cancelled one."""
    if c.execute(REOPEN, {"id": job_id}).rowcount != 1:
        return False
    job = c.execute(select(eed_job).where(eed_job.c.job_id == job_id)).one()
    if job.state in (JobState.FINISHED, JobState.FAILED):
        c.execute(update(eed_job).where(eed_job.c.job_id == job_id).values(_OPEN_AGAIN))
        source.write_job(c, job.source_key, JobState.ACTIVE)
        outbox.put(c, [Notice(NoticeKind.JOB_REOPENED, job_id)])
    return True


def _doubts_of(email_ids: Sequence[int], c: Connection) -> list[tuple[int, int]]:
    """Those that are in doubt, each with its generation."""
    e = eed_email.c
    rows = c.execute(select(e.email_id, e.gen).where(e.email_id.in_(email_ids), e.state == EmailState.IN_DOUBT))
    gens = {row.email_id: row.gen for row in rows}
    return [(email_id, gens[email_id]) for email_id in email_ids if email_id in gens]


def _is_another(known: str, now: str) -> bool:
    """Whether these are two addresses. Of what is none, whether they are two texts."""
    form = canonical(now)
    return form != canonical(known) or (form is None and now[:RECIPIENT_LENGTH] != known)


def chosen_emails(selection: Selection) -> Select[tuple[int, int, int, str | None, int | None]]:
    where: list[ColumnElement[bool]] = [eed_email.c.state == selection.state]
    if selection.jobs:
        where.append(eed_email.c.job_id.in_(selection.jobs))
    if selection.emails:
        where.append(eed_email.c.email_id.in_(selection.emails))
    if selection.since_seconds is not None:
        where.append(eed_email.c.changed_at >= utc_in(-selection.since_seconds))
    if selection.changed_since is not None:
        where.append(eed_email.c.changed_at > selection.changed_since)
    if selection.changed_until is not None:
        where.append(or_(eed_email.c.changed_at.is_(None), eed_email.c.changed_at <= selection.changed_until))
    if selection.error_like is not None:
        where.append(eed_email.c.detail.like(selection.error_like, escape="/"))
    # A cancelled job takes nothing back: its emails are left out of the count, too.
    not_cancelled = (
        select(eed_job.c.job_id)
        .where(eed_job.c.job_id == eed_email.c.job_id, eed_job.c.state != JobState.CANCELLED)
        .exists()
    )
    ids = (eed_email.c.email_id, eed_email.c.job_id, eed_email.c.gen)
    return select(*ids, eed_email.c.source_key, eed_email.c.resend_of).where(*where, not_cancelled)
