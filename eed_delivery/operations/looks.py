"""What a selection looks for, for the audit: a person can be found by a count, as by a search."""

from collections.abc import Iterable

from eed_delivery.addresses import canonical
from eed_delivery.ledger.acts import Act, ActKind, ActObject, new_operation
from eed_delivery.ledger.suppression.listing import audited


def looks(reason_contains: str | None, addresses: Iterable[str] = ()) -> list[Act]:
    """The acts that a count by a reason, or by entries of the suppression list, is in the audit as."""
    operation = new_operation()
    found = [
        Act(ActKind.SUPPRESSION_LIST, object=ActObject.ADDRESS, key=key, operation=operation)
        for key in dict.fromkeys(map(audited, addresses))
    ]
    if reason_contains is not None:
        address = canonical(reason_contains.strip())
        about = ActObject.EMAIL if address is None else ActObject.ADDRESS
        found.append(Act(ActKind.EMAILS, object=about, key=address or reason_contains, operation=operation))
    return found
