"""Real servers for the tests: each is private to the run, on 127.0.0.1, and ended by its own process id."""

import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.timing import PROCESS_STOP, SERVER_START, spending

# Below Linux's range of outgoing ports (32768 and up): a server that is killed and started again finds its
# port still free, because no outgoing connection of another test can have taken it in between.
_PORTS = range(15_000, 32_000)
ROOM_IN_MEMORY = 4 * 2**30
"""Two servers with 128 MB of redo log and binary log each, and what the tests write; much more than they have used."""
_MEMORY = Path("/dev/shm")
_MEMINFO = Path("/proc/meminfo")
# setpriv(1) becomes the command, as `exec` does. Without it (no Debian), a killed test run leaves its servers behind.
DIES_WITH_US = ("setpriv", "--pdeathsig", "SIGKILL") if shutil.which("setpriv") else ()


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on now."""
    for port in random.sample(_PORTS, 200):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError("no free port found on 127.0.0.1 in 200 tries")


def temporary_directory(name: str, *, in_memory: bool = False) -> Path:
    """A new directory with a short path (a Unix socket's path may have 107 bytes at most).

    `in_memory`: on a file system in memory where there is one with room, else on the disk.
    """
    return Path(tempfile.mkdtemp(prefix=f"eed-{name}-", dir=memory_directory() if in_memory else None))


def memory_directory() -> Path | None:
    """A file system in memory, where no fsync waits for a disk; None where there is none, or less than 4 GB of room."""
    try:
        room = shutil.disk_usage(_MEMORY).free
        available = next(int(line.split()[1]) for line in _MEMINFO.read_text().splitlines() if "MemAvailable" in line)
    except (OSError, StopIteration):
        return None
    enough = min(room, available * 1024) >= ROOM_IN_MEMORY and os.access(_MEMORY, os.W_OK)
    return _MEMORY if enough else None


def start(
    command: Sequence[str], log: Path, environ: Mapping[str, str], pass_fds: Sequence[int] = ()
) -> subprocess.Popen[bytes]:
    """Start a server, with its output at the end of `log`. It dies with us, even if we are killed.

    It has a session of its own: Ctrl-C at the terminal must reach the tests, not the server beneath them.
    """
    with log.open("ab") as output:
        return subprocess.Popen(
            [*DIES_WITH_US, *command],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=pass_fds,
        )


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it ends (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def wait_until_up(process: subprocess.Popen[bytes], is_up: Callable[[], bool], log: Path, seconds: float = 60) -> None:
    """Return as soon as `is_up` says so.

    Raises RuntimeError with the end of the log if the server dies or is too slow.
    """
    with spending(SERVER_START):
        for _ in range(int(seconds / 0.05)):
            try:
                process.wait(timeout=0.05)
            except subprocess.TimeoutExpired:
                if is_up():
                    return
            else:
                break
    state = f"ended with status {process.returncode}" if process.poll() is not None else f"not up in {seconds:g} s"
    raise RuntimeError(f"{process.args!r}: {state}. Its log ends:\n{log.read_text(errors='replace')[-3000:]}")


def end(process: subprocess.Popen[bytes], seconds: float = 20) -> None:
    """Ask the process to stop; kill it when it does not."""
    with spending(PROCESS_STOP):
        process.terminate()
        try:
            process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
