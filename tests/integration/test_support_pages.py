"""The pages for a customer's call and for the night's doubts: search, preview, send again, the doubts workbench."""

import re
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

import pytest
from werkzeug.test import TestResponse

from tests.integration.test_doubts import DOMAIN, log_of, states
from tests.operators_site import Site
from tests.world import World

FORM = "application/x-www-form-urlencoded"
HTML = (
    '<style>p { color: red }</style><p>Dear {{ name }}</p><script>alert(1)</script><img src="https://evil.example/x">'
)


@pytest.fixture
def site(world: World, tmp_path: Path) -> Site:
    """With three emails in doubt, and one that was sent at the same time."""
    ids = world.add_job(
        [f"{name}@example.com" for name in ("anna", "bert", "carla", "dora")], html_template=HTML, name="<b>Statements"
    )
    world.enlist()
    for email_id in ids:
        assert world.delivering.wire(world.claimed(email_id), 60) is None
        world.lapse(email_id, 1800)
    world.sweeping.settle_the_wire(resend_below=0)
    world.execute("UPDATE eed_email SET state = 'sent' WHERE email_id = 1003")
    return Site(world, tmp_path)


def post(site: Site, path: str, role: str = "admin", token: str | None = None, **fields: str) -> TestResponse:
    return site.ask("POST", path, urlencode(fields), media=FORM, role=role, token=token)


def plan_of(answer: TestResponse) -> str:
    found = re.search(r'name="plan" value="([^"]+)"', answer.text)
    assert found is not None, answer.text
    return unescape(found[1])


# --- doubts ----------------------------------------------------------------------------------------------------------


def test_all_doubts_are_settled_from_the_page_in_one_act(site: Site) -> None:
    start = site.ask("GET", "/doubts", role="operator").text
    assert "3 emails in doubt" in start
    assert f"1000.0@{DOMAIN}" in start
    ids = site.ask("GET", "/doubts/message-ids", role="viewer")
    assert ids.text.splitlines() == [f"{key}.0@{DOMAIN}" for key in (1000, 1001, 1002)]
    assert "attachment" in ids.headers["Content-Disposition"]
    log = log_of(site.world, {1000: "sent", 1001: "bounced", 1003: "sent"})
    seen = post(site, "/doubts/match", "operator", lines=log, zone="UTC")
    assert seen.status_code == 200
    assert "status=bounced (said the server)" in seen.text
    assert "anna.1000@" not in seen.text
    assert set(states(site.world).values()) == {"in_doubt", "sent"}
    fields = {"plan": plan_of(seen), "accepted": "yes", "not_there": "yes", "bounced": "yes", "reason": "restarted"}
    done = post(site, "/doubts/settle", "operator", **fields)
    assert (done.status_code, done.headers["Location"]) == (303, "/doubts")
    assert states(site.world) == {1000: "sent", 1001: "failed", 1002: "failed", 1003: "sent"}
    assert site.world.scalar("SELECT DISTINCT surface FROM eed_audit WHERE act = 'settle'") == "page"
    assert "No email is in doubt" in site.ask("GET", "/doubts").text


def test_a_file_is_read_like_what_was_pasted(site: Site) -> None:
    log = log_of(site.world, {1000: "sent"})
    client_form = (
        '--x\r\nContent-Disposition: form-data; name="log"; filename="mail.log"\r\n\r\n'
        f'{log}\r\n--x\r\nContent-Disposition: form-data; name="zone"\r\n\r\nUTC\r\n--x--\r\n'
    )
    seen = site.ask("POST", "/doubts/match", client_form, media="multipart/form-data; boundary=x")
    assert seen.status_code == 200
    assert "status=sent" in seen.text


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"lines": "hello"}, "no log of Postfix"),
        ({"lines": ""}, "no log of Postfix"),
        ({"lines": "x", "zone": "Mars"}, "no time zone Mars"),
    ],
)
def test_what_cannot_be_read_comes_back_with_the_reason(site: Site, fields: dict[str, str], problem: str) -> None:
    answer = post(site, "/doubts/match", **fields)
    assert answer.status_code == 422
    assert problem in unescape(answer.text)
    assert "There is a problem" in answer.text


