"""How many emails of large jobs wait, by samples of the index that has them in the order of their ids.

A sample is the first few emails of a range of ids. If it has fewer than it may have, it is all. Otherwise its density
says how many are in the rest of the range. The rest is halved, and the halves that would count most are looked into.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select

from eed_delivery.ledger.schema import eed_email
from eed_delivery.model import EmailState

WAITING = (EmailState.PENDING, EmailState.QUEUED)
TOLERANCE = 0.01
"""Of all that waits. What would count less than this is not looked at again."""
BEYOND = 2**63 - 1
INDEX = "eed_email_by_job_state"

_e = eed_email.c
_OF_JOB = (_e.job_id == bindparam("of_job")) & (_e.state == bindparam("of_state"))
_FIRST_ONES = (
    select(_e.email_id.label("id"))
    .where(_OF_JOB, _e.email_id.between(bindparam("first"), bindparam("last")))
    .order_by(_e.email_id)
    .limit(bindparam("at_most"))
    # After many rows were added, MariaDB's figures are old, and it would read whole rows by the primary key.
    .with_hint(eed_email, f"FORCE INDEX ({INDEX})")
    .subquery()
)
LOOK = select(func.count(), func.min(_FIRST_ONES.c.id), func.max(_FIRST_ONES.c.id))
"""How many emails of a range there are, up to `at_most`, and the first and last of those."""
LAST = select(func.max(_e.email_id)).where(_OF_JOB).with_hint(eed_email, f"FORCE INDEX ({INDEX})")
_Job = Row[*tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class _Range:
    """Ids of a job's emails in one state that nobody has looked at yet. `density` is emails for each id, by those
    before them, and `usual` is that of the whole job."""

    channel: str
    job_id: int
    state: EmailState
    first: int
    last: int
    density: float
    usual: float

    @property
    def width(self) -> int:
        return self.last - self.first + 1

    @property
    def estimate(self) -> float:
        return self.width * self.density

    @property
    def weight(self) -> float:
        """How much an error here would count. One thin place says little about what follows."""
        return self.width * max(self.density, self.usual)

    def halves(self, after: int, density: float) -> Iterator["_Range"]:
        """What is left of it behind a sample."""
        middle = (after + self.last) // 2
        for first, last in ((after + 1, middle), (middle + 1, self.last)):
            if first <= last:
                yield _Range(self.channel, self.job_id, self.state, first, last, density, self.usual)


class IndexSampling:
    """Within a transaction. `sample` entries are read each time, and at most `looks` times beyond the first ones."""

    def __init__(self, c: Connection, sample: int, looks: int) -> None:
        self._c = c
        self._sample = sample
        self._looks = looks

    def waiting(self, jobs: Sequence[_Job], beside: float) -> dict[str, float]:
        """Pending and queued emails of these jobs, by channel. `beside` is what waits beside them."""
        found: defaultdict[str, float] = defaultdict(float)
        order = count()
        heap: list[tuple[float, int, _Range]] = []
        for job in jobs:
            for state in WAITING:
                emails, rest = self._begin(job, state)
                found[job.channel] += emails
                heap += [(-one.weight, next(order), one) for one in rest]
        heapq.heapify(heap)
        about = beside + sum(found.values()) + sum(one.estimate for _, _, one in heap)
        for _ in range(self._looks):
            if not heap or -heap[0][0] <= TOLERANCE * about:
                break
            _, _, one = heapq.heappop(heap)
            emails, rest = self._look(one)
            found[one.channel] += emails
            about += emails + sum(half.estimate for half in rest) - one.estimate
            for half in rest:
                heapq.heappush(heap, (-half.weight, next(order), half))
        for _, _, one in heap:
            found[one.channel] += one.estimate
        return found

    def _begin(self, job: _Job, state: EmailState) -> tuple[int, list[_Range]]:
        """The first look into a job. Its last id is asked for only if there is more."""
        whole = _Range(job.channel, job.job_id, state, 0, BEYOND, 1.0, 1.0)
        emails, begin, after = self._ask(whole)
        if emails < self._sample:
            return emails, []
        end = self._c.execute(LAST, {"of_job": job.job_id, "of_state": state}).scalar_one()
        usual = min(1.0, job.total / (end - begin + 1))
        known = _Range(job.channel, job.job_id, state, begin, end, usual, usual)
        return emails, list(known.halves(after, emails / (after - begin + 1)))

    def _look(self, one: _Range) -> tuple[int, list[_Range]]:
        """The emails at the beginning of a range, and what is left of it."""
        emails, begin, after = self._ask(one)
        if emails < self._sample or after >= one.last:
            return emails, []
        return emails, list(one.halves(after, emails / (after - begin + 1)))

    def _ask(self, one: _Range) -> tuple[int, int, int]:
        at = {"of_job": one.job_id, "of_state": one.state, "first": one.first, "last": one.last}
        emails, begin, after = self._c.execute(LOOK, {**at, "at_most": self._sample}).one()
        return int(emails), int(begin or 0), int(after or 0)
