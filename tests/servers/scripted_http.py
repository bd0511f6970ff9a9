"""An HTTP server that answers what it was told to, byte for byte, and keeps what it was asked.

with ScriptedHttp([ok(b"{}"), HANG_UP]) as server:
    ...
    server.requests[0].body
"""

import socket
import socketserver
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import cast

HANG_UP = b""
"""Close the connection instead of an answer."""


@dataclass(frozen=True)
class Request:
    """One request. `fields`: the header fields by their names in small letters."""

    line: str
    fields: dict[str, str]
    body: bytes


def answer(status: int, body: bytes, *fields: str) -> bytes:
    """An answer with a length."""
    head = "".join(f"{field}\r\n" for field in fields)
    return f"HTTP/1.1 {status} -\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def ok(body: bytes = b"{}") -> bytes:
    return answer(200, body, "Content-Type: application/x-amz-json-1.0")


class ScriptedHttp:
    """Listens on 127.0.0.1 on a free port. The n-th request gets the n-th answer, and those after the last one none,
    while the connection stays open. `close_after`: requests after which a connection is closed, unasked. `seconds`: how
    long each answer takes, as a long poll's does."""

    def __init__(
        self,
        answers: list[bytes],
        *,
        tls: ssl.SSLContext | None = None,
        close_after: int | None = None,
        seconds: float = 0,
    ) -> None:
        self.answers = answers
        self.seconds = seconds
        self.tls = tls
        self.close_after = close_after
        self.requests: list[Request] = []
        self.connections = 0
        self.closed = threading.Semaphore(0)
        """Released with each connection that was closed by us."""
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(self)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    def __enter__(self) -> "ScriptedHttp":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    def connected(self) -> None:
        with self._lock:
            self.connections += 1

    def next_answer(self, request: Request) -> bytes | None:
        """What it gets; None: nothing, for ever."""
        with self._lock:
            self.requests.append(request)
            number = len(self.requests) - 1
            return self.answers[number] if number < len(self.answers) else None


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, script: ScriptedHttp) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.script = script

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not believe our certificate goes away in mid-handshake: that is its test's affair."""


class _Connection(socketserver.StreamRequestHandler):
    disable_nagle_algorithm = True

    def setup(self) -> None:
        script = cast(_Server, self.server).script
        if script.tls:
            self.request.settimeout(10)
            self.request = script.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def handle(self) -> None:
        script = cast(_Server, self.server).script
        script.connected()
        served = 0
        with suppress(OSError):
            while served != script.close_after and (request := self._read()) is not None:
                said = script.next_answer(request)
                if said is None:
                    script.over.wait(60)
                    return
                script.over.wait(script.seconds)
                self.wfile.write(said)
                if said == HANG_UP or not _whole(said):
                    return
                served += 1

    def _read(self) -> Request | None:
        line = self.rfile.readline().decode().strip()
        if not line:
            return None
        fields: dict[str, str] = {}
        while (field := self.rfile.readline().decode().strip()) != "":
            name, _, value = field.partition(":")
            fields[name.lower()] = value.strip()
        return Request(line, fields, self.rfile.read(int(fields.get("content-length", "0"))))

    def finish(self) -> None:
        super().finish()
        with suppress(OSError):
            self.request.shutdown(socket.SHUT_RDWR)
        self.request.close()
        cast(_Server, self.server).script.closed.release()


def _whole(said: bytes) -> bool:
    """Whether the client can know where the answer ends: it keeps the connection then."""
    head, _, body = said.partition(b"\r\n\r\n")
    for field in head.lower().split(b"\r\n"):
        if field.startswith(b"content-length:"):
            return int(field.partition(b":")[2]) <= len(body)
        if field.startswith(b"transfer-encoding:"):
            return True
    return False
