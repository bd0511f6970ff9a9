"""The whole replay, by hand: see the package."""

import argparse
import logging
import sys
from collections.abc import MutableMapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import structlog

from tests.faults.replay.relay import Spread
from tests.faults.replay.run import Ended, path_of, replay
from tests.replies import known_replies

Task = tuple[int, Spread, int]


def main() -> int:
    options = _options()
    replies = known_replies()
    chosen = [n for n, r in enumerate(replies) if options.only in f"{r.source} {r.phase.name} {r.reply}"]
    distinct = sorted({path_of(replies[n]): n for n in reversed(chosen)}.values())
    chosen = distinct if options.distinct else [*distinct, *(n for n in chosen if n not in distinct)][:: options.every]
    held = HeldRuns(options.held)
    tasks = [(n, Spread(spread), options.emails) for n in chosen for spread in options.spread]
    left = [task for task in tasks if task not in held]
    with ProcessPoolExecutor(options.jobs, initializer=_silence) as pool:
        ended = []
        for task, one in zip(left, pool.map(_one, left), strict=True):
            ended.append(_told(one))
            held.add(task, one)
            print(f"{len(tasks) - len(left) + len(ended)} of {len(tasks)} runs", end="\r", file=sys.stderr, flush=True)
    print(_table(ended))
    return 1 if any(one.problems for one in ended) else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--emails", type=int, default=90)
    parser.add_argument("--only", default="", help="only replies whose server, phase or words have this in them")
    parser.add_argument("--every", type=int, default=1, help="only one reply in so many")
    parser.add_argument("--distinct", action="store_true", help="one reply for each way that a reply can be treated")
    parser.add_argument("--spread", nargs="*", choices=[s.value for s in Spread], default=[s.value for s in Spread])
    parser.add_argument(
        "--held", type=Path, help="a file of runs that held: they are not run again, and new ones added"
    )
    parser.add_argument("--jobs", type=int, default=2, help="so many runs at the same time")
    return parser.parse_args()


class HeldRuns:
    """Runs that held, one a line: a list of hours is worked off in several sittings. Only for one tree of the code."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._lines = set(file.read_text().splitlines()) if file is not None and file.exists() else set()

    def __contains__(self, task: Task) -> bool:
        return self._line(task) in self._lines

    def add(self, task: Task, ended: Ended) -> None:
        """Add a run, if it held."""
        if self._file is not None and not ended.problems:
            with self._file.open("a") as file:
                print(self._line(task), file=file)

    def _line(self, task: Task) -> str:
        number, spread, emails = task
        return f"{number} {spread.value} {emails}"


def _silence() -> None:
    """Only what a defect logs is shown."""
    processors = [_defects_only, structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()]
    level = structlog.make_filtering_bound_logger(logging.ERROR)
    structlog.configure(processors=processors, wrapper_class=level)


def _defects_only(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if not fields.get("exc_info"):
        raise structlog.DropEvent
    return fields


def _one(task: Task) -> Ended:
    number, spread, emails = task
    return replay(known_replies()[number], spread, emails)


def _told(one: Ended) -> Ended:
    """Say at once what went wrong."""
    for problem in one.problems:
        print(f"{one.spread.value:<11} {'/'.join(one.reply.wanted):<6} {one.reply.letter()}  {problem}")
        print(f"            {one.reply.phase.name} {one.reply.reply} ({one.reply.source})", flush=True)
    return one


def _table(ended: Sequence[Ended]) -> str:
    """One line a spread and class."""
    heads = f"{'runs':>6}{'failed wrongly':>16}{'lost attempts':>15}{'others':>9}{'violated':>10}"
    lines = [f"{'spread':<12}{'class':<7}{heads}"]
    for spread in Spread:
        for best in "PTSIJ":
            of = [one for one in ended if one.spread is spread and one.reply.best == best]
            if of:
                lines.append(
                    f"{spread.value:<12}{best:<7}{len(of):>6}{sum(o.failed_wrongly for o in of):>16}"
                    f"{sum(o.attempts_wrong for o in of):>15}{min(o.others for o in of):>9.0%}"
                    f"{sum(bool(o.problems) for o in of):>10}"
                )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
