"""`python -m benchmarks.ses_server`: the tests' SES stub in a process of its own, which forgets what it took.

Says `port=NUMBER` first, and `mesg=NUMBER` for each message it took.
"""

import threading
from typing import Any

from tests.servers.ses_stub import SesStub, Taken


class ForgetfulSes(SesStub):
    """Counts, and keeps nothing."""

    def __init__(self) -> None:
        super().__init__()
        self._count = 0
        self._counting = threading.Lock()

    def take(self, request: dict[str, Any]) -> Taken:
        """Count a message."""
        with self._counting:
            self._count += 1
            print(f"mesg={self._count}", flush=True)
            return Taken(f"0100-{self._count:08d}", b"", (), {}, None, {}, 0.0)


def main() -> None:
    with ForgetfulSes() as ses:
        print(f"port={ses.endpoint_url.rpartition(':')[2]}", flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
