"""`python -m tests.servers.install`: what the tests need beside Python, installed if it may be, else named.

MariaDB is needed. MySQL is fetched where it can be had (`mysql_binaries`); where it cannot, its tests are skipped, or
with TESTS_REQUIRE_MYSQL=1 this is an error. OpenSSH's sshd is installed where that may be, else its tests are skipped.
So are Chromium, for the tests of the pages, and Prometheus's promtool. With TESTS_REQUIRE_CHROMIUM=1 or
TESTS_REQUIRE_PROMTOOL=1 it is an error if it cannot be had. Terraform is not installed. Where it is there, the schema
of its AWS provider is fetched: 71 MB, once. So are AWS's emulator of Lambda, 8 MB, and the packages of the image. With
TESTS_REQUIRE_LAMBDA=1 it is an error if they cannot be had.
"""

import os
import sys

from tests.deploy import terraform
from tests.servers import chromium, lambda_emulator, lambda_image, mariadb, mysql_binaries, openssh, promtool


def main() -> None:
    try:
        mariadb.binaries()
    except RuntimeError as error:
        sys.exit(str(error))
    try:
        if mysql_binaries.find() is None:
            print("Fetching MySQL for the tests: 60 MB from Debian's archive, once, about a minute.", file=sys.stderr)
        mysql_binaries.fetch()
        mysql_binaries.new_data_directory()
    except (mysql_binaries.NotToBeHad, OSError) as error:
        if os.environ.get(mysql_binaries.REQUIRED) == "1":
            sys.exit(f"{mysql_binaries.REQUIRED} is set, and: {error}")
        print(f"The tests on MySQL will be skipped. {error}", file=sys.stderr)
    try:
        openssh.require()
    except RuntimeError as error:
        print(f"The tests of SFTP will be skipped. {error}", file=sys.stderr)
    try:
        chromium.require()
    except chromium.NoBrowser as error:
        if chromium.is_required():
            sys.exit(f"{chromium.REQUIRED} is set, and: {error}")
        print(f"The tests of the pages in a browser will be skipped. {error}", file=sys.stderr)
    try:
        promtool.require()
    except promtool.NoPromtool as error:
        if promtool.is_required():
            sys.exit(f"{promtool.REQUIRED} is set, and: {error}")
        print(f"The tests of Prometheus's rules will be skipped. {error}", file=sys.stderr)
    reason = lambda_image.missing()
    if reason is not None:
        if lambda_emulator.is_required():
            sys.exit(f"{lambda_emulator.REQUIRED} is set, and: {reason}")
        print(f"The function will not be run as AWS does. {reason}", file=sys.stderr)
    reason = terraform.missing()
    if reason is not None:
        if terraform.is_required():
            sys.exit(f"{terraform.REQUIRED} is set, and: {reason}")
        print(f"The tests of deploy/terraform will be skipped. {reason}", file=sys.stderr)


if __name__ == "__main__":
    main()
