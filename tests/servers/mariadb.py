"""A private MariaDB with durable settings. It is never the one that happens to run on the machine."""

import os
import secrets
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from types import TracebackType

import pymysql

from tests.servers import end, free_port, start, temporary_directory, wait_until_up
from tests.servers.packages import install

_DURABLE = (
    "--innodb-flush-log-at-trx-commit=1",
    "--log-bin=binlog",
    "--server-id=1",
    "--binlog-format=ROW",
    "--sync-binlog=1",
)
_SMALL = (
    "--skip-name-resolve",
    "--character-set-server=utf8mb4",
    "--max-connections=500",
    "--innodb-buffer-pool-size=128M",
    "--innodb-log-file-size=48M",
    "--max-binlog-size=64M",
    "--performance-schema=OFF",
)


def _find(*names: str) -> str | None:
    # Debian puts daemons into /usr/sbin, which is not on every user's path.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


@cache
def binaries() -> tuple[str, str]:
    """Paths of mariadbd and mariadb-install-db; installs Debian's package if they are missing and we may.

    Raises RuntimeError that says what to install.
    """
    for attempt in ("look", "install"):
        if attempt == "install" and not install("mariadb-server"):
            break
        server, setup = _find("mariadbd"), _find("mariadb-install-db")
        if server and setup:
            return server, setup
    raise RuntimeError(
        "The tests need MariaDB's server (mariadbd, mariadb-install-db), 10.6 or later, "
        "and could not install them. As root, run: apt-get update && apt-get install -y mariadb-server"
    )


class MariaDb:
    """A mariadbd with its own data directory, port, socket and password, all gone at `stop`.

    `with MariaDb() as server:` or `start()` … `stop()`. `options` are further mariadbd options
    (`--sync-binlog=0`), which win over the ones set here; `time_zone` is its host's, as in the variable TZ
    (`CET-1CEST,M3.5.0,M10.5.0/3` needs no files).
    """

    user = "eed_test"

    def __init__(self, options: Sequence[str] = (), time_zone: str = "UTC") -> None:
        self.port = free_port()
        self.password = secrets.token_urlsafe(16)
        self.directory = temporary_directory("mariadb")
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
            raise RuntimeError("this MariaDB is not running")
        return self._process.pid

    def __enter__(self) -> "MariaDb":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it (the first time: make its data directory) and return when it takes connections."""
        server, setup = binaries()
        if not (self.directory / "data").exists():
            self._make_data_directory(setup)
        self._process = start([server, *self._arguments()], self._log, {**os.environ, "TZ": self._time_zone})
        wait_until_up(self._process, self._answers, self._log)

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

    def create_database(self, name: str, *, charset: str = "utf8mb4") -> str:
        """An empty database of that name (an older one is dropped); returns its URL."""
        self.execute(f"DROP DATABASE IF EXISTS `{name}`", f"CREATE DATABASE `{name}` CHARACTER SET {charset}")
        return self.database(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, if it is there."""
        self.execute(f"DROP DATABASE IF EXISTS `{name}`")

    @property
    def _log(self) -> Path:
        return self.directory / "mariadbd.log"

    def _arguments(self) -> list[str]:
        return [
            "--no-defaults",
            f"--datadir={self.directory / 'data'}",
            f"--tmpdir={self.directory}",
            "--bind-address=127.0.0.1",
            f"--port={self.port}",
            f"--socket={self.directory / 'socket'}",
            f"--pid-file={self.directory / 'pid'}",
            f"--init-file={self.directory / 'users.sql'}",
            *_as_root(),
            *_DURABLE,
            *_SMALL,
            *self._options,
        ]

    def _make_data_directory(self, setup: str) -> None:
        command = [
            setup,
            "--no-defaults",
            f"--datadir={self.directory / 'data'}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *_as_root(),
        ]
        done = subprocess.run(
            command,
            # In /tmp, a mariadbd that starts at the same moment takes our temporary tables for leavings of its own.
            env={**os.environ, "TMPDIR": str(self.directory)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        if done.returncode != 0:
            raise RuntimeError(f"mariadb-install-db failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
        # An init file holds one statement a line. Everybody but our own user is removed: anonymous
        # ones would be preferred to ours at localhost, and root has no password.
        (self.directory / "users.sql").write_text(
            "DELETE FROM mysql.global_priv WHERE User IN ('', 'root');\n"
            "FLUSH PRIVILEGES;\n"
            f"CREATE USER IF NOT EXISTS '{self.user}'@'%' IDENTIFIED BY '{self.password}';\n"
            f"GRANT ALL ON *.* TO '{self.user}'@'%' WITH GRANT OPTION;\n"
        )

    def _connect(self, database: str | None) -> "pymysql.Connection[pymysql.cursors.Cursor]":
        return pymysql.connect(
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


def _as_root() -> tuple[str, ...]:
    # mariadbd refuses to run as root unless told so by name.
    return ("--user=root",) if os.geteuid() == 0 else ()
