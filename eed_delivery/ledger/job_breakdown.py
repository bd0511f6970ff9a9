"""A job's emails by recipient domain and by minute. Each row has to be read, so it is read in pieces."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, String, Subquery, cast, func, select

from eed_delivery.database.transactions import Database
from eed_delivery.ledger.schema import eed_email
from eed_delivery.model import EmailState

PIECE = 10_000
"""Emails that one statement reads."""
DOMAINS_KEPT = 5000
"""Limit: domains that are counted apart. The rarest beyond it are counted together."""
DOMAINS_SHOWN = 100
"""Limit: domains of a job that stay in memory for its viewers."""
MINUTE = 16
"""Characters of a time down to its minute: 2026-11-30 02:14"""

DomainStates = dict[str, Counter[EmailState]]


@dataclass(frozen=True, slots=True)
class Breakdown:
    """`domains` are the commonest ones with their emails by state. `further` is how many others were counted, and
    `others` are the emails of those that were too rare for it. "" is the domain of what is no address. `minutes` are
    how many were sent in each minute, in UTC."""

    domains: DomainStates
    further: int
    others: Counter[EmailState]
    minutes: Counter[datetime]

    def commonest(self, most: int) -> list[tuple[str, Counter[EmailState]]]:
        """The domains with the most emails."""
        return _commonest(self.domains, most)


class BreakdownLedger:
    """Reads all emails of a job. Each piece is a transaction of its own, and raises `DatabaseGone`."""

    def __init__(self, database: Database, piece: int = PIECE) -> None:
        self._database = database
        self._piece = piece

    def of_job(self, job_id: int, between: Callable[[], object] = lambda: None) -> Breakdown:
        """`between` is called between two pieces."""
        domains: DomainStates = {}
        others: Counter[EmailState] = Counter()
        minutes: Counter[datetime] = Counter()
        for state in EmailState:
            after: int | None = 0
            while after is not None:
                after = self._add(job_id, state, after, domains, minutes)
                _limit(domains, others)
                between()
        kept = dict(_commonest(domains, DOMAINS_SHOWN))
        return Breakdown(kept, len(domains) - len(kept), others, minutes)

    def _add(
        self, job_id: int, state: EmailState, after: int, domains: DomainStates, minutes: Counter[datetime]
    ) -> int | None:
        """Count a piece. Returns its last id, None if it was the last piece."""
        e = eed_email.c
        piece = (
            select(e.email_id, e.address, e.changed_at)
            .where(e.job_id == job_id, e.state == state, e.email_id > after)
            .order_by(e.email_id)
            .limit(self._piece)
            .subquery()
        )

        def read(c: Connection) -> tuple[int | None, int]:
            last, count = c.execute(select(func.max(piece.c.email_id), func.count()).select_from(piece)).one()
            if count:
                _add_domains(c, piece, state, domains)
            if count and state is EmailState.SENT:
                _add_minutes(c, piece, minutes)
            return last, count

        last, count = self._database.run(read)
        return last if count == self._piece else None


def _add_domains(c: Connection, piece: Subquery, state: EmailState, domains: DomainStates) -> None:
    address = piece.c.address
    domain = func.coalesce(func.substr(address, func.instr(address, "@") + 1), "").label("domain")
    for name, count in c.execute(select(domain, func.count()).group_by(domain)):
        domains.setdefault(name, Counter())[state] += count


def _add_minutes(c: Connection, piece: Subquery, minutes: Counter[datetime]) -> None:
    minute = func.substr(cast(piece.c.changed_at, String(26)), 1, MINUTE).label("minute")
    for text, count in c.execute(select(minute, func.count()).group_by(minute)):
        if text:
            minutes[datetime.fromisoformat(text)] += count


def _commonest(domains: DomainStates, most: int) -> list[tuple[str, Counter[EmailState]]]:
    return sorted(domains.items(), key=lambda one: (-one[1].total(), one[0]))[:most]


def _limit(domains: DomainStates, others: Counter[EmailState]) -> None:
    if len(domains) <= 2 * DOMAINS_KEPT:
        return
    rarest = sorted(domains, key=lambda name: domains[name].total())[: len(domains) - DOMAINS_KEPT]
    for name in rarest:
        others.update(domains.pop(name))
