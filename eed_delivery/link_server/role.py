"""The role `web`, which is endpoint, server and storage, put together and run until the end."""

import threading

import structlog

from eed_delivery.errors import DatabaseGone
from eed_delivery.link_server.all_links import LinkWatch
from eed_delivery.link_server.endpoint import AT_ONCE, LinkEndpoint
from eed_delivery.link_server.health import Health
from eed_delivery.link_server.intake import Intake
from eed_delivery.link_server.recording import LinkRecorder
from eed_delivery.link_server.repeats import RepeatLimit
from eed_delivery.link_server.server import serve
from eed_delivery.links.tokens import Links
from eed_delivery.runtime.loop import Loop, Pulse

log = structlog.get_logger(__name__)

NAME = "web"
CONNECTIONS = AT_ONCE + 1
"""To the database: one for opens and clicks, the others for unsubscriptions."""


Place = tuple[str, int]
"""Host and port."""


def run(
    links: Links,
    recording: LinkRecorder,
    place: Place,
    stop: threading.Event,
    pulse: Pulse,
    *,
    health_place: Place | None = None,
    valid_days: int = 0,
) -> None:
    """Answer at `place` until `stop` is set, then store what has come.

    `health_place` is where /healthz alone is answered, however busy `place` is. For `valid_days` see `LinkEndpoint`.
    """
    intake = Intake(recording.store, watch=LinkWatch(), limit=RepeatLimit())
    storing = Loop("opens and clicks", intake.step, stop, pulse).start()
    endpoint = LinkEndpoint(links, intake.put, intake.put, recording.unsubscribe, valid_days=valid_days)
    health = Health()
    if health_place is not None:
        work = (health, *health_place, stop, lambda: None)
        threading.Thread(target=serve, args=work, name="health", daemon=True).start()

    def beat() -> None:
        pulse.beat(NAME)
        health.beat()

    serve(endpoint, *place, stop, beat)
    pulse.forget(NAME)
    storing.join()
    try:
        intake.flush()
    except DatabaseGone as gone:
        log.warning("opens_and_clicks_lost", count=intake.waiting, reason=str(gone))
