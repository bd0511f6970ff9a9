"""Whom a job has served. It says how many of its recipients were sent their email, and in which groups the others are.

That is another question than whether the sums balance. They do, too, where every email has failed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from eed_delivery.model import OPEN_STATES, EmailState

REFUSED = "refused"
"""What becomes of a row of the source that is not enlisted. It stands beside the emails' states."""
OPEN = "open"
_NOT_SENT = (EmailState.FAILED, EmailState.IN_DOUBT, EmailState.SUPPRESSED, EmailState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Served:
    """`recipients` are the job's emails and its refused rows. `others` are those who were not sent anything, by group.
    `came_back` is how many of the sent ones bounced hard."""

    recipients: int
    sent: int
    others: Mapping[str, int]
    came_back: int

    @property
    def complete(self) -> bool:
        """Whether every recipient was sent an email, and none came back. One that is suppressed was not served, and a
        reader may want to know why."""
        return 0 < self.recipients == self.sent and not self.came_back

    @property
    def share(self) -> str:
        """Of the recipients, those who were sent their email."""
        return percent(self.sent, self.recipients)


def served(states: Mapping[EmailState, int], refused: int, came_back: int) -> Served:
    """From the counts of a job's emails by state."""
    others = {
        OPEN: sum(states[state] for state in OPEN_STATES),
        **{state.value: states[state] for state in _NOT_SENT},
        REFUSED: refused,
    }
    return Served(
        recipients=sum(states.values()) + refused,
        sent=states[EmailState.SENT],
        others={name: count for name, count in others.items() if count},
        came_back=came_back,
    )


def percent(part: int, whole: int) -> str:
    """With one digit. 100.0 % are all of them, and 0.0 % none. "" of nothing."""
    if not whole:
        return ""
    if 0 < part * 2000 < whole:
        return "under 0.1 %"
    return f"{min(100 * part / whole, 100.0 if part == whole else 99.9):.1f} %"
