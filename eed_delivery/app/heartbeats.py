"""Heartbeats of roles that send nothing. They say that the process lives, to people and to health checks."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger.workers import HEARTBEATS
from eed_delivery.runtime.loop import Loop, Pulse

if TYPE_CHECKING:
    from eed_delivery.app.people_parts import PeopleApp

log = structlog.get_logger(__name__)


@contextmanager
def heartbeat(
    app: "PeopleApp",
    role: str,
    stop: threading.Event,
    pulse: Pulse,
    problem: Callable[[], str | None] = lambda: None,
) -> Iterator[None]:
    """Send heartbeats while the role works, until `stop` is set. Then it is taken off the list. `problem` is what keeps
    it from its work."""
    workers, process = app.heartbeat(role)
    seconds = app.settings.worker.heartbeat_seconds

    def beat() -> float:
        workers.beat(process, sending=False, detail=problem(), alive_seconds=HEARTBEATS * seconds)
        return seconds

    beating = Loop("heartbeat", beat, stop, pulse).start()
    yield  # and no `finally`: a role that fails must end, whether or not it was asked to stop
    beating.join()
    try:
        workers.leave(process)
    except DatabaseGone as error:
        log.warning("heartbeat_left_behind", reason=str(error))
