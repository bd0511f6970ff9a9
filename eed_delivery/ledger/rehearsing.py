"""Rehearsals: which job is being rehearsed, what was seen of its emails so far, and what each rehearsal came to.

Rows are entered and deleted, and never changed. Nothing of the source is written.
"""

import json
import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, delete, exists, insert, or_, select
from sqlalchemy.exc import IntegrityError

from eed_delivery import addresses
from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.holds.held import JOB_NOT_HELD, is_held
from eed_delivery.ledger.long_acts.long_act import ENDED
from eed_delivery.ledger.schema import (
    eed_email,
    eed_job,
    eed_operation,
    eed_rehearsal,
    eed_rehearsal_lock,
    eed_rehearsal_part,
    eed_suppression,
)
from eed_delivery.ledger.suppression.erased import KEY_IDS
from eed_delivery.ledger.suppression.statements import EVERY_EMAIL, in_force
from eed_delivery.ledger.windows.is_open import WINDOW_IS_OPEN
from eed_delivery.model import EmailState, JobState
from eed_delivery.pseudonyms import NO_PSEUDONYMS, Pseudonyms

KEPT_SECONDS = 90 * 86_400.0
"""How long a rehearsal is kept, as an operation is."""
ORPHANED_SECONDS = 3600.0
"""How long the parts of an operation are kept that was stopped or has failed."""
SECRET = 0
"""The number of the part that is the key of all others' hashes. Pages have numbers above it."""
PARTS_AT_ONCE = 20
_LIVE = (EmailState.PENDING, EmailState.QUEUED, EmailState.SENDING)

_r, _p, _l, _o = eed_rehearsal.c, eed_rehearsal_part.c, eed_rehearsal_lock.c, eed_operation.c


class AlreadyRehearsed(Exception):
    """Another operation rehearses the job. `operation` is its id."""

    def __init__(self, operation: str) -> None:
        super().__init__(operation)
        self.operation = operation


@dataclass(frozen=True, slots=True)
class KeptRehearsal:
    """What a rehearsal came to. `emails` is how many emails of the job were not sent yet at its end.

    `whole`: every one of them was looked at. `template` is a digest of what they share. `facts` has findings, samples
    and changes, as JSON values. Times are UTC.
    """

    operation: str
    job: str
    verdict: str
    whole: bool
    digest: str
    template: str
    emails: int
    looked_at: int
    rendered: int
    total_bytes: int
    facts: Mapping[str, Any]
    made_at: datetime


