"""Counts what a long act would change, starts it, and says how far it has come."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.ledger.long_acts.ledger import LongActLedger
from eed_delivery.ledger.long_acts.long_act import (
    ADDRESSES,
    EVIDENCE,
    NO_COMPLAINTS,
    ChunkedWork,
    LongAct,
    LongActKind,
    LongActOrder,
    LongActsPage,
    LongActState,
)
from eed_delivery.model import EmailState
from eed_delivery.operations.keys import Keys
from eed_delivery.operations.long_acts.confirming import CountedSelection, confirmed, digest_of, refuse_grown
from eed_delivery.operations.long_acts.crowds import refuse_crowd
from eed_delivery.operations.long_acts.requests import LongActRequest, LongActSelection
from eed_delivery.operations.long_acts.second_person import SecondPerson, SecondPersonRule
from eed_delivery.operations.looks import looks
from eed_delivery.operations.refusals import InvalidRequest, NothingMatches, UnknownKey, WrongState
from eed_delivery.operations.requeueing import contains
from eed_delivery.operations.suppression.listing import ASKED_FOR, COMPLAINT, evidence_needed
from eed_delivery.operations.values import reason

__all__ = ["Asker", "CountedSelection", "LongAct", "LongActKind", "LongActState", "LongActs", "LongActsPage"]

UNTIL_ASKED = "until_asked"


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks. `subject` is the same for all names of one person. A token is no person."""

    subject: str
    is_person: bool


class PersonNeeded(InvalidRequest):
    """A token asks for what a second person has to approve. Behind a token may be anybody."""


class LongActs:
    """What a person can ask of long acts. Each call raises `DatabaseGone`."""

    def __init__(
        self,
        keys: Keys,
        ledger: LongActLedger,
        works: Mapping[LongActKind, ChunkedWork],
        second: SecondPerson,
        audit: AuditLedger,
    ) -> None:
        self._audit = audit
        self._keys = keys
        self._ledger = ledger
        self._works = works
        self._second = second

    def preview(self, request: LongActRequest) -> CountedSelection:
        """Count what matches, and change nothing. Its tag starts the act. What it looks for is in the audit."""
        selection = self._resolved(request)
        self._record(request)
        at = self._ledger.now()
        count = self._works[request.kind].count(selection, None)
        return CountedSelection(count, at, digest_of(request.kind, selection, request.parameters))

    def start(self, request: LongActRequest, asker: Asker) -> LongAct:
        """Enter the act. Raises `InvalidRequest` without a tag of this selection, and `SelectionChanged`."""
        name, entered = self._ledger.named()
        if entered is not None:
            return entered
        refuse_crowd(self._ledger, request.kind)
        selection = self._resolved(request)
        self._record(request)  # a refusal says how many match
        seen = confirmed(request.selection_etag, digest_of(request.kind, selection, request.parameters))
        now = self._ledger.now()
        if seen.at > now:
            raise InvalidRequest("it is no tag of a selection", which="selection_etag", do="Count first.")
        total = self.refuse_grown(request.kind, selection, seen.count, seen.at, request.tolerance)
        if not total:
            raise NothingMatches("nothing matches this selection", which="selection")
        frozen = _frozen(selection, now)
        rule = self._rule(request, selection)
        if rule is None and self._guards_complaints(request.kind):
            frozen[NO_COMPLAINTS] = True
        if rule is not None and not asker.is_person:
            raise token_refused(rule)
        unsuppress = request.kind is LongActKind.UNSUPPRESS
        if unsuppress and request.evidence is None and self._has(ASKED_FOR, selection):
            raise evidence_needed()
        evidence = {} if request.evidence is None else {EVIDENCE: request.evidence}
        order = LongActOrder(
            kind=request.kind,
            selection=frozen,
            parameters={**request.parameters, **evidence},
            reason=reason(request.reason),
            total=total,
            selection_etag=seen.etag,
            tolerance=request.tolerance,
            canary=request.canary,
            approval=rule,
            subject=asker.subject,
        )
        return self._ledger.start(order, name)

    def refuse_grown(
        self, kind: LongActKind, selection: Mapping[str, Any], counted: int, at: datetime, tolerance: int
    ) -> int:
        """How many match now. Raises `SelectionChanged`."""
        work = self._works[kind]
        now = work.count(selection, None)
        refuse_grown(counted, now, work.count(selection, at), tolerance)
        return now

    def view(self, act_id: str) -> LongAct:
        """One act. Raises `UnknownKey`."""
        found = self._ledger.of(act_id)
        if found is None:
            raise UnknownKey(f"there is no operation {act_id}", which=f"operation {act_id}")
        return found

    def page(self, limit: int, *, unfinished: bool = False, after: str | None = None) -> LongActsPage:
        """Acts, the newest first."""
        return self._ledger.page(limit, unfinished=unfinished, before=after)

    def stop(self, act_id: str, why: str) -> LongAct:
        """End an act at its next chunk. Raises `WrongState` if it has ended."""
        if not self._ledger.stop(act_id, reason(why)) and self.view(act_id).state is not LongActState.STOPPED:
            raise WrongState(f"operation {act_id} has ended", which=f"operation {act_id}")
        return self.view(act_id)

    def go_on(self, act_id: str, why: str | None = None) -> LongAct:
        """Continue an act that waits behind its first ones. Raises `WrongState`."""
        found = self.view(act_id)
        if not self._ledger.go_on(act_id, why):
            raise WrongState(
                f"only an operation that waits behind its canary is continued: {act_id} is {found.state}",
                which=f"operation {act_id}",
            )
        return self.view(act_id)

    def _record(self, request: LongActRequest) -> None:
        self._audit.record_all(looks(request.selection.reason_contains, request.selection.addresses))

    def _rule(self, request: LongActRequest, selection: Mapping[str, Any]) -> SecondPersonRule | None:
        doubts = request.kind is LongActKind.REQUEUE and request.state is EmailState.IN_DOUBT
        if doubts or request.settle_as is EmailState.FAILED:  # what has failed is requeued by one person
            rule, applies = SecondPersonRule.RESEND_DOUBTS, True
        elif request.kind is LongActKind.UNSUPPRESS:
            rule = SecondPersonRule.UNSUPPRESS_COMPLAINTS
            applies = self._second.wants(rule) and self._has({COMPLAINT}, selection)
        else:
            return None
        return rule if applies and self._second.wants(rule) else None

    def _guards_complaints(self, kind: LongActKind) -> bool:
        return kind is LongActKind.UNSUPPRESS and self._second.wants(SecondPersonRule.UNSUPPRESS_COMPLAINTS)

    def _has(self, sources: Collection[str], selection: Mapping[str, Any]) -> bool:
        """Whether a selection of entries has any of these sources."""
        work, given = self._works[LongActKind.UNSUPPRESS], selection.get("source")
        asked = [source for source in sources if given in (None, source)]
        return any(work.count({**selection, "source": source}, None) for source in asked)

    def _resolved(self, request: LongActRequest) -> dict[str, Any]:
        """A selection as the ledger keeps it. Raises `OperationRefused` for a key that is none."""
        given = request.selection
        found = _as_json(given)
        if request.kind is LongActKind.UNSUPPRESS:
            return found
        found["job_ids"] = [self._keys.job_id(key) for key in given.jobs]
        found["email_ids"] = [self._keys.email_id(key) for key in given.emails]
        if given.reason_contains is not None:
            found["error_like"] = contains(given.reason_contains)
        if request.state is not None:
            found["state"] = request.state.value
        return found


