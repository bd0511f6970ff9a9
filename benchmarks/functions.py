"""The sending function under AWS's own runtime client and emulator: its CPU beside a worker's, and with less CPU.

    python -m benchmarks.functions init             # CPU and memory of each handler's start
    python -m benchmarks.functions batch            # CPU of an email, the function and a host's worker in turns
    python -m benchmarks.functions power            # INIT and batch with 512 to 3,008 MB, and what they cost

Each email has a file of 60 KB, and goes to a mail server on this machine by SMTP. The function is run from the image's
tree (`deploy/lambda/tree.sh`). `power` needs the rights to make a control group: Lambda gives a core for 1,769 MB.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import structlog

from benchmarks.scaling import prices
from eed_delivery.app.parts import App
from eed_delivery.demo.lambda_emulator import SENDING
from tests.event_source import EventSource
from tests.servers import lambda_emulator
from tests.servers.lambda_emulator import MeasuredEmulator
from tests.servers.lambda_image import Image, image
from tests.servers.mariadb import MariaDb
from tests.servers.ministack import MiniStack
from tests.stack import Stack

TIMEOUT = 300
SETTINGS: dict[str, Any] = {
    "aws_lambda.timeout_seconds": TIMEOUT,
    "queue.visibility_timeout_seconds": 6 * TIMEOUT,
    "queue.wait_seconds": 20,
    "worker.coordination": "ledger",
    "worker.threads": 16,
    "worker.lease_seconds": 60,
    "worker.heartbeat_seconds": 5,
    "smtp.command_timeout_seconds": 20,
    "smtp.data_timeout_seconds": 90,
}
MEMORY_OF_A_CORE = 1769
"""MB."""
PRICES, _, _ = prices.load()
GB_SECOND = {"x86": PRICES["lambda_x86"], "arm": PRICES["lambda_arm"]}
"""Dollars. Source and date are in benchmarks/scaling/prices.toml."""
SES_SECONDS = 0.07
"""An email's wait for SES. It is assumed."""


STARTED = """
import importlib, json, re, sys, time
import awslambdaric.bootstrap
importlib.import_module(sys.argv[1]).handler
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
print(json.dumps([time.process_time(), peak / 1024]), file=sys.stderr)
"""
VARIABLES = {
    "AWS_ACCESS_KEY_ID": "AKIA",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "EED_DATABASE__URL": "mysql+pymysql://u:p@127.0.0.1:9/x",
    "EED_AWS__REGION": "us-east-1",
    "EED_AWS__CREDENTIALS": "environment",
    "EED_QUEUE__URL": "http://127.0.0.1:9/0/q",
    "EED_QUEUE__VISIBILITY_TIMEOUT_SECONDS": "1800",
    "EED_RENDERING__MESSAGE_ID_DOMAIN": "example.com",
    "EED_AWS_LAMBDA__TIMEOUT_SECONDS": "300",
    "EED_WORKER__COORDINATION": "ledger",
    "EED_SMTP__COMMAND_TIMEOUT_SECONDS": "20",
    "EED_SMTP__DATA_TIMEOUT_SECONDS": "90",
    "EED_OPERATORS__SECRET": "x" * 64,
}


def started(tree: Image, handler: str, **variables: str) -> tuple[float, float]:
    """Seconds of CPU, and the most memory in MB, of the start of a handler from the image's tree."""
    environ = {**tree.environment, **VARIABLES, **variables}
    command = [*tree.python, "-c", STARTED, f"eed_delivery.aws_lambda.{handler}"]
    done = subprocess.run(command, env=environ, cwd=tree.directory, capture_output=True, text=True, check=True)
    cpu_seconds, peak_mb = json.loads(done.stderr.splitlines()[-1])
    return cpu_seconds, peak_mb


