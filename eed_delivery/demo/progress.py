"""Watches the job until it has finished, with a live bar at a terminal and a line now and then elsewhere."""

import time
from collections.abc import Callable

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from eed_delivery.demo.batch import JOB_ID
from eed_delivery.ledger.reporting import JobReport, ReportingLedger
from eed_delivery.model import OPEN_STATES, EmailState, JobState

LOOK_SECONDS = 0.25
LINE_SECONDS = 2.0


def follow(
    console: Console,
    ledger: ReportingLedger,
    count: int,
    patience_seconds: float,
    service_ended: Callable[[float], int | None],
    begins: str = "the service starts",
) -> JobReport | None:
    """Show the job's progress until it has finished, the service has ended, or `patience_seconds` are over.

    `service_ended` waits this many seconds for the service to end. Returns the job as it then is.
    """
    until = time.monotonic() + patience_seconds
    show = _Bar(console, count, begins) if console.is_terminal else _Lines(console, count, begins)
    with show:
        while True:
            report = ledger.job(JOB_ID)
            show.update(report)
            ended = report is not None and report.state is not JobState.ACTIVE
            if ended or time.monotonic() > until or service_ended(LOOK_SECONDS) is not None:
                return report


def _words(report: JobReport) -> str:
    counts = report.counts
    waiting = sum(counts[state] for state in OPEN_STATES)
    parts = [f"{counts[EmailState.SENT]} sent", f"{waiting} on the way"]
    for state in (EmailState.FAILED, EmailState.IN_DOUBT):
        if counts[state]:
            parts.append(f"{counts[state]} {state.replace('_', ' ')}")
    return ", ".join(parts)


class _Bar:
    """A live bar."""

    def __init__(self, console: Console, count: int, begins: str) -> None:
        self._progress = Progress(
            TextColumn("  "),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.description}"),
            console=console,
        )
        self._task = self._progress.add_task(begins, total=count)

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, report: JobReport | None) -> None:
        if report is not None:
            self._progress.update(self._task, completed=report.done, description=_words(report))


class _Lines:
    """For a log. It has a line when something has changed, at most one in two seconds, and one at the end."""

    def __init__(self, console: Console, count: int, begins: str) -> None:
        self._begins = begins
        self._console = console
        self._count = count
        self._said = ""
        self._said_at = self._started = time.monotonic()
        self._last: JobReport | None = None

    def __enter__(self) -> "_Lines":
        self._console.print(f"  {self._begins}")
        return self

    def __exit__(self, *_: object) -> None:
        self._say()

    def update(self, report: JobReport | None) -> None:
        self._last = report
        if time.monotonic() - self._said_at >= LINE_SECONDS:
            self._say()

    def _say(self) -> None:
        if self._last is None or (words := _words(self._last)) == self._said:
            return
        self._said, self._said_at = words, time.monotonic()
        seconds = self._said_at - self._started
        self._console.print(f"  {self._last.done} of {self._count} after {seconds:.0f} s: {words}", soft_wrap=True)
