"""What a temporary answer costs its email: a try, or none, and when it may fail the email.

The first answers are counted as the recipient's, unless others are known to get the same. The last try that
`worker.max_attempts` allows comes a few minutes after the first one, and "not now" lasts longer. It may
be a greylisting server's delay, a directory that does not answer, or a mailbox that is being moved. So the last try is
counted only after PATIENCE_SECONDS. Until then it is repeated, less often each time. A full mailbox says why it takes
nothing, and does not change by itself, so it has its tries and no more.
"""

from collections.abc import Callable

from eed_delivery.ledger.answers import PATIENCE_SECONDS
from eed_delivery.model import Concerns, Email, Outcome
from eed_delivery.worker.deferrals import SharedDeferrals, is_full, is_greylisting, is_own


class TemporaryAnswers:
    """Judges those of one process."""

    def __init__(self, shared: SharedDeferrals, are_everybodys: Callable[[Outcome], bool], max_attempts: int) -> None:
        """`are_everybodys` says whether a row of the same answer to all emails has just been seen."""
        self._shared = shared
        self._are_everybodys = are_everybodys
        self._max_attempts = max_attempts

    def whose(self, email: Email, outcome: Outcome) -> Concerns | None:
        """Whom a temporary answer concerns that costs no attempt. RECIPIENT means that no other email waits for it.
        None means that it is counted."""
        concerns = self._whose(email, outcome)
        if concerns is Concerns.RECIPIENT and self._shared.has_lasted(email, outcome, PATIENCE_SECONDS):
            return None
        return concerns

    def _whose(self, email: Email, outcome: Outcome) -> Concerns | None:
        last = email.attempts + 1 >= self._max_attempts
        if is_greylisting(outcome):
            return Concerns.RECIPIENT if last else None
        if self._are_everybodys(outcome):
            return Concerns.RECIPIENT if is_own(outcome) else Concerns.EVERYBODY
        compared = email.attempts > 0 or self._max_attempts == 1
        if compared and (concerns := self._shared.whose(email, outcome)) is not None:
            return concerns
        return Concerns.RECIPIENT if last and email.attempts and not is_full(outcome) else None
