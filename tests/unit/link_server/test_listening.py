"""The server's place: taken by somebody else it is waited for, and while it answers its pulse is heard."""

import http.client
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from structlog.testing import capture_logs

from eed_delivery.link_server.endpoint import LinkEndpoint
from eed_delivery.link_server.server import HttpLimits, WebServer, serve
from tests.servers import free_port
from tests.unit.link_server.test_endpoint import LINKS
from tests.waiting import until

PATIENCE = 30


@contextmanager
def ending(work: threading.Thread, stop: threading.Event) -> Iterator[None]:
    try:
        yield
    finally:
        stop.set()
        work.join(PATIENCE)


def test_a_port_that_is_taken_is_waited_for() -> None:
    stop, beats, port = threading.Event(), [0], free_port()
    endpoint = LinkEndpoint(LINKS, lambda _: None, lambda _: None, lambda _: None)

    def beat() -> None:
        beats[0] += 1

    work = threading.Thread(target=serve, args=(endpoint, "127.0.0.1", port, stop, beat, 0.1))
    with capture_logs() as logs, ending(work, stop):
        with socket.create_server(("127.0.0.1", port)):
            work.start()
            until(lambda: beats[0] > 1)
        until(lambda: logs[-1]["event"] == "web_listened_for")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()
        heard = beats[0]
        until(lambda: beats[0] > heard)
    assert not work.is_alive()
    assert logs[0]["event"] == "web_not_listened_for"
    assert (logs[0]["port"], logs[0]["log_level"]) == (port, "error")


def test_a_stop_ends_the_wait_for_a_port() -> None:
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as other:
        place = other.getsockname()
        work = threading.Thread(target=serve, args=(None, *place, stop, lambda: None, 3600))
        work.start()
        stop.set()
        work.join(PATIENCE)
    assert not work.is_alive()


def test_requests_that_wait_for_a_thread_are_no_lines_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A flood of requests must not be a flood of lines."""
    busy, stop = threading.Event(), threading.Event()

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        busy.wait(PATIENCE)
        start_response("204 No Content", [])
        return []

    server = WebServer(application, "127.0.0.1", 0, HttpLimits(threads=1))
    work = threading.Thread(target=server.run, args=(stop,))
    with caplog.at_level(logging.WARNING), ending(work, stop):
        work.start()
        readers = [socket.create_connection(("127.0.0.1", server.port), PATIENCE) for _ in range(5)]
        for reader in readers:
            reader.sendall(b"GET / HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n")
        until(lambda: len(server._server.task_dispatcher.queue) == len(readers) - 1)
        busy.set()
        for reader in readers:
            assert reader.recv(12) == b"HTTP/1.1 204"
            reader.close()
    assert not caplog.records
