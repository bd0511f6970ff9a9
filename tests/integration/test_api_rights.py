"""Every route of the role operators, asked by everybody: who gets in, and who does not."""

import re
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from flask import Flask

from eed_delivery.access.rights import RIGHTS_OF, OperatorRole, Right
from eed_delivery.operators.routes import OPEN, RouteRight, UndeclaredRoute, declared, needs
from tests.operators_site import Site
from tests.signed_tokens import KEY, claims, jwks
from tests.world import World

ALB = "arn:aws:elasticloadbalancing:us-east-2:123456789012:loadbalancer/app/mail-ops/0123456789abcdef"
SIGN_ON = f"""[operators.sign_on]
kind = "alb"
signer = "{ALB}"
client = "mail-ops"
issuer = "https://login.example.com"
people = {{ "8f1c" = {{ role = "admin" }} }}
"""
BODIES = {
    "/operations": {"kind": "retry_now", "selection": {"every": True}, "reason": "x"}, "/reports": {"format": "html"},
    "/stop": {"reason": "x"}, "/continue": {"reason": "x"}, "/approve": {"reason": "x"}, "/refuse": {"reason": "x"},
    "/pause": {"reason": "x"}, "/resume": {"reason": "x"}, "/cancel": {"reason": "x"}, "/hold": {"reason": "x"},
    "/v1/pace": {"per_second": 5, "reason": "x"},
    "/v1/domain-paces": {"domain": "gmail.com", "per_second": 5, "reason": "x"},
    "/v1/windows": {"scope": "all", "open_until": None, "reason": "x"},
    "/window": {"open_until": None, "reason": "x"},
    "/holds": {"scope": "domain", "subject": "b.example", "reason": "x"},
    "/emails/search": {"key": "1000"}, "/suppressions/search": {"address": "a@example.com"},
    "/suppressions": {"addresses": ["a@example.com"], "reason": "x"},
    "/suppressions/remove": {"addresses": ["a@example.com"]},
    "/v1/users": {"name": "anna", "password": "x", "role": "viewer"},
    "/v1/tokens": {"name": "anna", "role": "viewer", "expires_at": "2001-01-01T00:00:00Z"},
    "/check": {}, "/v1/channels": {"name": "x", "settings": {}}, "/channels/default": {"settings": {}},
}  # fmt: skip
WANTED: dict[tuple[str, str], RouteRight] = {
    ("GET", "/api/v1/tonight"): Right.VIEW,
    ("GET", "/api/v1/jobs"): Right.VIEW,
    ("POST", "/api/v1/jobs"): Right.SUBMIT,
    ("GET", "/api/v1/jobs/<path:key>"): Right.VIEW,
    ("GET", "/api/v1/jobs/<path:key>/failures"): Right.VIEW,
    ("GET", "/api/v1/jobs/<path:key>/emails"): Right.VIEW,
    ("GET", "/api/v1/jobs/<path:key>/certificate"): Right.VIEW,
    ("POST", "/api/v1/jobs/<path:key>/pause"): Right.OPERATE,
    ("POST", "/api/v1/jobs/<path:key>/resume"): Right.OPERATE,
    ("POST", "/api/v1/jobs/<path:key>/cancel"): Right.ADMIN,
    ("POST", "/api/v1/jobs/<path:key>/nudge"): Right.NUDGE,
    ("POST", "/api/v1/emails/search"): Right.VIEW,
    ("GET", "/api/v1/emails/<path:key>"): Right.VIEW,
    ("GET", "/api/v1/emails/<path:key>/preview"): Right.SEE_CONTENT,
    ("POST", "/api/v1/emails/<path:key>/resend"): Right.OPERATE,
    ("GET", "/api/v1/doubts"): Right.VIEW,
    ("POST", "/api/v1/doubts/match"): Right.OPERATE,
    ("POST", "/api/v1/doubts/settle"): Right.OPERATE,
    ("GET", "/api/v1/processes"): Right.VIEW,
    ("GET", "/api/v1/audit"): Right.AUDIT,
    ("GET", "/api/v1/channels"): Right.VIEW,
    ("GET", "/api/v1/channels/<name>"): Right.VIEW,
    ("POST", "/api/v1/channels"): Right.ADMIN,
    ("PUT", "/api/v1/channels/<name>"): Right.ADMIN,
    ("DELETE", "/api/v1/channels/<name>"): Right.ADMIN,
    ("POST", "/api/v1/channels/<name>/check"): Right.OPERATE,
    ("GET", "/api/v1/channel-kinds"): Right.VIEW,
    ("POST", "/api/v1/channels/<name>/hold"): Right.OPERATE,
    ("DELETE", "/api/v1/channels/<name>/hold"): Right.OPERATE,
    ("GET", "/api/v1/users"): Right.ADMIN,
    ("POST", "/api/v1/users"): Right.ADMIN,
    ("DELETE", "/api/v1/users/<path:name>"): Right.ADMIN,
    ("GET", "/api/v1/tokens"): Right.ADMIN,
    ("POST", "/api/v1/tokens"): Right.ADMIN,
    ("DELETE", "/api/v1/tokens/<path:name>"): Right.ADMIN,
    ("GET", "/api/v1/sessions"): Right.ADMIN,
    ("DELETE", "/api/v1/sessions/<session>"): Right.ADMIN,
    ("GET", "/api/v1/holds"): Right.VIEW,
    ("GET", "/api/v1/holds/<hold_id>"): Right.VIEW,
    ("POST", "/api/v1/holds"): Right.OPERATE,
    ("DELETE", "/api/v1/holds/<hold_id>"): Right.OPERATE,
    ("GET", "/api/v1/gates"): Right.VIEW,
    ("POST", "/api/v1/gates/<channel>/open"): Right.OPERATE,
    ("GET", "/api/v1/forecasts"): Right.VIEW,
    ("GET", "/api/v1/jobs/<path:key>/forecast"): Right.VIEW,
    ("GET", "/api/v1/pace"): Right.VIEW,
    ("PUT", "/api/v1/pace"): Right.ADMIN,
    ("GET", "/api/v1/domain-paces"): Right.VIEW,
    ("PUT", "/api/v1/domain-paces"): Right.ADMIN,
    ("GET", "/api/v1/windows"): Right.VIEW,
    ("PUT", "/api/v1/windows"): Right.ADMIN,
    ("PUT", "/api/v1/jobs/<path:key>/window"): Right.ADMIN,
    ("GET", "/api/v1/suppressions"): Right.VIEW,
    ("POST", "/api/v1/suppressions/search"): Right.SEE_RECIPIENTS,
    ("POST", "/api/v1/suppressions"): Right.OPERATE,
    ("POST", "/api/v1/suppressions/remove"): Right.ADMIN,
    ("POST", "/api/v1/suppressions/import"): Right.OPERATE,
    ("GET", "/api/v1/dead-letters"): Right.VIEW,
    ("GET", "/api/v1/dead-letters/<letter>"): Right.VIEW,
    ("POST", "/api/v1/dead-letters/<letter>/delete"): Right.ADMIN,
    ("GET", "/api/v1/operations"): Right.VIEW,
    ("POST", "/api/v1/operations"): Right.OPERATE,
    ("GET", "/api/v1/operations/<operation>"): Right.VIEW,
    ("GET", "/api/v1/operations/<operation>/file"): Right.VIEW,
    ("POST", "/api/v1/operations/<operation>/stop"): Right.OPERATE,
    ("POST", "/api/v1/operations/<operation>/continue"): Right.OPERATE,
    ("POST", "/api/v1/jobs/<path:key>/reports"): Right.VIEW,
    ("GET", "/api/v1/approvals"): Right.VIEW,
    ("POST", "/api/v1/approvals/<operation>/approve"): Right.ADMIN,
    ("POST", "/api/v1/approvals/<operation>/refuse"): Right.ADMIN,
    ("GET", "/operations"): Right.VIEW,
    ("GET", "/operations/<operation>"): Right.VIEW,
    **{
        (method, f"/operations/{path}"): right
        for method in ("GET", "POST")
        for path, right in {
            "<operation>/stop": Right.OPERATE,
            "<operation>/continue": Right.OPERATE,
            "<operation>/approve": Right.ADMIN,
            "<operation>/refuse": Right.ADMIN,
            "requeue": Right.OPERATE,
            "report": Right.VIEW,
        }.items()
    },
    ("GET", "/api/v1/jobs/<path:key>/domains"): Right.VIEW,
    ("GET", "/api/v1/openapi.json"): OPEN,
    ("GET", "/healthz"): OPEN,
    ("GET", "/readyz"): OPEN,
    ("GET", "/"): Right.VIEW,
    ("GET", "/jobs"): Right.VIEW,
    ("GET", "/jobs/<path:key>"): Right.VIEW,
    ("GET", "/jobs/<path:key>/failures"): Right.VIEW,
    ("GET", "/jobs/<path:key>/emails"): Right.VIEW,
    ("GET", "/jobs/<path:key>/doubts"): Right.VIEW,
    ("GET", "/jobs/<path:key>/domains"): Right.VIEW,
    ("GET", "/jobs/<path:key>/history"): Right.VIEW,
    ("GET", "/jobs/<path:key>/pause"): Right.OPERATE,
    ("POST", "/jobs/<path:key>/pause"): Right.OPERATE,
    ("GET", "/jobs/<path:key>/resume"): Right.OPERATE,
    ("POST", "/jobs/<path:key>/resume"): Right.OPERATE,
    ("GET", "/jobs/<path:key>/cancel"): Right.ADMIN,
    ("POST", "/jobs/<path:key>/cancel"): Right.ADMIN,
    ("GET", "/emails/<path:key>"): Right.VIEW,
    ("GET", "/session"): Right.VIEW,
    ("POST", "/session"): Right.VIEW,
    ("GET", "/processes"): Right.VIEW,
    ("GET", "/settings"): Right.VIEW,
    ("GET", "/holds/<int:hold_id>"): Right.VIEW,
    ("GET", "/dead-letters"): Right.VIEW,
    ("GET", "/dead-letters/<int:letter>"): Right.VIEW,
    ("GET", "/channels"): Right.VIEW,
    ("GET", "/channels/<name>"): Right.VIEW,
    ("POST", "/channels/<name>/check"): Right.OPERATE,
    ("GET", "/channel-kinds"): Right.ADMIN,
    **{
        (method, path): right
        for method in ("GET", "POST")
        for path, right in {
            "/gates/<channel>/open": Right.OPERATE,
            "/holds/add": Right.OPERATE,
            "/holds/<int:hold_id>/release": Right.OPERATE,
            "/settings/pace": Right.ADMIN,
            "/settings/domain-pace": Right.ADMIN,
            "/windows/override": Right.ADMIN,
            "/windows/<int:override_id>/end": Right.ADMIN,
            "/jobs/<path:key>/window": Right.ADMIN,
            "/settings/users/add": Right.ADMIN,
            "/settings/users/<path:name>/revoke": Right.ADMIN,
            "/settings/tokens/add": Right.ADMIN,
            "/settings/tokens/<path:name>/revoke": Right.ADMIN,
            "/settings/sessions/<session>/revoke": Right.ADMIN,
            "/dead-letters/<int:letter>/delete": Right.ADMIN,
            "/suppressions": Right.VIEW,
            "/suppressions/add": Right.OPERATE,
            "/suppressions/import": Right.OPERATE,
            "/suppressions/remove": Right.ADMIN,
            "/channel-kinds/<kind>/create": Right.ADMIN,
            "/channels/<name>/edit": Right.ADMIN,
            "/channels/<name>/hold": Right.OPERATE,
            "/channels/<name>/release": Right.OPERATE,
            "/channels/<name>/remove": Right.ADMIN,
        }.items()
    },
    ("GET", "/search"): Right.VIEW,
    ("POST", "/search"): Right.VIEW,
    ("GET", "/doubts"): Right.VIEW,
    ("GET", "/doubts/message-ids"): Right.VIEW,
    ("POST", "/doubts/match"): Right.OPERATE,
    ("POST", "/doubts/settle"): Right.OPERATE,
    ("GET", "/emails/<path:key>/preview"): Right.SEE_CONTENT,
    ("GET", "/emails/<path:key>/preview/html"): Right.SEE_CONTENT,
    ("GET", "/emails/<path:key>/resend"): Right.OPERATE,
    ("POST", "/emails/<path:key>/resend"): Right.OPERATE,
    ("GET", "/login"): OPEN,
    ("POST", "/login"): OPEN,
    ("POST", "/logout"): Right.VIEW,
    ("GET", "/assets/<path:name>"): OPEN,
    ("GET", "/audit"): Right.AUDIT,
    ("GET", "/metrics"): Right.METRICS,
    ("GET", "/metrics/ledger"): Right.METRICS,
    ("POST", "/api/v1/jobs/<path:key>/rehearsals"): Right.OPERATE,
    ("GET", "/api/v1/jobs/<path:key>/rehearsals"): Right.VIEW,
    ("GET", "/api/v1/rehearsals/<operation>"): Right.VIEW,
    ("GET", "/api/v1/rehearsals/<operation>/samples/<path:email>"): Right.SEE_CONTENT,
    ("POST", "/api/v1/rehearsals/<operation>/samples"): Right.SEE_CONTENT,
    ("GET", "/rehearsals/<operation>/send"): Right.SEE_CONTENT,
    ("POST", "/rehearsals/<operation>/send"): Right.SEE_CONTENT,
    ("GET", "/jobs/<path:key>/rehearse"): Right.OPERATE,
    ("POST", "/jobs/<path:key>/rehearse"): Right.OPERATE,
    ("GET", "/rehearsals/<operation>"): Right.VIEW,
    ("POST", "/api/v1/shadows"): Right.OPERATE,
    ("GET", "/api/v1/shadows"): Right.VIEW,
    ("GET", "/api/v1/shadows/<operation>"): Right.VIEW,
    ("GET", "/api/v1/shadows/<operation>/emails"): Right.VIEW,
    ("GET", "/api/v1/shadows/<operation>/emails/<path:email>"): Right.VIEW,
    ("GET", "/api/v1/shadows/<operation>/messages/<side>/<path:email>"): Right.SEE_CONTENT,
    ("GET", "/api/v1/shadow-acceptances"): Right.VIEW,
    ("POST", "/api/v1/shadow-acceptances"): Right.OPERATE,
    ("POST", "/api/v1/shadow-acceptances/<name>/revoke"): Right.OPERATE,
    ("GET", "/shadows"): Right.VIEW,
    ("GET", "/shadows/start"): Right.OPERATE,
    ("POST", "/shadows/start"): Right.OPERATE,
    ("GET", "/shadows/<operation>"): Right.VIEW,
    ("GET", "/shadow-acceptances/accept"): Right.OPERATE,
    ("POST", "/shadow-acceptances/accept"): Right.OPERATE,
    ("GET", "/shadow-acceptances/<name>/revoke"): Right.OPERATE,
    ("POST", "/shadow-acceptances/<name>/revoke"): Right.OPERATE,
    ("GET", "/api/v1/submissions"): Right.VIEW,
    ("POST", "/api/v1/submissions/<path:key>/discard"): Right.SUBMIT,
    ("GET", "/submit"): Right.SUBMIT,
    ("POST", "/submit"): Right.SUBMIT,
    ("GET", "/submissions"): Right.VIEW,
    ("GET", "/submissions/<path:key>/discard"): Right.SUBMIT,
    ("POST", "/submissions/<path:key>/discard"): Right.SUBMIT,
}
"""A new route belongs here, with the right that it is meant to have."""
ROLES: dict[OperatorRole, set[Right]] = {
    OperatorRole.VIEWER: {Right.VIEW, Right.METRICS},
    OperatorRole.OPERATOR: {Right.VIEW, Right.METRICS, Right.OPERATE, Right.SUBMIT, Right.NUDGE},
    OperatorRole.ADMIN: {*Right} - {Right.SEE_RECIPIENTS, Right.SEE_CONTENT},
    OperatorRole.AUDITOR: {Right.VIEW, Right.AUDIT},
}
CALLERS = ("nobody", *OperatorRole, "expired", "revoked", "no token", "wrong signer", "every right")
REFUSED = (401, 403)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One for all rows: no row changes what another one needs."""
    directory = tmp_path_factory.mktemp("site")
    world = World(f"sqlite:///{directory}/ledger.sqlite3")
    world.add_job(["a@example.com"])
    world.enlist()
    yield Site(world, directory, f'[operators]\nlisten = "127.0.0.1:8027"\nrequests_per_minute = 100000\n{SIGN_ON}')
    world.close()


def test_the_table_has_every_route_with_its_right(site: Site) -> None:
    assert {(method, path): right for method, path, right in declared(site.app)} == WANTED


def test_the_roles_have_the_rights_of_the_table() -> None:
    assert {role: set(rights) for role, rights in RIGHTS_OF.items()} == ROLES


def headers_of(site: Site, caller: str) -> dict[str, str]:
    match caller:
        case "nobody":
            return {}
        case "expired":
            token = site.token("admin", name="short")
            site.world.execute(
                "UPDATE eed_api_token SET expires_at = '2001-01-01 00:00:00.000000' WHERE name = 'short'"
            )
            return {"Authorization": f"Bearer {token}"}
        case "revoked":
            token = site.token("admin", name="gone")
            site.world.execute("UPDATE eed_api_token SET revoked_at = '2001-01-01 00:00:00.000000' WHERE name = 'gone'")
            return {"Authorization": f"Bearer {token}"}
        case "no token":
            return {"Authorization": "Basic YW5uYTpnZWhlaW0="}
        case "wrong signer":
            return {"X-Amzn-Oidc-Data": "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"}
        case "every right":
            token = site.token("admin", *ROLES[OperatorRole.ADMIN], "see_recipients", "see_content", name="all")
            return {"Authorization": f"Bearer {token}"}
    return {"Authorization": f"Bearer {site.token(caller)}"}


@pytest.mark.parametrize("caller", CALLERS)
def test_each_route_lets_in_who_has_its_right_and_nobody_else(site: Site, caller: str) -> None:
    headers = headers_of(site, caller)
    if caller in set(OperatorRole):
        rights: set[Right] = ROLES[OperatorRole(caller)]
    else:
        rights = {*Right} if caller == "every right" else set()
    wrong = {}
    for (method, path), right in WANTED.items():
        where = (
            path.replace("<path:key>", "1")
            .replace("<name>", "default")
            .replace("<kind>", "smtp")
            .replace("<int:hold_id>", "1")
            .replace("<session>", "0123456789abcdef")
            .replace("<path:name>", "style.css")
            .replace("<hold_id>", "1")
            .replace("<int:letter>", "1")
            .replace("<int:override_id>", "1")
            .replace("<letter>", "1")
            .replace("<operation>", "0123456789abcdef")
        )
        body = BODIES.get(next((end for end in sorted(BODIES, key=len, reverse=True) if path.endswith(end)), ""))
        answer = site.ask(method, where, body if method in ("POST", "PUT") else None, role=None, **headers)
        let_in = answer.status_code not in REFUSED and answer.headers.get("Location") != "/login"
        if path == "/login" and method == "POST":
            let_in = "wrong" in answer.text or "too many failed logins" in answer.text
        if path == "/logout" and right in rights:
            let_in = answer.headers.get("Location") == "/login"
        if let_in != (right is OPEN or right in rights):
            wrong[method, path] = (answer.status_code, answer.text[:200])
    assert wrong == {}


def test_a_route_without_a_right_stops_the_role() -> None:
    app = Flask("x", static_folder=None)
    app.add_url_rule("/good", "good", needs(Right.VIEW)(lambda: ""))
    assert len(list(declared(app))) == 1
    app.add_url_rule("/bad", "bad", lambda: "")
    with pytest.raises(UndeclaredRoute, match="bad"):
        list(declared(app))


def test_a_right_beyond_the_role_is_for_those_who_are_named(site: Site) -> None:
    path = "/api/v1/jobs/1/emails"
    masked = site.json("GET", path)["items"][0]["recipient"]
    named = site.json("GET", path, token=site.token("viewer", "view", "see_recipients"))["items"][0]["recipient"]
    assert (masked, named) == ("***@example.com", "a@example.com")


def test_a_scope_takes_away_what_the_role_would_allow(site: Site) -> None:
    token = site.token("operator", "nudge")
    assert site.ask("POST", "/api/v1/jobs/1/nudge", token=token).status_code == 200
    status, problem = site.problem("POST", "/api/v1/jobs/1/pause", {"reason": "x"}, token=token)
    assert (status, problem["right"]) == (403, "operate")
    assert site.problem("GET", "/api/v1/jobs", token=token)[0] == 403


def test_who_is_let_in_by_a_cookie_alone_is_not_let_in_by_another_sites_page(site: Site) -> None:
    for headers, status in (
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:8027"}, 200),
        ({"Sec_Fetch_Site": "same-origin", "Origin": "http://127.0.0.1:8027"}, 200),
        ({}, 200),
    ):
        answer = site.ask("POST", "/api/v1/jobs/1/nudge", **headers)
        assert answer.status_code == status, headers


def test_a_host_that_is_no_proxy_of_ours_is_refused(site: Site) -> None:
    assert site.problem("GET", "/api/v1/jobs", peer="192.0.2.7")[1]["type"].endswith("foreign_host")
    assert site.ask("GET", "/healthz", peer="192.0.2.7").status_code == 403


def test_the_answer_has_the_headers_that_protect_a_page(site: Site, tmp_path: Path) -> None:
    answer = site.ask("GET", "/login", role=None)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    scripts = re.findall(r"<script[^>]*>[^<]*", answer.text)
    assert scripts
    assert all(re.fullmatch(r'<script src="/assets/[^"]+" defer>', script) for script in scripts), "none is inline"
    assert "style=" not in answer.text


def behind_a_proxy(world: World, tmp_path: Path, header: str) -> Site:
    """With a job. The proxy's token is in that header, and 8f1c is an operator."""
    more = f"""[operators]
listen = "127.0.0.1:8027"
[operators.sign_on]
kind = "jwks"
header = "{header}"
issuer = "https://login.example.com"
audience = "mail-ops"
keys_url = "https://login.example.com/jwks.json"
people = {{ "8f1c" = {{ role = "operator" }} }}
"""
    site = Site(world, tmp_path, more, fetch=lambda url: jwks(("one", KEY)))
    world.add_job()
    world.enlist()
    return site


