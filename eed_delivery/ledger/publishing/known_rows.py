"""What becomes of a row of the source that says "not sent yet" while the ledger knows its key already.

The old way to run failed emails again is to move their rows into a new job, or to set their status back. The ledger
cannot distinguish that from a number that is used a second time for another customer. So `source.job.known_rows`
decides, and nothing is ever left out in silence.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from eed_delivery.config.source_mapping import KnownRows
from eed_delivery.model import OPEN_STATES, EmailState


class KnownRowFate(Enum):
    """What becomes of it."""

    NONE = auto()  # this job has it already: nothing to do
    REFUSE = auto()
    REGENERATE = auto()  # a new generation, in the job that has the row now


@dataclass(frozen=True, slots=True)
class KnownEmail:
    """An email of the ledger whose key came again.

    `changed_at` is UTC. `is_resend` means that the source never had it.
    """

    email_id: int
    job_id: int
    job_key: str
    gen: int
    state: EmailState
    changed_at: datetime | None
    is_resend: bool = False


_ENDED = {
    EmailState.SENT: "sent it",
    EmailState.FAILED: "ended it as failed",
    EmailState.SUPPRESSED: "ended it as suppressed",
    EmailState.CANCELLED: "ended it as cancelled",
}
RESEND = "its key is that of a resend, for which an operator sent another email again"
POLICY = 'source.job.known_rows is "refuse"'


def fate(known: KnownEmail, job_id: int, policy: KnownRows) -> tuple[KnownRowFate, str]:
    """What becomes of a known row that job `job_id` has now, and the reason where it is refused.

    A doubt is never resent in silence (G2), and what a worker may hold is not taken from it.
    """
    if known.is_resend:
        return KnownRowFate.REFUSE, RESEND
    same_job = known.job_id == job_id
    if known.state in OPEN_STATES:
        if same_job:
            return KnownRowFate.NONE, ""
        return KnownRowFate.REFUSE, f"known already: job {known.job_key} is still sending it"
    if known.state is EmailState.IN_DOUBT:
        return KnownRowFate.REFUSE, f"known already: it is in doubt in job {known.job_key}. Settle it first"
    if policy == "new_generation":
        return KnownRowFate.REGENERATE, ""
    when = f" at {known.changed_at:%Y-%m-%d %H:%M} UTC" if known.changed_at else ""
    return KnownRowFate.REFUSE, f"known already: job {known.job_key} {_ENDED[known.state]}{when}; {POLICY}"
