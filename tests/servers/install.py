"""`python -m tests.servers.install`: what the tests need beside Python, installed if it may be, else named."""

import sys

from tests.servers.mariadb import binaries


def main() -> None:
    try:
        binaries()
    except RuntimeError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
