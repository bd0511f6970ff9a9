"""The Flask application around pages and API: who asks, whether they may, and the headers of each answer."""

import math
import re
import secrets
import time
from collections.abc import Callable
from typing import Any, cast

import structlog
from flask import Flask, Response, g, redirect, request
from jinja2 import StrictUndefined
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from eed_delivery.access.callers import Caller, NoRole, NotKnown
from eed_delivery.access.request_rates import RateState
from eed_delivery.access.same_origin import SAFE_METHODS, is_foreign
from eed_delivery.metrics import observing
from eed_delivery.operations.actor import Actor
from eed_delivery.operators.cookies import SessionCookie
from eed_delivery.operators.parts import OperatorsParts, PersonsOperations
from eed_delivery.operators.peers import Peers
from eed_delivery.operators.problems import MEDIA_TYPE, HttpProblem, problem_of
from eed_delivery.operators.routes import LARGEST_BODY, OPEN, command_of, right_of
from eed_delivery.operators.server import MAX_BODY
from eed_delivery.untrusted import json_text

log = structlog.get_logger(__name__)

API = "/api/"
METRICS = "/metrics"
KNOWN_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
LOGIN = "/login"
IAM_ARN = "eed_delivery.iam_arn"
"""A key of the WSGI environment that no header can have: whom API Gateway has authenticated. A function sets it."""
SESSION_SECONDS = "X-Session-Seconds"
"""The header that says in how many seconds a session ends."""
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
AWAY = "The database or the queue does not answer as it should."
"""For whom it is not known who they are."""
CHALLENGE = {"WWW-Authenticate": 'Bearer realm="eed-delivery"'}


