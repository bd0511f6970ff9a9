"""An event of API Gateway as a request that the application may trust.

What the gateway says of the connection and of the caller is in `requestContext`. What clients say is in their headers,
and of those only the ones that the API reads are passed on. So no client can say who it is, or where it asks from.

Both formats: 2.0, and 1.0 as REST APIs have it.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from eed_delivery.aws_lambda.gateway_values import (
    NoRequest,
    OtherRoute,
    ascii_only,
    body,
    latin,
    mapping,
    optional,
    text,
    texts,
    without_halves,
)

PASSED_ON = frozenset(
    {
        *("accept", "authorization", "content-type", "idempotency-key", "if-match", "if-none-match"),
        *("origin", "sec-fetch-site", "x-request-id"),
    }
)
"""Headers that the API reads. No cookies: nobody logs in here."""
SIGNATURE = "aws4-"
"""How the header Authorization begins where the gateway has checked a signature. It is no token of ours."""
METHOD = re.compile(r"[A-Z]{1,20}")
DEFAULT_STAGE = "$default"
Headers = dict[str, str]


@dataclass(frozen=True, slots=True)
class GatewayRequest:
    """A checked request. `event` has only what the adapter needs.

    `iam_arn` is whom the gateway has authenticated by IAM. `prefix` is the stage's part of the path, below which the
    application is.
    """

    event: Mapping[str, Any]
    host: str
    source_ip: str
    content_type: str
    iam_arn: str | None
    prefix: str


def read_request(event: Any) -> GatewayRequest:
    """The request of an event. Raises `NoRequest`."""
    event = mapping(event, "the event")
    context = mapping(event.get("requestContext"), "requestContext")
    if "elb" in context:
        raise NoRequest("it comes from a load balancer, and this function is for API Gateway")
    version = event.get("version", "1.0")
    if version == "2.0":
        return _of_version_2(event, context)
    if version == "1.0":
        return _of_version_1(event, context)
    raise NoRequest("its version is neither 1.0 nor 2.0")


def _of_version_2(event: Mapping[str, Any], context: Mapping[str, Any]) -> GatewayRequest:
    http = mapping(context.get("http"), "requestContext.http")
    arn = optional(_within(_within(context, "authorizer"), "iam").get("userArn"))
    path, prefix = _without_stage(text(event.get("rawPath"), "rawPath"), context)
    _hold_to(optional(event.get("routeKey")), path)
    headers = _passed_on(_single(event), by_iam=arn is not None)
    clean = {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": ascii_only(optional(event.get("rawQueryString")) or ""),
        "headers": headers,
        "requestContext": {"http": {"method": _method(http.get("method")), "sourceIp": "", "protocol": "HTTP/1.1"}},
        **body(event),
    }
    source_ip = optional(http.get("sourceIp")) or ""
    return GatewayRequest(clean, _host(context), source_ip, headers.get("content-type", ""), arn, prefix)


def _of_version_1(event: Mapping[str, Any], context: Mapping[str, Any]) -> GatewayRequest:
    identity = _within(context, "identity")
    arn = optional(identity.get("userArn"))
    path, prefix = _without_stage(text(event.get("path"), "path"), context)
    _hold_to(optional(event.get("resource")), path)
    given = _single(event) if event.get("multiValueHeaders") is None else _several(event)
    headers = _passed_on(given, by_iam=arn is not None)
    clean = {
        "version": "1.0",
        "path": path,
        "httpMethod": _method(event.get("httpMethod")),
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "multiValueQueryStringParameters": dict(_query(event)),
        **body(event),
    }
    source_ip = optional(identity.get("sourceIp")) or ""
    return GatewayRequest(clean, _host(context), source_ip, headers.get("content-type", ""), arn, prefix)


def _hold_to(route: str | None, path: str) -> None:
    """An escaped slash in a key makes another path of it for the application, which the gateway has not let in."""
    if route is None or "+}" in route or "/" not in route:  # $default, or all below a path
        return
    if unquote(path).count("/") != route[route.index("/") :].count("/"):
        raise OtherRoute("its path is not of the route that API Gateway let in")


def _within(outer: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An object that may be absent."""
    found = outer.get(name)
    return found if isinstance(found, Mapping) else {}


def _method(value: Any) -> str:
    if not isinstance(value, str) or not METHOD.fullmatch(value):
        raise NoRequest("its method is none")
    return value


def _host(context: Mapping[str, Any]) -> str:
    return ascii_only(optional(context.get("domainName")) or "api.invalid")


def _without_stage(path: str, context: Mapping[str, Any]) -> tuple[str, str]:
    """The path below the stage, and the stage's own part.

    A stage with a name precedes the path under the API's own domain. In format 1.0 it may be left out of `path`, and
    is in `requestContext.path` then.
    """
    if not path.startswith("/"):
        raise NoRequest("its path does not begin with /")
    stage, api = optional(context.get("stage")), optional(context.get("apiId"))
    prefix = f"/{ascii_only(stage or '')}"
    ours = api is not None and (optional(context.get("domainName")) or "").startswith(f"{api}.")
    if stage in (None, DEFAULT_STAGE) or not ours:
        return ascii_only(path), ""
    if context.get("path") == f"{prefix}{path}":
        return ascii_only(path), prefix
    if path == prefix or path.startswith(f"{prefix}/"):
        return ascii_only(path[len(prefix) :] or "/"), prefix
    return ascii_only(path), ""


def _single(event: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for name, value in mapping(event.get("headers") or {}, "headers").items():
        yield text(name, "the name of a header"), [text(value, "the value of a header")]


def _several(event: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    for name, values in mapping(event["multiValueHeaders"], "multiValueHeaders").items():
        yield text(name, "the name of a header"), texts(values, "a header")


def _passed_on(given: Iterator[tuple[str, list[str]]], *, by_iam: bool) -> Headers:
    """Those that the API reads. Two spellings of one name are two values, and so none is lost in silence."""
    found: dict[str, list[str]] = {}
    for name, values in given:
        low = name.lower()
        signed = by_iam or any(value.lower().startswith(SIGNATURE) for value in values)
        if low in PASSED_ON and not (low == "authorization" and signed):
            found.setdefault(low, []).extend(map(latin, values))
    return {name: ",".join(values) for name, values in found.items()}


def _query(event: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
    several = event.get("multiValueQueryStringParameters")
    if several is None:
        for name, value in mapping(event.get("queryStringParameters") or {}, "queryStringParameters").items():
            yield without_halves(text(name, "a parameter")), [without_halves(text(value, "a parameter"))]
        return
    for name, values in mapping(several, "multiValueQueryStringParameters").items():
        yield without_halves(text(name, "a parameter")), list(map(without_halves, texts(values, "a parameter")))
