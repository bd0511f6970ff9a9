"""What a rehearsal costs: processor time for each email, and how long 500,000 would take on two idle cores.

    python -m benchmarks.rehearsal                     20,000 emails with 60 KB each
    python -m benchmarks.rehearsal --emails 100000

On a busy machine seconds say little. Processor time is what counts: that of the process that leads, of those that
render, and of the database. Reading cold files from a disk comes on top, and is not measured here.
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

from benchmarks.arena import DATABASE_OPTIONS
from benchmarks.measure import cpu_seconds
from benchmarks.work import STATEMENT_BYTES, Work, fill, write_files
from eed_delivery.app.operations import Operations
from eed_delivery.config import load
from eed_delivery.operations.actor import Actor
from eed_delivery.operations.rehearsing.orders import RehearsalRequest
from tests.command_line import CommandLine
from tests.servers.databases import KINDS, new_database
from tests.world import World

LARGE_JOB = 500_000
CORES = 2
GOAL_MINUTES = 8
RENDERING = "those that render"


def main() -> None:
    """Print the figures of one rehearsal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emails", type=int, default=20_000)
    parser.add_argument("--attachment-bytes", type=int, default=STATEMENT_BYTES)
    parser.add_argument("--processes", type=int, default=CORES)
    parser.add_argument("--database", choices=KINDS, default="mariadb")
    given = parser.parse_args()
    work = Work(given.emails, given.attachment_bytes)
    options = DATABASE_OPTIONS[given.database]
    with tempfile.TemporaryDirectory() as place, new_database(given.database, options) as database:
        url = database.create_database("rehearsal")
        World(url).close()
        cli = CommandLine(Path(place), url, more="[rehearsal]\nread_as_service = true\n")
        write_files(cli.files, work)
        fill(url, work)
        print(f"{given.emails:,} emails with {given.attachment_bytes:,} bytes, {given.processes} processes", flush=True)
        measured(cli, work, given.processes, database.pid)


def measured(cli: CommandLine, work: Work, processes: int, database: int) -> None:
    """A rehearsal of one email says what starting a process takes, which does not grow with the job."""
    starting = rehearsed(cli, RehearsalRequest("1", first=1, processes=1), database)
    whole = rehearsed(cli, RehearsalRequest("1", processes=processes), database)
    parts = {name: used - starting[name] * (processes if name == RENDERING else 1) for name, used in whole.items()}
    for name, used in parts.items():
        print(f"{1000 * used / work.emails:8.3f} ms of CPU an email  {name}")
    each, start = sum(parts.values()) / work.emails, processes * starting[RENDERING]
    minutes = (each * LARGE_JOB + start) / CORES / 60
    print(f"{1000 * each:8.3f} ms in all, and {start:.1f} s to start the processes")
    print(f"By that {LARGE_JOB:,} emails take {minutes:.1f} min on {CORES} idle cores (goal: {GOAL_MINUTES} min)")


def rehearsed(cli: CommandLine, request: RehearsalRequest, database: int) -> dict[str, float]:
    """Seconds of CPU by who used them."""
    operations = Operations(load(cli.config, cli.environ), Actor("bench", "cli"))
    act = operations.rehearsal_orders.start(request)
    began, before, theirs = time.monotonic(), own_seconds(), cpu_seconds(database)
    operations.rehearsal_step(act.id)()
    seconds, after = time.monotonic() - began, own_seconds()
    view = operations.rehearsal_results.view(act.id)
    busy = os.getloadavg()[0]
    print(
        f"{view.verdict}: {view.looked_at:,} looked at, {view.rendered:,} rendered, {seconds:.1f} s at load {busy:.1f}"
    )
    return {
        "the process that leads": after[0] - before[0],
        RENDERING: after[1] - before[1],
        "the database": cpu_seconds(database) - theirs,
    }


def own_seconds() -> tuple[float, float]:
    """Processor time of this process, and of those below it that have ended."""
    found = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own, below = (one.ru_utime + one.ru_stime for one in found)
    return own, below


if __name__ == "__main__":
    main()
