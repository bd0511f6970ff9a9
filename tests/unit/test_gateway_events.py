"""Events of API Gateway, arbitrary ones too: a request that WSGI takes, or a reason."""

import base64
from typing import Any

import pytest
from apig_wsgi import make_lambda_handler
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.access.iam_callers import IamCallers
from eed_delivery.access.rights import Right
from eed_delivery.aws_lambda.gateway_events import read_request
from eed_delivery.aws_lambda.gateway_values import NoRequest, OtherRoute
from eed_delivery.config.operators import IAM_CALLER, IamGrantSettings, OperatorsSettings, RightName
from tests.event_source import TimeLeft
from tests.gateway import ACCOUNT, DOMAIN, FORMATS, ROLE, SESSION

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
"""With halves of surrogate pairs, which JSON can have."""
TEXT = st.text(st.characters(), max_size=20)
PLACES = (
    *(("rawPath",), ("rawQueryString",), ("headers",), ("body",), ("isBase64Encoded",), ("version",), ("path",)),
    *(("httpMethod",), ("multiValueHeaders",), ("multiValueQueryStringParameters",), ("queryStringParameters",)),
    *(("requestContext",), ("requestContext", "http"), ("requestContext", "http", "method")),
    *(("requestContext", "identity"), ("requestContext", "authorizer"), ("requestContext", "authorizer", "iam")),
    *(("requestContext", "stage"), ("requestContext", "domainName"), ("requestContext", "apiId")),
)


def environ_of(event: Any) -> dict[str, Any] | None:
    """The WSGI environment that the adapter makes of it. None for no request."""
    seen: list[dict[str, Any]] = []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        seen.append({**environ, "body": environ["wsgi.input"].read()})
        start_response("204 No Content", [])
        return []

    try:
        request = read_request(event)
    except NoRequest as error:
        assert str(error)
        return None
    make_lambda_handler(application, binary_support=True)(dict(request.event), TimeLeft(1))
    (environ,) = seen
    return environ


def assert_wsgi(environ: dict[str, Any]) -> None:
    """PEP 3333: native strings of octets, and no line ends in a header."""
    for name, value in environ.items():
        if name.startswith(("HTTP_", "PATH_INFO", "QUERY_STRING", "CONTENT_", "REQUEST_METHOD")):
            value.encode("latin-1")
        if name.startswith("HTTP_"):
            assert not set(value) & set("\r\n\0")
    environ["QUERY_STRING"].encode("ascii")


@given(JSON)
def test_whatever_comes_is_a_request_or_refused(event: Any) -> None:
    environ_of(event)


@given(st.sampled_from(sorted(FORMATS)), st.sampled_from(PLACES), JSON)
def test_a_request_with_anything_in_any_place_is_one_or_refused(
    version: str, place: tuple[str, ...], value: Any
) -> None:
    event: dict[str, Any] = FORMATS[version]("POST", "/api/v1/jobs", b"x", stage="prod")
    inner = event
    for name in place[:-1]:
        inner = inner.setdefault(name, {})
    inner[place[-1]] = value
    environ = environ_of(event)
    if environ is not None:
        assert_wsgi(environ)


@given(st.sampled_from(sorted(FORMATS)), st.dictionaries(TEXT, TEXT, max_size=6), TEXT, TEXT, st.binary(max_size=40))
def test_no_header_becomes_a_fact_of_the_connection(
    version: str, headers: dict[str, str], path: str, query: str, body: bytes
) -> None:
    event = FORMATS[version]("POST", "/" + path, body, headers, query=query if version == "2.0" else "")
    environ = environ_of(event)
    if environ is None:
        return
    assert_wsgi(environ)
    assert environ["body"] == body
    given = {name for name in environ if name.startswith("HTTP_")}
    known = {"ACCEPT", "AUTHORIZATION", "CONTENT_TYPE", "COOKIE", "IDEMPOTENCY_KEY", "IF_MATCH", "IF_NONE_MATCH"}
    assert {name.removeprefix("HTTP_") for name in given} <= known | {"ORIGIN", "SEC_FETCH_SITE", "X_REQUEST_ID"}
    assert not environ.get("HTTP_COOKIE")
    assert read_request(event).iam_arn is None


