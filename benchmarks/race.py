"""One system on one ground, from the start to the last status, and what that cost."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from benchmarks.arena import Ground
from benchmarks.measure import Run, busy_seconds, cpu_seconds, peak_rss_mb, stolen_seconds
from benchmarks.work import Work, unsent

STALLED_SECONDS = 120.0
_POLL_SECONDS = 0.02
_CLOSE_POLL_SECONDS = 0.001
WARM_UP = Work(100, 0)
"""Job 2 of each race is sent before the clock starts: processes have started then, and most connections are made."""


class System(Protocol):
    """A system that sends emails."""

    @property
    def name(self) -> str: ...
    @property
    def settings(self) -> dict[str, Any]: ...
    @property
    def roots(self) -> list[int]: ...
    @property
    def names(self) -> dict[int, str]: ...
    def begin(self, job_id: int) -> None: ...
    def story(self) -> str: ...


@dataclass
class Meter:
    """CPU of a system and of the servers since the meter was made."""

    system: System
    ground: Ground
    _begun: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._begun = self._now()
        self._busy, self._stolen = busy_seconds(), stolen_seconds()
        self.started = time.monotonic()

    def run(self, part: str, work: Work, transport: str, emails: int) -> Run:
        """What it came to, by now."""
        seconds = time.monotonic() - self.started
        used = {name: now - self._begun[name] for name, now in self._now().items()}
        others = busy_seconds() - self._busy - sum(used.values())
        an_email = {name: round(value * 1000 / emails, 3) for name, value in used.items()}
        memory = self._memory()
        return Run(
            part=part,
            system=self.system.name,
            emails=emails,
            attachment_bytes=work.attachment_bytes,
            transport=transport,
            seconds=round(seconds, 2),
            emails_per_s=round(emails / seconds, 1),
            cpu_ms_per_email=an_email.pop("own"),
            peak_rss_mb=round(sum(memory.values()), 1),
            rates=[round(emails / seconds, 1)],
            peak_rss_mb_by_process=memory,
            servers_cpu_ms_per_email=an_email,
            others_cores=round(others / seconds, 2),
            stolen_cores=round((stolen_seconds() - self._stolen) / seconds, 2),
            settings=self.system.settings,
        )

    def _now(self) -> dict[str, float]:
        own = sum(cpu_seconds(pid) for pid in self.system.roots)
        return {"own": own, **{name: cpu_seconds(pid) for name, pid in self.ground.servers.items()}}

    def _memory(self) -> dict[str, float]:
        found: dict[str, float] = {}
        for pid in self.system.roots:
            found |= peak_rss_mb(pid, self.system.names)
        return found


def race(part: str, system: System, ground: Ground, work: Work, transport: str = "smtp") -> Run:
    """Job 1 from the first publish to the last status committed. Raises RuntimeError when nothing moves any more."""
    _warm_up(system, ground)
    taken_before = ground.sink.taken
    meter = Meter(system, ground)
    system.begin(1)
    await_taken(system, ground, taken_before + work.emails)
    await_so(lambda: not unsent(ground.url), system)
    run = meter.run(part, work, transport, work.emails)
    twice = ground.sink.taken - taken_before - work.emails
    if twice:
        run.figures["sent_twice"] = twice
    return run


def _warm_up(system: System, ground: Ground) -> None:
    taken_before = ground.sink.taken
    system.begin(2)
    await_taken(system, ground, taken_before + WARM_UP.emails)
    await_so(lambda: not unsent(ground.url, 2), system)


def await_taken(system: System, ground: Ground, count: int, poll_seconds: float = _POLL_SECONDS) -> None:
    """Until the mail server has taken this many. Raises RuntimeError when it takes no more of them."""
    last, moved_at = ground.sink.taken, time.monotonic()
    while last < count:
        time.sleep(poll_seconds)
        taken = ground.sink.taken
        if taken > last:
            last, moved_at = taken, time.monotonic()
        elif time.monotonic() - moved_at > STALLED_SECONDS:
            raise RuntimeError(f"{system.name}: stuck at {taken} of {count} emails\n{system.story()}")


def await_so(condition: Callable[[], bool], system: System, seconds: float = STALLED_SECONDS) -> None:
    """Until it is so. Raises RuntimeError when that takes too long."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise RuntimeError(f"{system.name}: not in {seconds:g} s\n{system.story()}")
        time.sleep(_POLL_SECONDS)


def seconds_to_accepted(system: System, ground: Ground, job_id: int, pause_seconds: float = 0) -> float:
    """From submitting a job of one email, after a pause, to the moment the mail server has it."""
    taken_before = ground.sink.taken
    time.sleep(pause_seconds)
    started = time.monotonic()
    system.begin(job_id)
    await_taken(system, ground, taken_before + 1, _CLOSE_POLL_SECONDS)
    return time.monotonic() - started


def seconds_to_end(system: System, ground: Ground, job_id: int, patience_seconds: float) -> float:
    """From submitting a job to its last status, whatever else is going on."""
    started = time.monotonic()
    system.begin(job_id)
    await_so(lambda: not unsent(ground.url, job_id), system, patience_seconds)
    return time.monotonic() - started
