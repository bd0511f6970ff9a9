"""Local users: a login with a password, its counted attempts, and the session that follows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from werkzeug.test import Client, TestResponse

from eed_delivery.ledger.access.housekeeping import AccessHousekeeping
from eed_delivery.ledger.access.login_attempts import FREE_ATTEMPTS, LONGEST_WAIT_SECONDS, wait_after
from tests.operators_site import PASSWORD, Site
from tests.world import World

PAST = "2001-01-01 00:00:00.000000"
HERE = {"REMOTE_ADDR": "127.0.0.1"}
COOKIE = "eed_session"


@pytest.fixture
def site(world: World, tmp_path: Path) -> Site:
    """With Anna, an operator."""
    site = Site(world, tmp_path)
    site.user("anna")
    return site


def log_in(browser: Client, name: str = "anna", password: str = PASSWORD, address: str = "") -> TestResponse:
    headers = {"X-Forwarded-For": address} if address else {}
    form = {"name": name, "password": password}
    return browser.post("/login", data=form, headers=headers, environ_base=HERE)


def start(browser: Client) -> TestResponse:
    return browser.get("/", environ_base=HERE)


def test_who_has_logged_in_sees_the_start_page_until_they_log_out(site: Site) -> None:
    browser = site.browser()
    assert start(browser).headers["Location"] == "/login"
    answer = log_in(browser)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    cookie = answer.headers["Set-Cookie"]
    assert {"HttpOnly", "Path=/", "SameSite=Strict"} <= set(cookie.split("; "))
    page = start(browser)
    assert page.status_code == 200
    assert "<bdi>anna</bdi>, operator" in page.text
    assert page.headers["Cache-Control"] == "no-store"
    assert browser.post("/logout", environ_base=HERE).headers["Location"] == "/login"
    assert start(browser).status_code == 303
    acts = site.world.execute("SELECT act, who, surface FROM eed_audit WHERE object_key = 'anna' ORDER BY act_id")
    assert acts == [("user_add", "root", "cli"), ("login", "anna", "page"), ("logout", "anna", "page")]


def test_over_https_the_cookie_is_of_this_host_alone(world: World, tmp_path: Path) -> None:
    more = '[operators]\nlisten = "127.0.0.1:8027"\npublic_origin = "https://mail-ops.example.com"\n'
    site = Site(world, tmp_path, more)
    site.user("anna")
    answer = log_in(site.browser())
    assert answer.headers["Set-Cookie"].startswith("__Host-eed_session=")
    assert "Secure" in answer.headers["Set-Cookie"]
    assert answer.headers["Strict-Transport-Security"]


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE eed_session SET seen_at = '{PAST}'",
        f"UPDATE eed_session SET ends_at = '{PAST}'",
        f"UPDATE eed_user SET revoked_at = '{PAST}'",
        "DELETE FROM eed_session",
    ],
)
def test_a_session_that_is_over_lets_nobody_in(site: Site, statement: str) -> None:
    browser = site.browser()
    log_in(browser)
    assert start(browser).status_code == 200
    site.world.execute(statement)
    assert start(browser).status_code == 303


def test_figures_that_renew_by_themselves_keep_no_session_alive(site: Site) -> None:
    browser = site.browser()
    log_in(browser)
    a_minute_ago = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=60)
    site.world.execute("UPDATE eed_session SET seen_at = :at", at=a_minute_ago.isoformat(" ", "microseconds"))
    seen = site.world.scalar("SELECT seen_at FROM eed_session")
    assert browser.get("/", headers={"HX-Request": "true"}, environ_base=HERE).status_code == 200
    assert site.world.scalar("SELECT seen_at FROM eed_session") == seen
    assert start(browser).status_code == 200
    assert site.world.scalar("SELECT seen_at FROM eed_session") != seen


def test_a_revoked_user_is_out_at_once_and_can_be_added_anew(site: Site) -> None:
    browser = site.browser()
    log_in(browser)
    site.cli.good("user", "revoke", "anna")
    assert start(browser).status_code == 303
    assert log_in(browser).status_code == 403
    added = site.cli.good("user", "add", "anna", "--role", "viewer", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert added == "user anna is added, with the role viewer\n"
    assert log_in(browser).status_code == 303


def test_a_cookie_that_was_changed_is_none(site: Site) -> None:
    browser = site.browser()
    log_in(browser)
    cookie = browser.get_cookie(COOKIE)
    assert cookie is not None
    browser.set_cookie(COOKIE, f"{cookie.value[:-3]}xyz")
    assert start(browser).status_code == 303


def test_the_ledger_has_neither_password_nor_session_nor_token(site: Site) -> None:
    browser = site.browser()
    log_in(browser)
    cookie = browser.get_cookie(COOKIE)
    assert cookie is not None
    token = site.token("admin")
    for table in ("eed_user", "eed_session", "eed_api_token", "eed_login_attempt", "eed_audit"):
        text = str(site.world.execute(f"SELECT * FROM {table}"))
        for secret in (PASSWORD, token, cookie.value.partition(".")[0].strip('"')):
            assert secret not in text, table


def test_failed_logins_wait_longer_and_longer_by_name_whoever_tries(site: Site) -> None:
    for n in range(FREE_ATTEMPTS + 1):
        assert log_in(site.browser(), password="wrong", address=f"198.51.100.{n}").status_code == 403
    answer = log_in(site.browser(), address="198.51.100.99")
    assert answer.status_code == 429, "the right password waits, too"
    assert "seconds" in answer.text
    site.world.execute(f"UPDATE eed_login_attempt SET blocked_until = '{PAST}'")
    assert log_in(site.browser(), address="198.51.100.99").status_code == 303
    assert log_in(site.browser(), address="198.51.100.99").status_code == 303, "a success forgets the failures"


def test_failed_logins_wait_by_address_whatever_name_they_try(site: Site) -> None:
    for n in range(FREE_ATTEMPTS + 1):
        assert log_in(site.browser(), f"nobody-{n}", address="198.51.100.7").status_code == 403
    assert log_in(site.browser(), address="198.51.100.7").status_code == 429
    assert log_in(site.browser(), address="198.51.100.8").status_code == 303


def test_a_name_with_blanks_behind_it_is_no_other_spelling_that_is_counted_apart(site: Site) -> None:
    """MySQL and MariaDB compare without them."""
    assert log_in(site.browser(), "anna ").status_code == 403
    assert log_in(site.browser(), "anna").status_code == 303


def test_failed_logins_of_one_ipv6_network_wait_together(site: Site) -> None:
    for n in range(FREE_ATTEMPTS + 1):
        assert log_in(site.browser(), f"nobody-{n}", address=f"2001:db8::{n}:7").status_code == 403
    assert log_in(site.browser(), address="2001:db8::ffff:1").status_code == 429
    assert log_in(site.browser(), address="2001:db8:0:1::1").status_code == 303


def test_an_address_that_has_to_wait_makes_no_rows_with_invented_names(site: Site) -> None:
    for n in range(FREE_ATTEMPTS + 5):
        log_in(site.browser(), f"nobody-{n}", address="198.51.100.7")
    assert site.world.scalar("SELECT COUNT(*) FROM eed_login_attempt") == FREE_ATTEMPTS + 1 + 1


def test_an_unknown_name_is_answered_like_a_wrong_password(site: Site) -> None:
    wrong, unknown = log_in(site.browser(), password="wrong"), log_in(site.browser(), "nobody")
    assert (wrong.status_code, wrong.text) == (unknown.status_code, unknown.text)


def test_the_waits_double_up_to_a_limit() -> None:
    assert [wait_after(n) for n in range(8)] == [0, 0, 0, 0, 2, 4, 8, 16]
    assert wait_after(1000) == LONGEST_WAIT_SECONDS


@pytest.mark.parametrize("password", ["", "short", "a" * 14, "a" * 257, "anna-the-operator"])
def test_a_password_that_is_easily_guessed_is_refused_and_not_shown(site: Site, password: str) -> None:
    result = site.cli("user", "add", "anna-the-operator", "--role", "viewer", "--password-stdin", stdin=f"{password}\n")
    assert result.exit_code == 1
    assert password in ("", "short", "anna-the-operator") or password not in result.stderr


def test_what_is_over_is_deleted(site: Site) -> None:
    log_in(site.browser())
    log_in(site.browser(), password="wrong")
    site.world.execute(f"UPDATE eed_session SET ends_at = '{PAST}'")
    site.world.execute(f"UPDATE eed_login_attempt SET last_at = '{PAST}'")
    assert AccessHousekeeping(site.world.database).step() > 0
    assert site.world.scalar("SELECT COUNT(*) FROM eed_session") == 0
    assert site.world.scalar("SELECT COUNT(*) FROM eed_login_attempt") == 0


def test_a_token_is_shown_once_and_limited(site: Site) -> None:
    shown = site.cli.good("token", "add", "old-server", "--role", "operator", "--scope", "nudge", "--expires", "365d")
    secret = shown.splitlines()[-1]
    assert site.ask("GET", "/api/v1/jobs", token=secret).status_code == 403
    assert secret not in site.cli.good("token", "list")
    assert "there is or was a token" in site.cli.refused(
        "token", "add", "old-server", "--role", "viewer", "--expires", "1d"
    )
    assert "at most 365 days" in site.cli.refused("token", "add", "x", "--role", "viewer", "--expires", "366d")
    assert "does not have the right admin" in site.cli.refused(
        "token", "add", "x", "--role", "viewer", "--scope", "admin", "--expires", "1d"
    )
    site.cli.good("token", "revoke", "old-server")
    assert site.ask("GET", "/api/v1/jobs", token=secret).status_code == 401
