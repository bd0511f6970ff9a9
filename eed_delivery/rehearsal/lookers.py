"""Several processes that look at pages, each at one page at a time. What they say comes in the order of the pages.

A process that ends while it renders, or takes too long, is replaced. The emails of its page are then looked at one by
one, and the one that did it is a finding.
"""

import subprocess
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, Protocol, Self, TypeVar

from eed_delivery.errors import InfrastructureFailure
from eed_delivery.rehearsal.asked import PageToLookAt, SampleToMake
from eed_delivery.rehearsal.findings import EmailFinding, FindingKind
from eed_delivery.rehearsal.looked_at import LookedAt, recipient_hash
from eed_delivery.runtime.renders import cpu_seconds

READY = "ready"
END_SECONDS = 5.0
"""For how long the end of a process is waited for. One that hangs in a read of a dead mount may not end."""
START_SECONDS = 60.0
LOOK_SECONDS = 1.0
ROWS_IN_TIME = 10
"""Emails that one email's time is for, where a page has many."""
AHEAD = 2
"""Pages a process that may be at work or wait for those before them."""


class PageOfRows(Protocol):
    """What a process is asked at once: several rows, which can be asked one by one."""

    @property
    def rows(self) -> tuple[Any, ...]: ...

    def with_rows(self, rows: tuple[Any, ...]) -> Self:
        """The same, with these rows alone."""


Page = TypeVar("Page", bound=PageOfRows)
Seen = TypeVar("Seen")


class LookerDied(InfrastructureFailure):
    """No process for it can be started."""


class LookerProcess:
    """One process. For one thread."""

    def __init__(self, process: "subprocess.Popen[bytes]", pipe: Connection) -> None:
        """Waits until it is ready. Raises `LookerDied`."""
        self._process = process
        self.pipe = pipe
        self.began_at = 0.0
        try:
            ready = pipe.poll(START_SECONDS) and pipe.recv() == READY
        except (EOFError, OSError):
            ready = False
        if not ready:
            self.close()
            raise LookerDied("a process that renders emails did not start. The log has more about it")

    @property
    def pid(self) -> int:
        return self._process.pid

    def begin(self, asked: Any) -> None:
        """Ask. The answer comes over the pipe. Raises `OSError` if it has ended."""
        self.began_at = self.used()
        self.pipe.send(asked)

    def used(self) -> float:
        """Seconds of CPU time so far."""
        return cpu_seconds(self._process.pid, self._process.pid)

    def close(self) -> None:
        """End it."""
        self.pipe.close()
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)


@dataclass(slots=True)
class _Task(Generic[Page, Seen]):
    """A page, in the pieces that are left of it, and what was seen of it so far."""

    left: deque[Page]
    looked: list[Seen] = field(default_factory=list)
    at_work: bool = False

    @property
    def done(self) -> bool:
        return not self.left and not self.at_work


class PageProcesses(Generic[Page, Seen]):
    """Up to `most` processes, started when they are needed. `seconds`: of CPU time that an email may take.

    `broken` gives what is said of a row whose rendering ended a process, or took too long.
    """

    def __init__(
        self, start: Callable[[], LookerProcess], most: int, seconds: float, broken: Callable[[Page, str], Seen]
    ) -> None:
        self._broken = broken
        self._start = start
        self._most = most
        self._seconds = seconds
        self._idle: list[LookerProcess] = []
        self._busy: dict[Connection, tuple[LookerProcess, _Task[Page, Seen], Page]] = {}

    def looked(self, pages: Iterator[Page], each: Callable[[], None]) -> Iterator[tuple[Page, list[Seen]]]:
        """Each page with what was seen of it. `each` is called about once a second while it waits.

        Raises what a process could not do: `DatabaseGone`, `InfrastructureFailure`, `Throttled`, `LookerDied`.
        """
        tasks: deque[tuple[Page, _Task[Page, Seen]]] = deque()
        more = True
        while more or tasks:
            while more and len(tasks) < AHEAD * self._most:
                page = next(pages, None)
                more = page is not None
                if page is not None:
                    tasks.append((page, _Task(deque([page]))))
                    self._give([task for _, task in tasks])
            self._give([task for _, task in tasks])
            if tasks and tasks[0][1].done:
                page, task = tasks.popleft()
                yield page, task.looked
            elif tasks:
                self._collect()
                each()

    def answer(self, asked: Any) -> Any:
        """What one process says to something else than a page. Raises as `looked` does, and `RenderError`."""
        process = self._idle.pop() if self._idle else self._start()
        try:
            process.begin(asked)
            answer = process.pipe.recv() if process.pipe.poll(self._seconds) else None
        except (EOFError, OSError):
            answer = None
        if answer is None:
            process.close()
            raise LookerDied("rendering it ended its process, or took too long")
        self._idle.append(process)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _give(self, tasks: list[_Task[Page, Seen]]) -> None:
        for task in tasks:
            if task.at_work or not task.left:
                continue
            if not self._idle and len(self._busy) < self._most:
                self._idle.append(self._start())
            if not self._idle:
                return
            process, page = self._idle.pop(), task.left.popleft()
            task.at_work = True
            self._busy[process.pipe] = (process, task, page)
            with suppress(OSError):  # it has ended: the pipe says so, too
                process.begin(page)

    def _collect(self) -> None:
        """What processes answer within a second, and those that ended or took too long."""
        answered = wait(list(self._busy), LOOK_SECONDS)
        for pipe in [one for one in self._busy if one in answered]:
            process, task, page = self._busy.pop(pipe)
            task.at_work = False
            try:
                answer = process.pipe.recv()
            except (EOFError, OSError):
                process.close()
                self._split(task, page, "rendering it ended its process")
                continue
            self._idle.append(process)
            if isinstance(answer, Exception):
                raise answer
            task.looked += answer
        for pipe, (process, task, page) in list(self._busy.items()):
            if process.used() - process.began_at > self._seconds * max(1, len(page.rows) / ROWS_IN_TIME):
                del self._busy[pipe]
                task.at_work = False
                process.close()
                self._split(task, page, f"rendering took more than {self._seconds:.0f} s of CPU time")

    def close(self) -> None:
        """End all of them."""
        for process in (*self._idle, *(busy for busy, _, _ in self._busy.values())):
            process.close()
        self._idle, self._busy = [], {}

    def _split(self, task: _Task[Page, Seen], page: Page, why: str) -> None:
        """Have the emails of a page looked at one by one. A single one is a finding."""
        if len(page.rows) > 1:
            task.left.extendleft(page.with_rows((row,)) for row in reversed(page.rows))
        else:
            task.looked.append(self._broken(page, why))


class Lookers(PageProcesses[PageToLookAt, LookedAt]):
    """Processes that look at emails of rehearsals."""

    def __init__(self, start: Callable[[], LookerProcess], most: int, seconds: float) -> None:
        super().__init__(start, most, seconds, _broken)

    def make(self, sample: SampleToMake) -> bytes:
        """The message of one email, as it was rehearsed. Raises as `looked` does, and `RenderError`."""
        found: bytes = self.answer(sample)
        return found


def _broken(page: PageToLookAt, why: str) -> LookedAt:
    (row,) = page.rows
    finding = EmailFinding(FindingKind.NOT_RENDERED, why)
    return LookedAt(row.key, recipient_hash(row.recipient, page.secret), findings=(finding,))
