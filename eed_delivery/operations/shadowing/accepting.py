"""Differences from the old server that people accept, by name. They are in the audit."""

import re
from dataclasses import dataclass

from sqlalchemy import Connection

from eed_delivery.config import ShadowSettings
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.actor import Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, is_noted, note
from eed_delivery.ledger.shadowing import KeptAcceptance, ShadowLedger
from eed_delivery.operations.refusals import InvalidRequest, UnknownKey, WrongState
from eed_delivery.operations.values import reason
from eed_delivery.shadow.acceptance import AcceptedDifference, AcceptedDifferences
from eed_delivery.shadow.differences import DifferingField

LONGEST_PATTERN = 200
"""As a text of the audit's particulars."""
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")


@dataclass(frozen=True, slots=True)
class AcceptRequest:
    """Accept differences of `field` whose description has `pattern`, a regular expression. Raises `InvalidRequest`."""

    name: str
    field: str
    pattern: str
    reason: str

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            what = "it has 1 to 64 small letters, digits, - and _, and begins with a letter or digit"
            raise InvalidRequest(what, which="name")
        if self.field not in list(DifferingField):
            raise InvalidRequest(f"it is one of {', '.join(DifferingField)}", which="field")
        if not 1 <= len(self.pattern) <= LONGEST_PATTERN:
            raise InvalidRequest(f"it has 1 to {LONGEST_PATTERN} characters", which="pattern")
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise InvalidRequest(f"it is not a regular expression: {error}", which="pattern") from error
        reason(self.reason)


class ShadowAcceptances:
    """Lists, enters and takes them back. Each call raises `DatabaseGone`."""

    def __init__(self, database: Database, shadows: ShadowLedger, settings: ShadowSettings, who: Actor) -> None:
        self._database = database
        self._shadows = shadows
        self._settings = settings
        self._who = who

    def list_all(self) -> list[AcceptedDifference]:
        """Those of the configuration, and those of people."""
        given = [
            AcceptedDifference(one.name, one.field, one.pattern, one.by, one.reason) for one in self._settings.accepted
        ]
        return [*given, *map(_rule, self._shadows.acceptances())]

    def now(self) -> AcceptedDifferences:
        """All of them, ready for use."""
        return AcceptedDifferences(self.list_all())

    def accept(self, request: AcceptRequest) -> None:
        """Enter one. Raises `WrongState` where its name is taken."""
        why = reason(request.reason)
        after = {"field": request.field, "pattern": request.pattern}
        act = Act(ActKind.SHADOW_ACCEPT, reason=why, object=ActObject.ACCEPTANCE, key=request.name, after=after)
        taken = any(one.name == request.name for one in self._settings.accepted)

        def work(c: Connection) -> bool:
            if is_noted(c, act.operation):
                return True
            rule = (request.name, request.field, request.pattern, self._who.user, why)
            if taken or not self._shadows.accept(c, *rule):
                return False
            note(c, self._who, act)
            return True

        if not self._database.did(work):
            what = f"there is an accepted difference of the name {request.name}"
            raise WrongState(what, which="name", do="Choose another name, or revoke that one first.")

    def revoke(self, name: str, why: str) -> None:
        """Take one back that a person has entered. Raises `UnknownKey`."""
        act = Act(ActKind.SHADOW_REVOKE, reason=reason(why), object=ActObject.ACCEPTANCE, key=name)

        def work(c: Connection) -> bool:
            if is_noted(c, act.operation):
                return True
            if not self._shadows.revoke(c, name):
                return False
            note(c, self._who, act)
            return True

        if not self._database.did(work):
            what = f"no person has accepted a difference by the name {name}"
            raise UnknownKey(what, which="name", do="Those of the configuration are removed there.")


def _rule(kept: KeptAcceptance) -> AcceptedDifference:
    return AcceptedDifference(kept.name, kept.field, kept.pattern, kept.who, kept.reason)
