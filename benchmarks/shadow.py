"""What shadow mode costs: processor time for each email, and the memory of the process that leads.

    python -m benchmarks.shadow                      5,000 emails with 60 KB each, their copies and the relay's log
    python -m benchmarks.shadow --emails 20000

The old server's part is done before, and not measured. Reading cold files from a disk comes on top.
"""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

from benchmarks.arena import DATABASE_OPTIONS
from benchmarks.measure import cpu_seconds
from benchmarks.rehearsal import CORES, LARGE_JOB, RENDERING, own_seconds
from benchmarks.work import STATEMENT_BYTES
from tests.servers.databases import KINDS, new_database
from tests.shadowing import ShadowStage
from tests.world import World


def main() -> None:
    """Print the figures of one comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--emails", type=int, default=5000)
    parser.add_argument("--attachment-bytes", type=int, default=STATEMENT_BYTES)
    parser.add_argument("--processes", type=int, default=CORES)
    parser.add_argument("--database", choices=KINDS, default="mariadb")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, new_database(given.database, DATABASE_OPTIONS[given.database]) as one:
        world = World(one.create_database("shadow"))
        stage = ShadowStage(world, Path(place), f"processes = {given.processes}")
        for job, count in ((1, given.emails), (2, 1)):
            stage.old.prepare(count, job, filler=given.attachment_bytes)
            stage.old.run(job)
        print(f"{given.emails:,} emails with {given.attachment_bytes:,} bytes, {given.processes} processes", flush=True)
        starting = compared(stage, "2", one.pid)
        whole = compared(stage, "1", one.pid)
        show(whole, starting, given.emails, given.processes)
        world.close()


def compared(stage: ShadowStage, job: str, database: int) -> dict[str, float]:
    """Seconds of CPU by who used them."""
    operation = stage.start(job)
    began, before, theirs = time.monotonic(), own_seconds(), cpu_seconds(database)
    while stage.view(operation).state != "done":
        stage.steps.shadows()
    seconds, after = time.monotonic() - began, own_seconds()
    counts = stage.view(operation).counts
    print(f"{counts.emails:,} compared, {counts.same:,} same, {seconds:.1f} s at load {os.getloadavg()[0]:.1f}")
    return {
        "the process that leads": after[0] - before[0],
        RENDERING: after[1] - before[1],
        "the database": cpu_seconds(database) - theirs,
    }


def show(whole: dict[str, float], starting: dict[str, float], emails: int, processes: int) -> None:
    """Print what an email takes, without the start of the processes."""
    parts = {name: used - starting[name] * (processes if name == RENDERING else 1) for name, used in whole.items()}
    for name, used in parts.items():
        print(f"{1000 * used / emails:8.3f} ms of CPU an email  {name}")
    each = sum(parts.values()) / emails
    minutes = each * LARGE_JOB / CORES / 60
    print(f"{1000 * each:8.3f} ms in all. By that {LARGE_JOB:,} emails take {minutes:.1f} min on {CORES} idle cores")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"The process that leads had {peak:.0f} MiB at most, with the tests' own part")


if __name__ == "__main__":
    main()