def token_refused(rule: SecondPersonRule) -> PersonNeeded:
    """The error."""
    what = f"operators.second_person names {rule}, and a token is no person"
    return PersonNeeded(what, which="Authorization", do="Log in as a person, and ask again.")


def _frozen(selection: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """A selection of what matches now. What comes later does not belong to it."""
    asked = selection.get("until")
    end = now if asked is None else min(now, datetime.fromisoformat(asked))
    return {**selection, "until": end.isoformat(), UNTIL_ASKED: asked}


def as_asked(act: LongAct) -> dict[str, Any]:
    """The selection as it was before it was frozen."""
    found = {name: value for name, value in act.selection.items() if name not in ("until", UNTIL_ASKED)}
    asked = act.selection.get(UNTIL_ASKED)
    return found if asked is None else {**found, "until": asked}


def _as_json(selection: LongActSelection) -> dict[str, Any]:
    plain = replace(selection, state=None)
    found: dict[str, Any] = {}
    for name in sorted(plain.given):
        value = getattr(plain, name)
        if isinstance(value, datetime):
            value = value.replace(tzinfo=None).isoformat()
        found[name] = list(value) if isinstance(value, tuple) else value
    return found


def shown_selection(act: LongAct) -> dict[str, Any]:
    """A selection for people: without the ledger's own numbers, and without addresses."""
    hidden = {"job_ids", "email_ids", "error_like", UNTIL_ASKED, NO_COMPLAINTS}
    found = {name: value for name, value in act.selection.items() if name not in hidden}
    if isinstance(found.get(ADDRESSES), list):
        found[ADDRESSES] = len(found[ADDRESSES])
    return found
