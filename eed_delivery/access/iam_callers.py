"""Callers whom API Gateway has authenticated by IAM (SigV4), by the ARN that it says in the event.

A role's session names itself as it likes. So rights and limits go by the role, and its name is for people alone.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from eed_delivery.access.rights import GrantedRights, scoped
from eed_delivery.config import IamGrantSettings

LONGEST_NAME = 191
"""Characters that the audit keeps. A longer ARN has no rights: two that were cut to the same would be one."""
_SESSION = re.compile(r"(arn:aws[a-z-]*):sts::([0-9]{12}):assumed-role/([\w+=,.@-]{1,64})/([\w+=,.@-]{2,64})", re.ASCII)
_ROLE = re.compile(r"(arn:aws[a-z-]*):iam::([0-9]{12}):role/(?:[^/]+/)*([^/]+)", re.ASCII)
_USER = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:user/.+", re.ASCII)


@dataclass(frozen=True, slots=True)
class IamCaller:
    """`account` is the role or the user, the same for all sessions of a role. `session` is what one calls itself."""

    account: str
    session: str
    granted: GrantedRights | None


class IamCallers:
    """Roles and users with rights here."""

    def __init__(self, given: Mapping[str, IamGrantSettings]) -> None:
        self._given = {_without_path(arn): scoped(grant.role, grant.scopes) for arn, grant in given.items()}

    def of(self, arn: str) -> IamCaller:
        """Whose ARN it is. `granted` is None for one without rights here, like the root user or a federated one."""
        account, session = _parts(arn)
        known = self._given.get(account) if len(account) <= LONGEST_NAME else None
        return IamCaller(account[:LONGEST_NAME], session, known)


def _parts(arn: str) -> tuple[str, str]:
    """The role and its session. What is neither a role nor a user has no rights by any name."""
    if (found := _SESSION.fullmatch(arn)) is not None:
        partition, number, role, session = found.groups()
        return f"{partition}:iam::{number}:role/{role}", session
    return (arn if _USER.fullmatch(arn) else f"unknown {arn}"), ""


def _without_path(arn: str) -> str:
    """A session's ARN has no path of its role. The name alone is unique in the account."""
    role = _ROLE.fullmatch(arn)
    return arn if role is None else f"{role[1]}:iam::{role[2]}:role/{role[3]}"
