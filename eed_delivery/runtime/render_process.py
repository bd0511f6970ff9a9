"""A process that renders emails and does nothing else, as the worker sees it.

Rendering may end its process: the kernel's OOM killer, or a crash in a library. Such a process can end without harm.
It is asked over a pipe: a job and an email there, a message or an error back.
"""

import subprocess
from collections.abc import Callable
from typing import TYPE_CHECKING

from eed_delivery.errors import RenderError
from eed_delivery.model import Email, Files, Job, Rendered
from eed_delivery.runtime.renders import cpu_seconds

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

READY = "ready"
"""The first answer of a process: it can render."""
START_SECONDS = 60.0
LOOK_SECONDS = 1.0


class RenderProcessDied(Exception):
    """The process ended while it rendered an email. `exitcode` is negative for a signal, as in `subprocess`."""

    def __init__(self, exitcode: int) -> None:
        super().__init__(f"exit code {exitcode}")
        self.exitcode = exitcode


class RenderProcess:
    """One such process. For one thread at a time."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: "Connection") -> None:
        """Waits until it is ready. Raises `OSError` when it does not come to that."""
        self._process = process
        self._pipe = pipe
        try:
            ready = pipe.poll(START_SECONDS) and pipe.recv() == READY
        except (EOFError, OSError):
            ready = False
        if not ready:
            raise OSError(f"the process for rendering did not start: exit code {self.close()}")

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return not self._pipe.closed and self._process.poll() is None

    def render(self, job: Job, email: Email, seconds: float, beat: Callable[[], None]) -> Rendered | Files:
        """The message, or raises what rendering raised there. RenderError also after this many seconds of CPU time.

        Raises `RenderProcessDied` when it has ended. `beat` is called while waiting.
        """
        began = self._used()
        try:
            self._pipe.send((job, email))
            while not self._pipe.poll(LOOK_SECONDS):
                beat()
                if self._used() - began > seconds:
                    self.close()
                    raise RenderError(f"rendering took more than {seconds:.0f} s of CPU time, and was ended")
            answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise RenderProcessDied(self.close()) from error
        if isinstance(answer, Exception):
            raise answer
        if not isinstance(answer, Rendered | Files):
            raise TypeError(f"the process for rendering answered with {type(answer).__name__}")
        return answer

    def _used(self) -> float:
        return cpu_seconds(self.pid, self.pid)

    def kill(self) -> None:
        """End it. Any thread may do so. The one that waits for it gets `RenderProcessDied`."""
        self._process.kill()

    def close(self) -> int:
        """End it, and return its exit code."""
        self._pipe.close()
        self._process.kill()
        return self._process.wait()
