"""Callers whom API Gateway has authenticated by IAM (SigV4), by the ARN that it says in the event.

A role's session names itself as it likes. So rights go by the role, and the session's name is for people alone.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from eed_delivery.access.rights import GrantedRights, scoped
from eed_delivery.config import IamGrantSettings

LONGEST_NAME = 191
"""Characters that the audit keeps. A longer ARN has no rights: two that were cut to the same would be one."""
_SESSION = re.compile(r"(arn:aws[a-z-]*):sts::([0-9]{12}):assumed-role/([\w+=,.@-]{1,64})/[\w+=,.@-]{2,64}", re.ASCII)
_ROLE = re.compile(r"(arn:aws[a-z-]*):iam::([0-9]{12}):role/(?:[^/]+/)*([^/]+)", re.ASCII)
_USER = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:user/.+", re.ASCII)


@dataclass(frozen=True, slots=True)
class IamCaller:
    """`name` is the ARN as it came. `subject` is the role or the user, the same for all sessions of a role."""

    name: str
    subject: str
    granted: GrantedRights | None


class IamCallers:
    """Roles and users with rights here."""

    def __init__(self, given: Mapping[str, IamGrantSettings]) -> None:
        self._given = {_without_path(arn): scoped(grant.role, grant.scopes) for arn, grant in given.items()}

    def of(self, arn: str) -> IamCaller:
        """Whose ARN it is. `granted` is None for one without rights here, like the root user or a federated one."""
        subject = _subject(arn) if len(arn) <= LONGEST_NAME else None
        known = self._given.get(subject) if subject is not None else None
        return IamCaller(arn[:LONGEST_NAME], subject or arn[:LONGEST_NAME], known)


def _subject(arn: str) -> str | None:
    if (session := _SESSION.fullmatch(arn)) is not None:
        partition, account, role = session.groups()
        return f"{partition}:iam::{account}:role/{role}"
    return arn if _USER.fullmatch(arn) else None


def _without_path(arn: str) -> str:
    """A session's ARN has no path of its role. The name alone is unique in the account."""
    role = _ROLE.fullmatch(arn)
    return arn if role is None else f"{role[1]}:iam::{role[2]}:role/{role[3]}"
