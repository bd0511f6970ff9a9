"""The audit of who did what, from where and why. To look at it is an act, too."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from eed_delivery.ledger.acts import Act, ActKind, ActObject, Particulars
from eed_delivery.ledger.audit_chain import FACTS, LINKS, TEXTS, AuditHead, ChainLedger, ChainResult, moment
from eed_delivery.ledger.auditing import AuditEntry, AuditFilter, AuditLedger
from eed_delivery.ledger.reporting import ReportingLedger
from eed_delivery.operations.refusals import InvalidRequest

__all__ = [
    "KINDS",
    "AuditEntry",
    "AuditHead",
    "AuditPage",
    "AuditQueries",
    "AuditRequest",
    "ChainResult",
    "Particulars",
]

READ_AT_ONCE = 1000
KINDS = tuple(kind.value for kind in ActKind)


@dataclass(frozen=True, slots=True)
class AuditRequest:
    """Which acts, the newest first. What is named narrows what is named before it.

    `job` and `email` are keys of the source, which the ledger need not know any more. `person` is a user, or who called
    by sudo. `kind` is one of `KINDS`. `since` and `until` are how long ago, in seconds, or a time in UTC. `after` is
    what the page before said. Raises `InvalidRequest`.
    """

    job: str | None = None
    email: str | None = None
    person: str | None = None
    kind: str | None = None
    since: float | datetime | None = None
    until: float | datetime | None = None
    after: str | None = None

    def __post_init__(self) -> None:
        if self.kind is not None and self.kind not in KINDS:
            raise InvalidRequest(f"an act is one of {', '.join(KINDS)}", which="kind")
        if self.after is not None and not (self.after.isascii() and self.after.isdigit()):
            raise InvalidRequest("after is what the page before said", which="after")


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Acts, the newest first. `next_after` is None on the last page. `head` is the end of the chain."""

    entries: tuple[AuditEntry, ...]
    next_after: str | None
    head: AuditHead


class AuditQueries:
    """Reads the audit. Each call raises `DatabaseGone`."""

    def __init__(self, audit: AuditLedger, chain: ChainLedger, reporting: ReportingLedger) -> None:
        self._audit = audit
        self._chain = chain
        self._reporting = reporting

    def each(self, request: AuditRequest) -> Iterator[AuditEntry]:
        """All of them, read a page at a time. The row about this very look is not among them."""
        return self._each(request, READ_AT_ONCE)

    def _each(self, request: AuditRequest, page: int) -> Iterator[AuditEntry]:
        wanted = AuditFilter(
            job=request.job,
            job_id=None if request.job is None else self._reporting.job_id(request.job),
            email=request.email,
            email_id=None if request.email is None else self._reporting.email_id(request.email),
            person=request.person,
            kind=None if request.kind is None else ActKind(request.kind),
            since=request.since,
            until=request.until,
            before_id=int(request.after) if request.after else None,
        )
        act = Act(ActKind.AUDIT, object=ActObject.AUDIT, after=_terms(request))
        self._audit.record(act)
        return (entry for entry in self._audit.entries(wanted, page) if entry.operation != act.operation)

    def page(self, request: AuditRequest, limit: int) -> AuditPage:
        """About `limit` of them. The acts of one call are never on two pages."""
        found: list[AuditEntry] = []
        for entry in self._each(request, limit + 2):  # one is of this look, and one is behind the page
            same = bool(found) and entry.operation is not None and entry.operation == found[-1].operation
            if len(found) >= limit and not same:
                return AuditPage(tuple(found), str(min(one.act_id for one in found)), self._chain.head())
            found.append(entry)
        return AuditPage(tuple(found), None, self._chain.head())

    def check(self) -> ChainResult:
        """Walk along the chain of all rows, and do each hash again."""
        return self._chain.check()

    def export(self) -> Iterator[Mapping[str, object]]:
        """The whole chain for `docs/check_audit.py`: its head, and then each row with every column. To read it is an
        act."""
        self._audit.record(Act(ActKind.AUDIT, object=ActObject.AUDIT, after={"export": True}))
        head = self._chain.head()
        yield {
            "format": "eed-delivery audit", "version": 1,
            "head_sequence": head.sequence, "head_hash": head.hash, "outside": self._chain.outside(),
        }  # fmt: skip
        for row in self._chain.rows():
            yield {name: _exported(row[name]) for name in ("act_id", "at", *FACTS, *TEXTS, *LINKS)}


def _exported(value: object) -> object:
    if isinstance(value, datetime):
        return moment(value)
    return value.hex() if isinstance(value, bytes) else value


def _terms(request: AuditRequest) -> Particulars:
    """What was asked for."""
    return {name: _plain(value) for name, value in asdict(request).items() if value is not None}


def _plain(value: str | float | datetime) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
