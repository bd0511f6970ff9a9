"""`reconcile` compares the delivery server's rows with the ledger, one by one, and corrects what it can."""

import sys
from collections.abc import Iterator
from threading import Event
from typing import Any

import click

from eed_delivery.cli import options
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import Screen, record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.operations.reconciling import Correction, Difference, ReconcileRequest, ReconcileResult

LISTED = 1000
DIFFERS = 1


@click.command()
@click.argument("keys", metavar="[JOB]...", nargs=-1, type=options.key)
@click.option(
    "--all", "every", is_flag=True, help="Compare every job of the ledger, and ready jobs that are not in it."
)
@click.option("--repair", is_flag=True, help="Correct what can be corrected, and list each correction.")
@click.option("--limit", type=click.IntRange(min=0), default=LISTED, show_default=True, help="List at most N of each.")
@takes_json
@takes_config
@pass_session
def reconcile(session: Session, keys: tuple[str, ...], every: bool, repair: bool, limit: int, as_json: bool) -> None:
    """Compare the delivery server's rows with the ledger. The service may be running.

    Lists each difference, with both sides and what to do. Exit code 0 means that both agree, and 1 that they differ.

    --repair enlists missing rows, and opens a finished job for a further round. It writes "sent" to rows that say "not
    sent yet" although they were sent. It corrects a job's sums, and then compares again. It changes nothing else, and
    no email that has ended is sent again.

    \b
    Example:
      eed-delivery reconcile 42
      eed-delivery reconcile --all --repair
    """
    if every == bool(keys):
        raise click.UsageError("Name a JOB, or use --all.")
    reconciling = session.operations.reconciling
    chosen = reconciling.choose(ReconcileRequest(keys, every))
    corrections = _Corrections(session.screen, limit, quiet=as_json)
    if repair:
        corrections.take(reconciling.repair(chosen))
    result = reconciling.compare(chosen, limit, Event().wait)
    if as_json:
        session.screen.json(_record(result, corrections, repair))
    else:
        _show(session.screen, result)
    if not result.agrees:
        sys.exit(DIFFERS)


class _Corrections:
    """What `--repair` has done, printed one by one and counted."""

    def __init__(self, screen: Screen, limit: int, *, quiet: bool) -> None:
        self._screen = screen
        self._limit = limit
        self._quiet = quiet
        self.count = 0
        self.listed: list[Correction] = []

    def take(self, corrections: Iterator[Correction]) -> None:
        for correction in corrections:
            self.count += correction.done
            if len(self.listed) < self._limit:
                self.listed.append(correction)
                if not self._quiet:
                    self._screen.line(_told(correction))
        if not self._quiet:
            self._screen.line(f"{self.count:,} corrected" if self.count else "nothing could be corrected")
            self._screen.line()


def _told(correction: Correction) -> str:
    email = f", email {correction.email}" if correction.email is not None else ""
    return f"{'corrected' if correction.done else 'left'}: job {correction.job}{email}: {correction.what}"


def _show(screen: Screen, result: ReconcileResult) -> None:
    jobs = f"{result.jobs:,} job" if result.jobs == 1 else f"{result.jobs:,} jobs"
    screen.line(f"{jobs} with {result.emails:,} emails compared")
    if result.settled_elsewhere:
        elsewhere = f"{result.settled_elsewhere:,} have a status of the delivery server's own"
        screen.line(f"{elsewhere}, so they are not compared")
    if result.agrees:
        screen.line("source and ledger agree")
        return
    screen.line()
    screen.table(("difference", "count"), list(result.counts.items()))
    screen.line()
    columns = ("job", "email", "difference", "source", "ledger", "what to do")
    rows = [(d.job, d.email, str(d.kind), d.source, d.ledger, d.todo) for d in result.differences]
    screen.table(columns, rows)
    if result.count > len(result.differences):
        screen.line(f"only {len(result.differences):,} of {result.count:,} are listed. Use --limit to list more")


def _record(result: ReconcileResult, corrections: _Corrections, repair: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "agrees": result.agrees,
        "jobs": result.jobs,
        "emails": result.emails,
        "settled_elsewhere": result.settled_elsewhere,
        "count": result.count,
        "counts": result.counts,
        "differences": [_difference(difference) for difference in result.differences],
    }
    if repair:
        found |= {"corrected": corrections.count, "corrections": [record(one) for one in corrections.listed]}
    return found


def _difference(difference: Difference) -> dict[str, Any]:
    return record(difference) | {"kind": str(difference.kind)}
