"""What may be published where destination domains have a pace, or are held.

A job's pending emails are read once, in their order. Those of a destination that has no turn now are set aside in
memory, some of each destination. Further ones are passed over and read when the first have gone. So the queue never
fills with what may not go, and no email waits for those of another destination.

Nothing of this outlives the process: a cursor that is lost costs one reading of the job. What is pending again behind
the cursor is found when the job is read from its beginning, which is done every minute, and every two seconds behind
its end.
"""

import time
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import structlog

from eed_delivery.destinations import Destination, DestinationRules
from eed_delivery.ledger.domain_paces.backlogs import BacklogCounts
from eed_delivery.ledger.domain_paces.stored import DomainPaceLedger
from eed_delivery.ledger.domain_paces.turns import DestinationTurns, TurnKind
from eed_delivery.ledger.publishing.by_destination import DestinationReading
from eed_delivery.ledger.publishing.enlisting import SMALL_JOB, LeasedJob
from eed_delivery.model import Ticket
from eed_delivery.queue import MAX_BATCH
from eed_delivery.runtime.poll_interval import PollInterval

log = structlog.get_logger(__name__)

RULES_SECONDS = 1.0
"""How old what is known of paces and held domains may be."""
SET_ASIDE = 500
"""Limit: emails of one destination that are set aside of a job."""
FULL_AT_ONCE = 200
"""Limit: destinations of a job that are passed over. Beyond it, its reading waits until one of them has room."""
READ_AT_ONCE = 1000
READS_A_STEP = 4
FASTER = 1.05
"""Published is a little more than may be sent, or what was late once would be lost. What a worker has no turn for comes
back."""
AGAIN_SECONDS, LATEST_SECONDS = 2.0, 60.0
"""After how long a job is read from its beginning: behind its end, and before."""
SHARE_OF_READING = 0.02
"""Readings from the beginning take at most this share of the time."""
COUNT_SECONDS, SHARE_OF_COUNTING = 15.0, 0.01
"""How often what waits is counted for people, and the share of the time that it takes at most."""
JOBS_KNOWN = 200


@dataclass(slots=True)
class _Job:
    """What is known of a job's pending emails. `waiting` are those that were read, by destination; None has no pace."""

    after: int = 0
    at_end: bool = False
    again_at: float = 0.0
    spent: float = 0.0
    waiting: dict[Destination | None, deque[int]] = field(default_factory=dict)
    known: set[int] = field(default_factory=set)
    full: dict[Destination, int] = field(default_factory=dict)
    """Of these destinations there is more, behind an email."""
    count_at: float = 0.0
    count_after: int = 0
    count_spent: float = 0.0
    counts: Counter[Destination] = field(default_factory=Counter)
    was_counted: bool = False

    @property
    def is_paced(self) -> bool:
        """Whether any email waits for its destination."""
        return bool(self.full or self.waiting.keys() - {None})

    def begin_again(self, now: float) -> None:
        """Read it from its beginning."""
        pause = AGAIN_SECONDS if self.at_end else LATEST_SECONDS
        self.again_at = now + max(pause, self.spent / SHARE_OF_READING)
        self.after, self.at_end, self.spent = 0, False, 0.0

    def read_to(self, last: int, *, at_end: bool, now: float) -> None:
        """It was read up to an email, or to its end."""
        if at_end and not self.at_end:
            self.again_at = min(self.again_at, now + max(AGAIN_SECONDS, self.spent / SHARE_OF_READING))
        self.after, self.at_end = last, at_end

    def add(self, destination: Destination | None, email_id: int) -> None:
        """Set an email aside, or note that there is more."""
        if email_id in self.known or destination in self.full:
            return
        if destination is not None:
            waiting = self.waiting.get(destination)
            if destination.pace.is_closed or (waiting is not None and len(waiting) >= SET_ASIDE):
                self.full[destination] = waiting[-1] if waiting else email_id - 1
                return
        self.waiting.setdefault(destination, deque()).append(email_id)
        self.known.add(email_id)

    def take(self, destination: Destination | None, most: int) -> Iterator[int]:
        """The first emails of a destination. They are forgotten here."""
        waiting = self.waiting.get(destination, ())
        for _ in range(min(most, len(waiting))):
            email_id = waiting.popleft()  # type: ignore[union-attr]
            self.known.discard(email_id)
            yield email_id
        if not waiting:
            self.waiting.pop(destination, None)

    def holds(self, destination: Destination | None) -> int:
        """How many of a destination are set aside."""
        return len(self.waiting.get(destination, ()))


