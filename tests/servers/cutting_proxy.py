"""A TCP proxy that cuts or forgets connections: after so many bytes, or when an answer is about to come back.

    with CuttingProxy(server.port) as proxy:
        proxy.cut_after(100_000)          # bytes that clients have sent from now on
        proxy.lose_answer(after=2)        # two more answers come through, and the next one is lost
        proxy.lose_answer(beginning=b"HTTP/1.1 200")
        proxy.forget()                    # what is open now, as a NAT gateway does

It knows no protocol, so it works for encrypted ones too: an answer is what a server sends at once.
"""

import socket
import threading
from contextlib import suppress
from types import TracebackType


class CuttingProxy:
    """Listens on 127.0.0.1. Each order is for one cut."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._lock = threading.Lock()
        self._bytes_left: int | None = None
        self._answers_left: int | None = None
        self._beginning = b""
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._forgotten: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        self.accepted = 0
        self.dropped = 0
        """Bytes of connections that were forgotten, but for the end of a connection."""

    def __enter__(self) -> "CuttingProxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut_after(self, count: int) -> None:
        """Cut when clients have sent so many bytes more."""
        with self._lock:
            self._bytes_left = count

    def lose_answer(self, after: int = 0, beginning: bytes = b"") -> None:
        """Let so many answers through, and cut in place of the next one. What was asked is done. Only answers that
        begin so are counted."""
        with self._lock:
            self._answers_left, self._beginning = after, beginning

    def forget(self) -> None:
        """Drop what comes over the connections that are open now. Neither end is told, and new ones work."""
        self._forgotten.update(end for pair in self._pairs for end in pair)

    def cut(self) -> None:
        """Cut all connections now."""
        for pair in self._pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        self._pairs.clear()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target), timeout=30)
            except OSError:  # the server is away
                client.close()
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.accepted += 1
            self._pairs.append((client, server))
            for source, sink, answers in ((client, server, False), (server, client, True)):
                threading.Thread(target=self._pump, args=(source, sink, answers), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if source in self._forgotten:
                    self.dropped += len(data)
                    continue
                if self._is_to_be_cut(data, answers):
                    self.cuts += 1
                    break
                sink.sendall(data)
            if source in self._forgotten:
                return
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _is_to_be_cut(self, data: bytes, answers: bool) -> bool:
        with self._lock:
            if answers and self._answers_left is not None and data.startswith(self._beginning):
                self._answers_left -= 1
                if self._answers_left < 0:
                    self._answers_left = None
                    return True
            if not answers and self._bytes_left is not None:
                self._bytes_left -= len(data)
                if self._bytes_left < 0:
                    self._bytes_left = None
                    return True
            return False
