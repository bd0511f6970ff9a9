"""An HTTP server that alerts are posted to: it takes them, refuses them, redirects them, or never answers.

with AlertReceiver() as receiver:
    receiver.answers = [500, 500]        # then 200
    receiver.hang()
    receiver.wait_for(1)                 # alerts taken with a 2xx
"""

import contextlib
import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any


@dataclass(frozen=True)
class Posted:
    """One request: its path, its headers in lower case, its body as JSON, and what it was answered."""

    path: str
    headers: dict[str, str]
    alert: dict[str, Any]
    status: int


class AlertReceiver:
    """Listens on 127.0.0.1. `answers` are used up from the front; without one it says 200."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.location = ""
        self.posted: list[Posted] = []
        self.waiting = 0
        self._silent = False
        self._changed = threading.Condition()
        self._released = threading.Event()
        receiver = self

        class Handler(_Handler):
            server_of_alerts = receiver

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> "AlertReceiver":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
        self._http.shutdown()
        self._http.server_close()

    def hang(self) -> None:
        """Answer nothing any more, until `release`."""
        self._silent = True

    def release(self) -> None:
        """Answer again, those that wait too."""
        self._silent = False
        self._released.set()

    @property
    def taken(self) -> list[dict[str, Any]]:
        """The alerts that were taken, in order."""
        with self._changed:
            return [posted.alert for posted in self.posted if 200 <= posted.status <= 299]

    def wait_for(self, count: int, seconds: float = 60) -> list[dict[str, Any]]:
        """Wait until so many alerts were taken; returns them."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.taken_now()) >= count, seconds):
                raise AssertionError(f"{len(self.taken_now())} of {count} alerts in {seconds} s: {self.posted}")
        return self.taken

    def wait_until_asked(self, count: int, seconds: float = 60) -> None:
        """Wait until so many requests were answered in any way, or wait for an answer."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.posted) + self.waiting >= count, seconds):
                raise AssertionError(f"{len(self.posted)} of {count} requests in {seconds} s")

    def taken_now(self) -> list[Posted]:
        """As `taken`, for one who has the lock."""
        return [posted for posted in self.posted if 200 <= posted.status <= 299]

    def answer(self, path: str, headers: dict[str, str], alert: dict[str, Any]) -> int:
        """What to answer; waits where it is to hang."""
        with self._changed:
            status = self.answers.pop(0) if self.answers else 200
            self.waiting += 1
            self._changed.notify_all()
        if self._silent:
            self._released.wait()
        with self._changed:
            self.waiting -= 1
            self.posted.append(Posted(path, headers, alert, status))
            self._changed.notify_all()
        return status


class _Handler(BaseHTTPRequestHandler):
    server_of_alerts: AlertReceiver
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status = self.server_of_alerts.answer(self.path, headers, json.loads(body))
        self.send_response(status)
        if 300 <= status <= 399:
            self.send_header("Location", self.server_of_alerts.location)
        self.send_header("Content-Length", "2")
        self.end_headers()
        with contextlib.suppress(OSError):  # whoever asked has lost patience
            self.wfile.write(b"ok")
