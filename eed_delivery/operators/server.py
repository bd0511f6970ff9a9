"""The HTTP server of the role. It has limits of its own, and shares none of its threads with the links in emails."""

import threading
from collections.abc import Callable
from wsgiref.types import WSGIApplication

import structlog

from eed_delivery.link_server.server import AWAY_SECONDS, HttpLimits, WebServer

log = structlog.get_logger(__name__)

MAX_HEADER = 65_536
"""Bytes. A load balancer adds tokens of 11 KiB each."""
MAX_BODY = 1_048_576
LARGEST_BODY = 2**26 + 2**22
"""Bytes, of the routes that take files. All others take MAX_BODY."""
LARGE_BYTES = 4 * LARGEST_BODY
"""Bytes of large requests together, which wait in files of the temporary directory until their callers are known."""


def serve(
    application: WSGIApplication,
    place: tuple[str, int],
    threads: int,
    stop: threading.Event,
    beat: Callable[[], None],
    away_seconds: float = AWAY_SECONDS,
) -> None:
    """Answer at host and port until `stop` is set. A port that cannot be bound is tried again."""
    host, port = place
    limits = HttpLimits(threads, MAX_HEADER, LARGEST_BODY, LARGE_BYTES)
    while not stop.is_set():
        beat()
        try:
            server = WebServer(application, host, port, limits, keep_proxy_headers=True)
        except OSError as error:
            log.error("operators_not_listened_for", host=host, port=port, reason=error.strerror or str(error))  # noqa: TRY400 - the reason says all
            stop.wait(away_seconds)
        else:
            log.info("operators_listened_for", host=host, port=port)
            server.run(stop, beat)
