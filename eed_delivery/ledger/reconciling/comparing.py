"""Source and ledger side by side, a page at a time: a job's emails, its rows that mean "not sent yet", and its sums.

A group of jobs is compared in these steps, each of bounded work and memory:

1. the jobs' own rows
2. the ledger's emails, by state and id, with their rows in the source
3. the source's rows that mean "not sent yet", by key, with their emails in the ledger
4. the jobs' sums

The service may be running. What looks like a difference is therefore read again, in a transaction of its own, and
counts only if it is still there.
"""

import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import BigInteger, Connection, Row, Select, bindparam, func, select

from eed_delivery.database.transactions import Database
from eed_delivery.ledger.reconciling import differences as told
from eed_delivery.ledger.reconciling.differences import Difference, LedgerEmail
from eed_delivery.ledger.schema import RECIPIENT_LENGTH, eed_email, eed_job, eed_refusal
from eed_delivery.model import END_STATES, EmailState
from eed_delivery.source.comparing import WENT_OUT, SourceComparison, SourceEmail, UnsentPage
from eed_delivery.source.tables import Key

T = TypeVar("T")

PAGE = 5000
FIRST_PAGE = 500
SMALLEST_PAGE = 50
QUICK_SECONDS = 1.0
"""A page that took less lets the next one be larger; one that took longer than five times that, smaller. A view may
take a second for a row, and the connection waits no longer than database.read_timeout_seconds for a page."""
KEYS_AT_ONCE = 1000
"""Limit: keys in one statement."""
SMALL_JOB = 20
"""Limit: emails of a job that is compared together with others."""
GROUP = 200
"""Limit: jobs that are compared together."""
AS_REFUSED = (EmailState.PENDING, EmailState.FAILED)
"""What the status of a refused row means: it is written as failed, unless another job is still sending it."""
SHOWN_LENGTH = 255
"""Characters of a refused key that `eed_refusal` keeps."""

# Open states first: an email that moves on while it is read is read again in the state it has come to.
ORDER = (
    EmailState.PENDING,
    EmailState.QUEUED,
    EmailState.SENDING,
    EmailState.FAILED,
    EmailState.IN_DOUBT,
    EmailState.CANCELLED,
    EmailState.SUPPRESSED,
    EmailState.SENT,
)


@dataclass(frozen=True, slots=True)
class ComparedJob:
    """A job that is to be compared."""

    job_id: int
    key: str
    enlisted: bool
    finished: bool
    total: int

    @property
    def is_small(self) -> bool:
        """Whether it may be compared together with others."""
        return self.enlisted and self.total <= SMALL_JOB


@dataclass(frozen=True, slots=True)
class JobSums:
    """A job's numbers, and what its rows say, all read in one statement. `rows` are its emails, `resent` says how
    many of them an operator has added, `named` are its rows in `eed_refusal`."""

    job_id: int
    key: str
    total: int
    found: int
    refused: int
    regenerated: int
    moved: int
    rows: int
    resent: int
    named: int

    @property
    def accounted(self) -> int:
        """What became of the rows that were found. It is the right side of the sum in docs/reliability.md, G1."""
        return self.rows + self.moved + self.regenerated + self.named - self.resent

    @property
    def wrong(self) -> list[Difference]:
        """Each number that is not what its rows say."""
        found = []
        if self.total != self.rows:
            found.append(told.counts(self.key, f"{self.rows:,} emails", f"total {self.total:,}"))
        if self.refused != self.named:
            found.append(told.counts(self.key, f"{self.named:,} refusals with a reason", f"refused {self.refused:,}"))
        if self.found != self.accounted:
            enlisted = self.rows - self.resent
            sums = f"{enlisted:,} enlisted + {self.moved:,} moved + {self.regenerated:,} regenerated"
            found.append(told.counts(self.key, f"{sums} + {self.named:,} refused", f"found {self.found:,}"))
        return found


