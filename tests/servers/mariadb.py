"""A private MariaDB with durable settings. It is never the one that happens to run on the machine."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache

from tests.servers.database_server import DatabaseServer, as_root
from tests.servers.packages import install


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


class MariaDb(DatabaseServer):
    """A mariadbd, as `DatabaseServer` says."""

    kind = "mariadb"
    ends_idle_transactions = True

    def _program(self) -> list[str]:
        return [binaries()[0], "--no-defaults"]

    def _own_options(self) -> Sequence[str]:
        return ("--binlog-format=ROW", "--innodb-log-file-size=48M")

    def _make_data_directory(self) -> None:
        command = [
            binaries()[1],
            "--no-defaults",
            f"--datadir={self.data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
            *as_root(),
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

    def _users(self) -> Sequence[str]:
        # Everybody but our own user is removed: anonymous ones would be preferred to ours at localhost, and root has
        # no password.
        return (
            "DELETE FROM mysql.global_priv WHERE User IN ('', 'root')",
            "FLUSH PRIVILEGES",
            f"CREATE USER IF NOT EXISTS '{self.user}'@'%' IDENTIFIED BY '{self.password}'",
            f"GRANT ALL ON *.* TO '{self.user}'@'%' WITH GRANT OPTION",
        )
