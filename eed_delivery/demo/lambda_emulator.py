"""A handler under AWS's own runtime client and emulator, as in a sandbox of Lambda, without Docker.

    with LambdaEmulator(program, HANDLER, environment, log) as function:
        answer = function.invoke({"Records": []})

The emulator (https://github.com/aws/aws-lambda-runtime-interface-emulator) starts the runtime client when it is first
invoked. What the function logs and what the emulator reports are in the log.
"""

import json
import re
import secrets
import socket
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from eed_delivery.config import without_settings
from eed_delivery.demo.ports import free_port
from eed_delivery.demo.processes import LOCAL, AnsweringProcess

SENDING = "eed_delivery.aws_lambda.sending.handler"
TICK = "eed_delivery.aws_lambda.tick.handler"
API = "eed_delivery.aws_lambda.api.handler"
GRACE_SECONDS = 30.0
"""How much longer than the function's timeout an answer is awaited."""
_INIT = re.compile(rb"INIT REPORT\(durationMs: ([\d.]+)\)")
_DONE = re.compile(rb"INVOKE RTDONE\(status: \w+, produced bytes: \d+, duration: ([\d.]+)ms\)")


class InvocationFailed(Exception):
    """The handler has raised, its INIT phase has, or its time was over. The text is what the emulator says."""


class LambdaEmulator(AnsweringProcess):
    """One sandbox, which does one invocation at a time. It listens on 127.0.0.1 alone.

    `environment` are the function's variables. Nothing of the caller's own settings is passed on.
    """

    def __init__(
        self,
        program: Path,
        handler: str,
        environment: Mapping[str, str],
        log: Path,
        *,
        timeout_seconds: int = 60,
        memory_mb: int = 1769,
        python: Sequence[str] = (sys.executable,),
        directory: Path | None = None,
        before: Sequence[str] = (),
    ) -> None:
        """`python` has the runtime client and the package, or `directory` has them. `before`: a command that runs it
        all, such as in a control group."""
        self._port, runtime_port = free_port(), free_port()
        self.seconds = timeout_seconds
        self._lock = threading.Lock()
        name = secrets.token_hex(16)
        emulator = [str(program), "--runtime-interface-emulator-address", f"127.0.0.1:{self._port}"]
        emulator += ["--runtime-api-address", f"127.0.0.1:{runtime_port}"]
        command = [*before, *emulator, *python, "-m", "awslambdaric", handler]
        function = {
            "AWS_LAMBDA_FUNCTION_NAME": "function",
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout_seconds),
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(memory_mb),
            "AWS_LAMBDA_LOG_STREAM_NAME": f"2026/01/01/[$LATEST]{name}",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self.address = f"http://127.0.0.1:{self._port}/2015-03-31/functions/function/invocations"
        """Where it is invoked."""
        super().__init__("Lambda's emulator", command, {**without_settings(), **function, **environment}, log)
        self.directory = directory

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """What the handler returns. Raises `InvocationFailed`."""
        request = urllib.request.Request(  # noqa: S310 - our own address
            self.address,
            json.dumps(event).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with self._lock, LOCAL.open(request, timeout=self.seconds + GRACE_SECONDS) as answer:
                body = answer.read()
        except urllib.error.HTTPError as error:
            raise InvocationFailed(f"status {error.code}: {error.read().decode(errors='replace')}") from error
        except (urllib.error.URLError, ConnectionError, TimeoutError) as error:
            raise InvocationFailed(f"no answer: {error}") from error
        try:
            result = json.loads(body)
        except ValueError:  # "Task timed out after 3.00 seconds"
            raise InvocationFailed(body.decode(errors="replace")) from None
        if isinstance(result, dict) and "errorType" in result:
            raise InvocationFailed(f"{result['errorType']}: {result.get('errorMessage')}")
        return result

    def init_seconds(self) -> float:
        """How long the INIT phase took, by the emulator's own report."""
        return float(_INIT.findall(self.log.read_bytes())[0]) / 1000

    def durations(self) -> list[float]:
        """Seconds of each invocation, without the INIT phase."""
        return [float(milliseconds) / 1000 for milliseconds in _DONE.findall(self.log.read_bytes())]

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=5):
            return True
        return False
