"""The HTTP server is waitress, with a bounded number of threads and connections, and small requests only."""

import logging
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from wsgiref.types import WSGIApplication

import structlog
from waitress import wasyncore
from waitress.server import create_server

from eed_delivery.link_server.connections import LARGE_BYTES, MOST, SMALL, SPARE, ConnectionLimits, TimedChannel, tidy

log = structlog.get_logger(__name__)
# It says with each request how many others wait: a flood of requests would be a flood of lines.
logging.getLogger("waitress.queue").setLevel(logging.ERROR)

THREADS = 8
IDLE_SECONDS = 20
MAX_HEADER, MAX_BODY = 16_384, 8_192
"""Bytes. Our longest address is 2,000 characters; RFC 8058's body is one line."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What a server bears: requests at the same time, and bytes of a request's header and of its body. `large_bytes`
    is of the connections (`ConnectionLimits`)."""

    threads: int = THREADS
    header: int = MAX_HEADER
    body: int = MAX_BODY
    large_bytes: int = LARGE_BYTES


LINKS = HttpLimits()
LOOK_UP_SECONDS = 0.5
AWAY_SECONDS = 10.0
"""Between tries to bind a port that is in use."""


class WebServer:
    """Listens at `port` (0 is any free one) as soon as it is made, and answers while `run` runs.

    Raises OSError if the port is taken.

    Waitress answers what is no HTTP, or too large, by itself (400, 413, 431). A connection that sends nothing for
    IDLE_SECONDS is closed, and so is one whose request does not come to its end. When there are too many connections
    the slowest are closed, and so they are when their bodies fill too much (`connections`).
    """

    def __init__(
        self,
        application: WSGIApplication,
        host: str,
        port: int,
        limits: HttpLimits = LINKS,
        *,
        keep_proxy_headers: bool = False,
    ) -> None:
        """`keep_proxy_headers`: the application itself knows whose `X-Forwarded-For` counts."""
        self._sockets: dict[int, Any] = {}
        self._connections = ConnectionLimits(large_bytes=limits.large_bytes)
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port: int = listening.getsockname()[1]
        server: Any = create_server(
            application,
            map=self._sockets,
            sockets=[listening],
            threads=limits.threads,
            connection_limit=MOST + SPARE,
            channel_timeout=IDLE_SECONDS,
            cleanup_interval=IDLE_SECONDS // 2,
            max_request_header_size=limits.header,
            max_request_body_size=limits.body,
            inbuf_overflow=SMALL,
            ident=None,
            log_socket_errors=False,  # they would put readers' IP addresses into the log
            clear_untrusted_proxy_headers=not keep_proxy_headers,
        )
        server.channel_class = TimedChannel
        self._server = server

    def run(self, stop: threading.Event, beat: Callable[[], None] = lambda: None) -> None:
        """Answer until `stop` is set, and call `beat` all the time. Then what is being answered is finished, and
        everything closed."""
        try:
            while not stop.is_set():
                beat()
                wasyncore.loop(timeout=LOOK_UP_SECONDS, use_poll=True, map=self._sockets, count=1)
                tidy(list(self._server.active_channels.values()), time.monotonic(), self._connections)
        finally:
            self._server.task_dispatcher.shutdown(timeout=IDLE_SECONDS)
            wasyncore.close_all(self._sockets)


def serve(
    application: WSGIApplication,
    host: str,
    port: int,
    stop: threading.Event,
    beat: Callable[[], None],
    away_seconds: float = AWAY_SECONDS,
) -> None:
    """Answer there until `stop` is set. A port that cannot be bound is tried again, because it may become free."""
    while not stop.is_set():
        beat()
        try:
            server = WebServer(application, host, port)
        except OSError as error:
            log.error("web_not_listened_for", host=host, port=port, reason=error.strerror or str(error))  # noqa: TRY400 - the reason says all
            stop.wait(away_seconds)
        else:
            log.info("web_listened_for", host=host, port=port)
            server.run(stop, beat)
