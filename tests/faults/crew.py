"""The service's processes one by one, so that each can be killed by itself: real processes, forked from a fork server.

    with Crew(stack) as crew:                  # 2 publishers, 2 workers, a sweeper
        crew.kill(crew.members[2])             # kill -9
        crew.tend()                            # whoever is dead is started again
        assert crew.stop() == []               # SIGTERM to all of them; those who did not end well, in words

A supervisor would start a dead process again too, but later each time; a thousand kills have no time for that.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import TracebackType
from typing import Any

from eed_delivery.app.roles import OF_FILE, roles, worker_roles
from eed_delivery.config.load import load
from eed_delivery.runtime import failpoints
from eed_delivery.runtime.supervisor import run_role
from tests.service_process import events_in, tail_of
from tests.stack import Stack

USUAL = ("publisher", "publisher", "worker", "worker", "sweeper")
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["eed_delivery.app.preload", "tests.faults.crew"])


@dataclass(eq=False)
class Member:
    """One process of the crew, over all its lives. `armed`: failpoints for its next life, as in EED_FAILPOINTS.

    `role`: as in `roles`, or `worker-NAME` for a worker of a channel of the file.
    """

    name: str
    role: str
    log: Path
    armed: str = ""
    lives: int = 0
    begun: bool = False
    """Whether its present life has come as far as to say so: before that it knows nothing of SIGTERM."""
    process: ForkServerProcess | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None and self.process.pid is not None
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.is_alive()

    @property
    def exit_code(self) -> int | None:
        """How its last life ended: a status, or minus a signal's number."""
        return self.process.exitcode if self.process is not None else None

    @property
    def frozen(self) -> bool:
        """Whether it is stopped (SIGSTOP, or a failpoint's `stop`)."""
        return self.alive and _state(self.pid) == "T"

    def tail(self) -> str:
        """The end of its log and its stderr, for people."""
        return tail_of(self.log)

    def resident_kib(self) -> int:
        """Its resident set size in KiB (/proc/PID/status, VmRSS)."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))

    def descriptors(self) -> int:
        """How many file descriptors it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class Crew:
    """A number of processes over one installation. `environ` is added to the environment of each."""

    def __init__(self, stack: Stack, who: Sequence[str] = USUAL, environ: Mapping[str, str] | None = None) -> None:
        self.stack = stack
        self.kills = 0
        self._environ = {**stack.environ, **(environ or {})}
        self._log_directory = stack.directory / "crew"
        self._log_directory.mkdir(exist_ok=True)
        self.members: list[Member] = []
        for role in who:
            self.add(role)

    def add(self, role: str) -> Member:
        """One more process; it starts with the next `tend`."""
        name = f"{len(self.members) + 1}-{role}"
        member = Member(name, role, self._log_directory / f"{name}.log")
        member.log.touch()
        self.members.append(member)
        return member

    def of(self, role: str) -> list[Member]:
        return [member for member in self.members if member.role == role]

    def __enter__(self) -> "Crew":
        self.tend()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for member in self.members:
            self._end(member)

    def tend(self) -> list[Member]:
        """Start each process that is not alive. Returns those that have died since the last time."""
        dead = [member for member in self.members if not member.alive]
        died = [member for member in dead if member.process is not None]
        for member in dead:
            self._end(member)
            self._start(member)
        return died

    def kill(self, member: Member) -> None:
        """kill -9, and wait for its end."""
        if member.alive:
            os.kill(member.pid, signal.SIGKILL)
            self.kills += 1
        self._end(member)

    def freeze(self, member: Member) -> None:
        os.kill(member.pid, signal.SIGSTOP)

    def thaw(self, member: Member) -> None:
        os.kill(member.pid, signal.SIGCONT)

    def stop(self, seconds: float = 60) -> list[str]:
        """SIGTERM to all, and wait; returns, in words, who did not end with status 0."""
        alive = [member for member in self.members if member.alive]
        for member in alive:
            os.kill(member.pid, signal.SIGTERM)
        until = time.monotonic() + seconds
        return [problem for member in alive if (problem := self._await_end(member, until))]

    def log_events(self, event: str | None = None) -> list[dict[str, Any]]:
        """The lines of all logs, of all lives, all or those of one event."""
        return [e for member in self.members for e in events_in(member.log, event)]

    def _await_end(self, member: Member, until: float) -> str | None:
        assert member.process is not None
        member.process.join(max(0.0, until - time.monotonic()))
        if member.alive:
            return f"{member.name} did not stop in time. Its log ends:\n{member.tail()}"
        code = member.process.exitcode
        if not code or (code == -signal.SIGTERM and not member.begun):
            return None
        return f"{member.name} ended with status {code}. Its log ends:\n{member.tail()}"

    def _start(self, member: Member) -> None:
        ours, theirs = _context.Pipe()
        environ = {**self._environ, failpoints.VARIABLE: member.armed}
        arguments = (member.role, self.stack.config, environ, member.log, theirs)
        member.process = _context.Process(target=_run, args=arguments, name=member.name, daemon=True)
        member.process.start()
        theirs.close()
        member.lives, member.begun = member.lives + 1, False
        threading.Thread(target=_hear, args=(member, ours), daemon=True).start()

    def _end(self, member: Member) -> None:
        if member.process is not None:
            if member.process.is_alive():
                member.process.kill()
            member.process.join()
            member.process = None


def _run(role: str, config: Path, environ: Mapping[str, str], log: Path, pipe: Connection) -> None:
    """What the process does: what the supervisor's child does, with a log and an environment of its own."""
    output = os.open(log, os.O_WRONLY | os.O_APPEND)
    os.dup2(output, sys.stdout.fileno())
    os.dup2(output, sys.stderr.fileno())
    os.environ.update(environ)
    settings = load(config, os.environ)
    kind, _, channel = role.partition("-")
    run_role((worker_roles(settings, channel, 1, OF_FILE) if channel else roles(settings, kind))[0], pipe)


def _hear(member: Member, pipe: Connection) -> None:
    """The supervisor's part. Each process reports once a second that it lives, and must find a reader."""
    life = member.lives
    with pipe, suppress(EOFError, OSError):
        while True:
            pipe.recv()
            member.begun = member.begun or member.lives == life


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
