"""`reconcile`: the delivery server's rows against the ledger, row by row; what differs is put right where it can be."""

import sys
from collections.abc import Sequence
from threading import Event
from typing import Any

import click

from eed_delivery.cli import options
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import Screen, record
from eed_delivery.cli.person import person
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.ledger.reconciling.differences import Difference
from eed_delivery.sweeper.reconciliation import Correction, Findings, Reconciler

LISTED = 1000
PATIENCE_SECONDS = 5.0
"""A job that has just become ready is looked at again after so long, or after two polls of the publisher."""
DIFFERS = 1


@click.command()
@click.argument("keys", metavar="[JOB]...", nargs=-1, type=options.key)
@click.option("--all", "every", is_flag=True, help="Every job of the ledger, and jobs that are ready and not in it.")
@click.option("--repair", is_flag=True, help="Put right what can be put right, and say so of each.")
@click.option("--limit", type=click.IntRange(min=0), default=LISTED, show_default=True, help="List at most N of each.")
@takes_json
@takes_config
@pass_session
def reconcile(session: Session, keys: tuple[str, ...], every: bool, repair: bool, limit: int, as_json: bool) -> None:
    """Compare the delivery server's rows with the ledger, row by row. The service may be running.

    Lists what differs, with both sides and what to do. Ends with exit code 0 when both agree, and 1 when they differ.

    --repair enlists rows that are missing, opening a finished job for a further round. It writes "sent" to rows that
    say "not sent yet" although they were sent, and corrects a job's sums. Then it compares again. It changes nothing
    else, and no email that has ended is sent again.

    \b
    Example:
      eed-delivery reconcile 42
      eed-delivery reconcile --all --repair
    """
    if every == bool(keys):
        raise click.UsageError("Say which jobs: JOB, or --all.")
    reconciler = session.app.reconciler(session.database, person())
    chosen = _Chosen(session, reconciler, [session.operations.keys.job_id(key) for key in keys])
    corrections = _Corrections(session.screen, limit, quiet=as_json)
    if repair:
        corrections.take(reconciler, chosen)
    findings = chosen.compare(Findings(limit))
    if as_json:
        session.screen.json(_record(findings, corrections, repair))
    else:
        _show(session.screen, findings)
    if findings.total:
        sys.exit(DIFFERS)


class _Chosen:
    """The jobs that a call is about: some, or all of them."""

    def __init__(self, session: Session, reconciler: Reconciler, job_ids: Sequence[int]) -> None:
        self._reconciler = reconciler
        self._job_ids = job_ids
        self._patience = max(PATIENCE_SECONDS, 2 * session.settings.publisher.poll_seconds)

    def ids(self) -> Any:
        """Their ids; those of all jobs as they are read."""
        return self._job_ids or self._reconciler.every_job()

    def compare(self, findings: Findings) -> Findings:
        """Compare them. A job that no publisher has taken up must be so at two looks."""
        before = {} if self._job_ids else self._reconciler.not_taken_up()
        self._reconciler.compare(self.ids(), findings)
        if before:
            Event().wait(self._patience)
            now = self._reconciler.not_taken_up()
            findings.add_all([now[key] for key in before if key in now])
        return findings


class _Corrections:
    """What `--repair` has done: told as it comes, and counted."""

    def __init__(self, screen: Screen, limit: int, *, quiet: bool) -> None:
        self._screen = screen
        self._limit = limit
        self._quiet = quiet
        self.count = 0
        self.listed: list[Correction] = []

    def take(self, reconciler: Reconciler, chosen: _Chosen) -> None:
        for correction in reconciler.repair(chosen.ids()):
            self.count += correction.done
            if len(self.listed) < self._limit:
                self.listed.append(correction)
                if not self._quiet:
                    self._screen.line(_told(correction))
        if not self._quiet:
            self._screen.line(
                f"{self.count:,} corrected" if self.count else "there was nothing that could be corrected"
            )
            self._screen.line()


def _told(correction: Correction) -> str:
    email = f", email {correction.email}" if correction.email is not None else ""
    return f"{'corrected' if correction.done else 'left'}: job {correction.job}{email}: {correction.what}"


def _show(screen: Screen, findings: Findings) -> None:
    jobs = f"{findings.jobs:,} job" if findings.jobs == 1 else f"{findings.jobs:,} jobs"
    screen.line(f"{jobs} with {findings.rows:,} emails compared")
    if findings.elsewhere:
        screen.line(
            f"{findings.elsewhere:,} have a status of the delivery server's own: settled elsewhere, not compared"
        )
    if not findings.total:
        screen.line("source and ledger agree")
        return
    screen.line()
    screen.table(("difference", "count"), sorted((str(kind), n) for kind, n in findings.counts.items()))
    screen.line()
    columns = ("job", "email", "difference", "source", "ledger", "what to do")
    rows = [(d.job, d.email, str(d.kind), d.source, d.ledger, d.todo) for d in findings.listed]
    screen.table(columns, rows)
    if findings.total > len(findings.listed):
        screen.line(f"only {len(findings.listed):,} of {findings.total:,} are listed; see --limit")


def _record(findings: Findings, corrections: _Corrections, repair: bool) -> dict[str, Any]:
    found: dict[str, Any] = {
        "agrees": findings.total == 0,
        "jobs": findings.jobs,
        "emails": findings.rows,
        "settled_elsewhere": findings.elsewhere,
        "count": findings.total,
        "counts": {str(kind): count for kind, count in sorted(findings.counts.items())},
        "differences": [_difference(difference) for difference in findings.listed],
    }
    if repair:
        found |= {"corrected": corrections.count, "corrections": [record(one) for one in corrections.listed]}
    return found


def _difference(difference: Difference) -> dict[str, Any]:
    return record(difference) | {"kind": str(difference.kind)}
