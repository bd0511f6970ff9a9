"""A relay's log in systemd's journal, by journalctl."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from threading import Timer
from typing import IO

from eed_delivery.resolver.log_files import LogEnd

LONGEST_SECONDS = 300.0
"""A journalctl that takes longer is ended."""
LOOK_SECONDS = 20.0


class JournalLog:
    """The lines of one unit, such as `postfix@-.service`."""

    def __init__(self, unit: str, program: str = "journalctl") -> None:
        self.name = f"journal:{unit}"
        self._command = (program, "--quiet", "--no-pager", "--utc", "--output=short-iso", f"--unit={unit}")

    def look(self, since: datetime) -> LogEnd:  # noqa: ARG002 - as of a file
        """Whether the journal can be read. Raises `OSError`."""
        try:
            done = subprocess.run(  # noqa: S603 - no shell, and the unit is checked
                [*self._command, "--lines=1"], capture_output=True, timeout=LOOK_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as slow:
            raise OSError(f"journalctl has not answered for {LOOK_SECONDS:.0f} s") from slow
        _check(done.returncode, done.stderr)
        return LogEnd(None)

    @contextmanager
    def opened(self, since: datetime) -> Iterator[IO[bytes]]:
        """The lines from `since` on. Raises `OSError`, at its end, too: then what was read may not be all."""
        command = [*self._command, f"--since=@{int(since.timestamp())}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603
            ending = Timer(LONGEST_SECONDS, process.kill)
            ending.start()
            try:
                assert process.stdout is not None  # noqa: S101 - it is a pipe
                yield process.stdout
                code = process.wait()
            finally:
                ending.cancel()
                process.kill()  # of no effect where it has ended
        _check(code, b"")


def _check(code: int, said: bytes) -> None:
    if code != 0:
        words = said.decode("utf-8", "replace").strip().splitlines()
        raise OSError(f"journalctl ended with {code}" + (f": {words[-1]}" if words else ""))
