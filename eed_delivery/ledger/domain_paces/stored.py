"""Paces of destination domains that people set in place of the configured ones, while the service runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, delete, insert, or_, select

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.destinations import DestinationRules, DomainPace
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, Particulars, is_noted, note
from eed_delivery.ledger.duties import in_turn
from eed_delivery.ledger.holds.held import LASTS as HOLD_LASTS
from eed_delivery.ledger.paces import DUTY, ENDED, WHO_LENGTH
from eed_delivery.ledger.schema import DETAIL_LENGTH, eed_domain_hold, eed_domain_pace, eed_hold
from eed_delivery.model import HoldScope

_p = eed_domain_pace.c
LASTS = or_(_p.until_at.is_(None), _p.until_at > utc_now())
END_PACE = delete(eed_domain_pace).where(_p.domain == bindparam("its_domain")).where(_p.until_at <= utc_now())
_HELD_BY_PEOPLE = select(eed_hold.c.subject).where(eed_hold.c.scope == HoldScope.DOMAIN).where(HOLD_LASTS)
_HELD_BY_SERVICE = (
    select(eed_domain_hold.c.domain)
    .where(eed_domain_hold.c.channel == bindparam("its_channel"))
    .where(eed_domain_hold.c.until_at > utc_now())
)


@dataclass(frozen=True, slots=True)
class StoredDomainPace:
    """A pace that a person has set. Times are UTC. `until_at` None: until it is cleared."""

    domain: str
    per_second: float | None
    concurrency: int | None
    reason: str
    who: str
    set_at: datetime
    until_at: datetime | None

    @property
    def pace(self) -> DomainPace:
        """The pace itself."""
        return DomainPace(self.per_second, self.concurrency)


class DomainPaceLedger:
    """Sets and clears paces of domains. Each call is one transaction and raises `DatabaseGone`."""

    def __init__(
        self, database: Database, configured: Mapping[str, DomainPace] | None = None, who: Actor = SERVICE
    ) -> None:
        """`configured` are the paces of the configuration, by domain. `who` acts, for the audit."""
        self._database = database
        self._configured = dict(configured or {})
        self._who = who

    def all(self) -> tuple[StoredDomainPace, ...]:
        """The paces that people have set and that last, by domain."""
        return self._database.run(lambda c: _read(c, LASTS))

    def rules(self, channel: str | None = None) -> DestinationRules:
        """The paces that count now. With a channel, domains that are held there are closed."""

        def work(c: Connection) -> DestinationRules:
            paces = self._configured | {one.domain: one.pace for one in _read(c, LASTS)}
            closed: set[str] = set()
            if channel is not None:
                closed.update(c.execute(_HELD_BY_PEOPLE).scalars())
                closed.update(c.execute(_HELD_BY_SERVICE, {"its_channel": channel}).scalars())
            return DestinationRules(paces, closed)

        return self._database.run(work)

    def set(self, domain: str, pace: DomainPace, reason: str, seconds: float | None) -> None:
        """Set a pace from now on. One that there is, is replaced."""
        row = {
            "domain": domain,
            "per_second": pace.per_second,
            "concurrency": pace.concurrency,
            "reason": reason[:DETAIL_LENGTH],
            "who": self._who.user[:WHO_LENGTH],
            "set_at": utc_now(),
            "until_at": None if seconds is None else utc_in(seconds),
        }
        until = None if seconds is None else round(seconds)
        rate = None if pace.per_second is None else f"{pace.per_second:g}"
        after: Particulars = {"per_second": rate, "concurrency": pace.concurrency, "until_seconds": until}
        act = _act(ActKind.DOMAIN_PACE_SET, domain, reason, after)

        def work(c: Connection) -> None:
            in_turn(c, DUTY)
            if is_noted(c, act.operation):
                return
            c.execute(delete(eed_domain_pace).where(_p.domain == domain))
            c.execute(insert(eed_domain_pace).values(**row))
            note(c, self._who, act)

        self._database.run(work)

    def clear(self, domain: str, reason: str) -> bool:
        """End a pace. False: people have set none."""
        act = _act(ActKind.DOMAIN_PACE_CLEAR, domain, reason, None)

        def work(c: Connection) -> bool:
            if is_noted(c, act.operation):
                return True
            cleared = c.execute(delete(eed_domain_pace).where(_p.domain == domain)).rowcount == 1
            if cleared:
                note(c, self._who, act)
            return cleared

        return self._database.run(work)

    def end_expired(self) -> list[str]:
        """Delete the paces whose end has come, and return their domains. No worker heeds them already."""

        def work(c: Connection) -> list[str]:
            over = [pace.domain for pace in _read(c, _p.until_at <= utc_now())]
            ended = [name for name in over if c.execute(END_PACE, {"its_domain": name}).rowcount == 1]
            for name in ended:
                note(c, self._who, _act(ActKind.DOMAIN_PACE_CLEAR, name, ENDED, None))
            return ended

        return self._database.run(work)


def _read(c: Connection, which: ColumnElement[bool]) -> tuple[StoredDomainPace, ...]:
    columns = (_p[name] for name in ("domain", "per_second", "concurrency", "reason", "who", "set_at", "until_at"))
    return tuple(StoredDomainPace(*row) for row in c.execute(select(*columns).where(which).order_by(_p.domain)))


def _act(kind: ActKind, domain: str, reason: str, after: Particulars | None) -> Act:
    return Act(kind, object=ActObject.DOMAIN, key=domain, reason=reason, after=after)
