"""A day of jobs: send windows, SES's limits, and an Auto Scaling group that follows the backlog with its delays."""

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import simpy

STEP = 5.0
"""Seconds in which the rate is taken as constant."""
DAY = 86_400.0
HOUR = 3600.0


@dataclass(frozen=True)
class Job:
    """`emails` that are ready `at` seconds of the day."""

    at: float
    emails: int


@dataclass(frozen=True)
class Limits:
    """SES's MaxSendRate, and Max24HourSend."""

    rate: float
    quota: float = math.inf


@dataclass(frozen=True)
class Group:
    """An Auto Scaling group with target tracking. `each` is the target: emails of the backlog for each host.

    A figure is a minute old when it is read. It counts after `high` figures in a row above the target, or `low` below
    nine tenths of it. A host sends `warm_up` seconds after it was asked for. `scheduled` are (from, hosts).
    """

    least: int
    most: int
    each: float
    period: float = 60.0
    high: int = 3
    low: int = 15
    warm_up: float = 180.0
    scheduled: tuple[tuple[float, int], ...] = ()


@dataclass
class DayResult:
    """`ended` is when the last email left, in seconds after the first was ready and could go. None: not that day."""

    ended: float | None = None
    host_hours: float = 0.0
    most_hosts: int = 0
    sent: float = 0.0
    fastest: float = 0.0
    changes: int = 0


Capacity = Callable[[int], float]
"""Emails a second that this many hosts send together."""


@dataclass
class Day:
    """One run of it. `window` is when emails may leave, in seconds of the day."""

    jobs: Sequence[Job]
    limits: Limits
    group: Group
    capacity: Capacity
    window: tuple[float, float] = (0.0, DAY)
    horizon: float = DAY

    def run(self) -> DayResult:
        self._env = simpy.Environment()
        self._backlog, self._in_service, self._asked = 0.0, self.group.least, self.group.least
        self._total = sum(job.emails for job in self.jobs)
        self._begins = max(min(job.at for job in self.jobs), self.window[0])
        self.result = DayResult(most_hosts=self.group.least)
        self._env.process(self._arrivals())
        self._env.process(self._sending())
        self._env.process(self._scaling())
        for at, hosts in self.group.scheduled:
            self._env.process(self._schedule(at, hosts))
        self._env.run(self.horizon)
        return self.result

    def _arrivals(self) -> Generator[simpy.Event, Any, None]:
        for job in sorted(self.jobs, key=lambda job: job.at):
            yield self._env.timeout(max(0.0, job.at - self._env.now))
            self._backlog += job.emails

    def _sending(self) -> Generator[simpy.Event, Any, None]:
        while True:
            yield self._env.timeout(STEP)
            result, now = self.result, self._env.now
            result.host_hours += self._in_service * STEP / HOUR
            if not self.window[0] < now <= self.window[1] or not self._backlog:
                continue
            rate = min(self.capacity(self._in_service), self.limits.rate)
            emails = min(rate * STEP, self._backlog, self.limits.quota - result.sent)
            self._backlog -= emails
            result.sent += emails
            result.fastest = max(result.fastest, emails / STEP)
            if result.ended is None and result.sent >= self._total - 0.5:
                result.ended = now - self._begins

    def _scaling(self) -> Generator[simpy.Event, Any, None]:
        group, above, below, figure = self.group, 0, 0, 0.0
        while True:
            yield self._env.timeout(group.period)
            seen, figure = figure, self._figure()
            above = above + 1 if seen > group.each * self._in_service else 0
            below = below + 1 if seen < 0.9 * group.each * self._in_service else 0
            wanted = min(group.most, max(self._least(), math.ceil(seen / group.each)))
            if (above >= group.high and wanted > self._asked) or (below >= group.low and wanted < self._asked):
                self._change(wanted)

    def _figure(self) -> float:
        """The backlog that is put: of a job whose window opens within 5 minutes, too."""
        opens = self.window[0] - 300 <= self._env.now <= self.window[1]
        return self._backlog if opens else 0.0

    def _least(self) -> int:
        past = [hosts for at, hosts in self.group.scheduled if at <= self._env.now]
        return past[-1] if past else self.group.least

    def _schedule(self, at: float, hosts: int) -> Generator[simpy.Event, Any, None]:
        yield self._env.timeout(at)
        if hosts > self._asked:
            self._change(min(hosts, self.group.most))

    def _change(self, wanted: int) -> None:
        self.result.changes += 1
        more, self._asked = wanted - self._asked, wanted
        if more > 0:
            self._env.process(self._launch(more))
        else:
            self._in_service = max(wanted, self._in_service + more)

    def _launch(self, hosts: int) -> Generator[simpy.Event, Any, None]:
        yield self._env.timeout(self.group.warm_up)
        self._in_service = min(self._in_service + hosts, self._asked)
        self.result.most_hosts = max(self.result.most_hosts, self._in_service)
