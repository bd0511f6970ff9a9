"""Starts processes of the service by fork(2), from a process that has imported everything once.

    process = the_fork_server().start(["run", "--config", "eed.toml"], environ, log)
    process.terminate()
    process.wait(20)

A service that is started anew takes 1.7 s of CPU for its imports, twice what most tests need for all else. What is
started here is a real process with a session, an environment and a log of its own. It has its own supervisor, and this
its own fork server and role processes. Only their imports are done already. How a new
interpreter starts the service is shown where a test says `anew`, by test_cli_start.py, test_demo.py and others.
"""

import contextlib
import fcntl
import gc
import importlib
import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from itertools import pairwise
from multiprocessing import util
from pathlib import Path
from typing import Any, NoReturn

from tests.servers import die_with_parent, start, temporary_directory

IMPORTED = (
    "eed_delivery.app.preload",
    "eed_delivery.app.roles",
    "eed_delivery.app.operators",
    "eed_delivery.cli.running",
    "eed_delivery.link_server.role",
    "eed_delivery.tracking.bounces.server",
    "eed_delivery.webhooks.teller",
    "multiprocessing.forkserver",
    "multiprocessing.resource_tracker",
)
BYTES = 1 << 18
"""The largest request. An environment may have as many."""
PROGRAM = "from tests.fork_server import serve; serve()"


@cache
def the_fork_server() -> "ForkServer":
    """The one of this process. It ends with it."""
    return ForkServer()


class ForkServer:
    """The process that has imported everything, as the tests see it."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BYTES)
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("EED_", "AWS_"))}
        self._log = temporary_directory("fork-server") / "log"
        command = [sys.executable, "-c", PROGRAM, str(theirs.fileno())]
        self._process = start(command, self._log, environ, pass_fds=[theirs.fileno()])
        theirs.close()

    def start(self, words: Sequence[str], environ: Mapping[str, str], log: Path) -> "ForkedProcess":
        """Start `eed-delivery` with these words, in this environment, with its output at the end of `log`."""
        with open(os.devnull, "rb") as nothing, log.open("ab") as output:
            return self.start_with(words, environ, [nothing.fileno(), output.fileno(), output.fileno()])

    def start_with(self, words: Sequence[str], environ: Mapping[str, str], streams: Sequence[int]) -> "ForkedProcess":
        """The same with these as its standard streams. Where the first is a terminal, it is the controlling one."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request = {"words": [*words], "environ": {**environ}, "directory": os.getcwd()}
        with theirs:
            socket.send_fds(self._ours, [json.dumps(request).encode()], [theirs.fileno(), *streams])
        return ForkedProcess(ours, self._log)


class ForkedProcess:
    """A process that the fork server has started, with what `subprocess.Popen` offers of it."""

    def __init__(self, told: socket.socket, log: Path) -> None:
        self._told = told
        self._lock = threading.Lock()  # a test may wait in one thread and ask in another one, as with Popen
        self.returncode: int | None = None
        first = self._told.recv(BYTES)
        if not first:
            raise RuntimeError(f"the fork server has ended. Its log ends:\n{log.read_text(errors='replace')[-3000:]}")
        self.pid = int(first)

    def poll(self) -> int | None:
        """Its exit code, as Popen gives it, or None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its exit code. Raises `subprocess.TimeoutExpired`."""
        with self._lock:
            if self.returncode is None:
                if not select.select([self._told], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired("eed-delivery", timeout or 0)
                # Without an answer the fork server is gone, and its children with it.
                self.returncode = int(self._told.recv(BYTES) or -signal.SIGKILL)
                self._told.close()
            return self.returncode

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def serve() -> None:
    """The fork server's main program. Its argument is the number of the socket that requests come by."""
    for module in IMPORTED:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    words = _fork_on_request(socket.socket(fileno=int(sys.argv[1])))
    if words is not None:  # here is a new process, whose requests these are
        from eed_delivery.cli import main

        util.spawnv_passfds = _forked_in_place
        sys.argv = ["eed-delivery", *words]
        main()


def _fork_on_request(requests: socket.socket) -> list[str] | None:
    """Returns in each new process what it shall do, and in the server when nobody asks any more."""
    told_by_pid: dict[int, socket.socket] = {}
    woken, wakes = socket.socketpair()
    for end in (woken, wakes):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes.fileno())
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if woken in ready:
                woken.recv(BYTES)
                _tell_of_the_dead(told_by_pid)
            if requests not in ready:
                continue
            message, descriptors, _, _ = socket.recv_fds(requests, BYTES, 4)
            if not message:
                return None
            request, told, streams = json.loads(message), socket.socket(fileno=descriptors[0]), descriptors[1:]
            pid = os.fork()
            if not pid:
                _become(request, streams, told)
                return list(request["words"])
            for stream in streams:
                os.close(stream)
            told_by_pid[pid] = told


def _tell_of_the_dead(told_by_pid: dict[int, socket.socket]) -> None:
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            told = told_by_pid.pop(found[0])
            with contextlib.suppress(OSError):  # whoever started it did not wait for its end
                told.send(b"%d" % os.waitstatus_to_exitcode(found[1]))
            told.close()


def _become(request: dict[str, Any], streams: Sequence[int], told: socket.socket) -> None:
    """A session, signals, streams, a folder and an environment of its own, as a new interpreter would have."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    die_with_parent()
    os.setsid()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    if os.isatty(0):
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    told.send(b"%d" % os.getpid())  # its session is there: whoever knows the pid may end the group
    told.detach()
    os.closerange(3, 1024)
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc] # noqa: SIM115
    sys.stdout = sys.__stdout__ = open(1, "w", encoding="utf-8", closefd=False)  # type: ignore[misc] # noqa: SIM115
    sys.stderr = sys.__stderr__ = open(2, "w", 1, "utf-8", "backslashreplace", closefd=False)  # type: ignore[misc] # noqa: SIM115
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environ"])
    time.tzset()


def _forked_in_place(path: bytes, args: Sequence[str], passfds: Sequence[int]) -> int:
    """In place of `multiprocessing.util.spawnv_passfds`: its programs need no new interpreter either."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if not pid:
        _run_alone(args, passfds)
    return pid


def _run_alone(args: Sequence[str], passfds: Sequence[int]) -> NoReturn:
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        edges = [2, *sorted(passfds), 1024]
        for lower, upper in pairwise(edges):
            os.closerange(lower + 1, upper)
        at = args.index("-c") + 1
        sys.argv = ["-c", *args[at + 1 :]]
        exec(args[at], {"__name__": "__main__"})
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
