"""The demo's child processes: ministack for the queue, and the service itself. Each is ended by its own id."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import boto3
from botocore.config import Config

from eed_delivery.config import without_settings
from eed_delivery.demo.configuration import REGION
from eed_delivery.demo.ports import free_port
from eed_delivery.demo.workspace import Workspace

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

READY_SECONDS = 30.0
POLL_SECONDS = 0.05
END_SECONDS = 30.0
TAIL_CHARS = 2000
LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Connects to this machine directly, and ignores proxies."""


class StackFailed(Exception):
    """A process did not come up, or did not end as it should. The text says which, and what its log says."""


class ChildProcess:
    """A process of ours. Its output goes to `log`, and it is gone when the block ends, however it ends."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self._command = command
        self._environment = environment
        self.log = log
        self.directory: Path | None = None
        """Where it runs. None: where the caller does."""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it in a session of its own. Ctrl-C at the terminal is for the demo, which then ends it in order."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own command, no shell
                self._command,
                env=dict(self._environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    @property
    def pid(self) -> int:
        """Its id, while it runs."""
        assert self._process is not None  # noqa: S101 - it is asked within the block
        return self._process.pid

    def wait(self, seconds: float) -> int | None:
        """Wait at most `seconds` for it to end. Returns its exit status, or None while it runs."""
        if self._process is None:
            return None
        try:
            return self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> int | None:
        """Ask it to stop, and kill it if it does not.

        Returns its exit status, or None if it was not running.
        """
        if self._process is None:
            return None
        self._process.terminate()
        status = self.wait(END_SECONDS)
        if status is None:
            self._process.kill()
            status = self._process.wait()
        self._process = None
        return status

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-TAIL_CHARS:] if self.log.exists() else ""


class AnsweringProcess(ChildProcess):
    """A process that answers at an address. It is there when it has said 200 once."""

    health: str
    """The URL that is asked."""

    def __enter__(self) -> Self:
        """Start it, and return when it answers. Raises StackFailed."""
        self.start()
        try:
            self._await_answer()
        except BaseException:  # Ctrl-C too: nothing else will end it yet
            self.end()
            raise
        return self

    def _await_answer(self) -> None:
        for _ in range(int(READY_SECONDS / POLL_SECONDS)):
            if self.wait(POLL_SECONDS) is not None:
                break
            if self._answers():
                return
        raise StackFailed(f"{self.name} did not start. Its log ({self.log}) ends:\n{self.tail()}")

    def _answers(self) -> bool:
        try:
            with LOCAL.open(self.health, timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False


class QueueServer(AnsweringProcess):
    """ministack, which speaks the protocols of SQS and S3, in memory."""

    def __init__(self, workspace: Workspace) -> None:
        self.endpoint = f"http://127.0.0.1:{(port := free_port())}"
        self.health = f"{self.endpoint}/_ministack/health"
        environment = {
            **without_settings(),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "LOG_LEVEL": "ERROR",
            "TMPDIR": str(workspace.scratch),  # its pid file
            "S3_DATA_DIR": str(workspace.scratch / "s3"),
        }
        super().__init__("ministack", [sys.executable, "-m", "ministack"], environment, workspace.queue_log)

    def make_queues(self, name: str, visibility_seconds: int = 30) -> tuple[str, str]:
        """The URLs of a new queue and of its dead-letter queue."""
        sqs = self._session.client("sqs", endpoint_url=self.endpoint, config=Config(proxies={}))
        dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 10})
        visibility = str(visibility_seconds)
        queue = sqs.create_queue(QueueName=name, Attributes={"RedrivePolicy": redrive, "VisibilityTimeout": visibility})
        return queue["QueueUrl"], dead

    def make_bucket(self, name: str) -> None:
        """A new bucket, in memory too."""
        self._s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})

    def objects(self, bucket: str) -> dict[str, bytes]:
        """What is in a bucket, by key."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [found["Key"] for page in pages for found in page.get("Contents", ())]
        return {key: self._s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session("demo", "demo", region_name=REGION)

    @cached_property
    def _s3(self) -> "S3Client":
        return self._session.client("s3", endpoint_url=self.endpoint, config=Config(proxies={}))


class Service(ChildProcess):
    """`eed-delivery run`, as systemd would start it."""

    def __init__(self, program: Path, workspace: Workspace, environment: Mapping[str, str]) -> None:
        command = [str(program), "--config", str(workspace.configuration), "run"]
        super().__init__("the service", command, environment, workspace.service_log)

    def __enter__(self) -> "Service":
        self.start()
        return self
