"""Logs that cannot be written or read any more. An email that is to be sent does not wait for its log line."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.faults.judgement import Told
from tests.faults.load import add_jobs, ended
from tests.faults.scenario import Amount, Site, scenario
from tests.stack import Stack

DISK_BYTES = 16 * 1024
ALWAYS_FULL = Path("/dev/full")
HOSTS = 2


@scenario("disk-full", short=Amount(500), long=Amount(20_000))
def disk_full(site: Site, amount: Amount) -> Told:
    """Logs go to a full disk: /dev/full on one host; on the other, a small disk that fills up while it sends."""
    stack = site.stack()
    with _small_disk(site.directory / "disk") as disk:
        log = disk / "service.log" if disk else ALWAYS_FULL
        problems = _send_all(stack, amount.emails, _into(ALWAYS_FULL), _into(log))
        if disk and os.statvfs(disk).f_bavail:
            problems.append(f"the disk did not fill up: {log.stat().st_size} bytes are logged")
    return Told(stack, faults=HOSTS, problems=problems)


@scenario("stdout-closed", short=Amount(500), long=Amount(20_000))
def stdout_closed(site: Site, amount: Amount) -> Told:
    """No stdout and no stderr on one host; on the other, the reader of the pipe they go into leaves while it sends."""
    stack = site.stack()
    pipe = site.directory / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    problems = _send_all(stack, amount.emails, _shell('exec "$@" <&- >&- 2>&-'), _into(pipe), reader)
    return Told(stack, faults=HOSTS, problems=problems)


def _send_all(
    stack: Stack, emails: int, one: tuple[str, ...], another: tuple[str, ...], reader: int | None = None
) -> list[str]:
    """Send with two hosts, each started within its own shell; `reader` is closed once the first emails are out.

    A worker that dies of its log is started again under another name, so there must be as many names as workers.
    """
    stack.mail_up()
    hosts = [stack.start("run", within=one), stack.start("run", within=another)]
    jobs = add_jobs(stack, emails, jobs=3)
    if reader is not None:
        stack.wait_until(lambda: ended(stack) >= emails // 20, "the first emails have ended")
        os.close(reader)
    stack.wait_finished(*jobs, seconds=600)
    for host in hosts:
        host.stop_seconds()
    workers = [name for (name,) in stack.world.execute("SELECT DISTINCT worker FROM eed_attempt")]
    return [] if len(workers) == HOSTS else [f"{HOSTS} workers should have sent, and none died: {workers}"]


def _into(file: Path) -> tuple[str, ...]:
    return _shell(f'exec "$@" >"{file}" 2>&1')


def _shell(line: str) -> tuple[str, ...]:
    """A command that runs the one behind it in its own place."""
    return ("sh", "-c", line, "sh")


@contextmanager
def _small_disk(path: Path) -> Iterator[Path | None]:
    """A file system of its own with room for a few lines; None where we may not mount one."""
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        yield None
        return
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