@dataclass(frozen=True, slots=True)
class ComparedPage:
    """What one step has read.

    `elsewhere` are emails that the ledger has ended, and whose status is none of our words.
    """

    rows: int
    differences: Sequence[Difference] = ()
    elsewhere: int = 0


_OF_JOB = eed_email.c.job_id == eed_job.c.job_id
JOBS = select(
    eed_job.c.job_id, eed_job.c.source_key, eed_job.c.enlisted_at, eed_job.c.finished_at, eed_job.c.total
).where(eed_job.c.job_id.in_(bindparam("ids", expanding=True)))
SUMS = select(
    eed_job.c.job_id,
    eed_job.c.source_key,
    eed_job.c.total,
    eed_job.c.found,
    eed_job.c.refused,
    eed_job.c.regenerated,
    eed_job.c.moved,
    select(func.count()).where(_OF_JOB).correlate(eed_job).scalar_subquery().label("emails"),
    eed_job.c.resent,
    select(func.count())
    .where(eed_refusal.c.job_id == eed_job.c.job_id)
    .correlate(eed_job)
    .scalar_subquery()
    .label("named"),
).where(eed_job.c.job_id.in_(bindparam("ids", expanding=True)))
_EMAILS = select(
    eed_email.c.email_id, eed_email.c.source_key, eed_email.c.job_id, eed_email.c.recipient, eed_email.c.state
)
_OF_STATE = (
    eed_email.c.job_id.in_(bindparam("jobs", expanding=True, literal_execute=True, type_=BigInteger())),
    eed_email.c.state == bindparam("of_state"),
    eed_email.c.email_id > bindparam("after"),
)


def _in_order(statement: Select[Any]) -> Select[Any]:
    """A page by the index whose entries end with the id. Without the word MariaDB takes only the index's first two
    columns, and begins each page at the job's first email. The time would grow with the square of the job."""
    for dialect in ("mysql", "mariadb"):
        statement = statement.with_hint(eed_email, "FORCE INDEX (eed_email_by_job_state)", dialect)
    return statement.where(*_OF_STATE).order_by(eed_email.c.email_id).limit(bindparam("most"))


# What an operator has sent once more has no row of its own in the source.
_WITH_A_ROW = _EMAILS.where(eed_email.c.resend_of.is_(None))
EMAILS_PAGE = _in_order(_WITH_A_ROW)
_PAGE = _in_order(select(eed_email.c.email_id)).subquery("page")
EMAILS_PAGE_END = select(func.count(), func.max(_PAGE.c.email_id))
EMAILS_BETWEEN = _WITH_A_ROW.where(*_OF_STATE, eed_email.c.email_id <= bindparam("last")).order_by(eed_email.c.email_id)
EMAILS_AGAIN = _EMAILS.where(
    eed_email.c.email_id.in_(bindparam("ids", expanding=True, literal_execute=True, type_=BigInteger()))
)
REFUSED = (
    select(eed_refusal.c.job_id, eed_refusal.c.source_key)
    .where(eed_refusal.c.job_id.in_(bindparam("jobs", expanding=True)))
    .where(eed_refusal.c.source_key.in_(bindparam("keys", expanding=True)))
)
ENLISTED_JOBS = (
    select(eed_job.c.job_id)
    .where(eed_job.c.job_id.in_(bindparam("ids", expanding=True)))
    .where(eed_job.c.enlisted_at.is_not(None))
)
OWNERS = select(
    eed_email.c.email_id, eed_email.c.source_key, eed_email.c.job_id, eed_job.c.source_key.label("job_key")
).join(eed_job, eed_job.c.job_id == eed_email.c.job_id)
JOB_IDS = select(eed_job.c.job_id, eed_job.c.source_key).where(
    eed_job.c.source_key.in_(bindparam("keys", expanding=True))
)