def init(turns: int) -> None:
    """The least CPU of some starts of each handler, and its memory."""
    with tempfile.TemporaryDirectory() as place:
        tree = image(Path(place))
        starts = [("sending", "smtp"), ("sending", "ses"), ("tick", "ses"), ("api", "ses")]
        for handler, kind in starts:
            found = [started(tree, handler, EED_TRANSPORT__KIND=kind) for _ in range(turns)]
            cpu = sorted(one for one, _ in found)
            print(
                f"{handler}, {kind}: {cpu[0]:.2f} to {cpu[-1]:.2f} s CPU, median {statistics.median(cpu):.2f}, "
                f"{max(mb for _, mb in found):.0f} MB",
                flush=True,
            )
    print(f"load {os.getloadavg()[0]:.0f}")


class Bench:
    """Servers, and a stack for each that sends."""

    def __init__(self, opened: ExitStack, emails: int) -> None:
        self._database = opened.enter_context(MariaDb(in_memory=True))
        self._sqs = opened.enter_context(MiniStack())
        self._place = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="functions-")))
        self._opened = opened
        self._emails = emails
        self._jobs = 0
        self.image: Image = image(self._place / "image")

    def stack(self, name: str) -> Stack:
        """A database, a queue and a mail server."""
        url = self._database.create_database(name)
        stack = self._opened.enter_context(Stack(url, self._sqs, self._place / name, SETTINGS, keep_mail=False))
        stack.mail_up()
        return stack

    def publish(self, stack: Stack) -> int:
        """A job whose emails are all in the queue. Returns its number."""
        self._jobs += 1
        people = [f"c{n}@example{n % 7}.com" for n in range(self._emails)]
        files = []
        for n in range(1, self._emails + 1):
            file = stack.attachments / f"{self._jobs}-{n}.pdf"
            file.write_bytes(os.urandom(60 * 1024))
            files.append({"location": file.name, "email_id": self._jobs * 100_000 + n, "filename": "statement.pdf"})
        stack.add_job(people, self._jobs, attachments=files)
        app = App(stack.settings)
        publisher = app.publisher()
        in_queue = f"SELECT COUNT(*) FROM eed_email WHERE job_id = {self._jobs} AND state <> 'pending'"
        stack.wait_until(
            lambda: publisher.step() is not None and stack.world.scalar(in_queue) >= self._emails, "published"
        )
        publisher.close()
        return self._jobs

    def function(self, stack: Stack, memory_mb: int, before: Sequence[str] = ()) -> MeasuredEmulator:
        """A sandbox that has not begun its INIT phase."""
        environ = {**self.image.environment, **stack.environ, "EED_CONFIG": str(stack.config)}
        options: dict[str, Any] = {"python": self.image.python, "directory": self.image.directory, "before": before}
        options |= {"memory_mb": memory_mb, "timeout_seconds": TIMEOUT}
        log = self._place / f"function-{time.monotonic_ns()}.log"
        return MeasuredEmulator(lambda_emulator.fetch(), SENDING, environ, log, **options)


def sent_by(function: MeasuredEmulator, stack: Stack) -> None:
    """Invoke it until the queue is empty."""
    source = EventSource(stack.sqs, stack.queue_url, TIMEOUT, 6 * TIMEOUT)
    while source.poll(lambda event, _context: function.invoke(event)):
        pass


def batch(bench: Bench, emails: int, turns: int) -> None:
    """Milliseconds of CPU for an email, in turns."""
    ours, theirs = bench.stack("of_function"), bench.stack("of_worker")
    with bench.function(ours, MEMORY_OF_A_CORE) as function:
        function.invoke({"Records": []})
        worker = theirs.start("worker", anew=True)
        theirs.wait_until(lambda: bool(theirs.log_events("ready")), "the worker is ready")
        pairs = []
        for turn in range(turns + 1):
            bench.publish(ours)
            began = function.usage().cpu_seconds
            sent_by(function, ours)
            of_function = (function.usage().cpu_seconds - began) / emails * 1000
            began = _cpu(worker.pid)
            job = bench.publish(theirs)
            theirs.wait_until(lambda job=job: theirs.counts(job)["sent"] == emails, "sent")  # type: ignore[misc]
            of_worker = (_cpu(worker.pid) - began) / emails * 1000
            if turn:  # the first warms both
                pairs.append((of_function, of_worker))
                print(
                    f"function {of_function:.2f} ms, worker {of_worker:.2f} ms, ratio {of_function / of_worker:.2f}",
                    flush=True,
                )
    print(f"median ratio {statistics.median(one / other for one, other in pairs):.2f}, load {os.getloadavg()[0]:.0f}")


