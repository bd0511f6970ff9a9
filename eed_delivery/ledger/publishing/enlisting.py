"""From the source's rows to the ledger's emails, a chunk at a time, with sums that come out even (G1).

Of every row that means "not sent yet" one of these becomes true, in the transaction that moves the cursor over it:

    it is enlisted             a new email of this job
    it has a new generation    the ledger knew its key, and `source.job.known_rows` allows it
    it is refused              with its reason in `eed_refusal`, in the log and in the source's status

No statement hides a row. What an INSERT or UPDATE changed is counted, and what does not add up is rolled back.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from eed_delivery.addresses import canonical
from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.errors import LeaseLost, Miscounted
from eed_delivery.ledger.address_sql import plain_form
from eed_delivery.ledger.addresses import complete
from eed_delivery.ledger.publishing.known_rows import KnownEmail, KnownRowFate, fate
from eed_delivery.ledger.schema import (
    DETAIL_LENGTH,
    RECIPIENT_LENGTH,
    eed_email,
    eed_former_address,
    eed_job,
    eed_refusal,
)
from eed_delivery.model import KEY_LENGTH, LARGEST_KEY, RESEND_IDS, EmailState, JobState, SourceRow
from eed_delivery.source import Known, Source

Key = str | int

SHOWN_LENGTH = 255
"""Limit: characters that are shown of a key that cannot be stored."""
SMALL_JOB = 20
"""Limit: emails of a small job, whose pending emails are read together with those of others."""

TOO_SMALL = "its key cannot be stored: keys are numbers from 1 on"
TOO_LARGE = f"its key cannot be stored: the largest number is {LARGEST_KEY}"
RESERVED = f"its key cannot be stored: {RESEND_IDS[0]} to {RESEND_IDS[-1]} are the numbers of resends"
EMPTY = "its key cannot be stored: it is empty"
TOO_LONG = f"its key cannot be stored: it is longer than {KEY_LENGTH} characters"
BLANK_AT_END = "its key cannot be stored: a blank at its end is not compared, so it may equal another key"
TWICE = "its key occurs twice in one chunk, because the mapped table or view has several rows with it"


@dataclass(frozen=True, slots=True)
class LeasedJob:
    """A job that this publisher holds. `token` fences every change it makes. `rehearsal` is what it was started by."""

    job_id: int
    key: str
    name: str
    state: JobState
    token: int
    total: int
    started: bool
    enlisted: bool
    channel: str
    rehearsal: str | None = None

    def log_facts(self) -> dict[str, object]:
        """What a log line about it says of it. `job` is the source's key, `job_id` the ledger's number."""
        return {"job": self.key, "job_id": self.job_id}

    @property
    def is_small(self) -> bool:
        """Whether its pending emails may be read together with those of other jobs."""
        return self.enlisted and self.total <= SMALL_JOB


@dataclass(slots=True)
class Chunk:
    """What became of one chunk of rows. `found` counts those that the job did not have yet."""

    rows: int = 0
    found: int = 0
    enlisted: int = 0
    regenerated: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    closed: bool = False  # there was nothing left: the job is enlisted to its end

    @property
    def counts(self) -> dict[str, int]:
        """The values of `COUNTED`."""
        return {
            "rows_found": self.found,
            "rows_enlisted": self.enlisted,
            "rows_regenerated": self.regenerated,
            "rows_refused": self.refused.total(),
        }


# The first statement of a chunk takes the job's row lock. From then on no other can take the job, however long the
# chunk lasts: the later ones need the token alone, and begin the lease anew.
HOLD = (
    update(eed_job)
    .where(eed_job.c.job_id == bindparam("id"))
    .where(eed_job.c.token == bindparam("our_token"))
    .where(eed_job.c.lease_until > utc_now())
    .where(eed_job.c.enlisted_at.is_(None))
    .values(lease_until=utc_in(bindparam("lease")))
)
_OURS = (
    update(eed_job)
    .where(eed_job.c.job_id == bindparam("id"))
    .where(eed_job.c.token == bindparam("our_token"))
    .values(lease_until=utc_in(bindparam("lease")))
)
SETTLED_BEFORE = _OURS.values(not_enlisted=bindparam("settled"))
ENLISTED = _OURS.values(enlisted_at=utc_now())
COUNTED = _OURS.values(
    enlist_after=func.coalesce(bindparam("cursor"), eed_job.c.enlist_after),
    found=eed_job.c.found + bindparam("rows_found"),
    total=eed_job.c.total + bindparam("rows_enlisted"),
    regenerated=eed_job.c.regenerated + bindparam("rows_regenerated"),
    refused=eed_job.c.refused + bindparam("rows_refused"),
)

REGENERATE = (
    update(eed_email)
    .where(eed_email.c.email_id == bindparam("id"))
    .where(eed_email.c.gen == bindparam("of_gen"))
    .where(eed_email.c.state == bindparam("from_state"))
    .where(eed_email.c.job_id == bindparam("from_job"))
    .values(
        job_id=bindparam("to_job"),
        recipient=bindparam("to_recipient"),
        address=bindparam("to_address"),
        state=EmailState.PENDING,
        gen=eed_email.c.gen + 1,
        token=None,
        attempts=0,
        lease_until=None,
        wire_at=None,
        not_before=None,
        queued_at=None,
        detail=None,
        message_id=None,
        outcome=None,
        outcome_at=None,
        changed_at=utc_now(),
    )
)
FORMER_ADDRESS = unless_there(insert(eed_former_address)).from_select(
    ["address", "email_id"],
    select(eed_email.c.address, eed_email.c.email_id)
    .where(eed_email.c.email_id == bindparam("its_id"))
    .where(eed_email.c.address.is_not(None))
    .where(eed_email.c.address != bindparam("new_address")),
)
TAKEN_OVER = (
    update(eed_job)
    .where(eed_job.c.job_id == bindparam("id"))
    .values(total=eed_job.c.total - 1, moved=eed_job.c.moved + 1)
)

_EMAIL = insert(eed_email)
_REFUSAL = insert(eed_refusal).values(
    job_id=bindparam("its_job"),
    job_key=bindparam("its_job_key"),
    source_key=bindparam("its_key"),
    reason=bindparam("why"),
    round=bindparam("of_round"),
    refused_at=utc_now(),
)


class Enlisting:
    """Enlists within a transaction that is given. Raises `LeaseLost` when the job is no longer this publisher's."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def chunk(self, c: Connection, job: LeasedJob, size: int, lease: float) -> Chunk:
        """Take the next `size` unsent rows of a job, and move the cursor over them."""
        fence = {"id": job.job_id, "our_token": job.token, "lease": lease}
        _must(c.execute(HOLD, fence).rowcount)
        facts = select(eed_job.c.enlist_after, eed_job.c.rounds).where(eed_job.c.job_id == job.job_id)
        after, round_ = c.execute(facts).one()
        if after is None and round_ == 0:
            settled = self._source.already_settled_count(c, job.key)
            _must(c.execute(SETTLED_BEFORE, {**fence, "settled": settled}).rowcount)
        if after is not None and self._source.copies_plainly(c):
            copied = self._copy(c, job, after, size)
            if copied is not None:
                chunk, last = copied
                _must(c.execute(COUNTED, {**fence, **chunk.counts, "cursor": last}).rowcount)
                return chunk
        rows = self._source.unsent(c, job.key, after, size)
        if not rows:
            return self._close(c, job, size, round_, fence)
        chunk = self._take(c, job, rows, round_)
        cursors = [str(row.key) for row in rows if len(str(row.key)) <= KEY_LENGTH]
        # Without a cursor nothing is lost: the rows are refused now, and not read again.
        _must(c.execute(COUNTED, {**fence, **chunk.counts, "cursor": cursors[-1] if cursors else None}).rowcount)
        return chunk

    def _copy(self, c: Connection, job: LeasedJob, after: str, size: int) -> tuple[Chunk, str] | None:
        """The usual chunk, inside the database. Source and ledger are in one, and nothing here needs to see the rows.

        None when not every row was copied, because a key is known or cannot be stored. Then they are examined one by
        one.
        """
        rows, last = self._source.unsent_until(c, job.key, after, size)
        if last is None:
            return None
        unsent = self._source.unsent_between(job.key, after, last)
        new = select(
            literal(job.job_id),
            func.substr(unsent.c.recipient, 1, RECIPIENT_LENGTH),
            literal(EmailState.PENDING.value),
            unsent.c.key,
            plain_form(unsent.c.recipient),
        ).where(unsent.c.key <= LARGEST_KEY, ~unsent.c.key.between(RESEND_IDS[0], RESEND_IDS[-1]))
        copy = _EMAIL.from_select(["job_id", "recipient", "state", "email_id", "address"], new)
        savepoint = c.begin_nested()
        try:
            if c.execute(copy).rowcount == rows:
                complete(c, int(after) + 1, int(last))
                savepoint.commit()
                return Chunk(rows=rows, found=rows, enlisted=rows), str(last)
        except IntegrityError:  # one of the keys is known
            pass
        savepoint.rollback()
        return None

    def _close(self, c: Connection, job: LeasedJob, size: int, round_: int, fence: Mapping[str, object]) -> Chunk:
        """There is nothing beyond the cursor. What came behind it meanwhile is taken now. If nothing has, every row
        that means "not sent yet" is in the ledger or refused, and the job is enlisted."""
        known = Known(eed_email, eed_refusal, job.job_id)
        chunk = self._take(c, job, self._source.unknown(c, job.key, known, size), round_)
        strays = self._source.spelt_otherwise(c, job.key, size)
        self._refuse(c, job, [(row.key, _of_no_job(named, job.key), True) for row, named in strays], round_, chunk)
        chunk.rows += len(strays)
        chunk.found += len(strays)
        if chunk.rows:
            _must(c.execute(COUNTED, {**fence, **chunk.counts, "cursor": None}).rowcount)
        else:
            _must(c.execute(ENLISTED, fence).rowcount)
            chunk.closed = True
        return chunk

    def _take(self, c: Connection, job: LeasedJob, rows: Sequence[SourceRow], round_: int) -> Chunk:
        """Rows one by one. Each is enlisted, regenerated, refused, or in the job already."""
        chunk = Chunk(rows=len(rows))
        known = known_emails(c, [row.key for row in rows if unusable(row.key) is None])
        new: dict[Key, SourceRow] = {}
        refused: list[tuple[Key, str, bool]] = []
        for row in rows:
            if (why := unusable(row.key)) is not None:
                refused.append((row.key, why, True))
            elif row.key in new:
                refused.append((row.key, TWICE, False))
            elif (email := known.get(row.key)) is None:
                new[row.key] = row
            else:
                self._take_known(c, job, row, email, refused, chunk)
        if new:
            added = c.execute(_EMAIL, [new_email(job.job_id, row.key, row.recipient) for row in new.values()]).rowcount
            if added != len(new):
                raise Miscounted(f"{added} of {len(new)} emails were inserted, so the chunk is rolled back")
        self._refuse(c, job, refused, round_, chunk)
        chunk.enlisted += len(new)
        chunk.found += len(new) + len(refused)
        return chunk

    def _take_known(
        self,
        c: Connection,
        job: LeasedJob,
        row: SourceRow,
        email: KnownEmail,
        refused: list[tuple[Key, str, bool]],
        chunk: Chunk,
    ) -> None:
        becomes, why = fate(email, job.job_id, self._source.known_rows)
        if becomes is KnownRowFate.REFUSE:
            # While another job is sending it, the source's status speaks of that.
            refused.append((row.key, why, email.state not in _STILL_SENDING))
        elif becomes is KnownRowFate.REGENERATE:
            self._regenerate(c, job, row, email)
            chunk.found += 1
            if email.job_id == job.job_id:
                chunk.regenerated += 1
            else:
                chunk.enlisted += 1

    def _regenerate(self, c: Connection, job: LeasedJob, row: SourceRow, email: KnownEmail) -> None:
        values = {
            "id": email.email_id,
            "of_gen": email.gen,
            "from_state": email.state,
            "from_job": email.job_id,
            "to_job": job.job_id,
            "to_recipient": row.recipient[:RECIPIENT_LENGTH],
            "to_address": canonical(row.recipient),
        }
        c.execute(FORMER_ADDRESS, {"its_id": email.email_id, "new_address": values["to_address"] or ""})
        _must(c.execute(REGENERATE, values).rowcount)
        if email.job_id != job.job_id:
            _must(c.execute(TAKEN_OVER, {"id": email.job_id}).rowcount)

    def _refuse(
        self, c: Connection, job: LeasedJob, refused: Sequence[tuple[Key, str, bool]], round_: int, chunk: Chunk
    ) -> None:
        """Name rows with their reasons. The last of each says whether the source's status is to say it, too."""
        refuse(c, job.job_id, job.key, [(key, why) for key, why, _ in refused], round_)
        self.write_refused(c, [(key, why) for key, why, written in refused if written])
        chunk.refused.update(why for _, why, _ in refused)

    def write_refused(self, c: Connection, refused: Iterable[tuple[Key, str]]) -> None:
        """Write refused rows to the source as failed, with their reasons."""
        by_reason: dict[str, list[Key]] = {}
        for key, why in refused:
            by_reason.setdefault(why, []).append(key)
        for why, keys in by_reason.items():
            self._source.write_emails(c, keys, EmailState.FAILED, f"refused: {why}")


