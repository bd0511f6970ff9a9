"""`job --watch`: a progress bar at a terminal, a line for each change elsewhere, until the job has finished.

A database that is away does not end it: it says so, and goes on looking. Ctrl-C ends it.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from eed_delivery.cli.output import Screen
from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger.reporting import JobReport, ReportingLedger
from eed_delivery.untrusted import visible

LOOK_SECONDS = 1.0
RATE_SECONDS = 30.0

Record = Callable[[JobReport], dict[str, Any]]
Tell = Callable[[JobReport, float], None]
Say = Callable[[str], None]


class RateMeter:
    """Emails a second over the last half minute, from looks at the count."""

    def __init__(self) -> None:
        self._looks: deque[tuple[float, int]] = deque()

    def rate(self, now: float, done: int) -> float:
        """The rate, with this look taken in; `now` in seconds of a clock that never jumps."""
        self._looks.append((now, done))
        while now - self._looks[0][0] > RATE_SECONDS:
            self._looks.popleft()
        first, before = self._looks[0]
        return max(0.0, (done - before) / (now - first)) if now > first else 0.0


def watch_job(screen: Screen, reporting: ReportingLedger, job_id: int, to_json: Record | None) -> JobReport | None:
    """Show the job each second until it has finished; returns its last report."""
    if to_json is not None:

        def tell(report: JobReport, rate: float) -> None:
            screen.json(to_json(report) | {"recent_emails_per_second": rate}, indent=None)

        return _follow(reporting, job_id, tell, lambda words: click.echo(words, err=True))
    if not screen.terminal:
        return _follow(reporting, job_id, lambda report, rate: screen.line(_line(report, rate)), screen.line)
    return _watch_bar(screen, reporting, job_id)


def _follow(reporting: ReportingLedger, job_id: int, tell: Tell, say: Say) -> JobReport | None:
    """`tell` is given each change and the rate, `say` what there is to say of the database."""
    told: object = None
    pace, looking = RateMeter(), _Looking(reporting, job_id, say)
    while (report := looking.report()) is not None:
        news = (report.counts, report.state, report.total, report.finished_at)
        rate = pace.rate(time.monotonic(), report.done)
        if news != told:
            tell(report, rate)
        told = news
        if report.finished_at is not None:
            return report
        looking.pause()
    return None


class _Looking:
    """Looks at the job, for as long as it takes to get an answer."""

    def __init__(self, reporting: ReportingLedger, job_id: int, say: Say) -> None:
        self._reporting = reporting
        self._job_id = job_id
        self._say = say
        self._pause = threading.Event()

    def pause(self) -> None:
        """Until the next look; a Ctrl-C ends it."""
        self._pause.wait(LOOK_SECONDS)

    def report(self) -> JobReport | None:
        away = False
        while True:
            try:
                report = self._reporting.job(self._job_id)
            except DatabaseGone as gone:
                if not away:
                    self._say(f"{gone}. Looking again each second; Ctrl-C ends this.")
                away = True
                self.pause()
            else:
                if away:
                    self._say("the database answers again")
                return report


def _line(report: JobReport, rate: float) -> str:
    counts = ", ".join(f"{count:,} {state}" for state, count in report.counts.items() if count)
    return f"{report.state}  {report.done:,}/{report.total:,}  {rate:,.1f}/s  {counts}"


def _watch_bar(screen: Screen, reporting: ReportingLedger, job_id: int) -> JobReport | None:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TextColumn("{task.fields[news]}", markup=False), console=screen.console) as progress:
        task = progress.add_task("", total=None, news="")

        def tell(report: JobReport, rate: float) -> None:
            about = f"job {visible(report.key)} {report.state}"
            progress.update(
                task, description=about, total=report.total or None, completed=report.done, news=_news(report, rate)
            )

        return _follow(reporting, job_id, tell, screen.line)


def _news(report: JobReport, rate: float) -> str:
    left = report.total - report.done
    remaining = f", {left / rate:,.0f} s left" if rate > 0 and left and report.enlisted else ""
    troubles = [f"{count:,} {state}" for state, count in report.counts.items() if count and state in _TROUBLES]
    return ", ".join([f"{rate:,.1f}/s{remaining}", *troubles])


_TROUBLES = frozenset({"failed", "in_doubt", "suppressed", "cancelled"})
