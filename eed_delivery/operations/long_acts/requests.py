"""What can be asked for, with the filters of the lists. A filter that an act does not know is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from eed_delivery.access.rights import Right
from eed_delivery.ledger.long_acts.long_act import LongActKind
from eed_delivery.model import EmailState
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.operations.values import category, domain, evidence, listed_address, reason

__all__ = ["KINDS", "LongActKind", "LongActRequest", "LongActSelection", "right_of"]

MOST_JOBS = 100
MOST_NAMED = 1000
"""Limit: emails or addresses that are named one by one. More are a selection."""


@dataclass(frozen=True, slots=True)
class LongActSelection:
    """Which emails or entries. What is named narrows what is named before it.

    `jobs` and `emails` are keys. `every` is needed where neither jobs, emails nor a filter is named. `since` and
    `until` are UTC. `addresses`, `domain`, `category` and `source` are of the suppression list.
    """

    state: EmailState | None = None
    jobs: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    every: bool = False
    since: datetime | None = None
    until: datetime | None = None
    reason_contains: str | None = None
    addresses: tuple[str, ...] = ()
    domain: str | None = None
    category: str | None = None
    source: str | None = None

    @property
    def given(self) -> frozenset[str]:
        """The names of the filters that are there."""
        return frozenset(one.name for one in fields(self) if getattr(self, one.name) not in (None, (), False))


_OF_EMAILS = frozenset({"jobs", "emails", "every", "since", "until", "reason_contains"})
_OF_ENTRIES = frozenset({"addresses", "domain", "category", "source", "every"})


@dataclass(frozen=True, slots=True)
class KindOfAct:
    """What one kind takes. `state` is that of its emails, if the caller does not say."""

    filters: frozenset[str]
    right: Right
    narrows: frozenset[str]
    state: EmailState | None = None


KINDS: Mapping[LongActKind, KindOfAct] = {
    LongActKind.REQUEUE: KindOfAct(
        _OF_EMAILS | {"state"}, Right.OPERATE, frozenset({"jobs", "emails"}), EmailState.FAILED
    ),
    LongActKind.SETTLE: KindOfAct(_OF_EMAILS, Right.OPERATE, frozenset({"jobs", "emails"}), EmailState.IN_DOUBT),
    LongActKind.RETRY_NOW: KindOfAct(
        frozenset({"jobs", "emails", "every", "reason_contains"}), Right.OPERATE, frozenset({"jobs", "emails"})
    ),
    LongActKind.UNSUPPRESS: KindOfAct(
        _OF_ENTRIES, Right.ADMIN, frozenset({"addresses", "domain", "category", "source"})
    ),
}
"""The kinds that a request can start. A further one needs an entry here and its work."""


@dataclass(frozen=True, slots=True)
class LongActRequest:
    """A long act. Raises `InvalidRequest`.

    `settle_as` is for `settle`. `accept_duplicates` is needed for a requeue of `in_doubt`. After `canary` of them the
    act waits for a person. It is refused if more than `tolerance` have come since `selection_etag`. `evidence` is for
    `unsuppress`, as of `RemoveRequest`.
    """

    kind: LongActKind
    selection: LongActSelection
    reason: str
    settle_as: EmailState | None = None
    accept_duplicates: bool = False
    canary: int | None = None
    tolerance: int = 0
    selection_etag: str | None = None
    evidence: str | None = None
    parameters: Mapping[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        reason(self.reason)
        kind = KINDS.get(self.kind)
        if kind is None:
            raise InvalidRequest(f"{self.kind} is not started like this", which="kind")
        _check_selection(self.selection, kind, self.kind)
        self._check_parameters()
        settled = {"as": self.settle_as.value} if self.settle_as else {}
        object.__setattr__(self, "parameters", settled)

    @property
    def state(self) -> EmailState | None:
        """The state of the emails that it is about."""
        return self.selection.state or KINDS[self.kind].state

    def _check_parameters(self) -> None:
        if self.evidence is not None:
            if self.kind is not LongActKind.UNSUPPRESS:
                raise InvalidRequest("it is for unsuppress alone", which="evidence")
            object.__setattr__(self, "evidence", evidence(self.evidence))
        if (self.kind is LongActKind.SETTLE) != (self.settle_as is not None):
            raise InvalidRequest("it says what an email in doubt is settled as, and is for settle alone", which="as")
        if self.settle_as not in (None, EmailState.SENT, EmailState.FAILED):
            raise InvalidRequest("an email in doubt is settled as sent or as failed", which="as")
        doubts = self.kind is LongActKind.REQUEUE and self.state is EmailState.IN_DOUBT
        if doubts and not self.accept_duplicates:
            raise InvalidRequest(
                "an email in doubt may have arrived", which="accept_duplicates", do="Settle it, or accept duplicates."
            )
        if self.kind is LongActKind.REQUEUE and self.state not in (EmailState.FAILED, EmailState.IN_DOUBT):
            raise InvalidRequest("only failed and in_doubt emails can be requeued", which="state")


def right_of(request: LongActRequest) -> Right:
    """What its caller must be allowed."""
    doubts = request.kind is LongActKind.REQUEUE and request.state is EmailState.IN_DOUBT
    return Right.ADMIN if doubts else KINDS[request.kind].right


def _check_selection(selection: LongActSelection, kind: KindOfAct, name: LongActKind) -> None:
    for unknown in sorted(selection.given - kind.filters):
        raise InvalidRequest(f"{name} has no such filter", which=f"selection/{unknown}")
    if bool(selection.given & kind.narrows) == selection.every:
        narrowing = ", ".join(sorted(kind.narrows))
        raise InvalidRequest(f"name some of {narrowing}, or every, and not both", which="selection")
    if len(selection.jobs) > MOST_JOBS:
        raise InvalidRequest(f"{MOST_JOBS} jobs at most can be named", which="selection/jobs")
    if max(len(selection.emails), len(selection.addresses)) > MOST_NAMED:
        raise InvalidRequest(f"{MOST_NAMED} at most can be named one by one", which="selection")
    for each in selection.addresses:
        listed_address(each)
    if selection.domain is not None:
        domain(selection.domain)
    if selection.category is not None:
        category(selection.category)
