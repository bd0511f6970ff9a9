"""The files of all processes of a host. prometheus_client writes one for each process and kind.

Files of processes that have died would pile up, and each scrape reads all of them. So what they counted is merged into
one file, and they are deleted. Counters never fall. The merge uses prometheus_client's own reader and writer of these
files, which it does not document.
"""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.mmap_dict import MmapedDict
from prometheus_client.multiprocess import MultiProcessCollector

LOCK = "lock"
DEAD = "dead"
_SUMMED = ("counter", "histogram")


def prepare(directory: Path, *, wipe: bool) -> None:
    """Make the directory, and empty it. The service calls it before it starts a process. Raises OSError."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _locked(directory):
        for path in directory.glob("*.db") if wipe else ():
            path.unlink(missing_ok=True)
        for kind in _SUMMED if wipe else ():
            for batch in directory.glob(f"{kind}-*"):
                shutil.rmtree(batch)


def exposed(directory: Path) -> bytes:
    """The metrics of all processes in Prometheus's text format."""
    with _locked(directory):
        merge_the_dead(directory)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(directory))  # type: ignore[no-untyped-call]
        return generate_latest(registry)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Nobody else merges or reads meanwhile: what is merged would count twice, or not at all."""
    with (directory / LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def merge_the_dead(directory: Path) -> None:
    """Add what dead processes have counted to one file for each kind. To be called by one process at a time.

    It may be killed anywhere. The next one goes on, and counts nothing twice.
    """
    dead: dict[str, list[Path]] = {kind: [] for kind in _SUMMED}
    for path in directory.glob("*_*.db"):
        kind, _, rest = path.stem.partition("_")
        pid = rest.rpartition("_")[2]
        if not pid.isdecimal() or Path("/proc", pid).exists():
            continue
        if kind in dead:
            dead[kind].append(path)
        else:
            path.unlink(missing_ok=True)  # a gauge of what no longer is
    for kind, paths in dead.items():
        _merge(directory, kind, paths)


def _merge(directory: Path, kind: str, paths: list[Path]) -> None:
    """Merge number N has the files of the directory KIND-N, and everything that was merged before. Its file gets its
    name with one call. From then on what is older than it is included in it."""
    number, file = _merged(directory, kind)
    batch = directory / f"{kind}-{number + 1}"
    if not paths and not batch.exists():
        return
    batch.mkdir(exist_ok=True)
    for path in paths:
        if not (batch / path.name).exists():  # else another process had its number before: the next merge takes it
            path.rename(batch / path.name)
    _write(directory / f"{kind}_{DEAD}{number + 1}.db", [*batch.iterdir(), *([file] if file else [])])
    if file is not None:
        file.unlink()
    shutil.rmtree(batch)


def _merged(directory: Path, kind: str) -> tuple[int, Path | None]:
    """The last merge that has its file. 0 and None: there is none. What it includes is deleted, if it is there."""
    found = [(int(path.stem.partition(DEAD)[2] or 0), path) for path in directory.glob(f"{kind}_{DEAD}*.db")]
    number, last = max(found, default=(0, None))
    for _, path in found:
        if path != last:
            path.unlink()
    for batch in directory.glob(f"{kind}-*"):
        if int(batch.name.rpartition("-")[2]) <= number:
            shutil.rmtree(batch)
    return number, last


def _write(into: Path, paths: list[Path]) -> None:
    sums: dict[str, float] = {}
    for path in paths:
        for key, value, _timestamp, _position in MmapedDict.read_all_values_from_file(str(path)):  # type: ignore[no-untyped-call]
            sums[key] = sums.get(key, 0.0) + value
    made = into.with_suffix(".new")
    made.unlink(missing_ok=True)
    file = MmapedDict(str(made))  # type: ignore[no-untyped-call]
    for key, value in sums.items():
        file.write_value(key, value, 0.0)  # type: ignore[no-untyped-call]
    file.close()  # type: ignore[no-untyped-call]
    made.replace(into)