@pytest.mark.parametrize(
    ("version", "raw", "stage", "domain", "path", "prefix"),
    [
        ("2.0", "/prod/api/v1", "prod", DOMAIN, "/api/v1", "/prod"),
        ("2.0", "/production/api", "prod", DOMAIN, "/production/api", ""),
        ("2.0", "/prod", "prod", DOMAIN, "/", "/prod"),
        ("2.0", "/api/v1", "$default", DOMAIN, "/api/v1", ""),
        ("2.0", "/api/v1", "api", "mail.example.com", "/api/v1", ""),
        ("2.0", "/api/ü%2525", "$default", DOMAIN, "/api/%C3%BC%2525", ""),
        ("1.0", "/api/v1", "prod", DOMAIN, "/api/v1", "/prod"),
        ("1.0", "/api/v1", "api", DOMAIN, "/api/v1", "/api"),
    ],
)
def test_the_stage_precedes_the_path_under_the_apis_own_domain(
    version: str, raw: str, stage: str, domain: str, path: str, prefix: str
) -> None:
    event = FORMATS[version]("GET", raw, stage=stage)
    if version == "2.0":
        event.update(rawPath=raw, routeKey="$default")
    event["requestContext"]["domainName"] = domain
    request = read_request(event)
    assert (request.event["rawPath" if version == "2.0" else "path"], request.prefix) == (path, prefix)


@pytest.mark.parametrize("version", FORMATS)
@pytest.mark.parametrize(
    ("route", "path", "good"),
    [
        ("/api/v1/jobs/{key}", "/api/v1/jobs/43", True),
        ("/api/v1/jobs/{key}", "/api/v1/jobs/4%253", True),
        ("/api/v1/jobs/{key}", "/api/v1/jobs/43%2Femails", False),
        ("/api/v1/jobs/{key}", "/api/v1/jobs/43%2femails", False),
        ("/api/v1/jobs/{key}", "/api/v1/jobs/43%252Femails", True),
        ("/api/v1/jobs/{key}/nudge", "/api/v1/jobs/%2F/nudge", False),
        ("/api/v1/{proxy+}", "/api/v1/jobs/43%2Femails", True),
    ],
)
def test_an_escaped_slash_leads_to_no_other_route(version: str, route: str, path: str, good: bool) -> None:
    event = FORMATS[version]("GET", path)
    event.update({"routeKey": f"GET {route}"} if version == "2.0" else {"resource": route})
    if good:
        environ = environ_of(event)
        assert environ is not None
        assert environ["PATH_INFO"].count("/") == 4 + ("%2Femails" in path and "252" not in path)
    else:
        with pytest.raises(OtherRoute):
            read_request(event)


def test_a_body_that_is_text_arrives_as_its_octets() -> None:
    event = {**FORMATS["2.0"]("POST", "/x"), "body": "ü", "isBase64Encoded": False}
    assert base64.b64decode(read_request(event).event["body"]) == "ü".encode()


GIVEN = {
    ROLE.replace(":role/", ":role/service/apps/"): IamGrantSettings(role="operator", scopes=("nudge",)),
    f"arn:aws:iam::{ACCOUNT}:user/ops/anna": IamGrantSettings(role="viewer"),
}


@pytest.mark.parametrize(
    ("arn", "rights"),
    [
        (SESSION, {Right.NUDGE}),
        (SESSION.replace("/i-0123456789abcdef0", "/other.session@example"), {Right.NUDGE}),
        (f"arn:aws:iam::{ACCOUNT}:user/ops/anna", {Right.VIEW, Right.METRICS}),
        (f"arn:aws:iam::{ACCOUNT}:user/anna", None),
        (f"arn:aws:iam::{ACCOUNT}:root", None),
        (f"arn:aws:sts::{ACCOUNT}:federated-user/anna", None),
        (ROLE, None),
        (SESSION.replace(ACCOUNT, "210987654321"), None),
        (SESSION.replace("arn:aws:", "arn:aws-cn:"), None),
        (f"{SESSION}/more", None),
        (f"{SESSION}\n", None),
        (SESSION.replace("delivery-server", "x/delivery-server"), None),
        (SESSION + "x" * 200, None),
        ("", None),
    ],
)
def test_rights_go_by_the_role_or_the_user(arn: str, rights: set[Right] | None) -> None:
    caller = IamCallers(GIVEN).of(arn)
    assert (None if caller.granted is None else set(caller.granted.rights)) == rights
    if arn.startswith(SESSION[:60]) and rights:
        assert caller.account == ROLE


def test_the_settings_know_every_right_and_refuse_what_is_no_role() -> None:
    assert {right.value for right in Right} == set(RightName.__args__)  # type: ignore[attr-defined]
    assert not IAM_CALLER.fullmatch(SESSION), "a session's ARN would give rights by a name that it chose"
    with pytest.raises(ValueError, match="no ARN of an IAM role or user"):
        OperatorsSettings(iam_callers={SESSION: IamGrantSettings(role="viewer")})
