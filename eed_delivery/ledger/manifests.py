"""Manifests of jobs on file channels: which are wanted, which files they list, and who puts one now.

A job that comes to its end wants one, in the transaction that finishes it. A worker of its channel takes it under a
token and a lease. Its bytes are made of rows that do not change, so whoever puts it again puts the same.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection, Row, bindparam, delete, exists, func, insert, or_, select, update

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import SERVICE
from eed_delivery.ledger.acts import Act, ActKind, Particulars, note
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.holds.held import is_held
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_email, eed_file, eed_job, eed_manifest
from eed_delivery.model import EmailState

PAGE = 1000
SMALLEST_ID = -(2**63)
_m = eed_manifest.c
_f = eed_file.c

_IS_FREE = or_(_m.lease_until.is_(None), _m.lease_until < utc_now())
_IS_DUE = or_(_m.not_before.is_(None), _m.not_before <= utc_now())
_IS_OUTSTANDING = _m.put_at.is_(None)
NEXT = (
    select(eed_manifest, eed_job.c.source_key)
    .join(eed_job, eed_job.c.job_id == _m.job_id)
    .where(_IS_OUTSTANDING, _m.channel == bindparam("of_channel"), _IS_FREE, _IS_DUE, ~is_held(_m.channel))
    .order_by(_m.wanted_at, _m.job_id, _m.round)
    .limit(1)
)
_ONE = (
    update(eed_manifest)
    .where(_m.job_id == bindparam("id"))
    .where(_m.round == bindparam("of_round"))
    .where(_IS_OUTSTANDING)
)
TAKE = _ONE.where(_IS_FREE).where(_IS_DUE).values(token=bindparam("new_token"), lease_until=utc_in(bindparam("lease")))
_OURS = _ONE.where(_m.token == bindparam("our_token"))
_OURS_IN_TIME = _OURS.where(_m.lease_until > utc_now())
RENEW = _OURS_IN_TIME.values(lease_until=utc_in(bindparam("lease")))
FREEZE = _OURS_IN_TIME.values(sha256=bindparam("digest"))
GRANT = _OURS_IN_TIME.where(~is_held(_m.channel)).values(lease_until=utc_in(bindparam("lease")))
RENUMBER = _OURS_IN_TIME.where(_m.number == bindparam("so_far")).values(number=bindparam("to_number"), sha256=None)
# A late yes counts: whoever has taken it since puts the same bytes. It gets the answer that they are there.
PUT = _ONE.where(_m.sha256 == bindparam("digest")).values(
    put_at=utc_now(),
    path=bindparam("its_path"),
    files=bindparam("its_files"),
    size=bindparam("its_size"),
    unlisted=bindparam("its_unlisted"),
    detail=None,
    lease_until=None,
    not_before=None,
)
LATER = _OURS.values(
    not_before=utc_in(bindparam("delay")), tries=_m.tries + 1, detail=bindparam("why"), lease_until=None
)
# Of no worker: one that has it knows better, or says itself what goes wrong.
_UNUSABLE = (
    update(eed_manifest)
    .where(_IS_OUTSTANDING)
    .where(_m.channel == bindparam("of_channel"))
    .where(_IS_FREE)
    .values(detail=bindparam("why"))
)
SUPERSEDED = delete(eed_manifest).where(
    _m.job_id == bindparam("id"),
    _m.round == bindparam("of_round"),
    _IS_OUTSTANDING,
    _m.token == bindparam("our_token"),
    _m.lease_until > utc_now(),
)
DROP = delete(eed_manifest).where(_IS_OUTSTANDING, _m.channel == bindparam("of_channel"), _IS_FREE)

_BEHIND = or_(
    _f.email_id > bindparam("email"),
    (_f.email_id == bindparam("email"))
    & or_(_f.gen > bindparam("of_gen"), (_f.gen == bindparam("of_gen")) & (_f.number > bindparam("after"))),
)
LISTED = (
    select(_f.email_id, _f.gen, _f.number, _f.path, _f.size, _f.sha256, _f.put_at, eed_email.c.source_key)
    .join(eed_email, eed_email.c.email_id == _f.email_id)
    .where(_f.job_id == bindparam("job"), _f.email_id >= bindparam("email"), _BEHIND)
    .where(_f.round <= bindparam("until_round"), _f.channel == bindparam("of_channel"))
    .order_by(_f.email_id, _f.gen, _f.number)
)

# By the answer that every kind of ours records for files. What was sent as an email in another round is none of them.
_WAS_PUT = (eed_email.c.state == EmailState.SENT) & eed_email.c.detail.like("put %file%, % bytes")
UNLISTED = (
    select(func.count())
    .select_from(eed_email)
    .where(eed_email.c.job_id == bindparam("job"), _WAS_PUT)
    .where(~exists().where(_f.job_id == eed_email.c.job_id, _f.email_id == eed_email.c.email_id))
)


@dataclass(frozen=True, slots=True)
class ManifestClaim:
    """A manifest in a worker's hand. `sha256`: of the JSON that an earlier try may have put, in hexadecimal; None:
    nothing of it has left. Times are UTC."""

    job_id: int
    job: str
    round: int
    number: int
    channel: str
    wanted_at: datetime
    sha256: str | None
    tries: int
    token: int


@dataclass(frozen=True, slots=True)
class ListedFile:
    """A file as its job's manifest lists it. `email`: the key of the email that it was put for."""

    path: str
    size: int
    sha256: str
    put_at: datetime
    email: str


