"""A private database server of the tests, whichever it is: what MariaDB's and MySQL's have in common.

    with MariaDb() as server:                  # or MySql()
        url = server.create_database("eed")
        server.kill(); server.restart()

Tests that must hold on both take the fixture `database_server`.
"""

import os
import secrets
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import ClassVar

import pymysql

from eed_delivery.database.mysql_connection import MySqlConnection
from tests.servers import end, free_port, start, temporary_directory, wait_until_up
from tests.timing import DATABASE_CREATION, SERVER_START, spending

DURABLE = (
    "--innodb-flush-log-at-trx-commit=1",
    "--log-bin=binlog",
    "--server-id=1",
    "--sync-binlog=1",
)
CHEAP_COMMITS = ("--sync-binlog=0", "--innodb-flush-log-at-trx-commit=0", "--skip-log-bin")
"""Options for a server that no test kills: a commit waits for no disk."""
SMALL = (
    "--skip-name-resolve",
    "--character-set-server=utf8mb4",
    "--max-connections=500",
    "--innodb-buffer-pool-size=128M",
    "--max-binlog-size=64M",
    "--performance-schema=OFF",
)


class DatabaseServer(ABC):
    """A server with its own data directory, port, socket and password, all gone at `stop`.

    `with MariaDb() as server:` or `start()` … `stop()`. `options` are further options of the server
    (`--sync-binlog=0`), which win over the ones set here; `time_zone` is its host's, as in the variable TZ
    (`CET-1CEST,M3.5.0,M10.5.0/3` needs no files). `in_memory`: its files are in memory, where a commit waits for no
    disk and a table is made in 2 ms (see `temporary_directory`); they survive a `kill` there, too.
    """

    kind: ClassVar[str]
    """`mariadb` or `mysql`: the fixture's name, and what `--database` takes."""
    ends_idle_transactions: ClassVar[bool]
    """Whether it has `idle_transaction_timeout`."""
    user = "eed_test"

    def __init__(self, options: Sequence[str] = (), time_zone: str = "UTC", *, in_memory: bool = False) -> None:
        self.port = free_port()
        self.password = secrets.token_urlsafe(16)
        self.directory = temporary_directory(self.kind, in_memory=in_memory)
        self._options = tuple(options)
        self._time_zone = time_zone
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The server, no database chosen."""
        return self.database("")

    def database(self, name: str) -> str:
        """The URL of a database, whether it exists or not."""
        return f"mysql+pymysql://{self.user}:{self.password}@127.0.0.1:{self.port}/{name}?charset=utf8mb4"

    @property
    def pid(self) -> int:
        """The server's process id. Raises RuntimeError when it is not running."""
        if self._process is None:
            raise RuntimeError(f"this {self.kind} server is not running")
        return self._process.pid

    def __enter__(self) -> "DatabaseServer":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it (the first time: make its data directory) and return when it takes connections."""
        if not self.data.exists():
            with spending(SERVER_START):
                self._make_data_directory()
            self._init_file.write_text("".join(f"{statement};\n" for statement in self._users()))
        command = [*self._program(), *self._places(), *DURABLE, *SMALL, *self._own_options(), *self._options]
        self._process = start(command, self.log, {**os.environ, "TZ": self._time_zone})
        wait_until_up(self._process, self._answers, self.log)

    def kill(self) -> None:
        """kill -9: as when the machine loses power, but for the disk's cache."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Start it again on the same port and data, after a `kill` or instead of a running one."""
        if self._process is not None:
            end(self._process)
            self._process = None
        self.start()

    def stop(self) -> None:
        """End it and remove its data."""
        # Nobody will read the data again: a clean shutdown would only cost time.
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def execute(self, *statements: str, database: str | None = None) -> None:
        """Run statements as the test user, who may do everything."""
        with self._connect(database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def version(self) -> str:
        """The version as the server gives it: `10.11.14-MariaDB-0+deb12u2`, or `9.7.0`."""
        with self._connect(None) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT VERSION()")
            return str(next(iter(cursor.fetchall()))[0])

    def create_database(self, name: str, *, charset: str = "utf8mb4") -> str:
        """An empty database of that name (an older one is dropped); returns its URL."""
        with spending(DATABASE_CREATION):
            self.execute(f"DROP DATABASE IF EXISTS `{name}`", f"CREATE DATABASE `{name}` CHARACTER SET {charset}")
        return self.database(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, if it is there."""
        with spending(DATABASE_CREATION):
            self.execute(f"DROP DATABASE IF EXISTS `{name}`")

    @property
    def data(self) -> Path:
        """Its data directory."""
        return self.directory / "data"

    @property
    def log(self) -> Path:
        """What it says, in all of its lives."""
        return self.directory / "server.log"

    @abstractmethod
    def _program(self) -> list[str]:
        """The program with the options that must come first."""

    @abstractmethod
    def _own_options(self) -> Sequence[str]:
        """Options that only this kind of server takes."""

    @abstractmethod
    def _make_data_directory(self) -> None:
        """Fill `data` with what a new server starts on."""

    @abstractmethod
    def _users(self) -> Sequence[str]:
        """Statements that leave the test user alone, executed at each start."""

    @property
    def _init_file(self) -> Path:
        return self.directory / "users.sql"

    def _places(self) -> list[str]:
        return [
            f"--datadir={self.data}",
            f"--tmpdir={self.directory}",
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            f"--socket={self.directory / 'socket'}",
            f"--pid-file={self.directory / 'pid'}",
            f"--init-file={self._init_file}",
            *as_root(),
        ]

    def _connect(self, database: str | None) -> "pymysql.Connection[pymysql.cursors.Cursor]":
        return MySqlConnection(
            host="127.0.0.1",
            port=self.port,
            user=self.user,
            password=self.password,
            database=database,
            charset="utf8mb4",
            autocommit=True,
            # A DROP waits for whoever left a transaction open: fail soon, and say so, rather than after a day.
            init_command="SET lock_wait_timeout = 20",
            connect_timeout=5,
        )

    def _answers(self) -> bool:
        try:
            self._connect(None).close()
        except pymysql.err.OperationalError:
            return False
        return True


NewDatabaseServer = Callable[..., DatabaseServer]
"""What makes one more, of the kind that the test runs on; takes what `DatabaseServer` takes."""


def as_root() -> tuple[str, ...]:
    """The server refuses to run as root unless told so by name."""
    return ("--user=root",) if os.geteuid() == 0 else ()