def test_a_proxy_may_send_its_token_where_api_tokens_come_too(world: World, tmp_path: Path) -> None:
    """As oauth2-proxy does."""
    site = behind_a_proxy(world, tmp_path, "Authorization")

    def ask(token: str) -> int:
        return site.ask("POST", "/api/v1/jobs/1/pause", {"reason": "x"}, role=None, Authorization=token).status_code

    signed = jwt.encode(claims(aud="mail-ops"), KEY, "ES256", headers={"kid": "one"})
    assert ask(f"Bearer {signed}x") == ask("Bearer eed_invented") == ask("Basic YTpi") == 401
    assert ask(f"Bearer {site.token('viewer')}") == 403
    assert ask(f"Bearer {signed}") == 200
    stranger = jwt.encode(claims(aud="mail-ops", sub="77aa"), KEY, "ES256", headers={"kid": "one"})
    status, problem = site.problem("GET", "/api/v1/jobs", role=None, Authorization=f"Bearer {stranger}")
    assert (status, problem["type"]) == (403, "urn:eed-delivery:problem:no_role")
    assert "77aa" in problem["detail"]
    assert world.scalar("SELECT who FROM eed_audit WHERE act = 'pause'") == "anna@bank.example (8f1c)"


def test_a_person_cannot_push_their_subject_out_of_the_audit_by_a_long_name(world: World, tmp_path: Path) -> None:
    site = behind_a_proxy(world, tmp_path, "X-Signed")
    signed = jwt.encode(claims(aud="mail-ops", email="root" + " " * 300), KEY, "ES256", headers={"kid": "one"})
    site.json("POST", "/api/v1/jobs/1/pause", {"reason": "x"}, role=None, X_Signed=signed)
    assert str(world.scalar("SELECT who FROM eed_audit WHERE act = 'pause'")).endswith(" (8f1c)")