@dataclass(frozen=True, slots=True)
class ManifestFacts:
    """What is kept of a manifest that was put. `path` and `sha256` are its JSON's. `size`: bytes of all files.
    `unlisted`: emails whose files it cannot list."""

    path: str
    sha256: str
    files: int
    size: int
    unlisted: int = 0


@dataclass(frozen=True, slots=True)
class JobManifest:
    """A manifest as people see it. `put_at` None: it is outstanding, after so many `tries`, and `detail` says why.
    `unlisted`: emails that were put before the ledger recorded files."""

    number: int
    channel: str
    wanted_at: datetime
    put_at: datetime | None
    path: str | None
    sha256: str | None
    files: int | None
    size: int | None
    tries: int
    detail: str | None
    unlisted: int | None = None


class ManifestLedger:
    """Each call is one transaction, but for `files`, and raises `DatabaseGone`."""

    def __init__(self, database: Database, page: int = PAGE) -> None:
        """`page`: files that are read at once."""
        self._database = database
        self._page = page
        self._listed = LISTED.limit(page)

    def claim(self, channel: str, lease_seconds: float) -> ManifestClaim | None:
        """Take the manifest of a channel that waits longest. None: there is none now, or the channel is held."""
        return self._database.run(lambda c: _claim(c, channel, lease_seconds))

    def renew(self, claim: ManifestClaim, lease_seconds: float) -> None:
        """Lengthen a lease that has not run out."""
        self._database.run(lambda c: c.execute(RENEW, {**_ours(claim), "lease": lease_seconds}))

    def freeze(self, claim: ManifestClaim, sha256: str) -> bool:
        """Note the digest of the bytes that are about to leave. False: another worker has it."""
        values = {**_ours(claim), "digest": bytes.fromhex(sha256)}
        return self._database.run(lambda c: c.execute(FREEZE, values).rowcount == 1)

    def grant(self, claim: ManifestClaim, lease_seconds: float) -> bool:
        """Whether its first file may get its name now. Not while its channel is held."""
        values = {**_ours(claim), "lease": lease_seconds}
        return self._database.run(lambda c: c.execute(GRANT, values).rowcount == 1)

    def renumber(self, claim: ManifestClaim) -> ManifestClaim | None:
        """Give it the job's next number, because its bytes are not those of the try before. None: it is not ours.

        One that has a later one behind it goes, and None comes back: the later one lists its files too, and the
        highest number counts.
        """
        later = select(func.count()).where(
            _m.job_id == claim.job_id, _m.round > claim.round, _m.channel == claim.channel
        )
        highest = select(func.max(_m.number)).where(_m.job_id == claim.job_id)
        job = select(eed_job.c.job_id).where(eed_job.c.job_id == claim.job_id).with_for_update()

        def work(c: Connection) -> ManifestClaim | None:
            c.execute(job)  # `want` has it, too: the job's next manifest gets another number
            if c.execute(later).scalar_one():
                c.execute(SUPERSEDED, _ours(claim))
                return None
            number = c.execute(highest).scalar_one() + 1
            values = {**_ours(claim), "so_far": claim.number, "to_number": number}
            changed = c.execute(RENUMBER, values).rowcount == 1
            return replace(claim, number=number, sha256=None) if changed else None

        return self._database.did(work)

    def put(self, claim: ManifestClaim, facts: ManifestFacts) -> bool:
        """Record that it is there. False: that was known already."""
        values = {
            **_key(claim),
            "digest": bytes.fromhex(facts.sha256),
            "its_path": facts.path,
            "its_files": facts.files,
            "its_size": facts.size,
            "its_unlisted": facts.unlisted,
        }
        after: Particulars = {"number": claim.number, "path": facts.path, "files": facts.files, "sha256": facts.sha256}
        act = Act(ActKind.MANIFEST_PUT, claim.job_id, after=after)

        def work(c: Connection) -> bool:
            put = c.execute(PUT, values).rowcount == 1
            if put:
                note(c, SERVICE, act)
            return put

        return self._database.did(work)

    def later(self, claim: ManifestClaim, reason: str, seconds: float) -> None:
        """It was not put. It is tried again after `seconds`, and as often as it takes."""
        values = {**_ours(claim), "why": reason[:DETAIL_LENGTH], "delay": seconds}
        self._database.run(lambda c: c.execute(LATER, values))

    def unusable(self, channel: str, reason: str) -> None:
        """Note at a channel's outstanding manifests why a host cannot put them."""
        values = {"of_channel": channel, "why": reason[:DETAIL_LENGTH]}
        self._database.run(lambda c: c.execute(_UNUSABLE, values))

    def unlisted(self, claim: ManifestClaim) -> int:
        """How many emails of its job were put before the ledger recorded files. Their files are not listed."""
        return self._database.run(lambda c: int(c.execute(UNLISTED, {"job": claim.job_id}).scalar_one()))

    def drop(self, channel: str) -> int:
        """Forget a channel's outstanding manifests, because it puts none any more. Returns how many."""
        return self._database.did(lambda c: c.execute(DROP, {"of_channel": channel}).rowcount)

    def files(self, claim: ManifestClaim) -> Iterator[ListedFile]:
        """What the manifest lists, by email, a page at a time. A file that an email has put twice is there once. One
        whose person was erased has no path any more, and is left out."""
        for _, rows in groupby(self._rows(claim), key=lambda row: row.email_id):
            listed: set[str] = set()
            for row in rows:
                if row.path is not None and row.path not in listed:
                    listed.add(row.path)
                    key = row.source_key or str(row.email_id)
                    yield ListedFile(row.path, row.size, row.sha256.hex(), row.put_at, key)

    def of_job(self, job_id: int) -> tuple[JobManifest, ...]:
        """A job's manifests, the first one first."""
        names = JobManifest.__dataclass_fields__
        statement = select(*(_m[name] for name in names)).where(_m.job_id == job_id).order_by(_m.round)
        return self._database.run(lambda c: tuple(_of_job(row) for row in c.execute(statement)))

    def _rows(self, claim: ManifestClaim) -> Iterator[Row[*tuple[object, ...]]]:
        email, gen, number = SMALLEST_ID, 0, 0
        while True:
            values: dict[str, object] = {"job": claim.job_id, "until_round": claim.round, "of_channel": claim.channel}
            values |= {"email": email, "of_gen": gen, "after": number}
            rows = self._database.run(lambda c, values=values: c.execute(self._listed, values).all())  # type: ignore[misc]
            yield from rows
            if len(rows) < self._page:
                return
            email, gen, number = rows[-1].email_id, rows[-1].gen, rows[-1].number


