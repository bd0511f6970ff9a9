"""The API's conventions, and its acts beside those of the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from eed_delivery.ledger.workers import Process
from eed_delivery.operations.access import NewUserRequest, OperatorRole
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.operations.repeats import KeyedRequest, KeyTaken
from tests import waiting
from tests.operators_site import Site
from tests.world import World

PAUSE = "/api/v1/jobs/1/pause"
WHY = {"reason": "wrong rate"}


@pytest.fixture
def site(world: World, tmp_path: Path) -> Site:
    """With a job of two emails."""
    world.add_job(["anna@example.com", "bert@example.com"])
    world.enlist()
    return Site(world, tmp_path)


# --- requests that do not fit ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "pointer"),
    [
        ("GET", "/api/v1/jobs?stat=active", None, 422, "/stat"),
        ("GET", "/api/v1/jobs?limit=20&limit=30", None, 422, "/limit"),
        ("GET", "/api/v1/jobs?limit=0", None, 422, "/limit"),
        ("GET", "/api/v1/jobs?limit=x", None, 422, "/limit"),
        ("GET", "/api/v1/processes?host=a", None, 422, "/host"),
        ("GET", "/api/v1/jobs/1/emails?state=lost", None, 422, "/state"),
        ("GET", "/api/v1/jobs/1/emails?outcome=lost", None, 422, "/outcome"),
        ("GET", "/api/v1/audit?act=nothing", None, 422, "/kind"),
        ("GET", "/api/v1/audit?since=2026-11-30T12:00:00", None, 422, "/since"),
        ("GET", "/api/v1/jobs?after=invented", None, 422, "/after"),
        ("POST", PAUSE, {}, 422, "/reason"),
        ("POST", PAUSE, {"reason": ""}, 422, "/reason"),
        ("POST", PAUSE, {"reason": " \n "}, 422, "/reason"),
        ("POST", PAUSE, {"reason": 7}, 422, "/reason"),
        ("POST", PAUSE, {"reason": "x", "dry_run": True}, 422, "/dry_run"),
        ("POST", f"{PAUSE}?dry_run=true", WHY, 422, "/dry_run"),
        ("POST", PAUSE, [], 422, "/"),
        ("POST", PAUSE, "null", 422, "/"),
        ("POST", PAUSE, "{", 400, None),
        ("POST", PAUSE, "", 400, None),
        ("POST", PAUSE, "[" * 100_000, 400, None),
        ("POST", PAUSE, '{"reason": NaN}', 400, None),
        ("POST", "/api/v1/emails/search", {"recipient": "no address"}, 422, None),
    ],
)
def test_a_request_that_does_not_fit_is_refused_and_says_where(
    site: Site, method: str, path: str, body: Any, status: int, pointer: str | None
) -> None:
    token = site.token("admin", "view", "operate", "audit", "see_recipients", name="all")
    found, problem = site.problem(method, path, body, token=token)
    assert (found, problem["type"]) == (
        status,
        f"urn:eed-delivery:problem:{'invalid' if status == 422 else 'malformed'}",
    )
    if pointer is not None:
        assert [one["pointer"] for one in problem["errors"]] == [pointer]
    assert site.world.scalar("SELECT state FROM eed_job") == "active"


def test_a_body_that_is_not_json_is_refused_by_its_type(site: Site) -> None:
    answer = site.ask("POST", PAUSE, None, Content_Type="text/plain")
    assert answer.status_code == 415


def test_a_problem_says_what_to_do_and_how_the_command_line_does_it(site: Site) -> None:
    status, problem = site.problem("POST", "/api/v1/jobs/1/resume", WHY, X_Request_Id="from-the-proxy-1")
    assert status == 409
    assert problem["detail"] == "Only a paused job can be resumed: job 1 is active."
    assert problem["command"] == "eed-delivery resume 1 --reason WHY"
    assert problem["instance"] == "urn:eed-delivery:request:from-the-proxy-1"
    said = site.cli.refused("resume", "1")
    assert problem["detail"].removesuffix(".").lower() in said.lower()
    assert site.problem("GET", "/api/v1/jobs/it%20isn't")[1]["command"] == """eed-delivery job 'it isn'"'"'t'"""


def test_what_was_given_is_not_quoted(site: Site) -> None:
    token = site.token("admin", "operate", name="x")
    answer = site.ask("POST", "/api/v1/suppressions", {"addresses": "anna@example.com", "reason": 1}, token=token)
    assert answer.status_code == 422
    assert "anna" not in answer.text


@pytest.mark.parametrize("path", ["/api/v1/suppressions", "/api/v1/suppressions/remove"])
def test_what_an_operation_refuses_is_not_quoted(site: Site, path: str) -> None:
    body = {"addresses": ["anna maria@example.com"], **({} if path.endswith("remove") else WHY)}
    status, problem = site.problem("POST", path, body, Idempotency_Key="one")
    assert status == 422
    assert "anna" not in str(problem)
    assert "maria" not in str(problem)


def test_a_reason_that_quotes_an_address_is_masked_in_errors_and_holds(site: Site) -> None:
    site.world.execute("UPDATE eed_job SET state = 'paused', reason = '550 unknown: anna@example.com'")
    status, problem = site.problem("POST", PAUSE, WHY)
    assert status == 409
    assert "***@example.com" in problem["detail"]
    assert "anna@" not in str(problem)
    site.json("POST", "/api/v1/holds", {"scope": "all", "reason": "asked by anna@example.com"})
    for path in ("/api/v1/channels", "/api/v1/channels/default"):
        answer = site.ask("GET", path, role="viewer").text
        assert "by ***@example.com" in answer
        assert "anna@" not in answer


def test_the_path_of_an_attachment_is_masked_as_an_address_is(site: Site) -> None:
    detail = "attachment 'statements/anna m\\'s.pdf': there is no such file"
    site.world.execute("UPDATE eed_email SET detail = :detail WHERE email_id = 1000", detail=detail)
    path = "/api/v1/emails/1000"
    assert site.json("GET", path)["detail"] == "attachment '***.pdf': there is no such file"
    assert site.json("GET", path, token=site.token("viewer", "view", "see_recipients"))["detail"] == detail


@pytest.mark.parametrize("name", ["token admin", "Token", "service", "SERVICE desk"])
def test_nobody_is_called_as_the_audit_calls_a_token_or_the_service(name: str) -> None:
    with pytest.raises(InvalidRequest, match="the audit would mistake it"):
        NewUserRequest(name, "correct horse battery", OperatorRole.VIEWER)


def test_each_text_of_the_audit_is_masked_by_itself(site: Site) -> None:
    for text, shown in (
        ("@example.com", "@example.com"),
        ('"anna b"@example.com', "***@example.com"),
        ("anna@example.com", "***@example.com"),
    ):
        site.cli.good("channel", "hold", "default", "--reason", "x")
        site.world.execute("UPDATE eed_audit SET state_before = :facts", facts=json.dumps({"a": text, "b": 1}))
        acts = site.json("GET", "/api/v1/audit?act=channel_hold")["items"]
        assert acts[0]["before"] == {"a": shown, "b": 1}


def test_an_invented_request_id_is_replaced(site: Site) -> None:
    answer = site.ask("GET", "/healthz", X_Request_Id="a b\tc")
    assert answer.headers["X-Request-Id"].isalnum()


def test_a_key_with_a_slash_or_a_letter_of_any_script_is_reached(site: Site) -> None:
    for key in ("a%2Fb", "%C3%BCber%2F42", "..%2F..%2Fetc", "a//b", "%00", "'%20OR%201=1--"):
        assert site.problem("GET", f"/api/v1/jobs/{key}")[0] in (404, 422), key


def test_a_time_is_understood_with_its_zone(site: Site) -> None:
    body = {"addresses": ["a@example.com"], **WHY, "expires_at": "2999-01-01T01:30:00+02:00"}
    site.json("POST", "/api/v1/suppressions", body, Idempotency_Key="k")
    (entry,) = site.json("GET", "/api/v1/suppressions")["items"]
    assert entry["expires_at"] == "2998-12-31T23:30:00.000Z"
    site.json("POST", "/api/v1/holds", {**WHY, "scope": "all", "until": "2999-01-01T01:30:00+02:00"})
    until = site.json("GET", "/api/v1/channels/default")["hold"]["until_at"]
    assert until.startswith(("2998-12-31T23:29", "2998-12-31T23:30"))
    edge = {**body, "expires_at": "0001-01-01T00:00:00+02:00"}
    assert site.problem("POST", "/api/v1/suppressions", edge, Idempotency_Key="l")[0] == 422


# --- pages -----------------------------------------------------------------------------------------------------------


def test_pages_follow_each_other_by_their_cursor(site: Site) -> None:
    for job_id in (2, 3, 4):
        site.world.add_job(job_id=job_id)
        site.world.enlist(job_id)
    seen, path = [], "/api/v1/jobs?limit=3&unfinished=true"
    while path:
        page = site.json("GET", path)
        seen += [job["key"] for job in page["items"]]
        path = page["next"]
    assert sorted(seen) == ["1", "2", "3", "4"]


def test_a_cursor_works_with_its_filters_only_and_cannot_be_read(site: Site) -> None:
    for address in ("a@example.com", "b@example.com"):
        site.cli.good("suppression", "add", address, "--reason", "x")
    following = site.json("GET", "/api/v1/suppressions?limit=1")["next"]
    assert "example" not in following
    assert site.json("GET", following)["items"][0]["address"] == "***@example.com"
    assert site.problem("GET", f"{following}&source=operator")[0] == 422
    cursor = following.partition("after=")[2]
    assert site.problem("GET", f"/api/v1/jobs?after={cursor}")[0] == 422
    assert site.problem("GET", f"/api/v1/suppressions?after={cursor[:-4]}AAAA")[0] == 422


def test_a_cursor_works_with_the_address_only_that_was_looked_for(site: Site) -> None:
    site.world.add_job(["anna@example.com", "bert@example.com"], job_id=2)
    site.world.enlist(2)
    token = site.token("viewer", "view", "see_recipients")
    path = "/api/v1/emails/search?limit=1"
    following = site.json("POST", path, {"recipient": "anna@example.com"}, token=token)["next"]
    assert site.problem("POST", following, {"recipient": "bert@example.com"}, token=token)[0] == 422
    found = site.json("POST", following, {"recipient": "anna@example.com"}, token=token)
    assert ([one["job"] for one in found["items"]], found["next"]) == (["2"], None)


# --- versions --------------------------------------------------------------------------------------------------------


def test_a_list_that_has_not_changed_is_not_sent_again(site: Site) -> None:
    first = site.ask("GET", "/api/v1/jobs")
    tag = first.headers["ETag"]
    again = site.ask("GET", "/api/v1/jobs", If_None_Match=tag)
    assert (again.status_code, again.text) == (304, "")
    assert again.headers["Cache-Control"] == "private, no-cache"
    sees = site.ask("GET", "/api/v1/jobs", token=site.token("admin", "view", "see_recipients"))
    assert (sees.headers["Cache-Control"], "ETag" in sees.headers) == ("no-store", True), "it may have addresses"
    site.cli.good("pause", "1", "--reason", "x")
    assert site.ask("GET", "/api/v1/jobs", If_None_Match=tag).status_code == 200


def test_of_two_people_who_decide_on_one_job_the_second_is_told(site: Site) -> None:
    seen = site.ask("GET", "/api/v1/jobs/1").headers["ETag"]
    paused = site.json("POST", PAUSE, WHY, If_Match=seen)
    for path in (PAUSE, "/api/v1/jobs/1/resume", "/api/v1/jobs/1/cancel"):
        status, problem = site.problem("POST", path, WHY, If_Match=seen)
        assert (status, problem["type"]) == (412, "urn:eed-delivery:problem:changed"), path
    assert site.world.scalar("SELECT state FROM eed_job") == "paused"
    assert site.json("POST", "/api/v1/jobs/1/resume", WHY, If_Match=paused["etag"])["state"] == "active"
    # resumed and paused again for the same reason is another pause
    site.json("POST", PAUSE, WHY)
    assert site.problem("POST", "/api/v1/jobs/1/resume", WHY, If_Match=paused["etag"])[0] == 412


def test_what_is_decided_while_a_job_is_read_does_not_pass_for_seen(site: Site) -> None:
    if site.world.database.dialect == "sqlite":
        pytest.skip("SQLite lets nobody decide while a job is read")
    counting = []

    @event.listens_for(Engine, "before_cursor_execute")
    def decide(c: object, cursor: object, statement: str, *rest: object) -> None:
        if "count(" in statement.lower() and not counting:
            counting.append(statement)
            site.cli.good("pause", "1", "--reason", "another person's")

    try:
        seen = site.ask("GET", "/api/v1/jobs/1")
    finally:
        event.remove(Engine, "before_cursor_execute", decide)
    assert counting
    assert seen.json is not None
    assert seen.json["state"] == "active"
    assert site.problem("POST", "/api/v1/jobs/1/cancel", WHY, If_Match=seen.headers["ETag"])[0] == 412


def test_counts_may_change_between_a_look_and_a_decision(site: Site) -> None:
    seen = site.ask("GET", "/api/v1/jobs/1").headers["ETag"]
    site.world.execute("UPDATE eed_email SET state = 'sent' WHERE email_id = 1000")
    waiting.until(lambda: site.ask("GET", "/api/v1/jobs/1").headers["ETag"] != seen)  # all callers share the counts
    assert site.json("POST", "/api/v1/jobs/1/cancel", WHY, If_Match=seen)["state"] == "cancelled"


def test_to_cancel_needs_a_look(site: Site) -> None:
    status, problem = site.problem("POST", "/api/v1/jobs/1/cancel", WHY)
    assert (status, problem["type"]) == (428, "urn:eed-delivery:problem:if_match_needed")


# --- acting once -----------------------------------------------------------------------------------------------------


def acts(site: Site, act: str) -> int:
    return int(site.world.scalar("SELECT COUNT(*) FROM eed_audit WHERE act = :act", act=act))


def test_a_request_with_a_key_is_done_once(site: Site) -> None:
    first = site.ask("POST", PAUSE, WHY, Idempotency_Key="one")
    site.cli.good("resume", "1")
    again = site.ask("POST", PAUSE, WHY, Idempotency_Key="one")
    assert (again.status_code, again.text) == (200, first.text)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert site.world.scalar("SELECT state FROM eed_job") == "active"
    assert acts(site, "pause") == 1
    assert "Idempotent-Replayed" not in first.headers


def test_a_key_belongs_to_one_request_of_one_caller(site: Site) -> None:
    site.json("POST", PAUSE, WHY, Idempotency_Key="one")
    status, problem = site.problem("POST", PAUSE, {"reason": "another"}, Idempotency_Key="one")
    assert (status, problem["type"]) == (422, "urn:eed-delivery:problem:key_reused")
    site.json("POST", "/api/v1/jobs/1/resume", WHY, Idempotency_Key="one", role="operator")


def test_a_refused_request_does_not_use_up_its_key(site: Site) -> None:
    assert site.problem("POST", "/api/v1/jobs/1/resume", WHY, Idempotency_Key="one")[0] == 409
    site.cli.good("pause", "1", "--reason", "x")
    assert site.json("POST", "/api/v1/jobs/1/resume", WHY, Idempotency_Key="one")["state"] == "active"


def test_a_request_that_was_too_late_does_not_use_up_its_key(site: Site) -> None:
    seen = site.ask("GET", "/api/v1/jobs/1").headers["ETag"]
    site.cli.good("pause", "1", "--reason", "x")
    path = "/api/v1/jobs/1/resume"
    assert site.problem("POST", path, WHY, If_Match=seen, Idempotency_Key="one")[0] == 412
    seen = site.ask("GET", "/api/v1/jobs/1").headers["ETag"]
    assert site.json("POST", path, WHY, If_Match=seen, Idempotency_Key="one")["state"] == "active"


def test_while_the_first_request_is_at_work_a_repeat_is_refused(site: Site) -> None:
    site.token("admin")
    taken = taken_over(site)
    status, problem = site.problem("POST", PAUSE, WHY, Idempotency_Key="one")
    assert (status, problem["type"]) == (409, "urn:eed-delivery:problem:at_work")
    assert isinstance(taken, KeyTaken)


@pytest.mark.parametrize("acted", [True, False], ids=["behind the act", "before the act"])
def test_a_request_whose_process_was_killed_is_answered_when_it_comes_again(site: Site, acted: bool) -> None:
    """As `operators.acted=kill` leaves it: the key is taken, and there is no answer."""
    site.token("admin")
    taken = taken_over(site)
    if acted:
        pausing = site.operations
        site.operations.repeats.act(taken, lambda: pausing.deciding.pause(_stop()))
    site.world.execute("UPDATE eed_idempotency_key SET lease_until = '2001-01-01 00:00:00.000000'")
    answer = site.json("POST", PAUSE, WHY, Idempotency_Key="one")
    assert answer["state"] == "paused"
    assert acts(site, "pause") == 1


def _stop() -> Any:
    from eed_delivery.operations.deciding import StopRequest

    return StopRequest("1", WHY["reason"])


def taken_over(site: Site) -> KeyTaken:
    """What a killed process has left of the request."""
    request = KeyedRequest("token admin", "one", "POST", f"{PAUSE}?", json.dumps(WHY))
    taken = site.operations.repeats.take(request)
    assert isinstance(taken, KeyTaken)
    return taken


def test_what_creates_needs_a_key(site: Site) -> None:
    body = {"addresses": ["a@example.com", "b@example.com"], "reason": "x"}
    assert site.problem("POST", "/api/v1/suppressions", body)[0] == 428
    assert site.json("POST", "/api/v1/suppressions", body, Idempotency_Key="k") == {
        "added": 2, "prolonged": 0, "unchanged": 0,
    }  # fmt: skip
    assert acts(site, "suppression_add") == 2


# --- rate ------------------------------------------------------------------------------------------------------------


def test_a_token_makes_so_many_requests_a_minute(world: World, tmp_path: Path) -> None:
    site = Site(world, tmp_path, '[operators]\nlisten = "127.0.0.1:8027"\nrequests_per_minute = 3\n')
    answers = [site.ask("GET", "/api/v1/processes") for _ in range(4)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429]
    assert int(answers[3].headers["Retry-After"]) > 0
    assert answers[0].headers["RateLimit-Policy"] == '"token";q=3;w=60'
    assert site.ask("GET", "/api/v1/processes", role="viewer").status_code == 200


# --- the same from each surface --------------------------------------------------------------------------------------

Act = tuple[str, tuple[str, ...], str, str, Any, dict[str, str]]
HELD = "INSERT INTO eed_hold (hold_id, scope, subject, reason, who, held_at) VALUES (7, {}, 'x', 'x', '2026-01-01')"
LETTERS = {
    "kind": "smtp", "host": "127.0.0.1", "tls": "none",
    "queue": {"url": "https://sqs.us-east-1.amazonaws.com/0/l", "dead_letter_url": "https://127.0.0.1/0/l-dead"},
}  # fmt: skip
STORED = (
    "INSERT INTO eed_channel (name, settings, version, made_by, made_at, changed_by, changed_at) VALUES"
    f" ('letters', '{json.dumps(LETTERS, sort_keys=True)}', 1, 'x', '2026-01-01', 'x', '2026-01-01')"
).replace(":", r"\:")
ACTS: dict[str, Act] = {
    # act: (sql before, command, method, path, body, headers)
    "pause": ("", ("pause", "1", "--reason", "r"), "POST", PAUSE, {"reason": "r"}, {}),
    "resume": (
        "UPDATE eed_job SET state = 'paused'", ("resume", "1", "--reason", "r"),
        "POST", "/api/v1/jobs/1/resume", {"reason": "r"}, {},
    ),
    "cancel": (
        "", ("cancel", "1", "--reason", "r"), "POST", "/api/v1/jobs/1/cancel", {"reason": "r"}, {"If_Match": "*"},
    ),
    "nudge": ("DELETE FROM eed_job", ("nudge", "1"), "POST", "/api/v1/jobs/1/nudge", None, {}),
    "channel_hold": (
        "", ("channel", "hold", "default", "--reason", "r"),
        "POST", "/api/v1/channels/default/hold", {"reason": "r"}, {},
    ),
    "channel_release": (
        HELD.format("'channel', 'default'"),
        ("channel", "release", "default"), "DELETE", "/api/v1/channels/default/hold", None, {},
    ),
    "channel_create": (
        "", ("channel", "create", "letters", "--settings", "-"),
        "POST", "/api/v1/channels", {"name": "letters", "settings": LETTERS}, {},
    ),
    "channel_edit": (
        STORED, ("channel", "edit", "letters", "--set", "host=localhost"),
        "PUT", "/api/v1/channels/letters", {"settings": {**LETTERS, "host": "localhost"}}, {"If_Match": "*"},
    ),
    "channel_remove": (
        STORED, ("channel", "remove", "letters"), "DELETE", "/api/v1/channels/letters", None, {},
    ),
    "user_add": (
        "", ("user", "add", "anna", "--role", "operator", "--password-stdin"),
        "POST", "/api/v1/users", {"name": "anna", "password": "correct horse battery", "role": "operator"}, {},
    ),
    "user_revoke": (
        "INSERT INTO eed_user (name, password_hash, role, rights, made_by, made_at)"
        " VALUES ('anna', 'x', 'operator', '', 'x', '2026-01-01')",
        ("user", "revoke", "anna"), "DELETE", "/api/v1/users/anna", None, {},
    ),
    "token_revoke": (
        "INSERT INTO eed_api_token (name, digest, role, scopes, made_by, made_at, expires_at)"
        f" VALUES ('old/one', X'{'00' * 32}', 'operator', '', 'x', '2026-01-01', '2999-01-01')",
        ("token", "revoke", "old/one"), "DELETE", "/api/v1/tokens/old/one", None, {},
    ),
    "session_revoke": (
        f"INSERT INTO eed_session (digest, user_name, made_at, seen_at, ends_at) VALUES (X'{'ab' * 32}', 'anna',"
        " '2026-01-01', '2998-01-01', '2999-01-01')",
        ("session", "revoke", "ab" * 8), "DELETE", f"/api/v1/sessions/{'ab' * 8}", None, {},
    ),
    "domain_hold": (
        "", ("hold", "add", "--domain", "Example.NET", "--reason", "r", "--no-wait"),
        "POST", "/api/v1/holds", {"scope": "domain", "subject": "Example.NET", "reason": "r"}, {},
    ),
    "domain_release": (
        HELD.format("'domain', 'example.net'"), ("hold", "release", "7"), "DELETE", "/api/v1/holds/7", None, {},
    ),
    "category_hold": (
        "", ("hold", "add", "--category", "news", "--reason", "r", "--no-wait"),
        "POST", "/api/v1/holds", {"scope": "category", "subject": "news", "reason": "r"}, {},
    ),
    "category_release": (
        HELD.format("'category', 'news'"), ("hold", "release", "7"), "DELETE", "/api/v1/holds/7", None, {},
    ),
    "pace_set": (
        "", ("pace", "set", "100", "--channel", "default", "--reason", "r"),
        "PUT", "/api/v1/pace", {"per_second": 100, "channel": "default", "reason": "r"}, {},
    ),
    "pace_clear": (
        "INSERT INTO eed_pace (channel, per_second, reason, who, set_at) VALUES ('*', 7, 'x', 'x', '2026-01-01')",
        ("pace", "clear", "--reason", "r"), "PUT", "/api/v1/pace", {"per_second": None, "reason": "r"}, {},
    ),
    "domain_pace_set": (
        "", ("pace", "set-domain", "Gmail.com", "--per-second", "20", "--concurrency", "5", "--reason", "r"),
        "PUT", "/api/v1/domain-paces", {"domain": "gmail.com", "per_second": 20, "concurrency": 5, "reason": "r"}, {},
    ),
    "domain_pace_clear": (
        "INSERT INTO eed_domain_pace (domain, per_second, reason, who, set_at)"
        " VALUES ('gmail.com', 7, 'x', 'x', '2026-01-01')",
        ("pace", "clear-domain", "gmail.com", "--reason", "r"),
        "PUT", "/api/v1/domain-paces", {"domain": "gmail.com", "per_second": None, "reason": "r"}, {},
    ),
    "suppression_add": (
        "", ("suppression", "add", "a@example.com", "--reason", "r"),
        "POST", "/api/v1/suppressions", {"addresses": ["a@example.com"], "reason": "r"}, {"Idempotency_Key": "k"},
    ),
    "suppression_remove": (
        "INSERT INTO eed_suppression (address, category, reason, source, created_at)"
        " VALUES ('a@example.com', '', 'x', 'operator', '2026-01-01')",
        ("suppression", "remove", "a@example.com"),
        "POST", "/api/v1/suppressions/remove", {"addresses": ["a@example.com"]}, {},
    ),
    "suppression_import": (
        "", ("suppression", "import", "-", "--reason", "r"),
        "POST", "/api/v1/suppressions/import?reason=r", "a@example.com\n", {"media": "text/csv"},
    ),
}  # fmt: skip
RESULT = (
    "SELECT source_key, state, reason, watched, revision, finished_at IS NULL FROM eed_job ORDER BY 1",
    "SELECT scope, subject, reason FROM eed_hold ORDER BY 1",
    "SELECT channel, per_second, reason FROM eed_pace ORDER BY 1",
    "SELECT domain, per_second, concurrency, reason FROM eed_domain_pace ORDER BY 1",
    "SELECT name, settings, version FROM eed_channel ORDER BY 1",
    "SELECT name, role, rights, revoked_at IS NULL FROM eed_user ORDER BY 1",
    "SELECT name, role, scopes, revoked_at IS NULL FROM eed_api_token WHERE name <> 'admin' ORDER BY 1",
    "SELECT user_name FROM eed_session",
    "SELECT address, category, reason, source FROM eed_suppression ORDER BY 1",
    "SELECT kind, job_id FROM eed_webhook ORDER BY 1",
)
COLUMNS = "act, object_kind, object_key, reason, count, counts, state_before, state_after"
AUDIT = f"SELECT {COLUMNS} FROM eed_audit WHERE act = :act"


def outcome(site: Site, act: str, before: str, do: Callable[[], object]) -> tuple[Any, ...]:
    """What an act leaves: the tables, and its row of the audit without who and where."""
    for table in (
        "eed_email",
        "eed_job",
        "eed_hold",
        "eed_pace",
        "eed_domain_pace",
        "eed_channel",
        "eed_session",
        "eed_user",
        "eed_suppression",
        "eed_audit",
        "eed_idempotency_key",
    ):
        site.world.execute(f"DELETE FROM {table}")
    site.world.execute("DELETE FROM eed_api_token WHERE name = 'old/one'")
    site.world.enlist()
    if before:
        site.world.execute(before)
    do()
    return [site.world.execute(query) for query in RESULT], site.world.execute(AUDIT, act=act)


def stdin_of(words: tuple[str, ...], body: Any) -> str | None:
    """What the command reads of what the API gets as a body."""
    if "--password-stdin" in words:
        return str(body["password"])
    if "-" in words:
        return body if isinstance(body, str) else json.dumps(body["settings"])
    return None


@pytest.mark.parametrize("act", ACTS)
def test_an_act_does_the_same_and_leaves_the_same_row_in_the_audit_from_each_surface(site: Site, act: str) -> None:
    before, words, method, path, body, headers = ACTS[act]
    site.token("admin")
    by_command = outcome(site, act, before, lambda: site.cli.good(*words, stdin=stdin_of(words, body)))
    assert {row[0] for row in site.world.execute("SELECT surface FROM eed_audit WHERE act = :act", act=act)} == {"cli"}
    by_api = outcome(site, act, before, lambda: site.json(method, path, body, **headers))
    assert by_api == by_command
    assert len(by_api[1]) == 1
    ((who, surface, command),) = site.world.execute(
        "SELECT who, surface, command FROM eed_audit WHERE act = :act", act=act
    )
    assert (who, surface, command) == ("token admin", "api", f"{method} {path.partition('?')[0]}")


# --- nudge -----------------------------------------------------------------------------------------------------------


def test_a_nudge_registers_a_job_and_says_what_it_is(world: World, tmp_path: Path) -> None:
    site = Site(world, tmp_path)
    world.add_job(["anna@example.com"], job_id=42)
    answers = [site.json("POST", "/api/v1/jobs/42/nudge", role="operator") for _ in range(3)]
    assert [one["registered"] for one in answers] == ["now", "already", "already"]
    assert {one["state"] for one in answers} == {"active"}
    assert answers[0]["publisher_seen_seconds_ago"] is None
    world.workers.beat(Process("h:1:ab", "h", "publisher"), sending=False, detail=None, alive_seconds=15)
    assert site.json("POST", "/api/v1/jobs/42/nudge")["publisher_seen_seconds_ago"] < 60
    assert world.scalar("SELECT COUNT(*) FROM eed_job") == 1
    assert acts(site, "nudge") == 1


@pytest.mark.parametrize(
    ("columns", "status", "why"),
    [
        ({"status": "preparing"}, 409, "not_ready"),
        ({"scheduled_for": "2999-01-01 00:00:00"}, 409, "scheduled_for"),
        ({"expires_at": "2001-01-01 00:00:00"}, 409, "expired"),
    ],
    ids=["not ready", "scheduled", "expired"],
)
def test_a_nudge_says_why_a_job_is_not_sent(
    world: World, tmp_path: Path, columns: dict[str, str], status: int, why: str
) -> None:
    site = Site(world, tmp_path)
    world.add_job(job_id=42, **columns)
    found, problem = site.problem("POST", "/api/v1/jobs/42/nudge")
    assert (found, problem["why"]) == (status, why)
    assert site.problem("POST", "/api/v1/jobs/43/nudge")[0] == 404


@pytest.mark.parametrize("key", ["42 OR 1=1", "42'--", "%2542", "4%32x", "042", "-1", "1e9", "9" * 30, "٤٢"])
def test_a_nudge_takes_a_key_letter_for_letter(world: World, tmp_path: Path, key: str) -> None:
    site = Site(world, tmp_path)
    world.add_job(job_id=42)
    status, _ = site.problem("POST", f"/api/v1/jobs/{key}/nudge")
    assert status == 404
    assert world.scalar("SELECT COUNT(*) FROM eed_job") == 0


# --- when the database is gone ---------------------------------------------------------------------------------------


def test_without_the_database_the_process_is_alive_and_the_service_not_ready(site: Site) -> None:
    assert site.json("GET", "/healthz", role=None) == {"status": "alive"}
    answer = site.ask("GET", "/readyz", role=None)
    assert (answer.status_code, answer.json) == (503, {"status": "not ready", "findings": None})
    found = site.ask("GET", "/readyz").json
    assert found is not None
    assert [one["name"] for one in found["findings"]] == ["database", "tables", "publisher", "sweeper"]


def test_what_the_database_says_is_not_for_strangers(site: Site) -> None:
    token = site.token("admin")
    site.world.execute("ALTER TABLE eed_api_token RENAME TO eed_api_token_away")
    try:
        answer = site.ask("GET", "/api/v1/jobs", token=token)
    finally:
        site.world.execute("ALTER TABLE eed_api_token_away RENAME TO eed_api_token")
    assert answer.status_code == 503
    assert "eed_api_token" not in answer.text
