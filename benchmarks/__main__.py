"""How fast it is, beside what people would use in its place.

    python -m benchmarks                            everything; the same as make bench
    python -m benchmarks systems --systems celery,ours --emails 500 --repetitions 1
    python -m benchmarks threads --set worker.lease_seconds=90
    python -m benchmarks sizes behind --long        jobs of up to 500,000 emails
    python -m benchmarks half_million               500,000 emails with 60 KB each; the same as make bench-500k
    python -m benchmarks --database mysql           on MySQL in place of MariaDB
    python -m benchmarks --list                     what there is

Prints a table and writes the same rows to build/bench.json. Nothing else should run on the machine.
"""

import argparse
import signal
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

from benchmarks.arena import Arena
from benchmarks.measure import Run
from benchmarks.parts import EXTRA, PARTS, SYSTEMS, Bench, Skipped
from benchmarks.table import print_table, write
from benchmarks.work import STATEMENT_BYTES
from tests.servers.databases import KINDS


def main() -> int:
    options = _options()
    if options.list:
        for name, function in PARTS.items():
            print(f"{name:<14}{(function.__doc__ or '').splitlines()[0]}")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # so that `timeout` leaves no server behind
    chosen = options.parts or [name for name in PARTS if name not in EXTRA]
    with Arena(options.database) as arena:
        bench, runs, servers = _bench(arena, options), list[Run](), arena.servers()
        for name in chosen:
            runs += _run(name, bench)
            write(options.output, runs, servers)  # what is there is kept, should a later part fail
    print_table(runs, servers)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART")
    parser.add_argument("--emails", type=int, default=2_000, help="in most runs of ours; others have their share")
    parser.add_argument("--attachment-bytes", type=int, default=STATEMENT_BYTES)
    parser.add_argument("--repetitions", type=int, default=3, help="of the part systems")
    parser.add_argument("--repeat", type=int, default=1, help="of each run of ours in the other parts")
    parser.add_argument("--systems", default=",".join(SYSTEMS), help="which of them, with commas between")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of ours, as in TOML")
    parser.add_argument("--long", action="store_true", help="hours instead of minutes")
    parser.add_argument("--database", choices=KINDS, default="mariadb")
    parser.add_argument("--output", type=Path, default=Path("build/bench.json"))
    parser.add_argument("--list", action="store_true")
    return parser.parse_args()


def _bench(arena: Arena, options: argparse.Namespace) -> Bench:
    return Bench(
        arena,
        emails=options.emails,
        attachment_bytes=options.attachment_bytes,
        repetitions=options.repetitions,
        repeat=options.repeat,
        systems=options.systems.split(","),
        settings=_settings(options.set),
        long=options.long,
    )


def _settings(words: list[str]) -> dict[str, Any]:
    """`worker.threads=4` to {"worker.threads": 4}. A value that TOML can't read is a word."""
    found: dict[str, Any] = {}
    for word in words:
        key, _, value = word.partition("=")
        try:
            found[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            found[key] = value
    return found


def _run(name: str, bench: Bench) -> list[Run]:
    """One part. Nothing of one that this machine cannot have."""
    runs: list[Run] = []
    started = time.monotonic()
    try:
        for run in PARTS[name](bench):
            runs.append(run)
            speed = "" if run.emails_per_s is None else f"{run.emails_per_s:,.0f}/s"
            _say(f"{name}: {run.system}, {run.emails:,} emails {speed}")
    except Skipped as reason:
        _say(f"{name}: skipped, {reason}")
    _say(f"{name}: {time.monotonic() - started:.0f} s")
    return runs


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
