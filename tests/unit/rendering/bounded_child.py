"""A process that renders hostile templates under limits of memory and CPU; what gets through our bounds ends it.

    python -m tests.unit.rendering.bounded_child    reads a JSON list a line: [name, source, variables]

answers each with [outcome, CPU seconds]: "text", "refused: …", or what else was raised.
"""

import json
import resource
import subprocess
import sys
import time
from typing import Any

from eed_delivery.errors import RenderError
from eed_delivery.rendering.plain_text import text_of
from eed_delivery.rendering.templates import Templates

MEMORY = 400 << 20
"""Bytes beyond what the process has at its beginning."""
CPU_SECONDS = 20
"""Of the whole process for one template, at which the kernel ends it: the budget's 5 s, and the step after it."""
MAX_CHARS = 100_000
OUT_OF_MEMORY = "needs more memory"


class BoundedChild:
    """Such a process, started again whenever a template has ended it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def render(self, name: str, source: str, variables: object = None) -> tuple[str, float]:
        """What became of a template, and its CPU time."""
        process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps([name, source, variables or {}]) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            self._process = None
            return f"ended the process: {process.wait()}", 0.0
        outcome, seconds = json.loads(answer)
        return outcome, seconds

    def _start(self) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", __name__]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        return self._process

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()


def main() -> None:
    """Answer until there is no more to read."""
    templates = Templates(MAX_CHARS)
    pages = int(open("/proc/self/statm").read().split()[0])  # noqa: SIM115
    most = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    for line in sys.stdin:
        used = resource.getrusage(resource.RUSAGE_SELF)
        soon = int(used.ru_utime + used.ru_stime) + CPU_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (soon, resource.RLIM_INFINITY))
        began = time.process_time()
        outcome = _outcome(templates, *json.loads(line))
        print(json.dumps([outcome, time.process_time() - began]), flush=True)


def _outcome(templates: Templates, name: str, source: str, variables: dict[str, Any]) -> str:
    try:
        made = templates.compile(name, source).render(variables)
        if name.startswith("html"):
            text_of(made, MAX_CHARS)
    except RenderError as error:
        return f"refused: {error}"
    except BaseException as error:
        return f"{type(error).__name__}: {error}"[:300]
    return "text"


if __name__ == "__main__":
    main()
