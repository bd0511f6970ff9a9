"""The processes of all hosts, and whether they send."""

from typing import Any

import click

from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import ago, record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.operations.gates import gate_words
from eed_delivery.operations.processes import ProcessView, SeenProcess


@click.command()
@takes_json
@takes_config
@pass_session
def processes(session: Session, as_json: bool) -> None:
    """List the processes of all roles on all hosts.

    Shows whether workers send, and which processes run another release or configuration than most of them. A process
    is gone after it has missed 3 heartbeats (worker.heartbeat_seconds). It stays on the list for a day. Also says which
    channels send nothing, because their gate is shut, and why workers with worker.threads = "auto" last changed their
    number of threads.

    \b
    Example:
      eed-delivery processes
    """
    found = session.operations.processes.all()
    if as_json:
        session.screen.json([_process_record(process) for process in found])
        return
    columns = ("process", "role", "channel", "threads", "sending", "last seen", "version", "config", "detail")
    spare = ("threads", "role", "channel", "config", "version")
    session.screen.table(columns, map(_process_row, found), prose=("detail",), spare=spare)
    alive = sum(process.alive for process in found)
    if not found:
        session.screen.line("no process has sent a heartbeat today")
    elif alive < len(found):
        session.screen.line(f"{alive:,} of {len(found):,} are alive, the others are gone")
    for one in found:
        if one.alive and one.process.threads_most:
            session.screen.line(_thread_words(one.process))
    if differing := [one for one in found if one.differs]:
        session.screen.line(f"{len(differing):,} differ from the others in version or configuration (marked !)")
    for gate in session.operations.gates.all():
        session.screen.line(gate_words(gate))


def _process_record(found: ProcessView) -> dict[str, Any]:
    return record(found.process) | {"alive": found.alive, "sending": found.sending, "differs": list(found.differs)}


def _thread_words(process: SeenProcess) -> str:
    words = (
        f"{process.worker_id}: {process.threads} threads, between {process.threads_least} and {process.threads_most}"
    )
    if process.threads_changed_at is None:
        return f"{words}, unchanged since its start"
    return f"{words}, last changed {ago(process.threads_changed_ago)}: {process.threads_why}"


def _process_row(found: ProcessView) -> tuple[object, ...]:
    process = found.process
    alive = ("yes" if process.sending else "no") if process.role == "worker" else ""
    sending = alive if found.alive else "gone"
    facts = (process.worker_id, process.role, process.channel, process.threads)
    version, config = (
        f"{value or 'unknown'} !" if name in found.differs else value
        for name, value in (("version", process.version), ("config", process.config))
    )
    return (*facts, sending, ago(process.age), version, config, process.detail)