def power(bench: Bench, emails: int, memories: Sequence[int]) -> None:
    """A table: INIT and a batch of ten, measured, and dollars for 1,000 emails."""
    stack = bench.stack("power")
    print("MB     INIT CPU s  INIT s  batch CPU s  batch s  $ / 1,000 x86  arm    with 70 ms an email: x86  arm")
    for memory in memories:
        bench.publish(stack)
        with quota(memory) as within, bench.function(stack, memory, before=within) as function:
            function.invoke({"Records": []})
            init = function.usage().cpu_seconds
            sent_by(function, stack)
            batches = [seconds for seconds in function.durations()[1:] if seconds > 0.01]
            cpu = (function.usage().cpu_seconds - init) / emails * 10
            seconds = statistics.median(batches)
            print(
                f"{memory:<6} {init:<11.2f} {function.init_seconds():<7.2f} {cpu:<12.3f} {seconds:<8.3f} "
                + "  ".join(f"{_dollars(memory, seconds, one):.5f}" for one in GB_SECOND)
                + "    "
                + "  ".join(f"{_dollars(memory, seconds + 10 * SES_SECONDS, one):.5f}" for one in GB_SECOND),
                flush=True,
            )
    print(f"load {os.getloadavg()[0]:.0f}")


def _dollars(memory_mb: int, batch_seconds: float, machine: str) -> float:
    """For 1,000 emails in batches of ten."""
    return 100 * (batch_seconds * memory_mb / 1024 * GB_SECOND[machine] + PRICES["lambda_request"])


@contextmanager
def quota(memory_mb: int) -> Iterator[tuple[str, ...]]:
    """The command that runs another one with the CPU of this memory, below the control group that we are in."""
    period = 100_000
    most = period * memory_mb // MEMORY_OF_A_CORE
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    v1 = next((line.split(":")[2] for line in lines if "cpu" in line.split(":")[1].split(",")), None)
    ours = Path("/sys/fs/cgroup/cpu" + v1 if v1 is not None else "/sys/fs/cgroup" + lines[-1].split(":")[2])
    group = ours / f"eed-function-{os.getpid()}"
    group.mkdir()
    try:
        if v1 is not None:
            (group / "cpu.cfs_period_us").write_text(str(period))
            (group / "cpu.cfs_quota_us").write_text(str(most))
        else:
            (group / "cpu.max").write_text(f"{most} {period}")
        yield ("sh", "-c", f'echo $$ > "{group}/cgroup.procs"; exec "$@"', "sh")
    finally:
        for _ in range(100):  # the last of its processes may still be ending
            try:
                group.rmdir()
            except OSError:
                time.sleep(0.1)
            else:
                break


def _cpu(pid: int) -> float:
    root = psutil.Process(pid)
    times = [one.cpu_times() for one in [root, *root.children(recursive=True)]]
    return sum(one.user + one.system for one in times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=("init", "batch", "power"))
    parser.add_argument("--emails", type=int, default=300)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--memory", default="512,1024,1769,3008", help="MB, with commas between")
    options = parser.parse_args()
    if options.part == "init":
        init(options.turns)
        return
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("warning"))
    with ExitStack() as opened:
        bench = Bench(opened, options.emails)
        if options.part == "batch":
            batch(bench, options.emails, options.turns)
        else:
            power(bench, options.emails, [int(one) for one in options.memory.split(",")])


if __name__ == "__main__":
    main()
