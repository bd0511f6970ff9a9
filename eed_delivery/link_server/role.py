"""The role `web`: endpoint, server and storage, put together and run until the end."""

import threading

import structlog

from eed_delivery.errors import DatabaseGone
from eed_delivery.link_server.all_links import LinkWatch
from eed_delivery.link_server.endpoint import AT_ONCE, Endpoint
from eed_delivery.link_server.intake import Intake
from eed_delivery.link_server.recording import Recording
from eed_delivery.link_server.server import serve
from eed_delivery.links.tokens import Links
from eed_delivery.runtime.loop import Loop, Pulse

log = structlog.get_logger(__name__)

NAME = "web"
CONNECTIONS = AT_ONCE + 1
"""To the database: one for opens and clicks, the others for unsubscriptions."""


def run(links: Links, recording: Recording, place: tuple[str, int], stop: threading.Event, pulse: Pulse) -> None:
    """Answer at `place` (host and port) until `stop` is set; then store what has come."""
    intake = Intake(recording.store, watch=LinkWatch())
    storing = Loop("opens and clicks", intake.step, stop, pulse).start()
    endpoint = Endpoint(links, intake.put, intake.put, recording.unsubscribe)
    serve(endpoint, *place, stop, lambda: pulse.beat(NAME))
    pulse.forget(NAME)
    storing.join()
    try:
        intake.flush()
    except DatabaseGone as gone:
        log.warning("opens_and_clicks_lost", count=intake.waiting, reason=str(gone))
