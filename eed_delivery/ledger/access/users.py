"""People who log in with a password. A revoked one stays in the list, without a session."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from eed_delivery.database.clock import utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, is_noted, note
from eed_delivery.ledger.schema import eed_session, eed_user

WHO_LENGTH = 255

REVOKE_USER = (
    update(eed_user)
    .where(eed_user.c.name == bindparam("its_name"))
    .where(eed_user.c.revoked_at.is_(None))
    .values(revoked_at=utc_now())
)


@dataclass(frozen=True, slots=True)
class StoredUser:
    """A user as the ledger has it. `rights` are those beyond the role's. Times are UTC."""

    name: str
    role: str
    rights: tuple[str, ...]
    made_by: str
    made_at: datetime
    revoked_at: datetime | None


class UserLedger:
    """Users and the hashes of their passwords. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, who: Actor = SERVICE) -> None:
        """`who` acts, for the audit."""
        self._database = database
        self._who = who

    def all(self) -> list[StoredUser]:
        """All users by name, the revoked ones too."""
        statement = select(eed_user).order_by(eed_user.c.name)
        return self._database.run(lambda c: [_user(row) for row in c.execute(statement)])

    def password_hash(self, name: str) -> str | None:
        """The hash of a user's password. None if there is no such user, or it is revoked."""
        u = eed_user.c
        statement = select(u.name, u.password_hash).where(u.name == name, u.revoked_at.is_(None))
        found = self._database.run(lambda c: c.execute(statement).one_or_none())
        # The servers compare without blanks at the end. Each such spelling would be counted as a name of its own.
        return found.password_hash if found is not None and found.name == name else None

    def add(self, name: str, password_hash: str, role: str, rights: Sequence[str]) -> bool:
        """Add a user. False: there is one of this name. A revoked one is replaced."""
        what = {"role": role, "rights": " ".join(rights)}
        act = Act(ActKind.USER_ADD, object=ActObject.USER, key=name, after=what)
        row = {"name": name, "password_hash": password_hash, **what, "made_by": self._who.name[:WHO_LENGTH]}

        def work(c: Connection) -> bool:
            if not is_noted(c, act.operation):
                c.execute(delete(eed_user).where(eed_user.c.name == name, eed_user.c.revoked_at.is_not(None)))
                c.execute(insert(eed_user).values(**row, made_at=utc_now()))
                note(c, self._who, act)
            return True

        try:
            return self._database.run(work)
        except IntegrityError:
            return False

    def revoke(self, name: str) -> bool:
        """End a user's access and sessions. False: there is no such user."""
        act = Act(ActKind.USER_REVOKE, object=ActObject.USER, key=name)

        def work(c: Connection) -> bool:
            if c.execute(REVOKE_USER, {"its_name": name}).rowcount != 1:
                return False
            c.execute(delete(eed_session).where(eed_session.c.user_name == name))
            note(c, self._who, act)
            return True

        return self._database.did(work)


def _user(row: Row[Any]) -> StoredUser:
    return StoredUser(row.name, row.role, tuple(row.rights.split()), row.made_by, row.made_at, row.revoked_at)
