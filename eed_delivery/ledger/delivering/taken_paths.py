"""Paths of files, each taken by one email at a time while that email is on its way.

Where a rename replaces, two emails with the same path could both see that no file is there, and the second would
replace the first one's. So an email takes its paths in the transaction that grants the wire. Another one with the same
path waits, and finds the file there.

Only the digest of a path is stored, because a path may name a person. A row outlives its email by an hour, so that an
email which finds other bytes can name the email that had the path before. It is nobody's as soon as its email has been
recorded, or when its lease is over.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection, bindparam, case, delete, exists, insert, or_, select, tuple_, update

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.multi_statement import BoundStatement
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.schema import eed_email, eed_taken_path
from eed_delivery.model import Email, EmailState

KEPT_SECONDS = 3600.0
"""How long a row is kept after its path was taken, if the email is not on its way any more."""
ROWS_AT_ONCE = 1000
_p = eed_taken_path.c

_IS_ON_ITS_WAY = (
    exists()
    .where(eed_email.c.email_id == _p.email_id)
    .where(eed_email.c.token == _p.token)
    .where(eed_email.c.state == EmailState.SENDING)
    .where(eed_email.c.lease_until > utc_now())
    .correlate(eed_taken_path)
)
_IS_THIS = (_p.channel == bindparam("its_channel"), _p.digest == bindparam("its_digest"))
_IS_ITS_OWN = _p.email_id == bindparam("its_email_id")

TAKE = unless_there(insert(eed_taken_path)).values(
    channel=bindparam("its_channel"),
    digest=bindparam("its_digest"),
    email_id=bindparam("its_email_id"),
    token=bindparam("its_token"),
    taken_at=utc_now(),
)
# In this order: MySQL and MariaDB assign from left to right, and the former email is the one before the change.
TAKE_OVER = (
    update(eed_taken_path)
    .where(*_IS_THIS)
    .where(or_(_IS_ITS_OWN, ~_IS_ON_ITS_WAY))
    .ordered_values(
        (_p.former_id, case((_IS_ITS_OWN, _p.former_id), else_=_p.email_id)),
        (_p.email_id, bindparam("its_email_id")),
        (_p.token, bindparam("its_token")),
        (_p.taken_at, utc_now()),
    )
)
_HELD_BY_US = (
    select(eed_email.c.email_id)
    .where(eed_email.c.email_id == bindparam("its_email_id"))
    .where(eed_email.c.token == bindparam("its_token"))
    .where(eed_email.c.state == EmailState.SENDING)
    .with_for_update()
)
_OTHER = select(eed_email.c.email_id, eed_email.c.source_key).where(*_IS_THIS)
_HOLDER = _OTHER.where(eed_email.c.email_id == _p.email_id)
_RIVAL = _OTHER.where(eed_email.c.email_id == case((_IS_ITS_OWN, _p.former_id), else_=_p.email_id))

_OLD = (_p.taken_at < utc_in(-KEPT_SECONDS), ~_IS_ON_ITS_WAY)


class TakenPaths:
    """Those of one channel, within a transaction that is given."""

    def __init__(self, channel: str) -> None:
        self._channel = channel

    def statements(self, email: Email, paths: Iterable[str]) -> Iterator[BoundStatement]:
        """What takes paths that no email of the last hour has had. It belongs into the transaction of the wire."""
        for values in self._values(email, paths):
            yield BoundStatement(TAKE, values)

    def take(self, c: Connection, email: Email, paths: Sequence[str]) -> str | None:
        """Take all of these. None: they are this email's now. Else the key of an email on its way that has one of
        them."""
        if not paths or c.execute(_HELD_BY_US, self._of(email)).one_or_none() is None:
            return None  # what we do not hold any more gets no wire either
        for values in self._values(email, paths):
            taken = c.execute(TAKE, values).rowcount or c.execute(TAKE_OVER, values).rowcount
            if not taken:
                holder = c.execute(_HOLDER, values).one_or_none()
                return "?" if holder is None else holder.source_key or str(holder.email_id)
        return None

    def rival(self, c: Connection, email: Email, path: str) -> str | None:
        """The key of another email that has had this path. None if none is known."""
        (values,) = self._values(email, [path])
        other = c.execute(_RIVAL, values).one_or_none()
        return None if other is None else other.source_key or str(other.email_id)

    def _values(self, email: Email, paths: Iterable[str]) -> Iterator[dict[str, object]]:
        """In one order for all, so that two emails do not wait for each other."""
        for digest in sorted(hashlib.sha256(path.encode()).digest() for path in paths):
            yield {"its_channel": self._channel, "its_digest": digest, **self._of(email)}

    @staticmethod
    def _of(email: Email) -> dict[str, object]:
        return {"its_email_id": email.email_id, "its_token": email.token}


class TakenPathsHousekeeping:
    """Deletes old rows, some at each step. `rest_seconds` is the longest that a loop may wait."""

    def __init__(self, database: Database, rest_seconds: float) -> None:
        self._database = database
        self._rest_seconds = rest_seconds

    def step(self) -> float:
        """Raises `DatabaseGone`. The next step does what this one left."""
        return 0.0 if self._database.run(_forget_some) == ROWS_AT_ONCE else self._rest_seconds


def _forget_some(c: Connection) -> int:
    """By their keys: a DELETE by age would lock the rows that are being taken."""
    keys = [tuple(row) for row in c.execute(select(_p.channel, _p.digest).where(*_OLD).limit(ROWS_AT_ONCE))]
    if keys:
        c.execute(delete(eed_taken_path).where(tuple_(_p.channel, _p.digest).in_(keys), *_OLD))
    return len(keys)
