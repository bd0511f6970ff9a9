"""`python -m tests.servers.install`: what the tests need beside Python, installed if it may be, else named.

MariaDB is needed. MySQL is fetched where it can be had (`mysql_binaries`); where it cannot, its tests are skipped, or
with TESTS_REQUIRE_MYSQL=1 this is an error.
"""

import os
import sys

from tests.servers import mariadb, mysql_binaries


def main() -> None:
    try:
        mariadb.binaries()
    except RuntimeError as error:
        sys.exit(str(error))
    try:
        mysql_binaries.fetch()
        mysql_binaries.new_data_directory()
    except mysql_binaries.NotToBeHad as error:
        if os.environ.get(mysql_binaries.REQUIRED) == "1":
            sys.exit(f"{mysql_binaries.REQUIRED} is set, and: {error}")
        print(f"The tests that MySQL is for will be skipped. {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
