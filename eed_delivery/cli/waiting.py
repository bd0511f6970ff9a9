"""Jobs that wait for their time, as `jobs` and `job` show them."""

from collections.abc import Mapping, Sequence
from typing import Any

from eed_delivery.cli.output import BOLD
from eed_delivery.cli.session import Session
from eed_delivery.hints import key_words
from eed_delivery.model import WaitingJob
from eed_delivery.operations.jobs import WaitingJobView
from eed_delivery.reports.moments import both_times

SCHEDULED = "scheduled"
"""The state that is shown. It is none of the ledger's, which does not have these jobs yet."""


def scheduled(job: WaitingJob) -> str:
    """When it starts, for people."""
    return both_times(job.scheduled_at) or "more than 100 years away"


def waiting_record(job: WaitingJob) -> dict[str, Any]:
    """A waiting job as JSON."""
    return {"job": str(job.key), "name": job.name, "state": SCHEDULED, "scheduled_for": job.scheduled_at}


def show_waiting_jobs(session: Session, found: Sequence[WaitingJob], limit: int) -> None:
    """The table below that of the ledger's jobs. Nothing where none waits."""
    if not found:
        return
    session.screen.line()
    rows = [(str(job.key), job.name, SCHEDULED, scheduled(job)) for job in found]
    session.screen.table(("job", "name", "state", "scheduled for"), rows, prose=("name",), spare=("name",))
    if len(found) == limit:
        session.screen.line(f"only the {limit} that start first are shown. --all shows the others too")


def show_waiting_job(session: Session, found: WaitingJobView) -> None:
    """One job before its time, and what can be done with it."""
    job, key = found.job, str(found.job.key)
    session.screen.line(f"job {key}  {job.name}", style=BOLD)
    session.screen.line(f"{SCHEDULED} for {scheduled(job)}")
    session.screen.line(f"{found.emails:,} emails will be sent then, by the source's present rows")
    session.screen.line()
    commands: Mapping[str, str] = {
        "pause it": session.command("pause", "--reason", "REASON", *key_words(key)),
        "cancel it": session.command("cancel", "--reason", "REASON", *key_words(key)),
    }
    for what, command in commands.items():
        session.screen.line(f"{what}:  {command}")
