"""How many long acts of one caller may wait or be at work."""

from eed_delivery.ledger.long_acts.ledger import LongActLedger
from eed_delivery.ledger.long_acts.long_act import LongActKind
from eed_delivery.operations.refusals import OperationRefused

MOST_REPORTS = 5
MOST_OTHERS = 20
"""Requests that come within the same instant may each be the last."""


class TooManyLongActs(OperationRefused):
    """The caller has too many that have not ended."""


def refuse_crowd(ledger: LongActLedger, kind: LongActKind) -> None:
    """Raises `TooManyLongActs`."""
    reports = kind is LongActKind.REPORT
    most = MOST_REPORTS if reports else MOST_OTHERS
    if ledger.unfinished(most, reports=reports) >= most:
        what = f"{most} {'reports' if reports else 'operations'} of yours have not ended, and more cannot wait"
        raise TooManyLongActs(what, do="Wait until one has ended, or stop one.")
