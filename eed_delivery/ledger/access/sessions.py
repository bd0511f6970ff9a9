"""Sessions of logged-in users, by the SHA-256 of the id in their cookie."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, select, update

from eed_delivery.database.clock import seconds_until, utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, is_noted, note
from eed_delivery.ledger.schema import eed_session, eed_user

SEEN_EVERY_SECONDS = 20
"""A session's last use is written once in so many seconds at most."""

SEEN = (
    update(eed_session)
    .where(eed_session.c.digest == bindparam("its_digest"))
    .where(eed_session.c.seen_at < utc_in(-SEEN_EVERY_SECONDS))
    .values(seen_at=utc_now())
)

_TIMES = (seconds_until(eed_session.c.seen_at).label("seen"), seconds_until(eed_session.c.ends_at).label("most"))

ID_LENGTH = 16
"""Characters of a session's id for people. It is the beginning of a hash, and cannot be used to log in."""


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session that lasts. Times are UTC."""

    id: str
    user: str
    made_at: datetime
    seen_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class SessionUser:
    """The user of a session that lasts, with the present role and the rights beyond it. `left`: seconds until it ends,
    if nothing is asked for any more."""

    name: str
    role: str
    rights: tuple[str, ...]
    left: float


class SessionLedger:
    """Begins, finds and ends sessions. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, idle_seconds: float, max_seconds: float) -> None:
        """A session ends after `idle_seconds` without a request, and after `max_seconds` in any case."""
        self._database = database
        self._idle_seconds = idle_seconds
        self._max_seconds = max_seconds

    def begin(self, digest: bytes, who: Actor) -> None:
        """Begin a session of a user who has just logged in."""
        act = Act(ActKind.LOGIN, object=ActObject.USER, key=who.user)
        row = {"digest": digest, "user_name": who.user}

        def work(c: Connection) -> None:
            if not is_noted(c, act.operation):
                times = {"made_at": utc_now(), "seen_at": utc_now(), "ends_at": utc_in(self._max_seconds)}
                c.execute(insert(eed_session).values(**row, **times))
                note(c, who, act)

        self._database.run(work)

    def use(self, digest: bytes, *, by_person: bool = True) -> SessionUser | None:
        """The user of this session, which is being used. None if it is over, or its user is revoked.

        Not `by_person`: an open page asks by itself, and the session grows idle all the same."""
        s, u = eed_session.c, eed_user.c
        stale = (s.seen_at < utc_in(-SEEN_EVERY_SECONDS)).label("stale")
        statement = (
            select(u.name, u.role, u.rights, stale, *_TIMES)
            .select_from(eed_session.join(eed_user, s.user_name == u.name))
            .where(s.digest == digest, u.revoked_at.is_(None), *self._lasting())
        )

        def work(c: Connection) -> SessionUser | None:
            row = c.execute(statement).one_or_none()
            if row is None:
                return None
            seen = float(row.seen)
            if row.stale and by_person:
                c.execute(SEEN, {"its_digest": digest})
                seen = 0.0
            left = min(self._idle_seconds + seen, float(row.most))
            return SessionUser(row.name, row.role, tuple(row.rights.split()), left)

        return self._database.run(work)

    def _lasting(self) -> tuple[ColumnElement[bool], ...]:
        s = eed_session.c
        return s.ends_at > utc_now(), s.seen_at > utc_in(-self._idle_seconds)

    def all(self) -> list[StoredSession]:
        """The sessions that last, the latest first."""
        s = eed_session.c
        statement = select(eed_session).where(*self._lasting()).order_by(s.made_at.desc(), s.digest)

        def read(c: Connection) -> list[StoredSession]:
            return [
                StoredSession(_id(row.digest), row.user_name, row.made_at, row.seen_at, row.ends_at)
                for row in c.execute(statement)
            ]

        return self._database.run(read)

    def revoke(self, session: str, who: Actor) -> bool:
        """End a session by its id for people. False: there is none, or it has ended."""
        s, act = eed_session.c, Act(ActKind.SESSION_REVOKE, object=ActObject.USER)

        def work(c: Connection) -> bool:
            rows = c.execute(select(s.digest, s.user_name).where(*self._lasting())).all()
            found = next((row for row in rows if _id(row.digest) == session), None)
            if found is None or c.execute(delete(eed_session).where(s.digest == found.digest)).rowcount != 1:
                return False
            note(c, who, replace(act, key=found.user_name, after={"session": session}))
            return True

        return self._database.did(work)

    def end(self, digest: bytes, who: Actor = SERVICE) -> bool:
        """End a session. False: there is none."""

        def work(c: Connection) -> bool:
            if c.execute(delete(eed_session).where(eed_session.c.digest == digest)).rowcount != 1:
                return False
            note(c, who, Act(ActKind.LOGOUT, object=ActObject.USER, key=who.user))
            return True

        return self._database.did(work)


def _id(digest: bytes) -> str:
    return bytes(digest).hex()[:ID_LENGTH]
