"""A private ministack: SQS, SES and S3 that speak AWS's own protocol, on 127.0.0.1, in memory only."""

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from types import TracebackType
from typing import Any

from botocore.config import Config

from tests.servers import end, free_port, start, temporary_directory, wait_until_up
from tests.servers.aws_clients import aws_client

REGION = "us-east-1"
ACCESS_KEY_ID = "test"
SECRET_ACCESS_KEY = "test"


class MiniStack:
    """`with MiniStack() as aws:` or `start()` … `stop()`. What it held is gone after `stop` or `kill`."""

    def __init__(self, module: str = "ministack") -> None:
        """`module`: what `python -m` starts, if not ministack as it is."""
        self._module = module
        self.port = free_port()
        self.directory = temporary_directory("ministack")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint_url(self) -> str:
        """Where every service listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The server's process id. Raises RuntimeError when it is not running."""
        if self._process is None:
            raise RuntimeError("this ministack is not running")
        return self._process.pid

    def __enter__(self) -> "MiniStack":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, also after a `kill`, on the same port; return when it answers."""
        log_path = self.directory / "ministack.log"
        self._process = start([sys.executable, "-m", self._module], log_path, self._environment())
        wait_until_up(self._process, self._answers, log_path)

    def kill(self) -> None:
        """kill -9: every queue and message is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """End it and remove what it wrote."""
        if self._process is not None:
            end(self._process)
            self._process = None
        shutil.rmtree(self.directory, ignore_errors=True)

    def client(self, service: str) -> Any:
        """A boto3 client ("sqs", "sesv2", "s3") with dummy credentials of its own."""
        return aws_client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=ACCESS_KEY_ID,
            aws_secret_access_key=SECRET_ACCESS_KEY,
            config=Config(max_pool_connections=50, s3={"addressing_style": "path"}),
        )

    def make_queue(self, name: str, *, max_receive_count: int = 10, visibility_timeout: int = 120) -> tuple[str, str]:
        """A queue and its dead-letter queue `name-dead`; returns both URLs."""
        sqs = self.client("sqs")
        dead = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": max_receive_count})
        queue = sqs.create_queue(
            QueueName=name,
            Attributes={"VisibilityTimeout": str(visibility_timeout), "RedrivePolicy": redrive},
        )
        return queue["QueueUrl"], dead

    def _environment(self) -> dict[str, str]:
        return {
            **{key: value for key, value in os.environ.items() if not key.startswith("AWS_")},
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "LOG_LEVEL": "ERROR",
            "TMPDIR": str(self.directory),  # its pid file goes there
            "S3_DATA_DIR": str(self.directory / "s3"),
        }

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint_url}/_ministack/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False
