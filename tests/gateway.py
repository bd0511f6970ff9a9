"""Requests as API Gateway hands them to a function, in both formats, and what it makes of the answers.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

ACCOUNT = "123456789012"
API = "a1b2c3d4e5"
DOMAIN = f"{API}.execute-api.eu-central-1.amazonaws.com"
SOURCE_IP = "203.0.113.7"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/delivery-server"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/delivery-server/i-0123456789abcdef0"
NONE: Mapping[str, str] = {}


def version_2(
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] = NONE,
    *,
    query: str = "",
    stage: str = "$default",
    iam: str | None = None,
) -> dict[str, Any]:
    """Of an HTTP API. `iam` is who has signed the request."""
    prefix = "" if stage == "$default" else f"/{stage}"
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": prefix + path,
        "rawQueryString": query,
        "headers": {"host": DOMAIN, "x-forwarded-for": SOURCE_IP, **headers},
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API,
            "domainName": DOMAIN,
            "domainPrefix": API,
            "http": {
                "method": method,
                "path": prefix + path,
                "protocol": "HTTP/1.1",
                "sourceIp": SOURCE_IP,
                "userAgent": "agent",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "stage": stage,
        },
        "isBase64Encoded": body is not None,
    }
    if iam is not None:
        event["requestContext"]["authorizer"] = {"iam": {"accountId": ACCOUNT, "userArn": iam, "userId": "AIDA:x"}}
    if body is not None:
        event["body"] = base64.b64encode(body).decode()
    return event


def version_1(
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] = NONE,
    *,
    query: str = "",
    stage: str = "prod",
    iam: str | None = None,
) -> dict[str, Any]:
    """Of a REST API, whose stage is not in `path`."""
    given = {"Host": DOMAIN, "X-Forwarded-For": SOURCE_IP, **headers}
    several = parse_qs(query, keep_blank_values=True)
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": given,
        "multiValueHeaders": {name: [value] for name, value in given.items()},
        "queryStringParameters": {name: values[-1] for name, values in several.items()} or None,
        "multiValueQueryStringParameters": several or None,
        "pathParameters": {"proxy": path.removeprefix("/")},
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API,
            "domainName": DOMAIN,
            "httpMethod": method,
            "path": f"/{stage}{path}",
            "stage": stage,
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "identity": {"sourceIp": SOURCE_IP, "userArn": iam, "accountId": ACCOUNT if iam else None},
        },
        "body": None if body is None else base64.b64encode(body).decode(),
        "isBase64Encoded": body is not None,
    }


FORMATS = {"2.0": version_2, "1.0": version_1}


@dataclass(frozen=True, slots=True)
class GatewayAnswer:
    """What a client gets. The names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def as_client_gets_it(answer: Any) -> GatewayAnswer:
    """An answer as the gateway writes it. Fails for one that it would not take."""
    written = json.loads(json.dumps(answer))  # the runtime writes JSON
    headers = dict(written.get("headers") or {})
    for name, values in (written.get("multiValueHeaders") or {}).items():
        assert all(isinstance(value, str) for value in values)
        headers[name] = ", ".join(values)
    assert isinstance(written["statusCode"], int)
    assert all(isinstance(value, str) for value in headers.values())
    body = written.get("body", "")
    octets = base64.b64decode(body, validate=True) if written.get("isBase64Encoded") else body.encode()
    return GatewayAnswer(written["statusCode"], {name.lower(): value for name, value in headers.items()}, octets)
