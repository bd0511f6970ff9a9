"""`python -m benchmarks.scrape`: how long /metrics takes with 8 processes, and after 200 that died.

Each process is real, and has 30 series of each counter and 3 of each histogram with labels. The 200 are copies of one
dead process's files under the numbers of processes that do not exist. The first scrape merges them.
"""

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from eed_delivery.metrics.directory import exposed, prepare

PROCESSES, RESTARTS, SCRAPES = 8, 200, 10
BEYOND_ALL_PIDS = 5_000_000  # Linux's largest is 4,194,304 (proc(5), pid_max)
WORK = """
import os, sys
os.environ["PROMETHEUS_MULTIPROC_DIR"] = sys.argv[1]
from eed_delivery.metrics.families import FAMILIES
from eed_delivery.metrics.recording import ProcessFigures
figures = ProcessFigures("worker", "0.1.0", "abc")
for family in FAMILIES:
    for n in range({"counter": 30, "gauge": 3, "histogram": 3}[family.kind] if family.labels else 1):
        metric = figures.of(family.name, tuple(f"value {n}" for _ in family.labels))
        getattr(metric, {"counter": "inc", "gauge": "set", "histogram": "observe"}[family.kind])(1)
print("ready", flush=True)
sys.stdin.read()
os._exit(9)
"""


def main() -> None:
    directory = Path(tempfile.mkdtemp(dir="/dev/shm"))
    try:
        _measure(directory)
    finally:
        shutil.rmtree(directory)


def _measure(directory: Path) -> None:
    prepare(directory, wipe=True)
    living = [_process(directory) for _ in range(PROCESSES)]
    dead = _process(directory)
    dead.communicate()
    files = list(directory.glob(f"*_{dead.pid}.db"))
    kept = [(path.name.replace(str(dead.pid), "{}"), path.read_bytes()) for path in files]
    text = exposed(directory)
    print(f"{text.count(b'eed_')} lines, {PROCESSES} processes: {_scrapes(directory, SCRAPES)}")
    for n in range(RESTARTS):
        for name, content in kept:
            (directory / name.format(BEYOND_ALL_PIDS + n)).write_bytes(content)
    print(f"{RESTARTS} processes have died since: {_scrapes(directory, 1)}, and then: {_scrapes(directory, SCRAPES)}")
    for process in living:
        process.communicate()


def _process(directory: Path) -> "subprocess.Popen[str]":
    words = [sys.executable, "-c", WORK, str(directory)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def _scrapes(directory: Path, times: int) -> str:
    took = []
    for _ in range(times):
        began, cpu = time.perf_counter(), time.process_time()
        exposed(directory)
        took.append((1000 * (time.process_time() - cpu), 1000 * (time.perf_counter() - began)))
    cpu_ms, wall_ms = (statistics.median(one) for one in zip(*took, strict=True))
    return f"{wall_ms:.0f} ms, {cpu_ms:.0f} ms of it CPU"


if __name__ == "__main__":
    main()
