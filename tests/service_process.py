"""The service as systemd runs it: a real process in a group of its own, with its log in a file."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.fork_server import ForkedProcess, the_fork_server
from tests.servers import start
from tests.timing import PROCESS_STOP, spending

TAIL_BYTES = 4000


class ServiceProcess:
    """`eed-delivery ROLE` on one host. Whoever starts it ends it: by `terminate`, `kill` or `end`.

    `within` is a command that runs another one, with its options (`nsenter --net=…`): the service is started by it.
    `anew`: a new interpreter imports everything, where the tests else fork it from a process that has done so.
    """

    def __init__(
        self,
        words: tuple[str, ...],
        config: Path,
        environ: Mapping[str, str],
        log: Path,
        within: Sequence[str] = (),
        *,
        anew: bool = False,
    ) -> None:
        self.log = log
        command, whole = [*words, "--config", str(config)], {**os.environ, **environ}
        self._process: subprocess.Popen[bytes] | ForkedProcess
        if anew or within:
            program = [sys.executable, "-c", "from eed_delivery.cli import main; main()"]
            self._process = start([*within, *program, *command], log, whole)
        else:
            self._process = the_fork_server().start(command, whole, log)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def terminate(self, seconds: float = 60) -> int:
        """SIGTERM to the supervisor alone, as systemd's KillMode=mixed does; returns the exit code."""
        self._process.terminate()
        try:
            with spending(PROCESS_STOP):
                return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the service did not stop in {seconds} s. Its log ends:\n{self.tail()}") from None

    def wait_for_end(self, seconds: float = 120) -> int:
        """Wait until it ends by itself; returns the exit code."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the service did not end in {seconds} s. Its log ends:\n{self.tail()}") from None

    def stop_seconds(self, seconds: float = 60) -> float:
        """SIGTERM; fails unless it ends with 0; returns how long it took."""
        started = time.monotonic()
        code = self.terminate(seconds)
        assert code == 0, f"exit code {code}. Its log ends:\n{self.tail()}"
        return time.monotonic() - started

    def kill(self) -> None:
        """kill -9 of the whole group: supervisor, publisher, workers, sweeper, at one moment."""
        if self.running:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()

    def log_events(self, event: str | None = None) -> list[dict[str, Any]]:
        """The lines of the log that are JSON, all or those of one event."""
        return events_in(self.log, event)

    def tail(self) -> str:
        """The end of the log, for people."""
        return tail_of(self.log)


def tail_of(log: Path) -> str:
    """The end of a log, for people."""
    return log.read_text(errors="replace")[-TAIL_BYTES:]


def events_in(log: Path, event: str | None = None) -> list[dict[str, Any]]:
    """The lines of a log that are JSON, all or those of one event; half a line of a killed process is none."""
    found = []
    for line in log.read_text(errors="replace").splitlines():
        if line.startswith("{") and line.endswith("}"):
            found.append(json.loads(line))
    return [entry for entry in found if event is None or entry.get("event") == event]
