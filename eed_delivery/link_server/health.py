"""Whether links are answered, at a port of its own. Readers, however many, do not delay it."""

import time
from collections.abc import Callable, Iterable
from wsgiref.types import StartResponse, WSGIEnvironment

from eed_delivery.link_server import answers

STALLED_SECONDS = 10.0
"""Without a sign of life the links are not answered. One comes at least every half second."""


class Health:
    """A WSGI application with `/healthz` alone.

    It answers 200 while `beat` is called, and 503 when it has not been of late.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beaten_at = clock()

    def beat(self) -> None:
        """A sign of life of what answers the links."""
        self._beaten_at = self._clock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        alive = self._clock() - self._beaten_at < STALLED_SECONDS
        known = environ.get("PATH_INFO") == "/healthz"
        answer = (answers.HEALTHY if alive else answers.STALLED) if known else answers.UNKNOWN
        start_response(answer.status, answer.headers())
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]
