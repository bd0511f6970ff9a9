"""The supervisor with real processes: it starts, restarts, kills what is stuck, stops together, and tells systemd."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from eed_delivery.runtime.loop import Loop, Pulse
from eed_delivery.runtime.supervisor import Role, Supervisor, run_role

SECONDS = 60


def work(directory: Path, stop: threading.Event, pulse: Pulse) -> None:
    """A role that writes its pid down and works until it is stopped."""
    (directory / f"{os.getpid()}.started").touch()
    Loop("work", lambda: 0.05, stop, pulse).run()
    (directory / f"{os.getpid()}.stopped").touch()


def get_stuck(directory: Path, stop: threading.Event, pulse: Pulse) -> None:
    """A role whose only loop never comes back from its first step."""
    (directory / f"{os.getpid()}.started").touch()
    Loop("work", lambda: threading.Event().wait() and 0.0, stop, pulse).run()


def do_once(directory: Path, stop: threading.Event, pulse: Pulse) -> None:
    (directory / "once").touch()


def note_parent(directory: Path, stop: threading.Event, pulse: Pulse) -> None:
    """A role that says which process it was started by."""
    (directory / f"{os.getppid()}").touch()


class Systemd:
    """Hears what sd_notify is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def notify(self, state: str) -> None:
        self.heard.append(state)


@pytest.fixture
def systemd() -> Systemd:
    return Systemd()


@contextmanager
def running(systemd: Systemd, *roles: Role, stall_seconds: float = 60) -> Iterator[threading.Event]:
    stop = threading.Event()
    supervisor = Supervisor(roles, systemd, stop_seconds=SECONDS, stall_seconds=stall_seconds)
    thread = threading.Thread(target=supervisor.run, args=(stop,))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(2 * SECONDS)
    assert not thread.is_alive()


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + SECONDS
    tick = threading.Event()
    while not condition():
        assert time.monotonic() < until, "it did not come to pass"
        tick.wait(0.05)


def pids(directory: Path, what: str = "started") -> list[int]:
    return [int(path.stem) for path in directory.glob(f"*.{what}")]


def test_roles_start_and_stop_together_and_systemd_is_told(tmp_path: Path, systemd: Systemd) -> None:
    roles = [Role(f"role-{n}", partial(work, tmp_path)) for n in range(2)]
    with running(systemd, *roles):
        wait_for(lambda: "READY=1" in systemd.heard)
        assert len(pids(tmp_path)) == 2
    assert sorted(pids(tmp_path, "stopped")) == sorted(pids(tmp_path))
    assert systemd.heard[-1] == "STOPPING=1"
    assert any(state.startswith("WATCHDOG=1") for state in systemd.heard)


def test_a_role_that_is_killed_is_started_again(tmp_path: Path, systemd: Systemd) -> None:
    with running(systemd, Role("role", partial(work, tmp_path))):
        wait_for(lambda: "READY=1" in systemd.heard)
        os.kill(pids(tmp_path)[0], signal.SIGKILL)
        wait_for(lambda: len(pids(tmp_path)) == 2)


def test_a_role_that_makes_no_progress_is_killed_and_started_again(tmp_path: Path, systemd: Systemd) -> None:
    with running(systemd, Role("role", partial(get_stuck, tmp_path)), stall_seconds=2):
        wait_for(lambda: len(pids(tmp_path)) == 2)
        stuck = pids(tmp_path)
        for pid in stuck:  # the last one won't stop by itself
            wait_for(lambda pid=pid: _gone(pid) or len(pids(tmp_path)) > 2)
    assert all(_gone(pid) for pid in stuck)


def test_a_role_that_is_to_run_once_ends_the_service(tmp_path: Path, systemd: Systemd) -> None:
    supervisor = Supervisor(
        [Role("once", partial(do_once, tmp_path), once=True)], systemd, stop_seconds=SECONDS, stall_seconds=SECONDS
    )
    supervisor.run(threading.Event())
    assert (tmp_path / "once").exists()


@pytest.mark.parametrize("apart", [False, True])
def test_a_role_with_an_interpreter_of_its_own_is_no_fork_of_what_others_share(
    tmp_path: Path, systemd: Systemd, apart: bool
) -> None:
    role = Role("role", partial(note_parent, tmp_path), once=True, apart=apart)
    Supervisor([role], systemd, stop_seconds=SECONDS, stall_seconds=SECONDS).run(threading.Event())
    (parent,) = (int(path.name) for path in tmp_path.iterdir())
    assert (parent == os.getpid()) is apart


def test_a_role_with_an_interpreter_of_its_own_is_started_again_and_stops_with_the_others(
    tmp_path: Path, systemd: Systemd
) -> None:
    with running(systemd, Role("role", partial(work, tmp_path), apart=True)):
        wait_for(lambda: "READY=1" in systemd.heard)
        os.kill(pids(tmp_path)[0], signal.SIGKILL)
        wait_for(lambda: len(pids(tmp_path)) == 2)
    assert len(pids(tmp_path, "stopped")) == 1