class RehearsalLedger:
    """Keeps rehearsals. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, pseudonyms: Pseudonyms = NO_PSEUDONYMS) -> None:
        self._database = database
        self._pseudonyms = pseudonyms

    def lock(self, c: Connection, job: str, operation: str) -> None:
        """Let `operation` be the only one that rehearses this job, in the caller's transaction.

        Raises `AlreadyRehearsed`.
        """
        going_on = select(_l.operation_id, _o.state).outerjoin(eed_operation, _o.operation_id == _l.operation_id)
        row = c.execute(going_on.where(_l.job_key == job).with_for_update()).first()
        if row is not None and row.operation_id == operation:
            return
        if row is not None and row.state is not None and row.state not in ENDED:
            raise AlreadyRehearsed(row.operation_id)
        c.execute(delete(eed_rehearsal_lock).where(_l.job_key == job))
        try:
            c.execute(insert(eed_rehearsal_lock).values(job_key=job, operation_id=operation, made_at=utc_now()))
        except IntegrityError as error:
            raise AlreadyRehearsed("that was begun in the same instant") from error

    def put(self, c: Connection, operation: str, number: int, content: bytes) -> None:
        """Keep what was seen of some emails, in the caller's transaction."""
        values = {"operation_id": operation, "number": number, "content": content}
        c.execute(unless_there(insert(eed_rehearsal_part).values(**values, made_at=utc_now())))

    def parts(self, operation: str) -> Iterator[bytes]:
        """What was kept, in its order. Each is read when it is asked for."""
        last = SECRET
        while found := self._database.run(partial(_next_parts, operation=operation, after=last)):
            yield from (content for _, content in found)
            last = found[-1][0]

    def secret(self, operation: str) -> bytes:
        """What keys the hashes of recipients in the parts. It goes with them."""

        def work(c: Connection) -> bytes:
            self.put(c, operation, SECRET, secrets.token_bytes(32))
            one = select(_p.content).where(_p.operation_id == operation, _p.number == SECRET)
            return bytes(c.execute(one).scalar_one())

        return self._database.run(work)

    def end(self, c: Connection, kept: KeptRehearsal) -> None:
        """Keep what a rehearsal came to, in the caller's transaction, and forget its parts."""
        values = {
            "operation_id": kept.operation,
            "job_key": kept.job,
            "verdict": kept.verdict,
            "whole": kept.whole,
            "digest": kept.digest,
            "template": kept.template,
            "emails": kept.emails,
            "looked_at": kept.looked_at,
            "rendered": kept.rendered,
            "total_bytes": kept.total_bytes,
            "facts": json.dumps(kept.facts),
        }
        c.execute(unless_there(insert(eed_rehearsal).values(**values, made_at=utc_now())))
        c.execute(delete(eed_rehearsal_part).where(_p.operation_id == kept.operation))
        c.execute(delete(eed_rehearsal_lock).where(_l.operation_id == kept.operation))

    def of(self, operation: str) -> KeptRehearsal | None:
        """What one operation came to."""
        row = self._database.run(lambda c: c.execute(select(eed_rehearsal).where(_r.operation_id == operation)).first())
        return None if row is None else _kept(row)

    def of_job(self, job: str, limit: int) -> list[KeptRehearsal]:
        """Those of a job, the newest first."""
        newest = select(eed_rehearsal).where(_r.job_key == job).order_by(_r.made_at.desc()).limit(limit)
        return self._database.run(lambda c: [_kept(row) for row in c.execute(newest)])

    def round(self, job: str) -> int:
        """The round of a job that is rehearsed now. One that has finished begins its next one."""
        row = select(eed_job.c.rounds, eed_job.c.finished_at).where(eed_job.c.source_key == job)
        found = self._database.run(lambda c: c.execute(row).first())
        return 0 if found is None else found.rounds + (found.finished_at is not None)

    def live(self, but: str) -> bool:
        """Whether emails of another job than `but` wait, and may leave now: it is not held, and its window is open."""
        e, j = eed_email.c, eed_job.c
        due = or_(e.not_before.is_(None), e.not_before <= utc_now())
        email = exists().where(e.job_id == j.job_id, e.state.in_(_LIVE), due)
        job = select(j.job_id).where(
            j.state == JobState.ACTIVE,
            j.finished_at.is_(None),
            j.source_key != but,
            ~is_held(j.channel, j.category),
            JOB_NOT_HELD,
            WINDOW_IS_OPEN,
            email,
        )
        return self._database.run(lambda c: c.execute(job.limit(1)).first() is not None)

    def suppressed(self, recipients: Collection[str], category: str) -> set[str]:
        """Of these recipients, those that emails of this category may not be sent to."""
        forms = {recipient: addresses.canonical(recipient) for recipient in recipients}
        wanted: dict[str, list[str]] = {}
        for recipient, form in forms.items():
            for entry in self._entries(form) if form else ():
                wanted.setdefault(entry, []).append(recipient)
        s = eed_suppression.c
        listed = select(s.address).where(
            s.address.in_(sorted(wanted)), s.category.in_({EVERY_EMAIL, category}), in_force()
        )
        found = self._database.run(lambda c: list(c.execute(listed).scalars())) if wanted else []
        return {recipient for address in found for recipient in wanted.get(address, ())}

    def _entries(self, form: str) -> Sequence[str]:
        return (form, f"@{form.rpartition('@')[2]}", *self._pseudonyms.all_of(form))

    def unknown_keys(self) -> set[str]:
        """Keys of erased addresses on the suppression list that are not set here."""
        return set(self._database.run(lambda c: list(c.execute(KEY_IDS).scalars()))) - self._pseudonyms.key_ids

    def clean(self) -> None:
        """Delete parts of operations that came to no end, and rehearsals that are old."""
        alive = exists().where(_o.operation_id == _p.operation_id, _o.state.not_in(sorted(ENDED)))
        orphaned = select(_p.operation_id).where(_p.made_at < utc_in(-ORPHANED_SECONDS), ~alive).distinct().limit(10)
        old = select(_r.operation_id).where(_r.made_at < utc_in(-KEPT_SECONDS)).limit(100)

        def work(c: Connection) -> None:
            if ids := list(c.execute(orphaned).scalars()):
                c.execute(delete(eed_rehearsal_part).where(_p.operation_id.in_(ids)))
            if ids := list(c.execute(old).scalars()):
                c.execute(delete(eed_rehearsal).where(_r.operation_id.in_(ids)))

        self._database.run(work)


def newest_whole(c: Connection, job: str) -> KeptRehearsal | None:
    """The newest rehearsal of all emails of a job."""
    newest = select(eed_rehearsal).where(_r.job_key == job, _r.whole).order_by(_r.made_at.desc()).limit(1)
    row = c.execute(newest).first()
    return None if row is None else _kept(row)


def _next_parts(c: Connection, operation: str, after: int) -> list[tuple[int, bytes]]:
    following = select(_p.number, _p.content).where(_p.operation_id == operation, _p.number > after)
    return [(row.number, row.content) for row in c.execute(following.order_by(_p.number).limit(PARTS_AT_ONCE))]


def _kept(row: Row[Any]) -> KeptRehearsal:
    return KeptRehearsal(
        row.operation_id,
        row.job_key,
        row.verdict,
        bool(row.whole),
        row.digest,
        row.template,
        row.emails,
        row.looked_at,
        row.rendered,
        row.total_bytes,
        json.loads(row.facts),
        row.made_at,
    )