class Shell:
    """Guards one application."""

    def __init__(self, app: Flask, parts: OperatorsParts) -> None:
        self._app = app
        self._parts = parts
        self._peers = Peers(parts.settings.trusted_proxy)
        self.cookie = SessionCookie(parts)
        self.as_page: Callable[[HttpProblem], Response] | None = None
        """How an error looks in a browser."""
        self._headers = dict(HEADERS)
        if parts.settings.origin.startswith("https://"):
            self._headers["Strict-Transport-Security"] = "max-age=31536000"
        app.url_map.merge_slashes = False
        app.url_map.strict_slashes = True
        app.jinja_env.undefined = StrictUndefined
        app.before_request(self._admit)
        app.after_request(self._dress)
        app.register_error_handler(Exception, self._explain)

    def _admit(self) -> Response | None:
        g.request_id, g.began = _request_id(), time.perf_counter()
        g.address = self._peers.client(request.remote_addr or "", request.headers.get("X-Forwarded-For"))
        if not self._peers.may_connect(request.remote_addr or ""):
            raise HttpProblem(403, "foreign_host", "This host may not connect.", "See operators.trusted_proxy.")
        self._bound_body()
        if request.endpoint is None:  # no such page, or not with this method
            return None
        if is_foreign(request.method, request.headers, self._parts.settings.origin):
            raise HttpProblem(403, "foreign_site", "Another site's page has made this request.")
        right = right_of(self._app, request.endpoint)
        caller = None if right is OPEN else self._caller()
        if right is OPEN:
            return None
        if caller is None:
            return self._ask_who()
        if not caller.is_person:
            self._count(caller)
        if not caller.may(right):
            what = f"This needs the right {right.value}, which {caller.name} does not have."
            raise HttpProblem(403, "no_right", what, "Ask an admin for it.", facts={"right": right.value})
        g.caller, g.operations = caller, self._parts.operations(self._actor(caller))
        return None

    def _bound_body(self) -> None:
        """The server takes the largest body of all routes. Each route has a limit of its own."""
        view = self._app.view_functions.get(request.endpoint or "")
        request.max_content_length = request.max_form_memory_size = limit = getattr(view, LARGEST_BODY, MAX_BODY)
        if (request.content_length or 0) > limit:
            raise RequestEntityTooLarge(f"The body has more than {limit:,} bytes.")

    def _caller(self) -> Caller | None:
        try:
            by_person = request.method not in SAFE_METHODS or "HX-Request" not in request.headers
            session_id, iam_arn = self.cookie.session_id(request), request.environ.get(IAM_ARN)
            return self._parts.callers.of(request.headers, session_id, by_person=by_person, iam_arn=iam_arn)
        except NotKnown as error:
            raise HttpProblem(401, "not_known", str(error), headers=CHALLENGE) from error
        except NoRole as error:
            do = f"Give it a role in {error.setting}."
            raise HttpProblem(403, "no_role", f"{error} has no role here.", do) from error

    def _ask_who(self) -> Response:
        if request.path.startswith((API, METRICS)):
            do = "Send an API token: Authorization: Bearer eed_…"
            raise HttpProblem(401, "not_known", "It is not known who asks.", do, headers=CHALLENGE)
        if request.method not in SAFE_METHODS or "HX-Request" in request.headers:
            raise HttpProblem(401, "not_known", "Nothing was done.", "Log in.", headers=CHALLENGE)
        return cast("Response", redirect(LOGIN, 303))

    def _count(self, caller: Caller) -> None:
        g.rate = state = self._parts.rates.count(caller.name)
        if state.wait:
            wait = str(int(state.wait) + 1)
            what = f"{caller.name} has made more than {self._parts.rates.per_minute} requests in a minute."
            raise HttpProblem(429, "too_many", what, headers={"Retry-After": wait})

    def _actor(self, caller: Caller) -> Actor:
        surface = "api" if request.path.startswith(API) else "page"
        session = f" (session {caller.session_name})" if caller.session_name else ""
        command = f"{request.method} {request.path}{session}"
        return Actor(caller.name, surface, self._parts.host, command=command)  # type: ignore[arg-type]

    def _dress(self, response: Response) -> Response:
        for name, value in self._headers.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Cache-Control", "no-store")
        response.headers["X-Request-Id"] = g.get("request_id", "")
        route = request.url_rule.rule if request.url_rule else "(none)"  # never the path: it has a key in it
        method = request.method if request.method in KNOWN_METHODS else "(other)"
        observing.count("eed_http_requests_total", route, method, str(response.status_code))
        observing.observe("eed_http_seconds", time.perf_counter() - g.get("began", time.perf_counter()))
        caller: Caller | None = g.get("caller")
        if caller is not None and caller.session_left is not None:
            response.headers[SESSION_SECONDS] = str(int(caller.session_left))
        rate: RateState | None = g.get("rate")
        if rate is not None:  # https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
            response.headers["RateLimit-Policy"] = f'"token";q={self._parts.rates.per_minute};w=60'
            response.headers["RateLimit"] = f'"token";r={rate.left};t={math.ceil(rate.full_in)}'
        return response

    def _explain(self, error: Exception) -> Response:
        if isinstance(error, HTTPException) and error.response is not None:
            return cast("Response", error.response)
        if isinstance(error, HTTPException):
            problem: HttpProblem | None = _of_http(error)
        else:
            problem = problem_of(error)
        if problem is None:
            route = request.url_rule.rule if request.url_rule else ""
            log.exception("operators_request_failed", route=route, request_id=g.get("request_id"))
            do = "The log has more about it under this request's id."
            problem = HttpProblem(500, "defect", "This is a defect of the service.", do)
        if problem.status == 503 and "caller" not in g:
            problem.detail = AWAY  # the server's own words name hosts, accounts and tables
        if request.endpoint and not problem.command and problem.status not in (401, 403, 429):
            problem.command = command_of(self._app, request.endpoint, request.view_args or {})
        return self.as_page(problem) if self.as_page and _is_for_a_browser() else answer_of(problem)


def _is_for_a_browser() -> bool:
    """Whether the answer is looked at. The API, and whoever does not ask for HTML by name, gets problem+json."""
    return not request.path.startswith(API) and "text/html" in request.headers.get("Accept", "")


def _of_http(error: HTTPException) -> HttpProblem:
    """What Flask and Werkzeug refuse by themselves."""
    status = error.code or 500
    kinds = {404: "unknown", 405: "not_allowed", 413: "too_large", 415: "wrong_type", 400: "malformed"}
    headers = {name: value for name, value in error.get_headers() if name == "Allow"}
    words = {404: "There is no such page.", 405: "There is no such method here."}
    detail = words.get(status, error.description or error.name)
    return HttpProblem(status, kinds.get(status, "refused"), detail, headers=headers)


def answer_of(problem: HttpProblem) -> Response:
    """A problem as an answer."""
    return json_answer(problem.body(g.get("request_id", "")), problem.status, dict(problem.headers), MEDIA_TYPE)


def json_answer(
    data: Any, status: int = 200, headers: dict[str, str] | None = None, media_type: str = "application/json"
) -> Response:
    """JSON in which nothing can move a cursor."""
    return Response(json_text(data, default=str), status, headers, mimetype=media_type)


def _request_id() -> str:
    given = request.headers.get("X-Request-Id", "")
    return given if REQUEST_ID.fullmatch(given) else secrets.token_hex(16)


def caller_now() -> Caller:
    """Who asks."""
    return cast("Caller", g.caller)


def operations_now() -> PersonsOperations:
    """What the one who asks can ask and decide."""
    return cast("PersonsOperations", g.operations)
