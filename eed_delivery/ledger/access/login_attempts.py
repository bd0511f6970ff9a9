"""Logins are counted before the password is checked, by name and by network address. Each further failure waits longer.

The ledger has only digests of names and addresses: a name may be a password in the wrong field.
"""

import hashlib
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, insert, select, update

from eed_delivery.database.clock import seconds_until, utc_in, utc_now
from eed_delivery.database.insert import unless_there
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.schema import eed_login_attempt

FREE_ATTEMPTS = 3
"""Failures after which the next attempt need not wait."""
LONGEST_WAIT_SECONDS = 900.0
FORGOTTEN_AFTER_SECONDS = 86_400.0

_a = eed_login_attempt.c
COUNT_ATTEMPT = (
    update(eed_login_attempt)
    .where(_a.subject == bindparam("its_subject"))
    .values(failures=bindparam("now_failures"), last_at=utc_now(), blocked_until=utc_in(bindparam("wait")))
)
TAKE_BACK = (
    update(eed_login_attempt)
    .where(_a.subject == bindparam("its_subject"))
    .where(_a.failures > 0)
    .values(failures=_a.failures - 1, blocked_until=None)
)


def subject(kind: str, value: str) -> bytes:
    """What attempts are counted by: a `name` or an `address`."""
    return hashlib.sha256(f"{kind}\n{value}".encode("utf-8", "backslashreplace")).digest()


def wait_after(failures: int) -> float:
    """Seconds until the next attempt after so many failures: 0, 0, 0, 2, 4, 8 … up to the longest."""
    over = failures - FREE_ATTEMPTS
    return min(LONGEST_WAIT_SECONDS, 2.0**over) if over > 0 else 0.0


class LoginAttemptLedger:
    """Counts attempts. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, subjects: Sequence[bytes]) -> float:
        """Count an attempt as a failure, until it has succeeded. Returns 0, or how many seconds it has to wait: then it
        is not counted, and must not be made."""

        def work(c: Connection) -> float:
            if (wait := self._blocked(c, subjects)) > 0:
                return wait  # and no row for a name that was made up
            rows = [self._locked(c, one) for one in sorted(subjects)]
            wait = max(left for _, _, left in rows)
            if wait > 0:
                return wait
            for one, failures, _ in rows:
                values = {"its_subject": one, "now_failures": failures + 1, "wait": wait_after(failures + 1)}
                c.execute(COUNT_ATTEMPT, values)
            return 0.0

        return self._database.run(work)

    def _blocked(self, c: Connection, subjects: Sequence[bytes]) -> float:
        """For how many seconds one of them is blocked, by what is there."""
        left = seconds_until(_a.blocked_until).label("wait")
        lasts = _a.last_at > utc_in(-FORGOTTEN_AFTER_SECONDS)
        found = c.execute(select(left).where(_a.subject.in_(subjects), _a.blocked_until.is_not(None), lasts))
        return max((float(wait) for wait in found.scalars()), default=0.0)

    def _locked(self, c: Connection, one: bytes) -> tuple[bytes, int, float]:
        """A subject with its failures, and the seconds that it is blocked for."""
        c.execute(unless_there(insert(eed_login_attempt).values(subject=one, failures=0, last_at=utc_now())))
        ago, left = -seconds_until(_a.last_at), seconds_until(_a.blocked_until)
        statement = select(_a.failures, ago.label("ago"), left.label("wait")).where(_a.subject == one)
        row = c.execute(statement.with_for_update()).one()
        if float(row.ago) > FORGOTTEN_AFTER_SECONDS:
            return one, 0, 0.0
        return one, row.failures, max(0.0, float(row.wait or 0))

    def succeeded(self, name: bytes, address: bytes) -> None:
        """Forget the failures of a name, and take back the one of the address that `begin` has counted."""

        def work(c: Connection) -> None:
            c.execute(delete(eed_login_attempt).where(_a.subject == name))
            c.execute(TAKE_BACK, {"its_subject": address})

        self._database.run(work)
