"""Try to break it.

    python -m tests.faults                          the short set; the same as make faults
    python -m tests.faults --size long              the release set
    python -m tests.faults kill failpoints --seed 7 these scenarios alone, with this seed
    python -m tests.faults --database mysql         on MySQL in place of MariaDB
    python -m tests.faults --list                   what there is

Prints one table, writes the same rows to build/faults.json, and exits with 1 when anything was lost, sent twice, left
in doubt or failed without a reason.
"""

import argparse
import json
import multiprocessing
import random
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, fields
from pathlib import Path

from tests.faults import lane
from tests.faults.judgement import Row
from tests.faults.scenario import SCENARIOS, Scenario, Skipped, Verdict
from tests.servers.databases import KINDS

OUTPUT = Path("build/faults.json")
LONGEST_FIRST = ("model", "failpoints", "rolling-restarts", "kill", "smtp-outage")
"""Begun first, so that nobody waits for one of them at the end."""


def main() -> int:
    options = _options()
    chosen = [SCENARIOS[name] for name in options.scenarios] or _in_size(options.size)
    if options.list:
        for one in chosen:
            print(f"{one.name:<28}{one.says}")
        return 0
    verdicts = _run_all(chosen, options)
    print(_table([verdict.row for verdict in verdicts]))
    _write([verdict.row for verdict in verdicts], options.output)
    return 1 if any(verdict.violations for verdict in verdicts) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="*", choices=[*SCENARIOS, []], metavar="SCENARIO")
    parser.add_argument("--size", choices=("quick", "short", "long"), default="short")
    parser.add_argument("--jobs", type=int, default=3, help="so many scenarios at the same time")
    parser.add_argument("--seed", type=int, default=None, help="without it, a new one for each scenario")
    parser.add_argument("--database", choices=KINDS, default="mariadb")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--list", action="store_true")
    return parser.parse_args()


def _in_size(size: str) -> list[Scenario]:
    names = dict.fromkeys([*LONGEST_FIRST, *SCENARIOS])
    return [SCENARIOS[name] for name in names if size in SCENARIOS[name].amounts]


def _run_all(chosen: Sequence[Scenario], options: argparse.Namespace) -> list[Verdict]:
    """Each scenario in a process of a pool; most of them wait more than they work."""
    seeds = {one.name: random.randrange(10**6) if options.seed is None else options.seed for one in chosen}
    lanes = min(options.jobs, len(chosen))
    with ProcessPoolExecutor(
        lanes, multiprocessing.get_context("spawn"), initializer=lane.open_servers, initargs=(options.database,)
    ) as pool:
        runs = {pool.submit(lane.run, one.name, options.size, seeds[one.name]): one for one in chosen}
        for done in as_completed(runs):
            _tell(runs[done], done, seeds[runs[done].name])
    return [run.result() for run in runs if run.exception() is None]


def _tell(chosen: Scenario, run: Future[Verdict], seed: int) -> None:
    """What came of it, as soon as it is known. Raises what is no scenario's affair."""
    began = f"{time.strftime('%H:%M:%S')}  {chosen.name} --seed {seed}:"
    try:
        verdict = run.result()
    except Skipped as reason:
        print(f"{began} skipped, {reason}", flush=True)
        return
    outcome = "VIOLATED" if verdict.violations else "holds"
    print(f"{began} {outcome}, {verdict.row.seconds} s", flush=True)
    for violation in verdict.violations:
        print(f"VIOLATION  {violation}", flush=True)


def _table(rows: Sequence[Row]) -> str:
    """The rows as text, each column as wide as its widest cell."""
    heads = [field.name.replace("_", " ") for field in fields(Row)]
    lines = [heads, *([str(value) for value in asdict(row).values()] for row in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(heads))]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if n < 2 else cell.rjust(w) for n, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


def _write(rows: Sequence[Row], output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
