"""Whom a proxy's signed header names. What checks the signature is loaded only where there is such a proxy."""

from dataclasses import dataclass

from eed_delivery.access.rights import GrantedRights

LONGEST_NAME = 191


class NotSigned(Exception):
    """The header proves nothing. The text says why, for the log."""


@dataclass(frozen=True, slots=True)
class SignedPerson:
    """A person of the identity provider. `name` is readable, `subject` is the provider's own id."""

    subject: str
    name: str
    granted: GrantedRights | None
