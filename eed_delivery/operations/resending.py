"""Send a sent email once more that was lost on its way, deleted, or went to an address that was wrong."""

from dataclasses import dataclass

from eed_delivery.ledger.reporting import ReportingLedger
from eed_delivery.ledger.resending import Resend, ResendLedger, Resent
from eed_delivery.operations.keys import Keys
from eed_delivery.operations.long_acts.second_person import SecondPerson, SecondPersonRule
from eed_delivery.operations.refusals import UnknownKey
from eed_delivery.operations.values import address, reason

__all__ = ["ResendRequest", "Resending", "Resent"]


@dataclass(frozen=True, slots=True)
class ResendRequest:
    """An email to send once more, by its key.

    `recipient` None means to the address that the source has when it is sent. `despite_suppression` means although that
    address is on the suppression list. Raises `InvalidRequest`."""

    email: str
    reason: str
    recipient: str | None = None
    despite_suppression: bool = False

    def __post_init__(self) -> None:
        reason(self.reason)
        if self.recipient is not None:
            address(self.recipient)


class Resending:
    """Enters resends. Raises `NotPossible`, with what to do instead, or `DatabaseGone`."""

    def __init__(self, keys: Keys, resends: ResendLedger, reporting: ReportingLedger, second: SecondPerson) -> None:
        """`second` says whether one person alone may write to somebody who has complained."""
        self._second = second
        self._keys = keys
        self._resends = resends
        self._reporting = reporting

    def resend(self, request: ResendRequest) -> Resent:
        """Enter a new email of the same job. The service sends it by itself. Returns its key and where it goes."""
        email_id = self._keys.email_id(request.email)
        complained = not self._second.wants(SecondPersonRule.UNSUPPRESS_COMPLAINTS)
        to, despite = request.recipient, request.despite_suppression
        return self._resends.resend(Resend(email_id, request.reason, to, despite, complained))

    def newest(self, key: str) -> str:
        """The key of the newest resend of an email. Raises `UnknownKey`."""
        report = self._reporting.email(self._keys.email_id(key))
        found = self._reporting.resends(report) if report else []
        if not found:
            raise UnknownKey(f"email {key} was not sent once more", which=f"email {key}")
        return found[-1].key
