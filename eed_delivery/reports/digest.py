"""All that the page shows of a job's emails, gathered in one pass over them."""

from eed_delivery.ledger.reporting import NOT_SENT, EmailReport, RefusalReport
from eed_delivery.model import EmailState
from eed_delivery.reports.reasons import Reasons
from eed_delivery.reports.served import REFUSED
from eed_delivery.reports.timeline import Timeline

DOUBTS_LISTED = 50


class Digest:
    """When emails were accepted, why others were not, and the first of those in doubt."""

    def __init__(self) -> None:
        self.accepted = Timeline()
        self.reasons = Reasons()
        self.doubts: list[EmailReport] = []

    def add(self, email: EmailReport) -> None:
        """Take an email in."""
        if email.state is EmailState.SENT and email.changed_at is not None:
            self.accepted.add(email.changed_at)
        elif email.state in NOT_SENT:
            self.reasons.add(email.state, email.detail)
        if email.state is EmailState.IN_DOUBT and len(self.doubts) < DOUBTS_LISTED:
            self.doubts.append(email)

    def refuse(self, refusal: RefusalReport) -> None:
        """Take a refused row in."""
        self.reasons.add(REFUSED, refusal.reason)
