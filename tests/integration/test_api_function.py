"""The API behind API Gateway: events of both formats through the handler's sandbox, over a real ledger."""

import io
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder

from eed_delivery.app.api_function import ANSWER_SECONDS, CONNECT_SECONDS, TRIES, ApiParts, api_parts, start
from eed_delivery.aws_lambda import gateway_answers
from eed_delivery.aws_lambda.api_sandbox import ApiSandbox
from eed_delivery.errors import ConfigError
from eed_delivery.ledger.workers import Process, WorkerLedger
from eed_delivery.operations.long_acts.crowds import MOST_OTHERS
from eed_delivery.operations.submitting.by_the_side import ROWS_IN_FUNCTION
from eed_delivery.runtime.idle_time import IdleTime
from tests.event_source import TimeLeft
from tests.gateway import FORMATS, ROLE, SESSION, SOURCE_IP, GatewayAnswer, as_client_gets_it
from tests.operators_site import PASSWORD, Site
from tests.world import World

MORE = f"""
[operators]
iam_callers = {{ "{ROLE}" = {{ role = "operator", scopes = ["nudge", "submit"] }} }}
"""
JOB = {
    "name": "Statements",
    "sender": "bank@example.com",
    "subject": "For {{ recipient_name }}",
    "text": "{{ amount }}",
}
CSV = "email,name,amount\nanna@example.com,Anna,7\nbert@example.com,Bert,8\n"
BOTH = pytest.mark.parametrize("version", FORMATS)


class Door:
    """A function's sandbox, and requests to it."""

    def __init__(self, site: Site, parts: ApiParts, idle: IdleTime | None = None) -> None:
        self.site = site
        self.parts = parts
        self.sandbox = ApiSandbox(parts, idle)

    def send(self, event: Any) -> GatewayAnswer:
        threads = set(threading.enumerate())
        answer = as_client_gets_it(self.sandbox.answer(event, TimeLeft(30)))
        assert set(threading.enumerate()) <= threads, "a thread has outlived the request"
        return answer

    def ask(
        self, version: str, method: str, path: str, *, token: str | None = None, headers: Any = (), **more: Any
    ) -> GatewayAnswer:
        given = {"Authorization": f"Bearer {token}"} if token else {}
        return self.send(FORMATS[version](method, path, headers={**given, **dict(headers)}, **more))


@pytest.fixture
def door(world: World, tmp_path: Path) -> Iterator[Door]:
    site = Site(world, tmp_path, MORE)
    parts = api_parts(site.settings)
    yield Door(site, parts)
    parts.database.engine.dispose()


def multipart(csv: str = CSV) -> tuple[bytes, dict[str, str]]:
    """A submission as curl sends it, with its headers."""
    form = {"job": json.dumps(JOB), "recipients": (io.BytesIO(csv.encode()), "recipients.csv")}
    environ = EnvironBuilder(method="POST", data=form).get_environ()
    headers = {"Content-Type": environ["CONTENT_TYPE"], "Idempotency-Key": "one"}
    return environ["wsgi.input"].read(), headers


def who(door: Door, act: str) -> list[Any]:
    return [name for (name,) in door.site.world.execute(f"SELECT who FROM eed_audit WHERE act = '{act}'")]


@BOTH
def test_a_nudge_and_a_submission_by_a_token(door: Door, version: str) -> None:
    door.site.world.add_job(("anna@example.com",), 42)
    token = door.site.token("operator", "nudge", "submit")
    nudged = door.ask(version, "POST", "/api/v1/jobs/42/nudge", token=token)
    assert (nudged.status, nudged.json["registered"]) == (200, "now")
    body, headers = multipart()
    submitted = door.ask(version, "POST", "/api/v1/jobs", token=token, headers=headers, body=body)
    assert (submitted.status, submitted.json["emails"]) == (201, 2)
    below = "/prod" if version == "1.0" else ""
    assert submitted.headers["location"] == f"{below}/api/v1/jobs/{submitted.json['key']}"
    again = door.ask(version, "POST", "/api/v1/jobs", token=token, headers=headers, body=body)
    assert (again.json, again.headers["idempotent-replayed"]) == (submitted.json, "true")
    assert who(door, "submit") == ["token operator-nudge-submit"]
    assert door.ask(version, "GET", "/api/v1/jobs", token=token).status == 403, "its scopes have no view"