class ComparingLedger:
    """Reads both sides. Nothing is changed. Each call raises `DatabaseGone`."""

    def __init__(self, database: Database, source: SourceComparison, page: int = PAGE) -> None:
        self._database = database
        self._source = source
        self._largest = page
        self._size = min(FIRST_PAGE, page)

    def jobs(self, job_ids: Sequence[int]) -> list[ComparedJob]:
        """These jobs, in the order of their ids."""
        statement = JOBS.order_by(eed_job.c.job_id)
        return self._database.run(lambda c: [_job(row) for row in c.execute(statement, {"ids": list(job_ids)})])

    def sums(self, job_ids: Sequence[int]) -> list[JobSums]:
        """The present sums of these jobs."""
        return self._database.run(lambda c: sums_of(c, job_ids))

    def groups(self, job_ids: Iterable[int]) -> Iterator[list[ComparedJob]]:
        """These jobs in groups to be compared, a large one by itself and small ones together."""
        small: list[ComparedJob] = []
        for ids in _batches(job_ids, GROUP):
            for job in self.jobs(ids):
                if not job.is_small:
                    yield [job]
                    continue
                small.append(job)
                if len(small) == GROUP:
                    yield small
                    small = []
        if small:
            yield small

    def pages(self, group: Sequence[ComparedJob]) -> Iterator[ComparedPage]:
        """Compare a group, one bounded step after the other."""
        steps = self._steps(group)
        while True:
            began = time.monotonic()
            page = next(steps, None)
            if page is None:
                return
            self._adapt(time.monotonic() - began)
            yield page

    def _adapt(self, seconds: float) -> None:
        if seconds < QUICK_SECONDS:
            self._size = min(self._largest, self._size * 2)
        elif seconds > 5 * QUICK_SECONDS:
            self._size = min(self._size, max(SMALLEST_PAGE, self._size // 4))

    def _steps(self, group: Sequence[ComparedJob]) -> Iterator[ComparedPage]:
        jobs = {job.job_id: job for job in group}
        yield self._job_rows(jobs)
        for state in ORDER:
            yield from self._of_state(jobs, state)
        yield from self._unsent([job for job in group if job.enlisted])
        yield self._sums(jobs)

    def _job_rows(self, jobs: dict[int, ComparedJob]) -> ComparedPage:
        if self._source.single_table:
            return ComparedPage(0)  # the job's row is its email's
        absent = self._absent(list(jobs.values()))
        return ComparedPage(0, [told.job_gone(job.key) for job in self._absent(absent)])

    def _absent(self, jobs: Sequence[ComparedJob]) -> list[ComparedJob]:
        keys = {self._source.job_key(job.key): job for job in jobs}
        there = self._database.run(lambda c: self._source.jobs(c, list(keys)))
        return [job for key, job in keys.items() if key not in there]

    def _of_state(self, jobs: dict[int, ComparedJob], state: EmailState) -> Iterator[ComparedPage]:
        if self._source.has_numbers:
            yield from self._joined(jobs, state)
            return
        after = 0
        values = {"jobs": sorted(jobs), "of_state": state}
        while emails := self._emails(EMAILS_PAGE, {**values, "after": after, "most": self._size}):
            after = emails[-1].email_id
            yield self._compared(jobs, emails)

    def _joined(self, jobs: dict[int, ComparedJob], state: EmailState) -> Iterator[ComparedPage]:
        """As reading both sides, but the database leaves out what is surely the same."""
        after = 0
        values = {"jobs": sorted(jobs), "of_state": state}
        differing = self._source.differing(EMAILS_BETWEEN, eed_email, state)
        while True:
            page = {**values, "after": after, "most": self._size}
            count, last = self._database.run(lambda c: c.execute(EMAILS_PAGE_END, page).one())  # noqa: B023
            if not count:
                return
            emails = self._emails(differing, {**values, "after": after, "last": last})
            after = last
            yield self._again(jobs, emails, count)

    def _emails(self, statement: Select[Any], values: dict[str, Any]) -> list[LedgerEmail]:
        return self._database.run(lambda c: [_email(row) for row in c.execute(statement, values)])

    def _compared(self, jobs: dict[int, ComparedJob], emails: Sequence[LedgerEmail]) -> ComparedPage:
        rows = self._rows(emails)
        doubtful = [e for e in emails if self._differs(jobs, e, rows) or self._is_settled_elsewhere(e, rows)]
        return self._again(jobs, doubtful, len(emails))

    def _rows(self, emails: Sequence[LedgerEmail]) -> dict[Key, SourceEmail]:
        found: dict[Key, SourceEmail] = {}
        for keys in _batches((self._source.key(email.key) for email in emails), KEYS_AT_ONCE):
            found |= self._database.run(partial(self._source.emails, keys=keys))
        return found

    def _again(self, jobs: dict[int, ComparedJob], doubtful: Sequence[LedgerEmail], count: int) -> ComparedPage:
        """Read again what differed at first, and yield how it differs now."""
        emails = [
            email
            for ids in _batches((email.email_id for email in doubtful), KEYS_AT_ONCE)
            for email in self._emails(EMAILS_AGAIN, {"ids": ids})
            if email.job_id in jobs
        ]
        rows = self._rows(emails)
        wrong = [email for email in emails if self._differs(jobs, email, rows)]
        refused = self._refused_of(wrong, rows)
        differences = [d for e in wrong if e.key not in refused for d in self._differences(jobs, e, rows)]
        return ComparedPage(count, differences, sum(self._is_settled_elsewhere(email, rows) for email in emails))

    def _is_settled_elsewhere(self, email: LedgerEmail, rows: dict[Key, SourceEmail]) -> bool:
        row = rows.get(self._source.key(email.key))
        return row is not None and row.means is None and email.state in END_STATES

    def _differs(self, jobs: dict[int, ComparedJob], email: LedgerEmail, rows: dict[Key, SourceEmail]) -> bool:
        return any(True for _ in self._differences(jobs, email, rows))

    def _differences(
        self, jobs: dict[int, ComparedJob], email: LedgerEmail, rows: dict[Key, SourceEmail]
    ) -> Iterator[Difference]:
        job, row = jobs[email.job_id].key, rows.get(self._source.key(email.key))
        if row is None:
            yield told.gone(job, email)
            return
        if not self._source.single_table and row.job != self._source.job_key(job):
            yield told.moved(job, email, str(row.job))
        elif email.state in END_STATES and row.means is not None and not self._source.same_word(row.means, email.state):
            yield told.status(job, email, row)
        there = row.recipient[:RECIPIENT_LENGTH]
        if email.state in WENT_OUT and not told.same_address(there, email.recipient):
            yield told.address(job, email, row)

    def _refused_of(self, emails: Sequence[LedgerEmail], rows: dict[Key, SourceEmail]) -> set[str]:
        """The keys of those that were found once more, here or in another job, and refused. They are accounted for."""
        unsent = {
            email.key: row.job
            for email in emails
            if (row := rows.get(self._source.key(email.key))) is not None and row.means in AS_REFUSED
        }
        found: set[str] = set()
        for keys in _batches(unsent, KEYS_AT_ONCE):
            found |= self._database.run(partial(_refused_in, {key: str(unsent[key]) for key in keys}))
        return found

    def _unsent(self, jobs: Sequence[ComparedJob]) -> Iterator[ComparedPage]:
        """The source's side, of jobs that are enlisted to their end. Of the others the publisher takes the rest."""
        of = {self._source.job_key(job.key): job for job in jobs}
        after: Key | None = None
        while of and (page := self._unsent_page(list(of), after)).count:
            after = page.last
            unknown = [row.key for row in page.rows if row.job in of and row.job_id != of[row.job].job_id]
            yield ComparedPage(0, self._missing(of, unknown) if unknown else ())

    def _unsent_page(self, jobs: Sequence[Key], after: Key | None) -> UnsentPage:
        return self._database.run(lambda c: self._source.unsent_page(c, eed_email, jobs, after, self._size))

    def _missing(self, of: dict[Key, ComparedJob], keys: Sequence[Key]) -> list[Difference]:
        """Those that are still not sent, not in the ledger as emails of their job, and not refused."""
        return [
            difference
            for some in _batches(keys, KEYS_AT_ONCE)
            for difference in self._database.run(partial(self._still_missing, of, some))
        ]

    def _still_missing(self, of: dict[Key, ComparedJob], keys: Sequence[Key], c: Connection) -> list[Difference]:
        return list(self._told_missing(of, keys, c))

    def _told_missing(self, of: dict[Key, ComparedJob], keys: Sequence[Key], c: Connection) -> Iterator[Difference]:
        now = [row for row in self._source.emails(c, keys).values() if row.means is EmailState.PENDING]
        owners = self._owners(c, [row.key for row in now])
        # A job that was opened again meanwhile is the publisher's affair.
        enlisted = {row.job_id for row in c.execute(ENLISTED_JOBS, {"ids": [job.job_id for job in of.values()]})}
        refused = _refused(c, enlisted, [str(row.key) for row in now])
        for row in now:
            job = of.get(row.job) if row.job is not None else None
            if job is None or job.job_id not in enlisted or (job.job_id, _shown(str(row.key))) in refused:
                continue
            if (owner := owners.get(row.key)) is None:
                yield told.missing(job.key, str(row.key))
            elif owner.job_id != job.job_id:
                yield told.moved_here(job.key, str(row.key), owner.job_key)

    def _owners(self, c: Connection, keys: Sequence[Key]) -> dict[Key, Row[*tuple[Any, ...]]]:
        """The jobs that the ledger has these emails in: `job_id` and `job_key`."""
        column = eed_email.c.email_id if all(isinstance(key, int) for key in keys) else eed_email.c.source_key
        statement = OWNERS.where(column.in_(keys)) if keys else None
        rows = c.execute(statement).all() if statement is not None else []
        return {self._source.key(row.source_key or row.email_id): row for row in rows}

    def _sums(self, jobs: dict[int, ComparedJob]) -> ComparedPage:
        wrong = [job.job_id for job in self.sums(sorted(jobs)) if job.wrong]
        again = self.sums(wrong) if wrong else []
        return ComparedPage(0, [difference for job in again for difference in job.wrong])


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    left = iter(items)
    while batch := list(islice(left, size)):
        yield batch


def _refused_in(unsent: dict[str, str], c: Connection) -> set[str]:
    """Which of these rows, with the jobs that have them in the source, were refused there."""
    ids = {row.source_key: row.job_id for row in c.execute(JOB_IDS, {"keys": sorted(set(unsent.values()))})}
    refused = _refused(c, ids.values(), unsent)
    return {key for key, job in unsent.items() if (ids.get(job), _shown(key)) in refused}


def sums_of(c: Connection, job_ids: Sequence[int]) -> list[JobSums]:
    """The sums of these jobs, within a transaction that is given."""
    columns = {"key": "source_key", "rows": "emails"}
    names = JobSums.__dataclass_fields__
    return [
        JobSums(**{name: getattr(row, columns.get(name, name)) for name in names})
        for row in c.execute(SUMS, {"ids": list(job_ids)})
    ]


def _job(row: Row[*tuple[Any, ...]]) -> ComparedJob:
    return ComparedJob(row.job_id, row.source_key, row.enlisted_at is not None, row.finished_at is not None, row.total)


def _email(row: Row[*tuple[Any, ...]]) -> LedgerEmail:
    key = row.source_key or str(row.email_id)
    return LedgerEmail(row.email_id, key, row.job_id, row.recipient, EmailState(row.state))


def _refused(c: Connection, job_ids: Collection[int], keys: Collection[str]) -> set[tuple[int, str]]:
    """Which of these rows were refused in which of these jobs."""
    if not job_ids or not keys:
        return set()
    values = {"jobs": sorted(job_ids), "keys": [_shown(key) for key in keys]}
    return {(row.job_id, row.source_key) for row in c.execute(REFUSED, values)}


def _shown(key: str) -> str:
    """A key as a refusal shows it."""
    return key[:SHOWN_LENGTH]
