"""Destination domains that are held. Nothing is sent to them for a while, and no email loses a try for it.

A hold is of one channel. What one relay says of a domain says nothing of another relay's way there.
"""

from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, bindparam, case, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from eed_delivery.database.clock import seconds_until, utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_domain_hold
from eed_delivery.model import DEFAULT_CHANNEL

FIRST_SECONDS = 60.0
LONGEST_SECONDS = 900.0
"""A hold doubles with each that follows it, up to this."""
IS_HELD = " is held: "
"""Between domain and reason, in the detail of an email that waits for its domain."""
DOMAIN_LENGTH = 255  # RFC 1035, 2.3.4


@dataclass(frozen=True, slots=True)
class DomainHold:
    """A domain that is held, or was until an email to it is answered.

    `seconds` is how long it still lasts. Below zero it is tried.
    """

    domain: str
    times: int
    reason: str
    seconds: float


_SECONDS = case(
    *((eed_domain_hold.c.times == n, FIRST_SECONDS * 2**n) for n in (1, 2, 3)),
    else_=LONGEST_SECONDS,
)
HOLD_AGAIN = (
    update(eed_domain_hold)
    .where(eed_domain_hold.c.channel == bindparam("its_channel"))
    .where(eed_domain_hold.c.domain == bindparam("its_domain"))
    .where(eed_domain_hold.c.until_at <= utc_now())
    .ordered_values(  # MySQL goes from left to right: the length is that of the times so far
        (eed_domain_hold.c.until_at, utc_in(_SECONDS)),
        (eed_domain_hold.c.times, eed_domain_hold.c.times + 1),
        (eed_domain_hold.c.reason, bindparam("why")),
    )
)


class DomainHolds:
    """A channel's held domains, of all hosts. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(self, database: Database, channel: str = DEFAULT_CHANNEL) -> None:
        self._database = database
        self._channel = channel
        self._of_channel = eed_domain_hold.c.channel == channel

    def hold(self, domain: str, reason: str) -> DomainHold | None:
        """Hold a domain from now on, longer than the last time. None if another process has held it already."""
        key = _ascii(domain)
        values = {"its_channel": self._channel, "its_domain": key, "why": reason[:DETAIL_LENGTH]}

        def work(c: Connection) -> bool:
            if c.execute(HOLD_AGAIN, values).rowcount == 1:
                return True
            there = c.execute(select(eed_domain_hold.c.domain).where(self._of_channel, _is(key))).first()
            if there is None:
                first = {"times": 1, "held_at": utc_now(), "until_at": utc_in(FIRST_SECONDS)}
                which = {"channel": self._channel, "domain": key}
                c.execute(insert(eed_domain_hold).values(**which, reason=values["why"], **first))
            return there is None

        try:
            new = self._database.did(work)
        except IntegrityError:  # another process was faster
            new = False
        return next((hold for hold in self.all() if hold.domain == key), None) if new else None

    def release(self, domain: str) -> bool:
        """An email to it was answered, so it is held no more."""
        gone = delete(eed_domain_hold).where(self._of_channel, _is(_ascii(domain)))
        return self._database.did(lambda c: c.execute(gone).rowcount == 1)

    def all(self) -> list[DomainHold]:
        """Every domain of the channel that is held, or on trial after its hold."""
        columns = (eed_domain_hold.c[name] for name in ("domain", "times", "reason"))
        statement = select(*columns, seconds_until(eed_domain_hold.c.until_at).label("left"))
        ordered = statement.where(self._of_channel).order_by(eed_domain_hold.c.domain)
        found = self._database.run(lambda c: c.execute(ordered).all())
        return [DomainHold(row.domain, row.times, row.reason, float(row.left)) for row in found]


def _is(key: str) -> ColumnElement[bool]:
    return eed_domain_hold.c.domain == key


def _ascii(domain: str) -> str:
    return domain.encode("ascii", "replace").decode()[:DOMAIN_LENGTH]
