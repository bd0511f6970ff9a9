"""A site beside an old server, and the steps of the process that follows it.

`python -m tests.shadowing CONFIG` is such a process. It follows, until it is killed.
"""

import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any, NoReturn

from eed_delivery.app.database import open_database
from eed_delivery.app.long_acts import long_act_steps
from eed_delivery.config import failpoints_wanted, load
from eed_delivery.operations.shadowing.orders import ShadowRequest
from eed_delivery.operations.shadowing.results import ShadowView
from eed_delivery.runtime import failpoints
from tests.old_server import SETTINGS, OldServer
from tests.operators_site import Site
from tests.world import World

PAST = "2001-01-01 00:00:00.000000"
MAIL_PORTS = frozenset({25, 465, 587, 2525})
SOURCE = ("delivery_job", "delivery_email", "delivery_attachment")


class ShadowStage:
    """A site, an old server on the same tables, and the steps of the process that follows it."""

    def __init__(
        self,
        world: World,
        directory: Path,
        more: str = "",
        old: World | None = None,
        environ: Mapping[str, str] | None = None,
        copies: str = "",
    ) -> None:
        """`copies` says where these are, in place of a folder of .eml files. `more` goes into the section `[shadow]`.
        `old` is how the old server sees the tables.
        """
        self.world = world
        self.copies, self.log = directory / "copies", directory / "mail.log"
        self.copies.mkdir()
        folder = f'[{{ path = "{self.copies}" }}]'
        shadow = (
            f"[rehearsal]\nread_as_service = {str(not environ).lower()}\n[shadow]\nsettle_seconds = 0\n"
            f"copies = {copies or folder}\nrelay_logs = ['{self.log}*']\n{more}\n{SETTINGS}"
        )
        self.site = Site(world, directory, shadow, environ=environ or {})
        self.old = OldServer(old or world, self.site.cli.files, self.copies, self.log)
        self.steps = long_act_steps(self.site.settings, world.database)

    def start(self, *jobs: str, days: float = 7.0) -> str:
        """Have it followed."""
        return self.site.operations.shadow_orders.start(ShadowRequest(days, jobs)).id

    def follow(self, times: int = 3) -> None:
        """So many looks, each to its end."""
        for _ in range(times):
            self.unlock()
            self.steps.shadows()

    def unlock(self) -> None:
        """Let jobs be looked at again at once."""
        self.world.execute(f"UPDATE eed_shadow_job SET looked_at = '{PAST}' WHERE state = 'followed'")

    def view(self, operation: str) -> ShadowView:
        return self.site.operations.shadow_results.view(operation)

    def everything(self) -> list[Any]:
        """All rows of the source."""
        return [self.world.execute(f"SELECT * FROM {table} ORDER BY 1") for table in SOURCE]

    def lapse(self) -> None:
        self.world.execute(f"UPDATE eed_operation SET lease_until = '{PAST}' WHERE lease_until IS NOT NULL")


@contextmanager
def no_mail() -> Iterator[list[tuple[Any, ...]]]:
    """Within it, a connection to a mail server's port fails, and is listed. It holds for this process."""
    tried: list[tuple[Any, ...]] = []
    real = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[1] in MAIL_PORTS:
            tried.append(address)
            raise PermissionError(f"a connection to {address}")
        real(self, address)

    socket.socket.connect = guarded  # type: ignore[method-assign]
    try:
        yield tried
    finally:
        socket.socket.connect = real  # type: ignore[method-assign]


def main() -> NoReturn:
    """Follow, and die where `EED_FAILPOINTS` says."""
    settings = load(Path(sys.argv[1]), os.environ)
    failpoints.arm(failpoints_wanted())
    step, wait = long_act_steps(settings, open_database(settings.database, connections=2)).shadows, Event().wait
    with no_mail():
        while True:
            wait(min(step(), 0.2))


if __name__ == "__main__":
    main()
