"""The servers that every run of one benchmark shares, and the ground of one run, a fresh database and files."""

import itertools
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from benchmarks import postfix
from benchmarks.servers import Server, ses_server, slow_relay, smtp_sink
from benchmarks.work import Work, fill, write_files
from tests.servers import temporary_directory
from tests.servers.databases import new_database
from tests.servers.ministack import MiniStack
from tests.world import World

# Durable as in the tests, but with the memory of a small database server instead of a test's.
DATABASE_OPTIONS = {
    "mariadb": ("--innodb-buffer-pool-size=512M", "--innodb-log-file-size=512M"),
    "mysql": ("--innodb-buffer-pool-size=512M", "--innodb-redo-log-capacity=1G"),
}


class Arena:
    """Used as `with Arena() as arena:`. Everything it started is ended, and everything it wrote removed."""

    def __init__(self, database_kind: str = "mariadb") -> None:
        self._kind = database_kind

    def __enter__(self) -> "Arena":
        self._runs = itertools.count(1)
        self.directory = temporary_directory("bench")
        with ExitStack() as opened:
            opened.callback(shutil.rmtree, self.directory, ignore_errors=True)
            self.postfix = postfix.find()
            self.database = opened.enter_context(new_database(self._kind, DATABASE_OPTIONS[self._kind]))
            self.sqs = opened.enter_context(MiniStack("tests.servers.deep_ministack"))
            self.sink = opened.enter_context(smtp_sink(self.directory, self.postfix))
            self._at_the_end = opened.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._at_the_end.close()

    def servers(self) -> dict[str, str]:
        """What the emails pass through, for people."""
        return {"database": f"{self._kind} {self.database.version()}", "mail_server": self.sink.name}

    def ground(self, jobs: Sequence[Work], sink: Server | None = None, smtp_port: int | None = None) -> "Ground":
        """A new run's. `jobs` are numbered from 1. Their files must have one size. The mail server is `sink`, which is
        reached by `smtp_port` if that is another one's."""
        url = self.database.create_database("bench")
        World(url).close()
        files = self.directory / f"files-{jobs[0].attachment_bytes}"
        for job_id, work in enumerate(jobs, start=1):
            write_files(files, work)
            fill(url, work, job_id)
        directory = self.directory / f"run-{next(self._runs)}"
        directory.mkdir()
        counting = sink or self.sink
        return Ground(self, url, files, directory, counting, smtp_port or counting.port)

    def relay(self, milliseconds: int) -> Server:
        """A slow way to the mail server."""
        return slow_relay(self.directory, self.sink.port, milliseconds)

    def ses(self) -> Server:
        """An SES."""
        return ses_server(self.directory)


@dataclass(frozen=True)
class Ground:
    """What one run stands on."""

    arena: Arena
    url: str
    files: Path
    directory: Path
    sink: Server
    smtp_port: int

    @property
    def servers(self) -> dict[str, int]:
        """The process ids of the three servers."""
        return {"database": self.arena.database.pid, "queue": self.arena.sqs.pid, "mail_server": self.sink.pid}