class DestinationBacklogs:
    """Of the jobs of one publisher. While it is not `active` nothing has a pace, and it is not asked."""

    def __init__(
        self,
        paces: DomainPaceLedger,
        reading: DestinationReading,
        turns: DestinationTurns,
        counts: BacklogCounts,
        channel: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._paces = paces
        self._reading = reading
        self._turns = turns
        self._counts = counts
        self._channel = channel
        self._clock = clock
        self._interval = PollInterval(RULES_SECONDS, clock)
        self._rules = DestinationRules()
        self._jobs: OrderedDict[int, _Job] = OrderedDict()
        self._first = 0

    def is_active(self) -> bool:
        """Whether any destination has a pace, or is held. Raises `DatabaseGone`."""
        if self._interval.wait == 0:
            with self._interval.polling():
                rules = self._paces.rules(self._channel)
            if rules != self._rules:
                self._rules = rules
                self._jobs.clear()
        return bool(self._rules)

    def tickets(self, jobs: Sequence[LeasedJob], room: int) -> list[Ticket]:
        """Up to `room` emails of these jobs that may be published now. Raises `DatabaseGone`."""
        small = [job.job_id for job in jobs if job.is_small]
        large = [(job.job_id, self._job(job.job_id)) for job in jobs if not job.is_small]
        share = max(1, room // max(1, len(jobs)))
        together = _Job()
        if small:
            for row in self._reading.of_small(small, SMALL_JOB * len(small), self._rules):
                together.add(row.destination, row.email_id)
        for job_id, job in large:
            self._read(job_id, job, share)
        parts = [job for _, job in large] + [together]
        paced = list(self._paced(parts, [job.job_id for job in jobs], room))
        free = [one for job in parts for one in job.take(None, share if job is not together else share * len(small))]
        found = self._reading.tickets(paced + free[: max(0, room - len(paced))])
        self._count_one(large)
        return found

    def _job(self, job_id: int) -> _Job:
        job = self._jobs.setdefault(job_id, _Job())
        self._jobs.move_to_end(job_id)
        while len(self._jobs) > JOBS_KNOWN:
            self._jobs.popitem(last=False)
        return job

    def _read(self, job_id: int, job: _Job, share: int) -> None:
        """Read on, until enough of what has no pace is there."""
        now = self._clock()
        if now >= job.again_at:
            job.begin_again(now)
        for _ in range(READS_A_STEP):
            if job.holds(None) >= share or len(job.full) >= FULL_AT_ONCE:
                break
            began = self._clock()
            found = self._reading.behind(job_id, job.after, READ_AT_ONCE, self._rules, [one.name for one in job.full])
            job.spent += self._clock() - began
            for row in found.rows:
                job.add(row.destination, row.email_id)
            job.read_to(found.last, at_end=found.at_end, now=now)
            if found.at_end:
                break
        for destination, behind in list(job.full.items()):
            if not destination.pace.is_closed and job.holds(destination) <= SET_ASIDE // 2:
                self._refill(job_id, job, destination, behind)

    def _refill(self, job_id: int, job: _Job, destination: Destination, behind: int) -> None:
        """Read more of a destination that was passed over."""
        found = self._reading.of(job_id, destination.name, behind, SET_ASIDE // 2, self._rules)
        del job.full[destination]
        for row in found.rows:
            job.add(row.destination, row.email_id)
        if not found.at_end:
            job.full[destination] = found.last

    def _paced(self, parts: Sequence[_Job], job_ids: Sequence[int], room: int) -> Iterator[int]:
        """Those that have a turn. Half of the room is theirs at most while there are others."""
        waiting: Counter[Destination] = Counter()
        for job in parts:
            waiting.update({one: len(ids) for one, ids in job.waiting.items() if one is not None})
        if not waiting:
            return
        most = room if not any(job.holds(None) for job in parts) else max(1, room // 2)
        wanted = self._wanted(waiting, job_ids, most)
        if not wanted:
            return
        faster = {_faster(one): (one, count) for one, count in wanted.items()}
        turns = self._turns.take({quick: count for quick, (_, count) in faster.items()}, TurnKind.PUBLISH)
        for one in wanted:
            yield from self._of_all(parts, one, turns[one.name].count)

    def _wanted(self, waiting: Counter[Destination], job_ids: Sequence[int], most: int) -> dict[Destination, int]:
        """How many of each destination are wanted, in turn, and no more than `most` together."""
        limited = {one.name for one in waiting if one.pace.concurrency is not None}
        ahead = self._reading.ahead(job_ids, limited, self._rules) if limited else Counter()
        names = sorted(waiting, key=lambda one: one.name)
        self._first = (self._first + 1) % len(names)
        wanted: dict[Destination, int] = {}
        for one in names[self._first :] + names[: self._first]:
            count = min(waiting[one], most)
            if one.pace.concurrency is not None:  # each thread has a batch, and sends one email of it at a time
                count = min(count, MAX_BATCH * (one.pace.concurrency + 1) - ahead[one.name])
            if one.pace.per_second is not None:  # no more turns can be there
                count = min(count, int(one.pace.per_second * FASTER) + 2)
            if count > 0:
                wanted[one] = count
                most -= count
            if most <= 0:
                break
        return wanted

    def _of_all(self, parts: Sequence[_Job], destination: Destination, count: int) -> Iterator[int]:
        """So many of a destination, of each job as many as of every other."""
        sharing = [job for job in parts if job.holds(destination)]
        while count > 0 and sharing:
            share = max(1, count // len(sharing))
            for job in sharing:
                taken = list(job.take(destination, min(share, count)))
                count -= len(taken)
                yield from taken
            sharing = [job for job in sharing if job.holds(destination)]

    def _count_one(self, large: Iterable[tuple[int, _Job]]) -> None:
        """Count a block of one job for people, if it is time."""
        now = self._clock()
        due = ((job_id, job) for job_id, job in large if now >= job.count_at and (job.is_paced or job.was_counted))
        found = next(due, None)
        if found is None:
            return
        job_id, job = found
        counts, last = self._reading.counted(job_id, job.count_after, self._rules)
        job.counts.update(counts)
        job.count_spent += self._clock() - now
        if last is not None:
            job.count_after = last
            return
        self._counts.keep(job_id, job.counts)
        job.was_counted = bool(job.counts)
        job.count_at = self._clock() + max(COUNT_SECONDS, job.count_spent / SHARE_OF_COUNTING)
        job.count_after, job.count_spent, job.counts = 0, 0.0, Counter()


def _faster(destination: Destination) -> Destination:
    """As it is published."""
    rate = destination.pace.per_second
    return (
        destination if rate is None else replace(destination, pace=replace(destination.pace, per_second=rate * FASTER))
    )
