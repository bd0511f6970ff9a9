"""The pace of destination domains at the wire. A thread never waits for a turn: what has none goes back to the ledger.

Such an email is pending again, its message is deleted, and neither a try nor a receive has been counted. The publisher
publishes it again when its destination has a turn. Turns of one batch are taken together, so they cost it one
transaction. An email whose destination has no pace costs nothing.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from eed_delivery.destinations import Destination, DestinationRules
from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.domain_paces.stored import DomainPaceLedger
from eed_delivery.ledger.domain_paces.turns import CREDIT_SECONDS, DestinationTurns, Place, TakenTurns
from eed_delivery.model import Email

log = structlog.get_logger(__name__)

STALE_SECONDS = 2 * CREDIT_SECONDS
"""A turn that was not used for longer is gone, or emails that wait behind a slow one would leave as a crowd."""
LEAST_SECONDS = 1.0
"""An email that has no turn is not published sooner again."""
PLACE_LEASES = 1.5
"""A place is leased for so many times of what a send can take, and renewed after a quarter of one."""
FIRST_SECONDS = 0.05
"""What an email is taken to need before one was sent."""


class DestinationPacing:
    """What all threads of a process, or one sandbox, know of paces."""

    def __init__(
        self,
        paces: DomainPaceLedger,
        turns: DestinationTurns,
        send_lease_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`send_lease_seconds` is longer than any send can take."""
        self._paces = paces
        self.turns = turns
        self.send_lease_seconds = send_lease_seconds
        self.clock = clock
        self.rules = DestinationRules()
        self.seconds = FIRST_SECONDS
        """What an email of late took."""

    def learn(self) -> None:
        """Learn the paces that count now. Raises `DatabaseGone`."""
        rules = self._paces.rules()
        if rules != self.rules:
            self.rules = rules

    def of_batch(self) -> "BatchPacing | None":
        """For one batch. None while no destination has a pace."""
        return BatchPacing(self, self.rules) if self.rules else None


@dataclass(slots=True)
class _Taken:
    """Turns of one destination. `left` emails of the batch have not had theirs yet."""

    destination: Destination
    left: int
    may_go: int = 0
    turns: int = 0
    taken_at: float = float("-inf")
    has_place: bool = False


class BatchPacing:
    """The turns of one batch, which one thread sends."""

    def __init__(self, pacing: DestinationPacing, rules: DestinationRules) -> None:
        self._pacing = pacing
        self._rules = rules
        self._place = Place(new_token(), pacing.send_lease_seconds * PLACE_LEASES)
        self._all: dict[str, _Taken] = {}
        self._of: dict[int, _Taken] = {}

    def without_turns(self, emails: Sequence[Email]) -> list[tuple[Email, float]]:
        """Those that cannot go now, and after how many seconds they are to be tried again. Raises `DatabaseGone`."""
        for email in emails:
            destination = self._rules.of_recipient(email.recipient)
            if destination is not None:
                taken = self._all.setdefault(destination.name, _Taken(destination, 0))
                taken.left += 1
                self._of[email.email_id] = taken
        if not self._all:
            return []
        # Of slow emails no more than will be sent while their turns last.
        most = max(1, int(CREDIT_SECONDS / max(self._pacing.seconds, 1e-3)))
        wanted = {taken.destination: min(taken.left, most) for taken in self._all.values()}
        found = self._take(wanted)
        for destination, count in wanted.items():
            taken, got = self._all[destination.name], found[destination.name].count
            taken.may_go = taken.left if got == count else got
        return [
            (email, max(LEAST_SECONDS, found[its.destination.name].seconds))
            for email in emails
            if (its := self._of.get(email.email_id)) is not None and not self._goes(email, its)
        ]

    def _goes(self, email: Email, taken: _Taken) -> bool:
        if taken.may_go:
            taken.may_go -= 1
            return True
        del self._of[email.email_id]
        taken.left -= 1
        return False

    def in_order(self, emails: Sequence[Email]) -> list[Email]:
        """Those that have places first, so that these are free again soon."""
        placed = {email_id for email_id, taken in self._of.items() if taken.has_place}
        return sorted(emails, key=lambda email: email.email_id not in placed) if placed else list(emails)

    def wait_of(self, email: Email) -> float | None:
        """None if an email may go now, else after how many seconds it is to be tried again. Raises `DatabaseGone`."""
        taken = self._of.pop(email.email_id, None)
        if taken is None:
            return None
        taken.left -= 1
        age = self._pacing.clock() - taken.taken_at
        lapses = taken.has_place and age > self._pacing.send_lease_seconds / 4
        if not taken.turns or age > STALE_SECONDS or lapses:
            found = self._take({taken.destination: 1})[taken.destination.name]
            if not found.count:
                return max(LEAST_SECONDS, found.seconds)
        taken.turns -= 1
        return None

    def sent(self, seconds: float) -> None:
        """An email was on the wire for so long. Places that no other email of the batch needs are free."""
        self._pacing.seconds = 0.8 * self._pacing.seconds + 0.2 * seconds
        self._leave(taken for taken in self._all.values() if not taken.left)

    def end(self) -> None:
        """The batch has ended, and its places are free."""
        self._leave(self._all.values())

    def _take(self, wanted: Mapping[Destination, int]) -> dict[str, TakenTurns]:
        found = self._pacing.turns.take(wanted, place=self._place)
        now = self._pacing.clock()
        for destination in wanted:
            taken, turns = self._all[destination.name], found[destination.name].count
            taken.turns, taken.taken_at = turns, now
            taken.has_place = taken.has_place or (turns > 0 and destination.pace.concurrency is not None)
        return found

    def _leave(self, taken: Iterable[_Taken]) -> None:
        placed = [one for one in taken if one.has_place]
        if not placed:
            return
        for one in placed:
            one.has_place = False
        try:
            self._pacing.turns.leave([one.destination.name for one in placed], self._place.token)
        except DatabaseGone as gone:  # they are free once their lease is over
            log.warning("places_left_behind", reason=str(gone))
