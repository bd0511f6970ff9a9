"""A tenant's own system that is told of events: a real HTTP server that verifies each signature and answers as told.

The recipe is the standard's own, written down here a second time: nothing of the product is used.
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import json
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

SECRET = "whsec_" + base64.b64encode(b"a receiver's secret of 32 bytes!").decode()
FORMER = "whsec_" + base64.b64encode(b"the one that it had before this!").decode()


def verified(secret: str, headers: Mapping[str, str], body: bytes, tolerance: float = 300) -> bool:
    """Whether one of the signatures is by this secret, and fresh."""
    message_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
    if abs(time.time() - int(timestamp)) > tolerance:
        return False
    key = base64.b64decode(secret.split("_", 1)[1])
    signed = message_id.encode() + b"." + timestamp.encode() + b"." + body
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(wanted, one) for one in headers["webhook-signature"].split(" "))


@dataclass(frozen=True)
class Told:
    """One POST that came in whole."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def message_id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def said(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(self.body)
        return said

    @property
    def type(self) -> str:
        return str(self.said["type"])


Behaviour = Callable[["Handler", Told], None]


class Handler(BaseHTTPRequestHandler):
    """One connection. A behaviour answers by `answer`, or does worse with the socket itself."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:  # its sender was killed in the middle: it is no request
            self.close_connection = True
            return
        told = Told(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        self.server.receiver.hear(self, told)

    def do_GET(self) -> None:
        self.server.receiver.strangers.append(f"GET {self.path}")
        self.answer(200)

    def answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Quiet."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, receiver: "Receiver", port: int) -> None:
        self.receiver = receiver
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers who hang up are no news."""


class Receiver:
    """What was told, in the order in which it came; `behave` says how each is answered (200 if not set).

    `together` is the most POSTs of one id that were ever at work at the same time.
    """

    def __init__(self, port: int = 0, secret: str = SECRET, context: ssl.SSLContext | None = None) -> None:
        self.secret = secret
        self.told: list[Told] = []
        self.forged: list[Told] = []
        self.strangers: list[str] = []
        self.taken: list[str] = []
        self.together = 0
        self.behave: Behaviour = taking
        self.ended = threading.Event()
        self._at_work: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._server = Server(self, port)
        self._scheme = "http"
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._server.server_port}/hooks?tenant=7"

    @property
    def port(self) -> int:
        return int(self._server.server_port)

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)

    def hear(self, handler: Handler, told: Told) -> None:
        with self._lock:
            self.told.append(told)
            if not verified(self.secret, told.headers, told.body):
                self.forged.append(told)
            self._at_work[told.message_id] += 1
            self.together = max(self.together, self._at_work[told.message_id])
        try:
            self.behave(handler, told)
        finally:
            with self._lock:
                self._at_work[told.message_id] -= 1

    def ids(self) -> Counter[str]:
        """How often each id was told."""
        return Counter(told.message_id for told in list(self.told))

    def types(self) -> list[str]:
        return [told.type for told in list(self.told)]


def taking(handler: Handler, told: Told) -> None:
    """200, and it is noted that it was taken."""
    handler.server.receiver.taken.append(told.message_id)
    handler.answer(200, b"thank you")


def answering(status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Behaviour:
    """Always this answer."""
    return lambda handler, told: handler.answer(status, body, headers)


def hanging(handler: Handler, told: Told) -> None:
    """No answer, as long as the receiver lives."""
    handler.server.receiver.ended.wait(120)
    handler.close_connection = True


def closing(handler: Handler, told: Told) -> None:
    """The connection ends without an answer."""
    handler.close_connection = True
    handler.connection.close()


def dripping(handler: Handler, told: Told) -> None:
    """An answer that begins, and never comes to an end: one byte now and then."""
    ended = handler.server.receiver.ended
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
    while not ended.wait(0.05):
        handler.wfile.write(b"x")


def flooding(handler: Handler, told: Told) -> None:
    """200 with a body of a gigabyte, or as much of it as the caller wants."""
    handler.send_response(200)
    handler.send_header("content-length", str(2**30))
    handler.end_headers()
    block = b"x" * 65_536
    try:
        for _ in range(2**14):
            handler.wfile.write(block)
    except OSError:
        handler.server.receiver.taken.append(told.message_id)
    handler.close_connection = True


def each(*behaviours: Behaviour) -> Behaviour:
    """One after the other; the last one goes on."""
    left = list(behaviours)
    lock = threading.Lock()

    def behave(handler: Handler, told: Told) -> None:
        with lock:
            behaviour = left.pop(0) if len(left) > 1 else left[0]
        behaviour(handler, told)

    return behave
