"""How jobs share a speed until each ends: in equal parts among those that may leave, as the queue divides it.

A quota of 24 hours slides: what was sent frees its place a day later.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from eed_delivery.send_windows.spans import Span

NEARLY = 0.999
"""The part of a job whose end is forecast apart, because retries of a few emails can last long."""
_QUOTA = timedelta(hours=24)
_PIECE_SECONDS = 600.0
_MOST_PIECES = 20_000
_NONE_LEFT = 1e-6


@dataclass(frozen=True, slots=True)
class SharingJob:
    """A job with `left` emails of `total`, without those that wait for a retry. `spans` are when it may leave."""

    key: str
    left: float
    total: float
    spans: Sequence[Span]
    retrying: int = 0

    @property
    def few(self) -> float:
        """Emails that may be left when the job is nearly done."""
        return max(0.0, (1 - NEARLY) * self.total - self.retrying)


@dataclass(frozen=True, slots=True)
class Quota:
    """At most `most` emails within 24 hours. `used`: when emails were sent, and how many, the oldest first."""

    most: float
    used: Sequence[tuple[datetime, float]] = ()

    @property
    def is_used_up(self) -> bool:
        """Whether nothing can be sent now, or nearly nothing."""
        return sum(count for _, count in self.used) >= NEARLY * self.most


class SharedEnd(NamedTuple):
    """When a job is nearly done, and when it is done. None: not within the spans that are known."""

    nearly: datetime | None
    whole: datetime | None


def shared_ends(
    jobs: Sequence[SharingJob], per_second: float, now: datetime, quota: Quota | None = None
) -> Mapping[str, SharedEnd]:
    """When each job ends if all of them together have this speed."""
    run = _Run(jobs, per_second, now, quota)
    for _ in range(_MOST_PIECES):
        if not run.goes_on():
            break
    return {job.key: SharedEnd(run.nearly.get(job.key), run.whole.get(job.key)) for job in jobs}


class _Run:
    """One simulation. It moves from one change to the next."""

    def __init__(self, jobs: Sequence[SharingJob], per_second: float, now: datetime, quota: Quota | None) -> None:
        self._jobs = jobs
        self._per_second = per_second
        self._now = now
        self._left = {job.key: float(job.left) for job in jobs}
        self._quota = quota
        self._used = deque(quota.used if quota else ())
        self._in_use = sum(count for _, count in self._used)
        self.nearly: dict[str, datetime] = {}
        self.whole: dict[str, datetime] = {}
        self._note()

    def goes_on(self) -> bool:
        """Move to the next change. False: there is none."""
        unfinished = [job for job in self._jobs if job.key not in self.whole]
        if not unfinished or self._per_second <= 0:
            return False
        active = [job for job in unfinished if any(span.has(self._now) for span in job.spans)]
        edge = min((at for job in unfinished for at in _edges(job) if at > self._now), default=None)
        room = self._room()
        if active and room is not None and room <= _NONE_LEFT:
            active, freed = [], self._used[0][0] + _QUOTA
            edge = freed if edge is None else min(edge, freed)
        if not active:
            if edge is None:
                return False
            self._now = edge
            return True
        self._send(active, edge, room)
        return True

    def _send(self, active: Sequence[SharingJob], edge: datetime | None, room: float | None) -> None:
        share = self._per_second / len(active)
        seconds = min(self._to_go(job) for job in active) / share
        if edge is not None:
            seconds = min(seconds, (edge - self._now).total_seconds())
        if room is not None:
            seconds = min(seconds, room / self._per_second, _PIECE_SECONDS)
        for job in active:
            self._left[job.key] -= share * seconds
        self._now += timedelta(seconds=seconds)
        if room is not None:
            self._used.append((self._now, self._per_second * seconds))
            self._in_use += self._per_second * seconds
        self._note()

    def _to_go(self, job: SharingJob) -> float:
        """Emails until the job is nearly done, or done."""
        left = self._left[job.key]
        return left if job.key in self.nearly else max(left - job.few, _NONE_LEFT)

    def _note(self) -> None:
        for job in self._jobs:
            left = self._left[job.key]
            if left <= job.few + 2 * _NONE_LEFT:
                self.nearly.setdefault(job.key, self._now)
            if left <= 2 * _NONE_LEFT:
                self.whole.setdefault(job.key, self._now)

    def _room(self) -> float | None:
        """Emails that the quota still has now. None: there is no quota."""
        if self._quota is None:
            return None
        while self._used and self._used[0][0] + _QUOTA <= self._now:
            self._in_use -= self._used.popleft()[1]
        return self._quota.most - self._in_use if self._used else self._quota.most


def _edges(job: SharingJob) -> Sequence[datetime]:
    return [at for span in job.spans for at in span]