_STILL_SENDING = frozenset({EmailState.PENDING, EmailState.QUEUED, EmailState.SENDING})


def _must(changed: int) -> None:
    """A guarded UPDATE found its row. If not, all of the transaction is rolled back."""
    if changed != 1:
        raise LeaseLost("this publisher has lost the job's lease, or the job has changed, so the chunk is rolled back")


def _of_no_job(named: Key, nearest: Key) -> str:
    return f"its job_id is {named!r}, and no job has that key letter for letter (the nearest is {nearest!r})"


def unusable(key: Key) -> str | None:
    """Why the ledger cannot keep a key exactly. None when it can."""
    if isinstance(key, int):
        return TOO_SMALL if key < 1 else TOO_LARGE if key > LARGEST_KEY else RESERVED if key in RESEND_IDS else None
    if not key:
        return EMPTY
    if len(key) > KEY_LENGTH:
        return TOO_LONG
    # utf8mb4_bin, the collation of our columns, pads with blanks when it compares.
    return BLANK_AT_END if key.endswith(" ") else None


def known_emails(c: Connection, keys: Sequence[Key]) -> dict[Key, KnownEmail]:
    """Which of these keys the ledger has, in whichever job."""
    if not keys:
        return {}
    column = eed_email.c.email_id if isinstance(keys[0], int) else eed_email.c.source_key
    names = ("email_id", "job_id", "gen", "state", "changed_at", "resend_of")
    statement = (
        select(column.label("key"), *(eed_email.c[name] for name in names), eed_job.c.source_key.label("job_key"))
        .join(eed_job, eed_job.c.job_id == eed_email.c.job_id)
        .where(column.in_(keys))
    )
    return {
        row.key: KnownEmail(
            row.email_id,
            row.job_id,
            row.job_key,
            row.gen,
            EmailState(row.state),
            row.changed_at,
            row.resend_of is not None,
        )
        for row in c.execute(statement)
    }


def new_email(job_id: int, key: Key, recipient: str) -> dict[str, object]:
    """A row of `eed_email` for a row of the source."""
    return {
        "job_id": job_id,
        "recipient": recipient[:RECIPIENT_LENGTH],  # too long to be an address either way; it will be refused
        "address": canonical(recipient),
        "state": EmailState.PENDING,
        "email_id": key if isinstance(key, int) else None,  # NULL: the database numbers it
        "source_key": None if isinstance(key, int) else key,
    }


def refuse(
    c: Connection, job_id: int | None, job_key: Key, refused: Sequence[tuple[Key | None, str]], round_: int = 0
) -> None:
    """Enter refused rows, each with its reason. A key of None is the job itself."""
    rows = [
        {
            "its_job": job_id,
            "its_job_key": str(job_key)[:SHOWN_LENGTH],
            "its_key": None if key is None else str(key)[:SHOWN_LENGTH],
            "why": why[:DETAIL_LENGTH],
            "of_round": round_,
        }
        for key, why in refused
    ]
    if rows:
        c.execute(_REFUSAL, rows)
