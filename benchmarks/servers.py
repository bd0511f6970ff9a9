"""Processes that a benchmark starts, and the mail servers among them, which count what they take.

Every mail server here writes `mesg=NUMBER` to its stdout for each message it took, as smtp-sink does. The number at the
end of that file is read when it is wanted, and costs nothing otherwise.
"""

import itertools
import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from benchmarks.postfix import Postfix
from tests.servers import end, free_port, wait_until_up

_COUNT = re.compile(rb"mesg=(\d+)")
_PORT = re.compile(rb"port=(\d+)\n")
_TAIL_BYTES = 200
_numbers = itertools.count(1)
_CONNECTIONS = "2000"


class Server:
    """A process that listens on 127.0.0.1:port. Its stdout and stderr are files below `directory`.

    With port 0 it chooses one, and says `port=NUMBER` before anything else.
    """

    def __init__(
        self, name: str, command: Sequence[str], port: int, directory: Path, environ: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.port = port
        number = next(_numbers)
        self.output = directory / f"{name}-{number}.out"
        self._errors = directory / f"{name}-{number}.err"
        with self.output.open("wb") as output, self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                command,
                env=dict(environ or os.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def __enter__(self) -> "Server":
        wait_until_up(self._process, self._listens, self._errors)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        end(self._process, seconds=5)

    @property
    def taken(self) -> int:
        """How many messages it has taken so far."""
        with self.output.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            numbers = _COUNT.findall(file.read())
        # The last one may be half written; a number that is too small is only early.
        return int(numbers[-1]) if numbers else 0

    def _listens(self) -> bool:
        if self.port == 0:
            said = _PORT.match(self.output.read_bytes())
            if said is None:
                return False
            self.port = int(said[1])
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


def smtp_sink(directory: Path, postfix: Postfix | None) -> Server:
    """Postfix's smtp-sink, or a lean one of our own where that cannot be had (its name says which)."""
    port = free_port()
    if postfix is None:
        return _python("lean-sink", "benchmarks.lean_sink", [], port, directory)
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    command = [postfix.sink, "-c", *user, "-m", _CONNECTIONS, f"127.0.0.1:{port}", _CONNECTIONS]
    return Server("smtp-sink", command, port, directory, postfix.environ)


def slow_relay(directory: Path, target_port: int, milliseconds: int) -> Server:
    """A TCP relay. Everything that the server behind it says arrives this much later."""
    return _python("slow-relay", "benchmarks.slow_relay", [str(target_port), str(milliseconds)], free_port(), directory)


def ses_server(directory: Path) -> Server:
    """The tests' SES stub in a process of its own."""
    return Server("ses-stub", [sys.executable, "-m", "benchmarks.ses_server"], 0, directory)


def _python(name: str, module: str, words: Sequence[str], port: int, directory: Path) -> Server:
    return Server(name, [sys.executable, "-m", module, str(port), *words], port, directory)
