"""The HTTP server: waitress, a bounded number of threads and connections, and small requests only."""

import socket
import threading
from typing import Any
from wsgiref.types import WSGIApplication

from waitress import wasyncore
from waitress.server import create_server

THREADS = 8
CONNECTIONS = 500
IDLE_SECONDS = 20
MAX_HEADER, MAX_BODY = 16_384, 8_192
"""Bytes. Our longest address is 2,000 characters; RFC 8058's body is one line."""
LOOK_UP_SECONDS = 0.5


class WebServer:
    """Listens at `port` (0: any free one) as soon as it is made, answers while `run` runs. OSError: the port is taken.

    Waitress answers what is no HTTP, or too large, by itself (400, 413, 431); a connection that says nothing for
    IDLE_SECONDS is closed, and those beyond CONNECTIONS wait in the kernel.
    """

    def __init__(self, application: WSGIApplication, host: str, port: int, threads: int = THREADS) -> None:
        self._sockets: dict[int, Any] = {}
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port: int = listening.getsockname()[1]
        self._server = create_server(
            application,
            map=self._sockets,
            sockets=[listening],
            threads=threads,
            connection_limit=CONNECTIONS,
            channel_timeout=IDLE_SECONDS,
            cleanup_interval=IDLE_SECONDS // 2,
            max_request_header_size=MAX_HEADER,
            max_request_body_size=MAX_BODY,
            ident=None,
            log_socket_errors=False,  # they would put readers' IP addresses into the log
            clear_untrusted_proxy_headers=True,
        )

    def run(self, stop: threading.Event) -> None:
        """Answer until `stop` is set; then what is being answered is finished, and everything closed."""
        try:
            while not stop.is_set():
                wasyncore.loop(timeout=LOOK_UP_SECONDS, use_poll=True, map=self._sockets, count=1)
        finally:
            self._server.task_dispatcher.shutdown(timeout=IDLE_SECONDS)
            wasyncore.close_all(self._sockets)
