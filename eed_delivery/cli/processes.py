"""The worker processes, and whether they send."""

from typing import Any

import click

from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import ago, record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.operations.processes import ProcessView


@click.command()
@takes_json
@takes_config
@pass_session
def processes(session: Session, as_json: bool) -> None:
    """List the processes of all hosts: workers, publishers, sweepers and archivers.

    Shows whether workers send. A process is gone after it has missed 3 heartbeats (worker.heartbeat_seconds). It stays
    on the list for a day.

    \b
    Example:
      eed-delivery processes
    """
    found = session.operations.processes.all()
    if as_json:
        session.screen.json([_process_record(process) for process in found])
        return
    columns = ("process", "role", "channel", "threads", "sending", "last seen", "detail")
    session.screen.table(columns, map(_process_row, found), prose=("detail",), spare=("threads", "role", "channel"))
    alive = sum(process.alive for process in found)
    if not found:
        session.screen.line("no process has sent a heartbeat today")
    elif alive < len(found):
        session.screen.line(f"{alive:,} of {len(found):,} are alive, the others are gone")


def _process_record(found: ProcessView) -> dict[str, Any]:
    return record(found.process) | {"alive": found.alive, "sending": found.sending}


def _process_row(found: ProcessView) -> tuple[object, ...]:
    process = found.process
    alive = ("yes" if process.sending else "no") if process.role == "worker" else ""
    sending = alive if found.alive else "gone"
    facts = (process.worker_id, process.role, process.channel, process.threads)
    return (*facts, sending, ago(process.age), process.detail)