def leave_slowly(directory: Path, stop: threading.Event, pulse: Pulse) -> None:
    """A role that has something on the wire when it is asked to stop."""
    stop.wait()
    (directory / "leaving").touch()
    wait_for((directory / "answered").exists)


def test_a_process_that_finishes_what_it_has_goes_on_to_pulse(tmp_path: Path) -> None:
    """A process with a stuck render counts as mute after MUTE_SECONDS without a pulse, and is killed. Its other threads
    would leave emails in doubt that had LEAVE_SECONDS for their answers."""
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    role = Role("role", partial(leave_slowly, tmp_path))
    process = context.Process(target=run_role, args=(role, theirs), daemon=True)
    process.start()
    theirs.close()
    assert ours.poll(SECONDS), "it lives"
    process.terminate()
    wait_for((tmp_path / "leaving").exists)
    while ours.poll(0):
        ours.recv()
    for _ in range(2):  # one may have been on its way
        assert ours.poll(SECONDS)
        ours.recv()
    (tmp_path / "answered").touch()
    process.join(SECONDS)
    assert process.exitcode == 0


def ask(directory: Path, stop: threading.Event, pulse: Pulse) -> None:
    """A role that asks for the others that the file `wanted` names, each with its mark."""

    def look() -> float:
        wanted = directory / "wanted"
        if wanted.exists():
            pulse.want(tuple(tuple(line.split()) for line in wanted.read_text().splitlines()))
        return 0.05

    Loop("ask", look, stop, pulse).run()


def of_kind(directory: Path, kind: str, stop: threading.Event, pulse: Pulse) -> None:
    work(directory / kind, stop, pulse)


@contextmanager
def asking(systemd: Systemd, directory: Path, *roles: Role) -> Iterator[Callable[..., None]]:
    """A supervisor with a role that asks for others; gives what sets them: `want("a 1", "b 1")`."""
    for kind in ("a", "b"):
        (directory / kind).mkdir()

    def made(wanted: tuple[tuple[str, str], ...]) -> list[Role]:
        return [
            Role(kind, partial(of_kind, directory, kind), vital=False, mark=mark) for kind, mark in wanted
        ]  # fmt: skip

    def want(*lines: str) -> None:
        part = directory / "part"
        part.write_text("\n".join(lines))
        part.rename(directory / "wanted")

    stop = threading.Event()
    all_roles = [Role("ask", partial(ask, directory)), *roles]
    supervisor = Supervisor(all_roles, systemd, stop_seconds=SECONDS, stall_seconds=60, wanted=made)
    thread = threading.Thread(target=supervisor.run, args=(stop,))
    thread.start()
    try:
        yield want
    finally:
        stop.set()
        thread.join(2 * SECONDS)
    assert not thread.is_alive()


def test_roles_come_change_and_go_as_another_role_asks(tmp_path: Path, systemd: Systemd) -> None:
    with asking(systemd, tmp_path) as want:
        want("a 1", "b 1")
        wait_for(lambda: len(pids(tmp_path / "a")) == len(pids(tmp_path / "b")) == 1)
        (lasting,) = pids(tmp_path / "b")
        want("a 2", "b 1")
        wait_for(lambda: len(pids(tmp_path / "a")) == 2)
        assert len(pids(tmp_path / "a", "stopped")) == 1, "the old one finished what it had"
        want("b 1")
        wait_for(lambda: len(pids(tmp_path / "a", "stopped")) == 2)
        want("a 2", "b 1")
        wait_for(lambda: len(pids(tmp_path / "a")) == 3)
        assert (pids(tmp_path / "b"), pids(tmp_path / "b", "stopped")) == ([lasting], [])
    assert len(pids(tmp_path / "a", "stopped")) == 3


def test_a_role_with_a_mark_that_was_there_from_the_start_goes_when_it_is_not_asked_for(
    tmp_path: Path, systemd: Systemd
) -> None:
    first = Role("a", partial(of_kind, tmp_path, "a"), mark="1")
    with asking(systemd, tmp_path, first) as want:
        wait_for(lambda: len(pids(tmp_path / "a")) == 1)
        want("b 1")
        wait_for(lambda: len(pids(tmp_path / "a", "stopped")) == 1 and len(pids(tmp_path / "b")) == 1)
        want("a 1", "b 1")
        wait_for(lambda: len(pids(tmp_path / "a")) == 2)


def fail(stop: threading.Event, pulse: Pulse) -> None:
    raise SystemExit(3)


def test_a_role_that_is_not_vital_and_cannot_start_keeps_the_service_from_nothing(
    tmp_path: Path, systemd: Systemd
) -> None:
    with running(systemd, Role("role", partial(work, tmp_path)), Role("other", fail, vital=False)):
        wait_for(lambda: "READY=1" in systemd.heard)
        systemd.heard.clear()
        wait_for(lambda: any(state.startswith("WATCHDOG=1") for state in systemd.heard))


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
