"""What processes have used, as the kernel counts it, and one measured run."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

DISTURBED_CORES = 0.25
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB$", re.MULTILINE)


@dataclass(frozen=True)
class Run:
    """One row of the results. Of several repetitions it is the one with the middle speed."""

    part: str
    system: str
    emails: int
    attachment_bytes: int
    transport: str
    seconds: float | None = None
    """From the first publish to the last status committed."""
    emails_per_s: float | None = None
    cpu_ms_per_email: float | None = None
    """Of the system's own processes, children included: neither database nor queue nor mail server."""
    peak_rss_mb: float | None = None
    """The peaks of all its processes added up; what they share is counted in each."""
    rates: list[float] = field(default_factory=list)
    """`emails_per_s` of every repetition."""
    cpu_ms: list[float] = field(default_factory=list)
    """`cpu_ms_per_email` of every repetition."""
    peak_rss_mb_by_process: dict[str, float] = field(default_factory=dict)
    servers_cpu_ms_per_email: dict[str, float] = field(default_factory=dict)
    """What database, queue and mail server used, for this system, on the same cores."""
    others_cores: float | None = None
    """So many cores were busy with something else meanwhile: nearly 0 on an idle machine."""
    stolen_cores: float | None = None
    """On a virtual machine: so many of its cores the host gave to somebody else meanwhile."""
    settings: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)
    """Others, by name with their unit."""

    @property
    def is_disturbed(self) -> bool:
        """Whether the machine was not quiet meanwhile. The figures are worth little then."""
        return self.cores_lacking > DISTURBED_CORES

    @property
    def cores_lacking(self) -> float:
        """So many cores were busy with something else, or taken by the host."""
        return (self.others_cores or 0) + (self.stolen_cores or 0)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and everything below it, the dead included."""
    return sum(sum(process.cpu_times()[:4]) for process in _tree(pid))


def busy_seconds() -> float:
    """What all processes of the machine but this one have used, without interrupts. Where programs talk over the
    loopback, these are the network's work for all of them."""
    times, ours = psutil.cpu_times(), psutil.Process().cpu_times()
    return float(times.user + times.nice + times.system - ours.user - ours.system)


def stolen_seconds() -> float:
    """What the host has given to other guests although we wanted it, since the machine was started."""
    return float(psutil.cpu_times().steal)


def peak_rss_mb(pid: int, names: Mapping[int, str]) -> dict[str, float]:
    """The most memory that each process of the tree has ever had, by the name it is known under, or its number."""
    found = {}
    for process in _tree(pid):
        kilobytes = _PEAK.search(Path(f"/proc/{process.pid}/status").read_text())
        if kilobytes:
            found[names.get(process.pid, f"pid {process.pid}")] = round(int(kilobytes[1]) / 1024, 1)
    return found


def _tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]