def test_a_settlement_without_a_reason_or_a_choice_comes_back(site: Site) -> None:
    plan = plan_of(post(site, "/doubts/match", lines=log_of(site.world, {1000: "sent"}), zone="UTC"))
    for fields in ({"accepted": "yes", "reason": ""}, {"reason": "x"}):
        answer = post(site, "/doubts/settle", plan=plan, **fields)
        assert answer.status_code == 422
        assert plan_of(answer) == plan
    assert post(site, "/doubts/settle", plan="forged", accepted="yes", reason="x").status_code == 422
    assert states(site.world)[1000] == "in_doubt"


def test_a_viewer_sees_doubts_and_settles_none(site: Site) -> None:
    assert "Read the log" not in site.ask("GET", "/doubts", role="viewer").text
    assert post(site, "/doubts/match", "viewer", lines="x").status_code == 403


# --- search ----------------------------------------------------------------------------------------------------------


def test_a_customer_is_found_by_one_form(site: Site) -> None:
    token = site.token("viewer", "view", "see_recipients")
    found = post(site, "/search", token=token, text="ANNA@example.com")
    assert 'href="/emails/1000"' in found.text
    assert 'href="/jobs/1"' in found.text
    assert "bert" not in found.text
    assert post(site, "/search", "admin", text="anna@example.com").status_code == 403
    masked = post(site, "/search", "viewer", text=f"<1000.0@{DOMAIN}>").text
    assert 'href="/emails/1000"' in masked
    assert "anna@" not in masked
    assert "&lt;b&gt;Statements" in post(site, "/search", "viewer", text="statements").text
    assert "Nothing was found" in post(site, "/search", "viewer", text="zzz").text
    assert post(site, "/search", "viewer", text="").status_code == 422
    assert post(site, "/search", "viewer", text="a\x1b[2J").status_code == 422


# --- preview ---------------------------------------------------------------------------------------------------------


def test_an_email_is_shown_in_a_frame_that_runs_and_loads_nothing(site: Site) -> None:
    token = site.token("viewer", "view", "see_content")
    assert site.ask("GET", "/emails/1000/preview").status_code == 403
    around = site.ask("GET", "/emails/1000/preview", token=token)
    assert '<iframe id="html" class="preview" sandbox="" src="/emails/1000/preview/html"' in around.text
    assert "alert(1)" not in around.text
    assert "frame-src 'self'" in around.headers["Content-Security-Policy"]
    within = site.ask("GET", "/emails/1000/preview/html", token=token)
    policy = within.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox; default-src 'none'; ")
    assert "script" not in policy
    assert "allow-" not in policy
    assert "Dear C1000" in within.text
    alone = site.ask("GET", "/emails/1000/preview/html", token=token, Sec_Fetch_Dest="document")
    assert (alone.status_code, alone.location) == (303, "/emails/1000/preview"), "its links would lead away"
    framed = site.ask("GET", "/emails/1000/preview/html", token=token, Sec_Fetch_Dest="iframe")
    assert framed.status_code == 200


# --- send again ------------------------------------------------------------------------------------------------------


def test_an_email_is_sent_again_by_a_page_that_asks_first(site: Site) -> None:
    asked = site.ask("GET", "/emails/1003/resend", role="operator")
    assert "Send email 1003 again?" in asked.text
    assert "Another address" not in asked.text
    fields = {"reason": "lost", "version": "0"}
    done = post(site, "/emails/1003/resend", "operator", **fields, address="evil@example.net")
    assert (done.status_code, done.headers["Location"]) == (303, "/emails/1003~1")
    assert site.world.scalar("SELECT recipient FROM eed_email WHERE resend_of = 1003") == "dora@example.com"
    assert post(site, "/emails/1003/resend", "operator", **fields).status_code == 412
    assert post(site, "/emails/1003/resend", "operator", reason="lost").status_code == 412  # without what was seen
    moved = post(site, "/emails/1003/resend", reason="moved", version="1", address="new@example.com")
    assert moved.status_code == 303
    assert "Another address" in site.ask("GET", "/emails/1003/resend").text
    assert post(site, "/emails/1000/resend", reason="x", version="0").status_code in (409, 422)
