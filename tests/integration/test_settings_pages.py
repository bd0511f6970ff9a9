"""The page Settings and its API: pace, holds, users, tokens and sessions."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from werkzeug.test import TestResponse

from tests.integration.test_api import ACTS, outcome
from tests.operators_site import PASSWORD, Site
from tests.world import World

pytestmark = [pytest.mark.also_on_sqlite]
FORM = "application/x-www-form-urlencoded"
HERE = {"REMOTE_ADDR": "127.0.0.1"}
USER = {"name": "anna", "role": "operator", "password": PASSWORD, "password2": PASSWORD}
SOON = (datetime.now(UTC) + timedelta(days=30)).isoformat(timespec="seconds")


@pytest.fixture
def site(world: World, tmp_path: Path) -> Site:
    world.add_job()
    world.enlist()
    return Site(world, tmp_path)


def post(site: Site, path: str, by: str = "admin", /, **fields: str) -> TestResponse:
    """`by` is the role of who asks."""
    return site.ask("POST", path, urlencode(fields), media=FORM, role=by)


# --- pace and holds --------------------------------------------------------------------------------------------------


def test_the_pace_is_set_and_cleared_by_the_page(site: Site) -> None:
    done = post(site, "/settings/pace", channel="*", per_second="20", reason="their server is slow", ends="3600")
    assert done.status_code == 303
    page = site.ask("GET", "/settings", role="viewer").text
    assert "their server is slow" in page
    assert "Set the pace" not in page
    assert post(site, "/settings/pace", channel="*", reason="it is fast again").status_code == 303
    assert site.world.execute("SELECT * FROM eed_pace") == []
    for fields, where in (
        ({"per_second": "quick"}, "per_second"),
        ({"per_second": "nan"}, "per_second"),
        ({"per_second": "0"}, "per_second"),
        ({"per_second": "1e9"}, "per_second"),
        ({"per_second": "5", "channel": "nowhere"}, "channel"),
        ({"per_second": "5", "ends": "1"}, "ends"),
        ({"per_second": "5", "reason": ""}, "reason"),
    ):
        answer = post(site, "/settings/pace", **{"channel": "*", "reason": "r", **fields})
        assert answer.status_code == 422, fields
        assert f'id="{where}-error"' in answer.text, fields


def test_everything_is_stopped_by_the_page_with_the_proof_of_what_left_last(site: Site) -> None:
    done = post(site, "/holds/add", "operator", scope="all", reason="wrong letter", ends="900")
    assert done.status_code == 303
    path = done.headers["Location"]
    proof = site.ask("GET", path, role="viewer").text
    assert "Everything" in proof
    assert "Last email let go" in proof
    assert "wrong letter" in site.ask("GET", "/settings", role="viewer").text
    assert post(site, f"{path}/release", "viewer").status_code == 403
    assert post(site, f"{path}/release", "operator").headers["Location"] == "/settings"
    assert site.ask("GET", path).status_code == 404
    wrong = post(site, "/holds/add", scope="domain", subject="no domain", reason="r")
    assert wrong.status_code == 422
    assert site.ask("GET", f"/holds/{'9' * 40}").status_code == 404


# --- people ----------------------------------------------------------------------------------------------------------


def test_a_user_is_added_logs_in_and_is_revoked_with_all_sessions(site: Site) -> None:
    assert post(site, "/settings/users/add", **USER).status_code == 303
    browser = site.browser()
    browser.post("/login", data={"name": "anna", "password": PASSWORD}, environ_base=HERE)
    assert browser.get("/jobs", environ_base=HERE).status_code == 200
    page = site.ask("GET", "/settings").text
    assert "Who is logged in with a password" in page
    assert PASSWORD not in page
    (session,) = site.json("GET", "/api/v1/sessions")["items"]
    assert session["user"] == "anna"
    assert site.cli.json("session", "list")[0]["id"] == session["id"]
    assert post(site, f"/settings/sessions/{session['id']}/revoke").status_code == 303
    assert browser.get("/jobs", environ_base=HERE).status_code == 303
    assert post(site, f"/settings/sessions/{session['id']}/revoke").status_code == 404
    browser.post("/login", data={"name": "anna", "password": PASSWORD}, environ_base=HERE)
    (session,) = site.json("GET", "/api/v1/sessions")["items"]
    site.world.execute("UPDATE eed_session SET seen_at = '2001-01-01 00:00:00.000000'")
    assert "or it has ended" in site.cli.refused("session", "revoke", session["id"])
    assert post(site, "/settings/users/anna/revoke").status_code == 303
    assert post(site, "/settings/users/anna/revoke").status_code == 404


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"password": "short", "password2": "short"}, "password"),
        ({"password2": "another horse battery"}, "password2"),
        ({"name": "token x"}, "name"),
        ({"name": ""}, "name"),
        ({"role": "king"}, "role"),
    ],
)
def test_a_user_that_cannot_be_is_refused_and_no_password_comes_back(
    site: Site, fields: dict[str, str], where: str
) -> None:
    answer = post(site, "/settings/users/add", **{**USER, **fields})
    assert answer.status_code == 422
    assert f'id="{where}-error"' in answer.text
    assert not {PASSWORD, "another horse battery"} & set(re.findall(r'value="([^"]*)"', answer.text))
    assert site.world.execute("SELECT name FROM eed_user") == []


def test_a_password_is_not_kept_for_a_repeat_and_not_in_a_page_of_a_lost_session(site: Site) -> None:
    body = {"name": "anna", "password": PASSWORD, "role": "operator"}
    first = site.json("POST", "/api/v1/users", body, Idempotency_Key="k")
    assert site.json("POST", "/api/v1/users", body, Idempotency_Key="k") == first
    other = {**body, "password": "another horse battery"}
    assert site.json("POST", "/api/v1/users", other, Idempotency_Key="k") == first, "the key is bound to no password"
    assert PASSWORD not in str(site.world.execute("SELECT answer FROM eed_idempotency_key"))
    assert site.problem("POST", "/api/v1/users", {**body, "name": "bert", "password": "short"})[0] == 422
    lost = site.browser().post("/settings/users/add", data=USER, headers={"Accept": "text/html"}, environ_base=HERE)
    assert lost.status_code == 401
    assert PASSWORD not in lost.text


# --- tokens ----------------------------------------------------------------------------------------------------------


def test_a_token_is_shown_once_by_the_page_and_revoked(site: Site) -> None:
    typed = {"name": "old server", "role": "operator", "ends": "2592000"}
    made = post(site, "/settings/tokens/add", **typed, **{"scope-nudge": "yes"})
    assert made.status_code == 200
    secret = unescape(re.findall(r">(eed_[^<]+)</pre>", made.text)[0])
    assert site.ask("POST", "/api/v1/jobs/1/nudge", token=secret).status_code == 200
    assert site.ask("GET", "/api/v1/jobs", token=secret).status_code == 403
    assert secret not in site.ask("GET", "/settings").text
    again = post(site, "/settings/tokens/add", **typed)
    assert again.status_code == 409
    assert post(site, "/settings/tokens/old%20server/revoke").status_code == 303
    assert site.ask("POST", "/api/v1/jobs/1/nudge", token=secret).status_code == 401


def test_a_token_is_in_the_first_answer_of_the_api_alone(site: Site) -> None:
    body = {"name": "x", "role": "viewer", "expires_at": SOON}
    made = site.json("POST", "/api/v1/tokens", body, Idempotency_Key="k")
    assert site.ask("GET", "/api/v1/jobs", token=made["token"]).status_code == 200
    again = site.ask("POST", "/api/v1/tokens", body, Idempotency_Key="k")
    assert (again.json, again.headers["Idempotent-Replayed"]) == ({"name": "x", "token": None}, "true")
    assert made["token"] not in str(site.world.execute("SELECT answer FROM eed_idempotency_key"))
    assert made["token"] not in site.ask("GET", "/api/v1/tokens").text
    assert site.world.scalar("SELECT COUNT(*) FROM eed_audit WHERE act = 'token_add' AND object_key = 'x'") == 1
    for wrong in ({"expires_at": "2001-01-01T00:00:00Z"}, {"expires_at": "2999-01-01T00:00:00Z"}, {"scopes": ["fly"]}):
        assert site.problem("POST", "/api/v1/tokens", {**body, "name": "y", **wrong})[0] == 422
    assert site.problem("DELETE", "/api/v1/tokens/y")[0] == 404


# --- nobody gives what they do not have ------------------------------------------------------------------------------


def test_nobody_gives_a_right_that_they_do_not_have(site: Site) -> None:
    user = {"name": "b", "password": PASSWORD, "role": "viewer", "rights": ["see_recipients"]}
    token: dict[str, Any] = {"name": "b", "role": "viewer", "expires_at": SOON, "scopes": ["see_recipients"]}
    for path, body in (("/api/v1/users", user), ("/api/v1/tokens", token)):
        status, problem = site.problem("POST", path, body)
        assert (status, problem["right"]) == (403, "see_recipients")
    assert post(site, "/settings/users/add", **{**USER, "right-see_recipients": "yes"}).status_code == 403
    limited = site.token("admin", "admin", "view")
    assert site.problem("POST", "/api/v1/tokens", {**token, "scopes": [], "role": "operator"}, token=limited)[0] == 403
    every = site.token("admin", "admin", "view", "metrics", "see_recipients")
    assert site.ask("POST", "/api/v1/users", user, token=every).status_code == 200


def test_one_person_makes_no_second_admin_where_two_have_to_decide(world: World, tmp_path: Path) -> None:
    site = Site(world, tmp_path, '[operators]\nlisten = "127.0.0.1:8027"\nsecond_person = ["cancel"]\n')
    body = {"name": "me-too", "password": PASSWORD, "role": "admin"}
    assert site.problem("POST", "/api/v1/users", body)[0] == 409
    assert post(site, "/settings/users/add", **{**USER, "role": "admin"}).status_code == 409
    assert site.ask("POST", "/api/v1/users", {**body, "role": "operator"}).status_code == 200
    site.cli.good("user", "add", "boss", "--role", "admin", "--password-stdin", stdin=PASSWORD)


def test_the_pace_of_a_domain_is_set_and_cleared_by_the_page(site: Site) -> None:
    wanted = {"domain": "*.Example.com", "per_second": "0.5", "reason": "421 since midnight", "ends": "3600"}
    assert post(site, "/settings/domain-pace", **wanted).status_code == 303
    page = unescape(site.ask("GET", "/settings", role="viewer").text)
    assert all(words in page for words in ("*.example.com", "0.5 a second", "421 since midnight"))
    assert "Set the pace of a domain" not in page
    assert post(site, "/settings/domain-pace", domain="*.example.com", reason="over").status_code == 303
    assert site.world.execute("SELECT * FROM eed_domain_pace") == []
    for fields, where in (
        ({"domain": "a b"}, "domain"),
        ({"domain": "gmail.com@"}, "domain"),
        ({"per_second": "quick"}, "per_second"),
        ({"concurrency": "0"}, "concurrency"),
        ({"concurrency": "-1"}, "concurrency"),
        ({"ends": "1"}, "ends"),
        ({"reason": ""}, "reason"),
    ):
        answer = post(
            site, "/settings/domain-pace", **{"domain": "gmail.com", "per_second": "5", "reason": "r", **fields}
        )
        assert answer.status_code == 422, fields
        assert f'id="{where}-error"' in answer.text, fields


# --- the same from each surface --------------------------------------------------------------------------------------

BY_PAGE: dict[str, tuple[str, dict[str, str]]] = {
    "user_add": ("/settings/users/add", USER),
    "user_revoke": ("/settings/users/anna/revoke", {}),
    "token_revoke": ("/settings/tokens/old/one/revoke", {}),
    "session_revoke": (f"/settings/sessions/{'ab' * 8}/revoke", {}),
    "pace_set": ("/settings/pace", {"channel": "default", "per_second": "100", "reason": "r"}),
    "domain_pace_set": (
        "/settings/domain-pace",
        {"domain": "gmail.com", "per_second": "20", "concurrency": "5", "reason": "r"},
    ),
    "domain_hold": ("/holds/add", {"scope": "domain", "subject": "Example.NET", "reason": "r"}),
    "domain_release": ("/holds/7/release", {}),
}


@pytest.mark.parametrize("act", BY_PAGE)
def test_a_page_does_the_same_as_the_api_and_leaves_the_same_row_in_the_audit(site: Site, act: str) -> None:
    before, _, method, path, body, headers = ACTS[act]
    by_api = outcome(site, act, before, lambda: site.json(method, path, body, **headers))
    page, fields = BY_PAGE[act]

    def by_page() -> None:
        answer = post(site, page, **fields)
        assert answer.status_code == 303, answer.text

    assert outcome(site, act, before, by_page) == by_api
    assert len(by_api[1]) == 1
