"""`job --watch` shows a progress bar at a terminal, and a line for each change elsewhere, until the job has finished.

If the database is away, it says so and keeps trying. Ctrl-C ends it.
"""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from eed_delivery.cli.output import Screen
from eed_delivery.operations.watching import DatabaseAway, DatabaseNews, JobProgress, JobReport, ProgressNews
from eed_delivery.untrusted import visible

LOOK_SECONDS = 1.0
PAUSE = partial(threading.Event().wait, LOOK_SECONDS)
"""Until the next look; a Ctrl-C ends it."""

Record = Callable[[JobReport], dict[str, Any]]
Tell = Callable[[JobReport, float], None]
Say = Callable[[str], None]


def watch_job(screen: Screen, news: Iterator[ProgressNews], to_json: Record | None) -> JobReport | None:
    """Show what is new of a job until it has finished. Returns its last report."""
    if to_json is not None:

        def tell(report: JobReport, rate: float) -> None:
            screen.json(to_json(report) | {"recent_emails_per_second": rate}, indent=None)

        return _follow(news, tell, lambda words: click.echo(words, err=True))
    if not screen.terminal:
        return _follow(news, lambda report, rate: screen.line(_line(report, rate)), screen.line)
    return _watch_bar(screen, news)


def _follow(news: Iterator[ProgressNews], tell: Tell, say: Say) -> JobReport | None:
    """`tell` receives each change and the rate, and `say` messages about the database."""
    last = None
    for each in news:
        match each:
            case JobProgress(report, rate):
                last = report
                tell(report, rate)
            case _:
                say(database_line(each))
    return last


def database_line(news: DatabaseNews) -> str:
    """What a command that waits says of a database that is away, or back."""
    if isinstance(news, DatabaseAway):
        return f"{news.reason}. Trying again each second. Ctrl-C stops."
    return "the database answers again"


def _line(report: JobReport, rate: float) -> str:
    counts = ", ".join(f"{count:,} {state}" for state, count in report.counts.items() if count)
    return f"{report.state}  {report.done:,}/{report.total:,}  {rate:,.1f}/s  {counts}"


def _watch_bar(screen: Screen, news: Iterator[ProgressNews]) -> JobReport | None:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TextColumn("{task.fields[news]}", markup=False), console=screen.console) as progress:
        task = progress.add_task("", total=None, news="")

        def tell(report: JobReport, rate: float) -> None:
            about = f"job {visible(report.key)} {report.state}"
            progress.update(
                task, description=about, total=report.total or None, completed=report.done, news=_news(report, rate)
            )

        return _follow(news, tell, screen.line)


def _news(report: JobReport, rate: float) -> str:
    left = report.total - report.done
    remaining = f", {left / rate:,.0f} s left" if rate > 0 and left and report.enlisted else ""
    troubles = [f"{count:,} {state}" for state, count in report.counts.items() if count and state in _TROUBLES]
    return ", ".join([f"{rate:,.1f}/s{remaining}", *troubles])


_TROUBLES = frozenset({"failed", "in_doubt", "suppressed", "cancelled"})