@BOTH
def test_whom_the_gateway_has_authenticated_by_iam_has_the_rights_of_its_role(door: Door, version: str) -> None:
    door.site.world.add_job(("anna@example.com",), 42)
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20261201/eu-central-1/execute-api/aws4_request"}
    nudged = door.ask(version, "POST", "/api/v1/jobs/42/nudge", iam=SESSION, headers=signed)
    assert (nudged.status, nudged.json["registered"]) == (200, "now")
    assert who(door, "nudge") == [ROLE]
    command = "POST /api/v1/jobs/42/nudge (session i-0123456789abcdef0)"
    assert door.site.world.execute("SELECT command FROM eed_audit WHERE act = 'nudge'") == [(command,)]
    assert "ratelimit" in nudged.headers
    refused = door.ask(version, "GET", "/api/v1/jobs", iam=SESSION, headers=signed)
    assert (refused.status, refused.json["type"].rpartition(":")[2]) == (403, "no_right")
    other = door.ask(version, "GET", "/api/v1/jobs", iam=SESSION.replace("delivery-server", "other"), headers=signed)
    assert (other.status, other.json["type"].rpartition(":")[2]) == (403, "no_role")
    assert "operators.iam_callers" in other.json["do"]
    by_token = door.ask(version, "GET", "/api/v1/jobs", iam=SESSION, token=door.site.token("admin"))
    assert by_token.status == 403, "whom the gateway knows is who asks, whatever token comes along"


@BOTH
def test_no_header_says_who_asks_or_from_where(door: Door, version: str) -> None:
    """Each may be sent by anyone. An admin's session is not known here either: nobody logs in at a function."""
    door.site.user("root", "admin")
    login = {"name": "root", "password": PASSWORD}
    answer = door.site.browser().post("/login", data=login, environ_base={"REMOTE_ADDR": "127.0.0.1"})
    cookie = answer.headers["Set-Cookie"].partition(";")[0]
    forged = {
        "Cookie": cookie,
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-Proto": "http",
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "for=127.0.0.1",
        "X-Amzn-Oidc-Data": "e30.e30.e30",
        "X-Amzn-Request-Context": json.dumps({"authorizer": {"iam": {"userArn": SESSION}}}),
        "X-Amz-User-Arn": SESSION,
        "eed_delivery.iam_arn": SESSION,
        "Eed-Delivery.Iam-Arn": SESSION,
        "Remote-User": "root",
        "Remote-Addr": "127.0.0.1",
        "Host": "evil.example",
    }
    for headers in ({name: value} for name, value in forged.items()):
        assert door.ask(version, "GET", "/api/v1/jobs", headers=headers).status == 401, headers
    seen: list[dict[str, Any]] = []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        seen.append(dict(environ))
        start_response("200 OK", [])
        return [b""]

    Door(door.site, ApiParts(application, door.parts.database)).ask(version, "GET", "/x", headers=forged)
    (environ,) = seen
    assert (environ["REMOTE_ADDR"], environ["HTTP_X_FORWARDED_FOR"]) == ("127.0.0.1", SOURCE_IP)
    assert (environ["wsgi.url_scheme"], "eed_delivery.iam_arn" in environ) == ("https", False)
    claims = [str(value) for name, value in environ.items() if not name.startswith(("apig_wsgi", "wsgi."))]
    assert not [one for one in claims if "evil" in one or SESSION in one or "root" in one or cookie in one]


@BOTH
@pytest.mark.parametrize("stage", ["$default", "prod", "api"])
def test_a_stage_is_no_part_of_the_path(door: Door, version: str, stage: str) -> None:
    if (version, stage) == ("1.0", "$default"):
        pytest.skip("a REST API has none of this name")
    for job in (1, 2):
        door.site.world.add_job(("anna@example.com",), job)
        door.site.world.enlist(job)
    token = door.site.token("viewer")
    page = door.ask(version, "GET", "/api/v1/jobs", token=token, stage=stage, query="limit=1")
    assert (page.status, len(page.json["items"])) == (200, 1)
    path, _, query = page.json["next"].partition("?")
    assert path == ("" if stage == "$default" else f"/{stage}") + "/api/v1/jobs"
    other = door.ask(version, "GET", "/api/v1/jobs", token=token, stage=stage, query=query)
    assert {page.json["items"][0]["key"], other.json["items"][0]["key"]} == {"1", "2"}


