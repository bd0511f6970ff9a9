"""Kept connections to one endpoint, which many threads share. Errors are botocore's, with one exception.

botocore raises the same errors for a TLS handshake that fails and for an answer that does not come. A caller that must
not send twice has to know which it was. Here the class of the error says whether anything may have left.
"""

import select
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import (
    BotoCoreError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ReadTimeoutError,
    SSLError,
)
from botocore.httpsession import get_cert_path

from eed_delivery.aws.calls.http_answers import HttpAnswer, UnreadableAnswer, read_answer
from eed_delivery.runtime.idle_time import IdleTime

PORTS = {"http": 80, "https": 443}


class NotSecured(BotoCoreError):
    """The TLS handshake failed, and no request has left."""

    fmt = "TLS failed before anything was sent to {endpoint_url}: {error}"


@dataclass(frozen=True)
class HttpSettings:
    """What botocore makes its own HTTP session of, under its names.

    `timeout` is the seconds to connect, and to wait for more of an answer. `verify` is True, the file of the trusted
    authorities, or False.
    """

    timeout: tuple[float, float]
    proxies: Mapping[str, str]
    verify: bool | str
    max_pool_connections: int
    socket_options: Any = None
    client_cert: Any = None
    proxies_config: Any = None

    def direct(self, url: str) -> bool:
        """Whether botocore would use no proxy, and no certificate of ours."""
        return not self.proxies.get(urlsplit(url).scheme) and not self.client_cert


class Connections:
    """One connection for each exchange at a time. Up to `max_pool_connections` of them stay open.

    One that was idle for longer than `max_idle_seconds` is not used again (`runtime.idle_time` says why).
    """

    def __init__(self, url: str, settings: HttpSettings, max_idle_seconds: float) -> None:
        parts = urlsplit(url)
        self._url = url
        self._host, self._port = parts.hostname or "", parts.port or PORTS[parts.scheme]
        self._connect_timeout, self._read_timeout = settings.timeout
        self._kept = settings.max_pool_connections
        self._max_idle_seconds = max_idle_seconds
        self._context = _context(settings.verify) if parts.scheme == "https" else None
        self._idle: list[_Connection] = []  # the last one used is the first one taken; append and pop are atomic

    def exchange(self, request: bytes) -> HttpAnswer:
        """Send it and read the answer. Nothing is tried twice.

        Raises `EndpointConnectionError`, `ConnectTimeoutError` or `NotSecured` where nothing of it has left. Raises
        `ReadTimeoutError`, `SSLError` or `ConnectionClosedError` where it may have arrived, or a part of it.
        """
        connection = self._take() or self._open()
        stays = False
        try:
            answer = connection.exchange(request)
            stays = answer.kept and len(self._idle) < self._kept
            return answer
        except TimeoutError as error:
            raise ReadTimeoutError(endpoint_url=self._url, error=error) from error
        except ssl.SSLError as error:
            raise SSLError(endpoint_url=self._url, error=error) from error
        except (OSError, UnreadableAnswer) as error:
            raise ConnectionClosedError(endpoint_url=self._url, error=error) from error
        finally:
            if stays:
                connection.idle.used()
                self._idle.append(connection)
            else:
                connection.close()

    def _take(self) -> "_Connection | None":
        """One that is still open, as far as can be known."""
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.silent() and not connection.idle.exceeds(self._max_idle_seconds):
                return connection
            connection.close()

    def _open(self) -> "_Connection":
        try:
            plain = socket.create_connection((self._host, self._port), self._connect_timeout)
        except TimeoutError as error:
            raise ConnectTimeoutError(endpoint_url=self._url, error=error) from error
        except OSError as error:
            raise EndpointConnectionError(endpoint_url=self._url, error=error) from error
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected = self._secured(plain, self._context) if self._context else plain
        connected.settimeout(self._read_timeout)
        return _Connection(connected)

    def _secured(self, plain: socket.socket, context: ssl.SSLContext) -> socket.socket:
        try:
            return context.wrap_socket(plain, server_hostname=self._host)
        except OSError as error:  # TLS's own errors and timeouts too
            plain.close()
            raise NotSecured(endpoint_url=self._url, error=error) from error


class _Connection:
    """One connection, for one exchange at a time."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self.idle = IdleTime()
        self._poll = select.poll()
        self._poll.register(connected, select.POLLIN)

    def silent(self) -> bool:
        """Whether nothing has arrived after the last exchange. Unrequested bytes mean the connection's end."""
        return not self._poll.poll(0)

    def exchange(self, request: bytes) -> HttpAnswer:
        # A server may answer and close before it has read everything; the answer can be read all the same.
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(request)
        with self._socket.makefile("rb") as stream:  # of its own: what is read too much must not begin the next answer
            return read_answer(stream)

    def close(self) -> None:
        self._socket.close()


def _context(verify: bool | str) -> ssl.SSLContext:
    """TLS as botocore has it, with the authorities of its own bundle and the name checked."""
    if verify is False:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    return ssl.create_default_context(cafile=get_cert_path(verify))  # type: ignore[arg-type]  # it takes files too
