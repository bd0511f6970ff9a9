"""One POST to the configured URL, and to no other. No redirect is followed, and nothing can make it last."""

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.response import HTTPResponse
from urllib3.util import parse_url

from eed_delivery.webhooks.signing import WebhookSigner

MOST_BYTES = 16_384
"""Octets of an answer's body that are read, for people only."""
SHOWN_CHARS = 200
USER_AGENT = "eed-delivery"
OUT_THERE = (HTTPError, http.client.HTTPException, OSError)
"""What can go wrong on the way: urllib3's errors, the standard library's below it, sockets and TLS."""


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """What came back. `status` is HTTP's, None where nothing answered. `words` are for people."""

    status: int | None
    words: str


class WebhookEndpoint:
    """Sends to one URL, over a connection of its own. It is for one thread. A faulty endpoint raises nothing."""

    def __init__(self, url: str, signer: WebhookSigner, timeout_seconds: float, ca_file: Path | None = None) -> None:
        self._url = parse_url(url)
        self._signer = signer
        self._timeout = timeout_seconds
        # The system's authorities, or the file's in their place; names are checked.
        self._context = ssl.create_default_context(cafile=ca_file) if self._url.scheme == "https" else None
        self._connection: HTTPConnection | None = None

    def post(self, message_id: str, body: bytes) -> WebhookAnswer:
        """Send it.

        A kept connection that has died meanwhile is opened again. The message may be sent twice, but must be sent.
        """
        kept = self._connection is not None
        try:
            return self._post(message_id, body)
        except TimeoutError:
            self.close()
            return WebhookAnswer(None, f"no answer within {self._timeout:g} s")
        except OUT_THERE as error:
            self.close()
            if not kept:
                return WebhookAnswer(None, _shown(f"{type(error).__name__}: {error}"))
        return self.post(message_id, body)

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _post(self, message_id: str, body: bytes) -> WebhookAnswer:
        headers = {
            "content-type": "application/json",
            "user-agent": USER_AGENT,
            **self._signer.headers(message_id, body, time.time()),
        }
        connection = self._connection = self._connection or self._new_connection()
        with _cut_off_after(self._timeout, connection) as late:
            connection.request("POST", self._url.request_uri, body, headers, preload_content=False)
            response = connection.getresponse()
            if late.is_set():  # the end that we made is not the answer's
                raise TimeoutError
            return WebhookAnswer(response.status, _redirect(response) or self._read(response))

    def _new_connection(self) -> HTTPConnection:
        host = self._url.host or ""
        if self._context is None:
            return HTTPConnection(host.strip("[]"), self._url.port or 80, timeout=self._timeout)
        return HTTPSConnection(
            host.strip("[]"), self._url.port or 443, timeout=self._timeout, ssl_context=self._context
        )

    def _read(self, response: HTTPResponse) -> str:
        """The beginning of the body. The status is known already, and no error here changes it."""
        try:
            content = response.read(MOST_BYTES + 1, decode_content=False)
        except OUT_THERE:
            content = b""
            self.close()
        if len(content) > MOST_BYTES:  # what is left of it would be taken for the next answer
            self.close()
        return _shown(content.decode("utf-8", "replace"))


def _redirect(response: HTTPResponse) -> str:
    if not 300 <= response.status < 400:
        return ""
    return _shown(f"a redirect, which is not followed, to {response.headers.get('location', '')}")


@contextmanager
def _cut_off_after(seconds: float, connection: HTTPConnection) -> Iterator[threading.Event]:
    """A socket's timeout is for each piece that comes. An endpoint that sends a byte now and then would never time out.
    Gives whether it was cut off. What then breaks becomes a TimeoutError."""
    late = threading.Event()

    def cut_off() -> None:
        late.set()
        sock = connection.sock
        if sock is not None:
            with suppress(OSError):  # it has ended by itself
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # below TLS, whose own end waits for the other side

    timer = threading.Timer(seconds, cut_off)
    timer.daemon = True
    timer.start()
    try:
        yield late
    except OUT_THERE as error:
        if late.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()


def _shown(text: str) -> str:
    """One short line without anything that a terminal would act on."""
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else "·" for c in line)[:SHOWN_CHARS]
