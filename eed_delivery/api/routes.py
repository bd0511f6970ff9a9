"""How a route of the API is declared, and which requests are refused before it.

flask-openapi3 is used here and in `openapi` alone. What it lets pass: an unknown parameter of a route that has none, a
second value of a parameter that takes one, and a body that is no JSON.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar, get_type_hints

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel

from eed_delivery.operators.problems import MEDIA_TYPE, HttpProblem
from eed_delivery.operators.routes import COMMAND, LARGEST_BODY, OPEN, RouteRight, needs
from eed_delivery.operators.server import MAX_BODY

PREFIX = "/api/v1"
View = TypeVar("View", bound=Callable[..., Response])
MOST_VALUES = 10_000
"""Limit: values of a large body of JSON, which take many times their size in memory. A long text is one value."""
_BETWEEN_VALUES = (b",", b"[", b"{")

_SCHEMA = {"$ref": "#/components/schemas/ProblemModel"}
_PROBLEMS = {
    "400": "The request is malformed.",
    "401": "It is not known who asks.",
    "403": "The right for it is missing.",
    "404": "There is no such thing.",
    "405": "There is no such method here.",
    "409": "Its state does not allow it.",
    "412": "It has changed since it was seen.",
    "413": "The body is too large.",
    "415": "The body is not JSON.",
    "422": "The request does not fit.",
    "428": "A header is missing: If-Match or Idempotency-Key.",
    "429": "Too many requests.",
    "500": "A defect of the service.",
    "503": "The database or the queue is away.",
}
_OF_READS = ("400", "401", "403", "404", "422", "429", "500", "503")
_OF_ACTS = ("400", "401", "403", "404", "409", "412", "413", "415", "422", "428", "429", "500", "503")


def problem_answers(statuses: Sequence[str]) -> dict[str, Any]:
    """Errors as the description of the API has them."""
    return {
        status: {"description": _PROBLEMS[status], "content": {MEDIA_TYPE: {"schema": _SCHEMA}}} for status in statuses
    }


@dataclass(frozen=True, slots=True)
class LargeBody:
    """A body that the view itself reads, with its size in bytes and its schema by media type. The answer may be 201."""

    largest: int
    content: Mapping[str, Any]


class ApiRoutes:
    """The routes of one subject."""

    def __init__(self, name: str, description: str, prefix: str = PREFIX) -> None:
        self._tag = Tag(name=name, description=description)
        self._prefix = prefix
        self._declared: list[Callable[[APIBlueprint], object]] = []

    def blueprint(self, *, described: bool) -> APIBlueprint:
        """All of them, to be registered. To be `described` takes most of the time: a schema is made of each model."""
        blueprint = APIBlueprint(
            self._tag.name,
            __name__,
            url_prefix=self._prefix,
            abp_tags=[self._tag],
            operation_id_callback=_operation_id,
            doc_ui=described,
        )
        for declare in self._declared:
            declare(blueprint)
        return blueprint

    def get(
        self,
        path: str,
        right: RouteRight,
        answer: type[BaseModel],
        command: str = "",
        errors: Sequence[str] = _OF_READS,
        *,
        away: type[BaseModel] | None = None,
    ) -> Callable[[View], View]:
        """A route that reads. `away` is what it answers with 503, if that is no problem."""
        return self._route("get", path, right, answer, command, errors, away=away)

    def post(
        self,
        path: str,
        right: RouteRight,
        answer: type[BaseModel],
        command: str = "",
        accepted: type[BaseModel] | None = None,
        *,
        taken: LargeBody | None = None,
    ) -> Callable[[View], View]:
        """A route that acts. `accepted` is what it answers where the act is not done yet. `taken` describes a body that
        is larger than those of others, or of several kinds."""
        return self._route("post", path, right, answer, command, _OF_ACTS, accepted, taken)

    def put(self, path: str, right: RouteRight, answer: type[BaseModel], command: str = "") -> Callable[[View], View]:
        """A route that sets something."""
        return self._route("put", path, right, answer, command, _OF_ACTS)

    def delete(
        self, path: str, right: RouteRight, answer: type[BaseModel], command: str = ""
    ) -> Callable[[View], View]:
        """A route that takes something away."""
        return self._route("delete", path, right, answer, command, _OF_ACTS)

    def _route(
        self,
        method: str,
        path: str,
        right: RouteRight,
        answer: type[BaseModel],
        command: str,
        errors: Sequence[str],
        accepted: type[BaseModel] | None = None,
        taken: LargeBody | None = None,
        away: type[BaseModel] | None = None,
    ) -> Callable[[View], View]:
        """`command` is the command line that does the same, with the names of the path in braces."""
        security: list[dict[str, list[str]]] = [] if right is OPEN else [{"token": []}]
        later: dict[str, Any] = {} if accepted is None else {"202": accepted}
        made: dict[str, Any] = {} if taken is None else {"201": answer}
        responses: dict[str, Any] = {"200": answer, **made, **later, **problem_answers(errors)}
        if away is not None:
            responses["503"] = away

        def register(view: View) -> View:
            further: dict[str, Any] = (
                {"openapi_extensions": {"x-command": f"eed-delivery {command}"}} if command else {}
            )
            checked = needs(right)(_checked(view))
            setattr(checked, COMMAND, command)
            if taken is not None:
                further["openapi_extensions"]["requestBody"] = {"required": True, "content": taken.content}
                setattr(checked, LARGEST_BODY, taken.largest)
            self._declared.append(
                lambda blueprint: getattr(blueprint, method)(
                    path, responses=responses, security=security or None, **further
                )(checked)
            )
            return view

        return register


def _operation_id(*, name: str, path: str, method: str) -> str:  # noqa: ARG001 - flask-openapi3 names these arguments
    return name


def _checked(view: View) -> View:
    """A view that is reached only by a request with known parameters and well-formed JSON."""
    hints = get_type_hints(view)
    query: type[BaseModel] | None = hints.get("query")
    known = {} if query is None else {name: field.annotation for name, field in query.model_fields.items()}
    many = {name for name, annotation in known.items() if "list" in str(annotation)}
    marked = _Checks(frozenset(known), frozenset(many), "body" in hints)

    @wraps(view)
    def checked(**given: Any) -> Response:
        return view(**given)

    checked.checks = marked  # type: ignore[attr-defined]
    return checked  # type: ignore[return-value]


class _Checks:
    """What a route takes."""

    def __init__(self, known: frozenset[str], many: frozenset[str], has_body: bool) -> None:
        self._known = known
        self._many = many
        self._has_body = has_body

    def run(self) -> None:
        """Raises `HttpProblem`."""
        errors = [
            {"pointer": f"/{name}", "detail": "There is no such parameter."}
            for name in request.args
            if name not in self._known
        ]
        errors += [
            {"pointer": f"/{name}", "detail": "It is given more than once."}
            for name, values in request.args.lists()
            if name in self._known - self._many and len(values) > 1
        ]
        if errors:
            raise HttpProblem(422, "invalid", "The request does not fit. See errors.", errors=errors)
        if self._has_body:
            _check_json()


def _check_json() -> None:
    if request.mimetype != "application/json":
        raise HttpProblem(415, "wrong_type", "The body must be JSON.", "Send Content-Type: application/json.")
    text = request.get_data()
    if len(text) > MAX_BODY and sum(map(text.count, _BETWEEN_VALUES)) > MOST_VALUES:
        raise HttpProblem(
            413, "too_large", f"A body of more than {MAX_BODY:,} bytes has {MOST_VALUES:,} values at most."
        )
    try:
        json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise HttpProblem(400, "malformed", f"The body is not JSON: {error}.") from error


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def check_request(view: Callable[..., Any] | None) -> None:
    """Refuse what the library would let pass. To be called before it validates. Raises `HttpProblem`."""
    checks = getattr(view, "checks", None)
    if isinstance(checks, _Checks):
        checks.run()