def want(c: Connection, job_id: int, channel: str, *, finished: bool) -> None:
    """A job on a file channel has come to its end: it gets a manifest of all its files, if any was put since the last
    one. One that is `finished`, and neither cancelled nor failed, has one also for no files.

    The job's row is locked by this transaction, and none of its emails is open."""
    row = c.execute(select(func.max(_m.round), func.max(_m.number)).where(_m.job_id == job_id)).one()
    rounds, number = row[0] or 0, row[1] or 0
    fresh = exists().where(_f.job_id == job_id, _f.round == rounds + 1, _f.channel == channel)
    if not c.execute(select(fresh)).scalar() and (rounds or not finished):
        return
    values = {"job_id": job_id, "round": rounds + 1, "number": number + 1, "channel": channel}
    c.execute(insert(eed_manifest).values(**values, wanted_at=utc_now(), tries=0))


def outstanding(c: Connection, channel: str) -> int:
    """How many manifests of a channel are not put yet."""
    counted = select(func.count()).select_from(eed_manifest).where(_IS_OUTSTANDING, _m.channel == channel)
    return c.execute(counted).scalar_one()


def _claim(c: Connection, channel: str, lease_seconds: float) -> ManifestClaim | None:
    row = c.execute(NEXT, {"of_channel": channel}).one_or_none()
    if row is None:
        return None
    sha256 = row.sha256.hex() if row.sha256 is not None else None
    claim = ManifestClaim(
        row.job_id, row.source_key, row.round, row.number, channel, row.wanted_at, sha256, row.tries, new_token()
    )
    values = {**_key(claim), "new_token": claim.token, "lease": lease_seconds}
    return claim if c.execute(TAKE, values).rowcount == 1 else None


def _key(claim: ManifestClaim) -> dict[str, int]:
    return {"id": claim.job_id, "of_round": claim.round}


def _ours(claim: ManifestClaim) -> dict[str, int]:
    return {**_key(claim), "our_token": claim.token}


def _of_job(row: Row[*tuple[object, ...]]) -> JobManifest:
    facts = row._asdict()
    digest = facts.pop("sha256")
    return JobManifest(**facts, sha256=None if digest is None else digest.hex())
