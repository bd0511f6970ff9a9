"""What an email costs now, and what it cost at another commit: CPU of both, in turns on one machine.

    python -m benchmarks.versions 85ff987              20 turns of 500 emails each, with 60 KB attached
    python -m benchmarks.versions 85ff987 --turns 40 --attachment-bytes 0

Both services run all the time, each with a database, a queue and a mail server of its own. They send in turns of a few
seconds, so what else goes on at the machine meets both alike. Each ratio is the median over the pairs of turns.
The other commit is checked out into a directory of its own, and uses the packages that are installed here.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.arena import Arena, Ground
from benchmarks.ours import Ours
from benchmarks.race import Meter, await_so, await_taken
from benchmarks.work import STATEMENT_BYTES, Work, unsent
from tests.servers.databases import KINDS

HERE = Path(__file__).resolve().parents[1]
Costs = dict[str, float]
"""Milliseconds of CPU for one email, by whose they are."""


def main() -> None:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # so that `timeout` leaves nothing behind
    if options.side:
        _send_in_turns(options)
        return
    with ExitStack() as opened:
        there = opened.enter_context(_checkout(options.commit))
        before, now = (opened.enter_context(_side(root)) for root in (there, HERE))
        for side in (before, now):
            _answer(side)  # it is ready
        pairs: list[tuple[Costs, Costs]] = []
        for turn in range(options.turns):
            first, second = (before, now) if turn % 2 == 0 else (now, before)
            costs = {id(side): _turn(side) for side in (first, second)}
            pairs.append((costs[id(before)], costs[id(now)]))
            print(f"turn {turn + 1}: {costs[id(before)]} before, {costs[id(now)]} now", file=sys.stderr, flush=True)
    _print(pairs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", help="what to compare with")
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--emails", type=int, default=500, help="in each turn")
    parser.add_argument("--attachment-bytes", type=int, default=STATEMENT_BYTES)
    parser.add_argument("--database", choices=KINDS, default="mariadb")
    parser.add_argument("--side", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


@contextmanager
def _checkout(commit: str) -> Iterator[Path]:
    """The files of that commit."""
    with tempfile.TemporaryDirectory(prefix="eed-bench-version-") as made:
        root = Path(made) / "before"
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", root, commit], cwd=HERE, check=True)
        try:
            yield root
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", root], cwd=HERE, check=True)


@contextmanager
def _side(root: Path) -> Iterator["subprocess.Popen[str]"]:
    """This module over the code in `root`. `-P`: no module is found beside this file."""
    command = [sys.executable, "-P", __file__, *sys.argv[1:], "--side"]
    environ = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(
        command, cwd=root, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as side:
        try:
            yield side
        finally:
            side.communicate()  # the end of its stdin ends it


def _turn(side: "subprocess.Popen[str]") -> Costs:
    """Let it send one job."""
    if side.stdin is None:
        raise ValueError("it was started without a stdin")
    print(file=side.stdin, flush=True)
    return _answer(side)


def _answer(side: "subprocess.Popen[str]") -> Costs:
    if side.stdout is None or not (line := side.stdout.readline()):
        sys.exit("one of the two services has ended: its error is above")
    answer: Costs = json.loads(line)
    return answer


def _send_in_turns(options: argparse.Namespace) -> None:
    """One side: a service that sends a job for each line of stdin, and says on stdout what each email of it took."""
    work = Work(options.emails, options.attachment_bytes)
    with Arena(options.database) as arena:
        ground = arena.ground([work] * (options.turns + 1))
        with Ours(ground, {}) as system:
            _say(_job(system, ground, work, 1))  # connections are made, and templates compiled
            for job_id, _ in enumerate(sys.stdin, start=2):
                _say(_job(system, ground, work, job_id))


def _job(system: Ours, ground: Ground, work: Work, job_id: int) -> Costs:
    """Send one job, to its last status."""
    taken_before = ground.sink.taken
    meter = Meter(system, ground)
    system.begin(job_id)
    await_taken(system, ground, taken_before + work.emails)
    await_so(lambda: not unsent(ground.url, job_id), system)
    run = meter.run("versions", work, "smtp", work.emails)
    return {"service": run.cpu_ms_per_email or 0.0, **run.servers_cpu_ms_per_email}


def _say(costs: Costs) -> None:
    print(json.dumps(costs), flush=True)


def _print(pairs: Sequence[tuple[Costs, Costs]]) -> None:
    print(f"{'CPU ms an email':<16}{'before':>10}{'now':>10}{'ratio':>10}   of the pairs' ratios, the middle half")
    for name in pairs[0][0]:
        before, now = ([pair[side][name] for pair in pairs] for side in (0, 1))
        ratios = [b / a for a, b in zip(before, now, strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        figures = f"{statistics.median(before):>10.3f}{statistics.median(now):>10.3f}{middle:>10.3f}"
        print(f"{name:<16}{figures}   {low:.3f} to {high:.3f}")


if __name__ == "__main__":
    main()
