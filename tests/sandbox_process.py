"""A sandbox of a function as a process of its own, which can be killed and frozen.

    sandbox = SandboxProcess(stack, log)
    result = sandbox.invoke(event, seconds=25)       # None: it died meanwhile
    sandbox.freeze(); sandbox.thaw(); sandbox.kill()

Without a supervisor, as in Lambda: whoever invokes it starts a new one.
"""

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.event_source import TimeLeft

READY = "ready"
GRACE_SECONDS = 60.0
"""Lambda ends an invocation at its timeout. On a busy machine an end that is late is no fault."""


class SandboxProcess:
    """One life of it. Started when it is first invoked."""

    def __init__(self, environ: Mapping[str, str], log: Path, function: str = "sending") -> None:
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.sandbox_process", function],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **environ},
            text=True,
        )
        self.frozen = False

    def wait_ready(self) -> bool:
        """Whether its INIT phase has come to its end."""
        return self._line(GRACE_SECONDS) == READY

    def invoke(self, event: Mapping[str, Any], seconds: float) -> Any:
        """The result of one invocation; None if it did not live to give one."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"event": event, "seconds": seconds}) + "\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return None
        line = self._line(seconds + GRACE_SECONDS)
        return json.loads(line) if line else None

    def _line(self, seconds: float) -> str:
        assert self._process.stdout is not None
        ready = select.select([self._process.stdout], [], [], seconds)[0]
        return self._process.stdout.readline().strip() if ready else ""

    def freeze(self) -> None:
        """SIGSTOP."""
        self._process.send_signal(signal.SIGSTOP)
        self.frozen = True

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)
        self.frozen = False

    def kill(self) -> None:
        """kill -9. It has been for nothing if it is dead already."""
        with suppress(ProcessLookupError):
            self._process.kill()

    def close(self) -> None:
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()
        self._log.close()


def main() -> None:
    """Invoke the handler with what stdin says, a line each. Logs go to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    handler = importlib.import_module(f"eed_delivery.aws_lambda.{sys.argv[1]}").handler  # its INIT phase

    print(READY, file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        began = time.monotonic()
        result = handler(asked["event"], TimeLeft(asked["seconds"] - (time.monotonic() - began)))
        print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    main()
