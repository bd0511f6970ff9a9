"""The benchmark's row of one host, without the row of two: what is predicted must not be seen before."""

from contextlib import closing
from pathlib import Path

from benchmarks.arena import Arena
from benchmarks.parts import Bench, hosts
from benchmarks.table import write
from benchmarks.work import STATEMENT_BYTES


def measure_one_host(output: Path, emails: int) -> None:
    """The first row of the part `hosts`, with half of `emails`, as `python -m benchmarks hosts --emails` has it."""
    with Arena() as arena:
        bench = Bench(
            arena, emails=emails, attachment_bytes=STATEMENT_BYTES, repetitions=1, systems=[], settings={}, long=False
        )
        with closing(hosts(bench)) as rows:
            write(output, [next(rows)], arena.servers())
