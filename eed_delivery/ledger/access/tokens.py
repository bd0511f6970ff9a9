"""API tokens. The ledger has the SHA-256 of each, which suffices for 256 random bits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, Particulars, is_noted, note
from eed_delivery.ledger.schema import eed_api_token

WHO_LENGTH = 255
USED_EVERY_SECONDS = 60
"""A token's last use is written once in so many seconds at most."""

USED = (
    update(eed_api_token)
    .where(eed_api_token.c.digest == bindparam("its_digest"))
    .where(or_(eed_api_token.c.used_at.is_(None), eed_api_token.c.used_at < utc_in(-USED_EVERY_SECONDS)))
    .values(used_at=utc_now())
)
REVOKE_TOKEN = (
    update(eed_api_token)
    .where(eed_api_token.c.name == bindparam("its_name"))
    .where(eed_api_token.c.revoked_at.is_(None))
    .values(revoked_at=utc_now())
)


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A token as the ledger has it. No `scopes` are all rights of its role. Times are UTC."""

    name: str
    role: str
    scopes: tuple[str, ...]
    made_by: str
    made_at: datetime
    expires_at: datetime
    used_at: datetime | None
    revoked_at: datetime | None


class TokenLedger:
    """Tokens by their digests. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, who: Actor = SERVICE) -> None:
        """`who` acts, for the audit."""
        self._database = database
        self._who = who

    def all(self) -> list[StoredToken]:
        """All tokens by name, also those that are revoked or have expired."""
        statement = select(eed_api_token).order_by(eed_api_token.c.name)
        return self._database.run(lambda c: [_token(row) for row in c.execute(statement)])

    def use(self, digest: bytes) -> StoredToken | None:
        """The token of this digest, which is being used. None if there is none, or it is revoked or has expired."""
        t = eed_api_token.c
        valid = select(eed_api_token).where(t.digest == digest, t.revoked_at.is_(None), t.expires_at > utc_now())
        stale = or_(t.used_at.is_(None), t.used_at < utc_in(-USED_EVERY_SECONDS)).label("stale")

        def work(c: Connection) -> StoredToken | None:
            row = c.execute(valid.add_columns(stale)).one_or_none()
            if row is None:
                return None
            if row.stale:
                c.execute(USED, {"its_digest": digest})
            return _token(row)

        return self._database.run(work)

    def add(self, name: str, digest: bytes, role: str, scopes: Sequence[str], seconds: float) -> StoredToken | None:
        """Add a token that expires in so many seconds. None: there is one of this name."""
        what = {"role": role, "scopes": " ".join(scopes)}
        after: Particulars = {**what, "expires_in_seconds": round(seconds)}
        act = Act(ActKind.TOKEN_ADD, object=ActObject.TOKEN, key=name, after=after)
        row = {"name": name, "digest": digest, **what, "made_by": self._who.name[:WHO_LENGTH]}

        def work(c: Connection) -> StoredToken:
            if not is_noted(c, act.operation):
                c.execute(insert(eed_api_token).values(**row, made_at=utc_now(), expires_at=utc_in(seconds)))
                note(c, self._who, act)
            return _token(c.execute(select(eed_api_token).where(eed_api_token.c.name == name)).one())

        try:
            return self._database.run(work)
        except IntegrityError:
            return None

    def revoke(self, name: str) -> bool:
        """End a token. False: there is no such token, or it is revoked already."""
        act = Act(ActKind.TOKEN_REVOKE, object=ActObject.TOKEN, key=name)

        def work(c: Connection) -> bool:
            if c.execute(REVOKE_TOKEN, {"its_name": name}).rowcount != 1:
                return False
            note(c, self._who, act)
            return True

        return self._database.did(work)


def _token(row: Row[Any]) -> StoredToken:
    scopes = tuple(row.scopes.split())
    return StoredToken(
        row.name, row.role, scopes, row.made_by, row.made_at, row.expires_at, row.used_at, row.revoked_at
    )  # fmt: skip
