"""Copies of sent emails in the archive: which are wanted, which are there, and what the ledger says of their emails."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, Insert, bindparam, func, insert, select, update

from eed_delivery.database.clock import utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.schema import eed_archive_copy, eed_attempt, eed_email, eed_job
from eed_delivery.model import EmailState

_c = eed_archive_copy.c

WANT = (
    update(eed_job).where(eed_job.c.job_id == bindparam("id")).where(eed_job.c.archive.is_(False)).values(archive=True)
)
STANDINGS = select(eed_email.c.email_id, eed_email.c.state, eed_email.c.gen, eed_email.c.token).where(
    eed_email.c.email_id.in_(bindparam("ids", expanding=True))
)
TRIED = select(eed_attempt.c.email_id, eed_attempt.c.gen, eed_attempt.c.verdict, eed_attempt.c.sha256).where(
    eed_attempt.c.email_id.in_(bindparam("ids", expanding=True))
)
THERE = (
    select(_c.email_id, _c.gen)
    .where(_c.job_id.in_(bindparam("jobs", expanding=True)), _c.email_id.in_(bindparam("ids", expanding=True)))
    .where(_c.archived_at.is_not(None))
)
_ROW = insert(eed_archive_copy).values(
    {column: bindparam(f"its_{column}") for column in ("job_id", "email_id", "gen", "sha256", "size")}
)
ARCHIVED = unless_there(_ROW.values(archived_at=utc_now()))
NOT_KEPT = unless_there(_ROW.values(archived_at=None))
# Of the sent emails of a job, in their present generation.
OF_JOB = (
    select(func.count(_c.archived_at), func.count())
    .select_from(eed_email)
    .join(
        eed_archive_copy,
        (_c.job_id == eed_email.c.job_id) & (_c.email_id == eed_email.c.email_id) & (_c.gen == eed_email.c.gen),
    )
    .where(eed_email.c.job_id == bindparam("job"), eed_email.c.state == EmailState.SENT)
)


@dataclass(frozen=True, slots=True)
class TriedContent:
    """An attempt as a copy is held against it. `sha256`: in hexadecimal; None: it has none on record."""

    gen: int
    verdict: str
    sha256: str | None


@dataclass(frozen=True, slots=True)
class EmailStanding:
    """What the ledger says of an email, for its copies. `archived`: the generations that the archive has."""

    state: EmailState
    gen: int
    token: int | None
    tried: Sequence[TriedContent] = ()
    archived: frozenset[int] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class StoredCopy:
    """A copy that the archive has, or that is damaged and cannot be kept. `sha256`: in hexadecimal; `size`: bytes."""

    job_id: int
    email_id: int
    gen: int
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class JobArchive:
    """How many of a job's `sent` emails the archive has, and of how many no copy could be kept.

    The others wait in the spool of a host, or are lost with it.
    """

    sent: int
    archived: int
    not_kept: int

    @property
    def waiting(self) -> int:
        """Emails of which the archive has no copy yet."""
        return self.sent - self.archived - self.not_kept

    @property
    def complete(self) -> bool:
        return self.archived == self.sent


class ArchiveLedger:
    """The archive's side of the ledger. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def want(self, job_id: int) -> None:
        """Note that copies of this job's emails are to be kept: before the first of them is sent."""
        self._database.run(lambda c: c.execute(WANT, {"id": job_id}))

    def standings(self, copies: Iterable[tuple[int, int]]) -> dict[int, EmailStanding]:
        """What the ledger says of these emails, by their ids. `copies`: job and email of each copy."""
        of = list(copies)
        return self._database.run(lambda c: _standings(c, of)) if of else {}

    def archived(self, copies: Sequence[StoredCopy]) -> None:
        """Record that the archive has these copies. One that is on record already is no error."""
        self._insert(ARCHIVED, copies)

    def not_kept(self, copies: Sequence[StoredCopy]) -> None:
        """Record that these copies cannot be kept."""
        self._insert(NOT_KEPT, copies)

    def _insert(self, statement: Insert, copies: Sequence[StoredCopy]) -> None:
        if copies:
            self._database.run(lambda c: c.execute(statement, [_row(copy) for copy in copies]))

    def of_job(self, job_id: int, sent: int) -> JobArchive:
        """Reads all copies of the job, so it is not for each second. `sent`: how many of its emails were sent."""
        archived, known = self._database.run(lambda c: c.execute(OF_JOB, {"job": job_id}).one())
        return JobArchive(max(sent, known), archived, known - archived)


def _standings(c: Connection, copies: Sequence[tuple[int, int]]) -> dict[int, EmailStanding]:
    """The state is read first: what ends an email writes its attempt in the same commit, so that is seen then."""
    ids = sorted({email_id for _, email_id in copies})
    emails = c.execute(STANDINGS, {"ids": ids}).all()
    tried: defaultdict[int, list[TriedContent]] = defaultdict(list)
    for row in c.execute(TRIED, {"ids": ids}):
        digest = row.sha256.hex() if row.sha256 is not None else None
        tried[row.email_id].append(TriedContent(row.gen, row.verdict, digest))
    there: defaultdict[int, set[int]] = defaultdict(set)
    for email_id, gen in c.execute(THERE, {"jobs": sorted({job_id for job_id, _ in copies}), "ids": ids}):
        there[email_id].add(gen)
    return {
        row.email_id: EmailStanding(
            EmailState(row.state), row.gen, row.token, tuple(tried[row.email_id]), frozenset(there[row.email_id])
        )
        for row in emails
    }


def _row(copy: StoredCopy) -> dict[str, object]:
    return {
        "its_job_id": copy.job_id,
        "its_email_id": copy.email_id,
        "its_gen": copy.gen,
        "its_sha256": bytes.fromhex(copy.sha256),
        "its_size": copy.size,
    }
