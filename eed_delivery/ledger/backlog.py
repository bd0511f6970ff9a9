"""How many emails wait and may go, by channel. A large job is sampled along its index, and never counted.

What is looked at is bounded, whatever the ledger holds: the `MOST_LARGE` largest jobs, small ones, and `most_looks`
ranges of up to `sample` entries of the index. So a count is exact for jobs of few emails, and an estimate for others.
"""

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select

from eed_delivery.database.clock import utc_in, utc_now
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.holds.held import JOB_NOT_HELD, is_held
from eed_delivery.ledger.schema import eed_email, eed_job
from eed_delivery.ledger.windows.is_open import WINDOW_IS_OPEN
from eed_delivery.model import EmailState, JobState

OPENS_SOON_SECONDS = 300.0
"""A job whose window opens within this time counts: a new host needs as long."""
MOST_JOBS = 10_000
FEW = 100
"""Emails of a job that is counted together with others."""
JOBS_AT_ONCE = 500
MOST_LARGE = 200
"""Jobs that are looked into. What is beyond them counts with all its emails."""
SAMPLE = 500
MOST_LOOKS = 500
TOLERANCE = 0.01
"""Of the whole backlog. What would count less than this is not looked at again."""
WAITING = (EmailState.PENDING, EmailState.QUEUED)

_j, _e = eed_job.c, eed_email.c
_Row = Row[*tuple[Any, ...]]
_SOON = utc_in(OPENS_SOON_SECONDS)
_OPEN_SOON = (
    WINDOW_IS_OPEN
    | ((_j.window_from <= _SOON) & (_j.window_until > utc_now()))
    | ((_j.next_window_from <= _SOON) & (_j.next_window_until > utc_now()))
)
MAY_GO = (
    select(_j.job_id, _j.channel, _j.total)
    .where(_j.finished_at.is_(None), _j.state == JobState.ACTIVE, _j.total > 0)
    .where(~is_held(_j.channel, _j.category), JOB_NOT_HELD, _OPEN_SOON)
    .order_by(_j.job_id)
    .limit(MOST_JOBS)
)
"""Jobs that may go: not paused, not held, and within their send windows now or soon."""
OF_SMALL = (
    select(func.count())
    .select_from(eed_email)
    .where(_e.job_id.in_(bindparam("ids", expanding=True)), _e.state.in_(WAITING))
)
ENDS = select(func.min(_e.email_id), func.max(_e.email_id)).where(
    _e.job_id == bindparam("of_job"), _e.state == bindparam("of_state")
)
_FIRST_ONES = (
    select(_e.email_id.label("id"))
    .where(_e.job_id == bindparam("of_job"), _e.state == bindparam("of_state"))
    .where(_e.email_id.between(bindparam("first"), bindparam("last")))
    .order_by(_e.email_id)
    .limit(bindparam("at_most"))
    # After many rows were added, MariaDB's figures are old, and it would read whole rows by the primary key.
    .with_hint(eed_email, "FORCE INDEX (eed_email_by_job_state)")
    .subquery()
)
LOOK = select(func.count(), func.min(_FIRST_ONES.c.id), func.max(_FIRST_ONES.c.id))
"""How many emails of a range there are, up to `at_most`, and the first and last of those."""


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


class BacklogLedger:
    """Reads it. Raises `DatabaseGone`."""

    def __init__(self, database: Database, sample: int = SAMPLE, most_looks: int = MOST_LOOKS) -> None:
        self._database = database
        self._sample = sample
        self._most_looks = most_looks

    def by_channel(self) -> dict[str, int]:
        """Pending and queued emails of the jobs that may go, by channel, in one transaction."""
        return self._database.run(self._by_channel)

    def _by_channel(self, c: Connection) -> dict[str, int]:
        jobs = c.execute(MAY_GO).all()
        found = _small(c, [job for job in jobs if job.total <= FEW])
        for channel, emails in self._large(c, [job for job in jobs if job.total > FEW]).items():
            found[channel] += round(emails)
        return dict(found)

    def _large(self, c: Connection, jobs: Sequence[_Row]) -> dict[str, float]:
        """Look into each job once, and then into what would count most, until the rest hardly counts."""
        found: defaultdict[str, float] = defaultdict(float)
        largest = sorted(jobs, key=lambda job: -job.total)
        for job in largest[MOST_LARGE:]:
            found[job.channel] += job.total
        order = count()
        whole = [one for job in largest[:MOST_LARGE] for one in _whole(c, job)]
        heap = [(-math.inf, next(order), one) for one in whole]
        about = sum(found.values()) + sum(one.estimate for one in whole)
        for _ in range(self._most_looks):
            if not heap or -heap[0][0] <= TOLERANCE * about:
                break
            _, _, one = heapq.heappop(heap)
            emails, rest = self._look(c, one)
            found[one.channel] += emails
            about += emails + sum(half.estimate for half in rest) - one.estimate
            for half in rest:
                heapq.heappush(heap, (-half.weight, next(order), half))
        for _, _, one in heap:
            found[one.channel] += one.estimate
        return found

    def _look(self, c: Connection, one: _Range) -> tuple[int, list[_Range]]:
        """The emails at the beginning of a range, and what is left of it."""
        at = {"of_job": one.job_id, "of_state": one.state, "first": one.first, "last": one.last}
        emails, begin, last = c.execute(LOOK, {**at, "at_most": self._sample}).one()
        if emails < self._sample or last >= one.last:
            return emails, []
        density = emails / (last - begin + 1)
        middle = (last + one.last) // 2
        spans = ((last + 1, middle), (middle + 1, one.last))
        return emails, [
            _Range(one.channel, one.job_id, one.state, first, end, density, one.usual)
            for first, end in spans
            if first <= end
        ]


def _small(c: Connection, jobs: Collection[_Row]) -> Counter[str]:
    """Of small jobs, many at once."""
    found: Counter[str] = Counter()
    for channel in {job.channel for job in jobs}:
        ids = [job.job_id for job in jobs if job.channel == channel]
        for start in range(0, len(ids), JOBS_AT_ONCE):
            found[channel] += int(c.execute(OF_SMALL, {"ids": ids[start : start + JOBS_AT_ONCE]}).scalar_one())
    return found


def _whole(c: Connection, job: _Row) -> Iterator[_Range]:
    """All emails of a large job that wait, by state. None are looked at yet."""
    for state in WAITING:
        first, last = c.execute(ENDS, {"of_job": job.job_id, "of_state": state}).one()
        if first is not None:
            usual = min(1.0, job.total / (last - first + 1))
            yield _Range(job.channel, job.job_id, state, first, last, usual, usual)
