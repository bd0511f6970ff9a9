"""Starts a peer's processes, has them publish, and ends them."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from benchmarks.arena import Ground
from benchmarks.peers.place import VARIABLE, Place
from benchmarks.work import database_arguments
from tests.servers.ministack import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY

START_SECONDS = 60.0
_CORES = os.cpu_count() or 1


@dataclass(frozen=True)
class Kind:
    """How one peer is started. `publisher` is a module, and `worker` the words after `python -m`, if it has workers.
    `boots` is how many processes say that they are ready."""

    name: str
    publisher: str
    worker: tuple[str, ...] = ()
    boots: int = 1


THREAD_PER_EMAIL = Kind("thread_per_email", "benchmarks.peers.thread_per_email")
CELERY = Kind(
    "celery",
    "benchmarks.peers.celery_app",
    # Quiet, and without the gossip that SQS has no use for. A team's own settings would hardly be faster.
    ("celery", "-A", "benchmarks.peers.celery_app", "worker", "--concurrency", str(2 * _CORES), "--loglevel", "WARNING",
     "--without-gossip", "--without-mingle", "--without-heartbeat"),
    boots=2,
)  # fmt: skip
DRAMATIQ = Kind(
    "dramatiq",
    "benchmarks.peers.dramatiq_app",
    ("dramatiq", "benchmarks.peers.dramatiq_app", "--processes", str(_CORES), "--threads", "8"),
    boots=1 + _CORES,
)


class Peer:
    """One peer at work on one ground, with workers that idle until `begin`."""

    def __init__(self, kind: Kind, ground: Ground) -> None:
        self.name = kind.name
        self.settings = {"worker": " ".join(kind.worker)} if kind.worker else {"threads_at_once": 50}
        self._kind = kind
        self._ground = ground
        self._sqs = ground.arena.sqs.client("sqs")
        self._ready = ground.directory / "ready"
        self._processes: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> "Peer":
        self._ready.mkdir()
        self._queue_url, _ = self._ground.arena.sqs.make_queue(self._queue_name, visibility_timeout=3600)
        self._write_place(self._ground.directory / "place.json")
        if self._kind.worker:
            self._start("worker", self._kind.worker)
        self._start("publisher", (self._kind.publisher,))
        self._await_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        self._sqs.delete_queue(QueueUrl=self._queue_url)
        shutil.rmtree(self._ready)

    def begin(self, job_id: int) -> None:
        """Have the publisher publish a job. Returns at once."""
        pipe = self._processes["publisher"].stdin
        if pipe is None:
            raise RuntimeError("the publisher has no stdin")
        pipe.write(f"{job_id}\n")
        pipe.flush()

    @property
    def roots(self) -> list[int]:
        """The processes that we started. All others are below them."""
        return [process.pid for process in self._processes.values()]

    @property
    def names(self) -> dict[int, str]:
        return {process.pid: name for name, process in self._processes.items()}

    def story(self) -> str:
        """The ends of the logs."""
        return "\n".join(f"--- {name}\n{self._log(name).read_text()[-2000:]}" for name in self._processes)

    @property
    def _queue_name(self) -> str:
        return f"{self.name}-{self._ground.directory.name}"

    def _log(self, name: str) -> Path:
        return self._ground.directory / f"{name}.log"

    def _start(self, name: str, words: Sequence[str]) -> None:
        environ = {**os.environ, VARIABLE: str(self._ground.directory / "place.json")}
        with self._log(name).open("w") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", *words],
                env=environ,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                text=True,
                start_new_session=True,
            )

    def _await_ready(self) -> None:
        until = time.monotonic() + START_SECONDS
        while len(list(self._ready.iterdir())) < self._kind.boots:
            if time.monotonic() > until:
                raise RuntimeError(f"{self.name} did not start in {START_SECONDS:g} s\n{self.story()}")
            time.sleep(0.05)

    def _write_place(self, path: Path) -> None:
        ground = self._ground
        Place(
            database=database_arguments(ground.url),
            smtp_port=ground.smtp_port,
            attachments=str(ground.files),
            queue_endpoint=ground.arena.sqs.endpoint_url,
            queue_url=self._queue_url,
            queue_name=self._queue_name,
            region=REGION,
            access_key_id=ACCESS_KEY_ID,
            secret_access_key=SECRET_ACCESS_KEY,
            ready=str(self._ready),
        ).write(path)
