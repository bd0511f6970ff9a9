"""The process of the role `archive`: one loop for each channel's spool, and a heartbeat that says how they are."""

import threading
from collections.abc import Sequence

import structlog

from eed_delivery.archive.archiver import Archiver
from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger.workers import HEARTBEATS, Process, WorkerLedger
from eed_delivery.runtime.loop import Loop, Pulse

log = structlog.get_logger(__name__)


def run(
    archivers: Sequence[tuple[str, Archiver]],
    workers: WorkerLedger,
    process: Process,
    heartbeat_seconds: float,
    stop: threading.Event,
    pulse: Pulse,
    *,
    drain: bool = False,
) -> None:
    """Work until `stop` is set. `drain`: until no spool has a copy that could go into its archive."""

    def beat() -> float:
        detail = "; ".join(f"{channel}: {archiver.detail}" for channel, archiver in archivers)
        workers.beat(process, sending=False, detail=detail, alive_seconds=HEARTBEATS * heartbeat_seconds)
        return heartbeat_seconds

    def step_of(archiver: Archiver) -> float:
        seconds = archiver.step()
        if drain and all(one.drained for _, one in archivers):
            stop.set()
        return seconds

    loops = [Loop("archive-heartbeat", beat, stop, pulse)]
    for channel, archiver in archivers:
        loops.append(Loop(f"archive-recount-{channel}", archiver.recount, stop, pulse))
        loops.append(Loop(f"archive-{channel}", lambda one=archiver: step_of(one), stop, pulse))  # type: ignore[misc]
    for thread in [loop.start() for loop in loops]:
        thread.join()
    for _, archiver in archivers:
        archiver.close()
    try:
        workers.leave(process)
    except DatabaseGone as error:
        log.warning("heartbeat_left_behind", reason=str(error))
