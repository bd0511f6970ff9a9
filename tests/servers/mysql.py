"""A private MySQL with durable settings: what Aurora MySQL's users have, and no MariaDB.

Its program comes from `mysql_binaries`. Unlike MariaDB it makes its users for `caching_sha2_password`, sorts by
`utf8mb4_0900_ai_ci`, and ends no idle transaction.
"""

import shutil
from collections.abc import Sequence

from tests.servers.database_server import DatabaseServer
from tests.servers.mysql_binaries import binaries, new_data_directory


class MySql(DatabaseServer):
    """A mysqld, as `DatabaseServer` says."""

    kind = "mysql"
    ends_idle_transactions = False

    def _program(self) -> list[str]:
        return [*binaries().command]

    def _own_options(self) -> Sequence[str]:
        return (
            "--mysqlx=OFF",
            "--innodb-redo-log-capacity=48M",
            "--secure-file-priv=",  # otherwise a directory that only the package's installation makes
            "--tls-version=",  # the tests' proxy reads what is said, and PyMySQL speaks TLS wherever it is offered
        )

    def _make_data_directory(self) -> None:
        shutil.copytree(new_data_directory(), self.data)

    def _users(self) -> Sequence[str]:
        return (
            "DROP USER IF EXISTS 'root'@'localhost'",
            f"CREATE USER IF NOT EXISTS '{self.user}'@'%' IDENTIFIED BY '{self.password}'",
            f"GRANT ALL ON *.* TO '{self.user}'@'%' WITH GRANT OPTION",
        )
