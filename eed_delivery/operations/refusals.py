"""Why an operation is refused. There is an error class for each kind, so that a surface need not read the words."""

from datetime import datetime

from eed_delivery.errors import NotPossible
from eed_delivery.reports.moments import both_times


class OperationRefused(NotPossible):
    """An operation was refused, and nothing was changed.

    `what` is the case. `which` is the job, email, address or setting that it is about, "" if it is no single one.
    `do` says what to do about it, "" if there is nothing.
    """

    def __init__(self, what: str, *, which: str = "", do: str = "") -> None:
        super().__init__(f"{what}. {do}" if do else what)
        self.what = what
        self.which = which
        self.do = do


class InvalidRequest(OperationRefused):
    """The request itself is invalid, in any state of the ledger. `which` is its field."""


class UnknownKey(OperationRefused):
    """There is no such job, email, entry or rule."""


class JobNotStarted(OperationRefused):
    """The source has the job, and the ledger does not have it yet, or has refused it."""

    was_refused = False


class JobRefused(JobNotStarted):
    """The job cannot be kept in the ledger, because of its key."""

    was_refused = True


class JobWaits(JobNotStarted):
    """The job waits for its time. `scheduled_at` is UTC. None is more than 100 years away."""

    def __init__(self, key: str, scheduled_at: datetime | None) -> None:
        when = both_times(scheduled_at) or "more than 100 years away"
        super().__init__(
            f"job {key} waits for its time ({when}), and its emails are picked up then", which=f"job {key}"
        )
        self.scheduled_at = scheduled_at


class WrongState(OperationRefused):
    """What is named is not in a state that allows it."""


class NothingMatches(OperationRefused):
    """None of the things that were named one by one is left by the other terms of the selection."""
