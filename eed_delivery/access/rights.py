"""The rights, and the roles that have them. Each route of a page or of the API asks for one right."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Right(StrEnum):
    """What a person or a token may do."""

    VIEW = "view"  # see jobs, emails, processes and lists, with masked addresses
    OPERATE = "operate"  # pause, resume, hold, settle, send again what has failed
    ADMIN = "admin"  # cancel, resume unwatched, take addresses off the suppression list, channels, users, tokens
    AUDIT = "audit"  # see who did what
    SUBMIT = "submit"  # register a job
    NUDGE = "nudge"  # have a job picked up now
    METRICS = "metrics"  # read metrics
    SEE_RECIPIENTS = "see_recipients"  # see addresses in full
    SEE_CONTENT = "see_content"  # see an email as its customer gets it


class OperatorRole(StrEnum):
    """What a person or a token is here."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    AUDITOR = "auditor"


_VIEWER = frozenset({Right.VIEW, Right.METRICS})
_OPERATOR = _VIEWER | {Right.OPERATE, Right.SUBMIT, Right.NUDGE}
RIGHTS_OF: Mapping[OperatorRole, frozenset[Right]] = {
    OperatorRole.VIEWER: _VIEWER,
    OperatorRole.OPERATOR: _OPERATOR,
    OperatorRole.ADMIN: _OPERATOR | {Right.ADMIN, Right.AUDIT},
    OperatorRole.AUDITOR: frozenset({Right.VIEW, Right.AUDIT}),
}
EXTRA_RIGHTS = frozenset({Right.SEE_RECIPIENTS, Right.SEE_CONTENT})
"""Rights of no role. They are given by name, because they show personal data."""


@dataclass(frozen=True, slots=True)
class GrantedRights:
    """A role, and the rights that come with it here."""

    role: OperatorRole
    rights: frozenset[Right]


def granted(role: str, extra: Collection[str] = ()) -> GrantedRights:
    """A role with further rights. Unknown ones give nothing: a later release may have had them."""
    known = OperatorRole(role)
    return GrantedRights(known, RIGHTS_OF[known] | {right for right in EXTRA_RIGHTS if right in extra})


def scoped(role: str, scopes: Collection[str]) -> GrantedRights:
    """A role limited to its `scopes`. Without any it has all rights of the role."""
    known = OperatorRole(role)
    possible = RIGHTS_OF[known] | EXTRA_RIGHTS
    return GrantedRights(
        known, frozenset(right for right in possible if right in scopes) if scopes else RIGHTS_OF[known]
    )
