"""A link that logs one user in, once. Only the demo has one: it is for a page that ends with it."""

import hmac
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from flask import Response

from eed_delivery.operations.actor import Actor
from eed_delivery.operators.cookies import SessionCookie
from eed_delivery.operators.parts import OperatorsParts

START = "/"
USED = "This link has been used. It works once.\n"
HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


@dataclass(frozen=True, slots=True)
class LoginLink:
    """The secret path of a link, and the user whom it logs in."""

    path: str
    user: str


class OneTimeLogin:
    """An application with such a link in front. All other paths are the application's own."""

    def __init__(self, application: WSGIApplication, parts: OperatorsParts, link: LoginLink) -> None:
        self._application = application
        self._parts = parts
        self._cookie = SessionCookie(parts)
        self._link = link
        self._used = threading.Lock()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO", ""))
        if not hmac.compare_digest(path.encode(), self._link.path.encode()):
            return self._application(environ, start_response)
        return self._answer(str(environ["REQUEST_METHOD"]))(environ, start_response)

    def _answer(self, method: str) -> Response:
        if method != "GET":  # a HEAD that looks whether the page is there must not use it up
            return Response("", 405, {**HEADERS, "Allow": "GET"})
        if not self._used.acquire(blocking=False):
            return Response(USED, 403, HEADERS, mimetype="text/plain")
        who = Actor(self._link.user, "page", self._parts.host, command="GET one-time link")
        try:
            session_id = self._parts.logging_in.begin(who)
        except BaseException:  # the database is away: the link was of no use
            self._used.release()
            raise
        answer = Response("", 303, {**HEADERS, "Location": START})
        self._cookie.give(answer, session_id)
        return answer