@BOTH
def test_parameters_keys_and_texts_arrive_as_they_were_sent(door: Door, version: str) -> None:
    token = door.site.token("viewer")
    more = "state=active&state=paused&name=%C3%BC%26%2B%20"
    assert door.ask(version, "GET", "/api/v1/jobs", token=token, query=more).status == 200
    unknown = door.ask(version, "GET", "/api/v1/jobs", token=token, query="nmae=x")
    assert (unknown.status, unknown.json["errors"][0]["pointer"]) == (422, "/nmae")
    key = door.ask(version, "GET", "/api/v1/jobs/%C3%BC%20%2B/x", token=token)
    assert (key.status, key.json["type"].rpartition(":")[2]) == (404, "unknown")
    assert "ü +/x" in key.json["detail"]


@BOTH
def test_bytes_come_back_as_bytes(door: Door, version: str) -> None:
    content = bytes(range(256))

    def application(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "message/rfc822")])
        return [content]

    answer = Door(door.site, ApiParts(application, door.parts.database)).ask(version, "GET", "/x")
    assert (answer.status, answer.body) == (200, content)


@BOTH
@pytest.mark.parametrize("letters", ["x", '"', "ü", "\0"])
def test_an_answer_that_lambda_would_lose_is_a_problem(door: Door, version: str, letters: str) -> None:
    """As JSON each of these takes more bytes than as text."""
    most = gateway_answers.LARGEST_ANSWER

    def application(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json")])
        return [letters.encode() * (most // len(json.dumps(letters)[1:-1]) + 1)]

    answer = Door(door.site, ApiParts(application, door.parts.database)).ask(version, "GET", "/x")
    assert (answer.status, answer.headers["content-type"]) == (501, "application/problem+json")
    assert answer.json["type"].endswith(":answer_too_large")


HOSTILE: list[Any] = [
    *(None, 7, "text", [], {}, {"Records": []}, {"version": "3.0", "requestContext": {}}),
    *({"version": ["2.0"], "requestContext": {}}, {"version": "2.0"}, {"requestContext": {"elb": {}}}),
    {"version": "2.0", "requestContext": {"http": {"method": "GET"}}},
    {"version": "2.0", "requestContext": {"http": []}, "rawPath": "/"},
    {"httpMethod": "GET", "path": "/"},
    {"httpMethod": "get it", "path": "/", "requestContext": {}},
    {"httpMethod": "GET", "path": "api", "requestContext": {}},
]
CHANGES: list[Callable[[dict[str, Any]], object]] = [
    lambda event: event.update(headers=7, multiValueHeaders=7),
    lambda event: event.update(headers={"accept": 7}, multiValueHeaders={"accept": [7]}),
    lambda event: event.update(headers={"accept": "a\r\nb: c"}, multiValueHeaders={"accept": ["a\nb"]}),
    lambda event: event.update(body=7),
    lambda event: event.update(body="no base64!", isBase64Encoded=True),
    lambda event: event.update(body="x", isBase64Encoded="yes"),
    lambda event: event.update(rawPath=["/"], path=None),
    lambda event: event.pop("requestContext"),
]


@pytest.mark.parametrize("event", HOSTILE, ids=repr)
def test_an_event_that_is_no_request_is_answered(door: Door, event: Any) -> None:
    answer = door.send(event)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json["type"].endswith(":malformed")


@BOTH
@pytest.mark.parametrize("change", CHANGES)
def test_a_request_with_values_of_wrong_types_is_answered(
    door: Door, version: str, change: Callable[[dict[str, Any]], object]
) -> None:
    event = FORMATS[version]("GET", "/api/v1/jobs")
    change(event)
    assert door.send(event).status == 400


@BOTH
def test_a_body_beyond_a_routes_limit_is_refused(door: Door, version: str) -> None:
    json_headers = {"Content-Type": "application/json"}
    answer = door.ask(
        version, "POST", "/api/v1/holds", token=door.site.token("admin"), headers=json_headers, body=b" " * (2**20 + 1)
    )
    assert (answer.status, answer.json["type"].rpartition(":")[2]) == (413, "too_large")


@BOTH
def test_what_no_process_would_do_is_refused_and_taken_where_one_is_alive(door: Door, version: str) -> None:
    token = door.site.token("operator")
    long = "email\n" + "".join(f"c{n}@example.com\n" for n in range(ROWS_IN_FUNCTION + 1))
    body, headers = multipart(long)
    refused = door.ask(version, "POST", "/api/v1/jobs", token=token, headers=headers, body=body)
    assert (refused.status, refused.json["type"].rpartition(":")[2]) == (503, "no_taker")
    assert door.site.world.execute("SELECT COUNT(*) FROM eed_operation") == [(0,)]
    process = Process("mail1:1:ab", "mail1", "operators")
    WorkerLedger(door.site.world.database).beat(process, sending=False, detail=None, alive_seconds=60)
    taken = door.ask(version, "POST", "/api/v1/jobs", token=token, headers=headers, body=body)
    assert (taken.status, taken.json["state"]) == (202, "waiting")


def test_sessions_of_a_role_share_its_limits(door: Door) -> None:
    """A session names itself."""
    process = Process("mail1:1:ab", "mail1", "operators")
    WorkerLedger(door.site.world.database).beat(process, sending=False, detail=None, alive_seconds=60)
    body, headers = multipart("email\n" + "".join(f"c{n}@example.com\n" for n in range(ROWS_IN_FUNCTION + 1)))
    answers = []
    for n in range(MOST_OTHERS + 1):
        session = SESSION.replace("i-0123456789abcdef0", f"botocore-session-{n}")
        given = {**headers, "Idempotency-Key": str(n)}
        answers.append(door.ask("2.0", "POST", "/api/v1/jobs", iam=session, headers=given, body=body).status)
    assert answers == [202] * MOST_OTHERS + [429]


def test_figures_are_counted_within_the_request(door: Door) -> None:
    """`Door.send` looks for threads that outlive it."""
    door.site.world.add_job(("anna@example.com", "bert@b.example"), 1)
    door.site.world.enlist(1)
    token = door.site.token("operator")
    domains = door.ask("2.0", "GET", "/api/v1/jobs/1/domains", token=token)
    assert [one["domain"] for one in domains.json["items"]] == ["b.example", "example.com"]
    assert not domains.json["counting"]
    for path in ("/api/v1/jobs/1", "/api/v1/jobs/1/failures", "/api/v1/tonight", "/api/v1/processes", "/readyz"):
        assert door.ask("2.0", "GET", path, token=token).status in (200, 503), path
    assert door.ask("2.0", "GET", "/login").status == 404, "pages are for hosts"


@pytest.mark.parametrize(("seconds", "closes"), [(2.0, False), (4.0, True)])
def test_no_connection_is_trusted_after_a_freeze(door: Door, seconds: float, closes: bool) -> None:
    now = [0.0]
    idle = IdleTime(lambda: 0.0, lambda: now[0])  # the monotonic clock may stand still meanwhile
    frozen = Door(door.site, door.parts, idle)
    token = door.site.token("viewer")
    frozen.ask("2.0", "GET", "/api/v1/jobs", token=token)
    before = door.parts.database.engine.pool
    now[0] += seconds
    assert frozen.ask("2.0", "GET", "/api/v1/jobs", token=token).status == 200
    assert (door.parts.database.engine.pool is not before) == closes


def test_a_database_that_is_silent_is_given_up_in_time(door: Door) -> None:
    """It accepts connections and says nothing, as behind a firewall that has forgotten them."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        url = f"mysql+pymysql://eed@127.0.0.1:{port}/x"
        environ = {**door.site.cli.environ, "EED_DATABASE__URL": url, "EED_DATABASE__READ_TIMEOUT_SECONDS": "0.3"}
        parts = start({**environ, "EED_CONFIG": str(door.site.cli.config)})
        answer = Door(door.site, parts).ask("2.0", "GET", "/api/v1/jobs", token=door.site.token("viewer"))
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        silent.settimeout(0.5)
        tries = 0
        with suppress(TimeoutError):
            while silent.accept():
                tries += 1
    assert tries == TRIES
    assert TRIES * (ANSWER_SECONDS + CONNECT_SECONDS) < 29


def test_the_database_that_is_away_is_a_problem_to_try_again(door: Door) -> None:
    away = {**door.site.cli.environ, "EED_DATABASE__URL": "mysql+pymysql://eed@127.0.0.1:9/x"}
    parts = start({**away, "EED_CONFIG": str(door.site.cli.config)})
    answer = Door(door.site, parts).ask("2.0", "GET", "/api/v1/jobs", token=door.site.token("viewer"))
    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert "127.0.0.1" not in answer.json["detail"]


def test_mistakes_of_the_configuration_are_said_together(door: Door) -> None:
    environ = {name: value for name, value in door.site.cli.environ.items() if not name.endswith("SECRET")}
    with pytest.raises(ConfigError) as refused:
        start({**environ, "EED_CONFIG": str(door.site.cli.config), "EED_AWS__CREDENTIALS": "container"})
    assert {one.where for one in refused.value.problems} == {"operators.secret", "aws.credentials"}
