"""The frame of the pages: navigation by rights, errors as pages, and what is left out for those who may not see it."""

from importlib.metadata import version
from pathlib import Path

import pytest
from werkzeug.test import Client, TestResponse

from tests.operators_site import PASSWORD, Site
from tests.world import World

HERE = {"REMOTE_ADDR": "127.0.0.1"}
HTML = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def site(world: World, tmp_path: Path) -> Site:
    return Site(world, tmp_path)


def logged_in(site: Site, role: str, *rights: str) -> Client:
    site.user(role, role, *rights)
    browser = site.browser()
    browser.post("/login", data={"name": role, "password": PASSWORD}, environ_base=HERE)
    return browser


def get(browser: Client, path: str, **headers: str) -> TestResponse:
    return browser.get(path, headers={**HTML, **headers}, environ_base=HERE)


def test_an_error_is_a_page_for_a_browser_and_json_for_others(site: Site) -> None:
    browser = logged_in(site, "viewer")
    page = get(browser, "/nowhere")
    assert (page.status_code, page.mimetype) == (404, "text/html")
    assert "<h1><bdi>There is no such page</bdi></h1>" in page.text
    assert browser.get("/nowhere", environ_base=HERE).mimetype == "application/problem+json"
    assert get(browser, "/api/v1/nowhere").mimetype == "application/problem+json"


def test_a_page_that_renews_itself_is_told_that_the_session_has_ended(site: Site) -> None:
    """A redirect would put the login form where figures are."""
    answer = get(site.browser(), "/", **{"HX-Request": "true"})
    assert answer.status_code == 401
    assert get(site.browser(), "/").headers["Location"] == "/login"


def test_what_was_typed_is_kept_when_the_session_has_ended(site: Site) -> None:
    form = {"reason": "wrong <rate>", "version": "abc"}
    answer = site.browser().post("/jobs/42/pause", data=form, headers=HTML, environ_base=HERE)
    assert answer.status_code == 401
    assert '<input type="hidden" name="reason" value="wrong &lt;rate&gt;">' in answer.text


@pytest.mark.parametrize("field", ["password", "settings.password", "settings.private_key_passphrase"])
def test_a_secret_that_was_typed_is_on_no_page_that_asks_again(site: Site, field: str) -> None:
    form = {"settings.host": "relay.example", field: PASSWORD}
    answer = site.browser().post("/channel-kinds/smtp/create", data=form, headers=HTML, environ_base=HERE)
    assert answer.status_code == 401
    assert "relay.example" in answer.text
    assert PASSWORD not in answer.text


def test_a_password_is_on_no_page(site: Site) -> None:
    form = {"name": "nobody", "password": PASSWORD}
    answer = site.browser().post("/login", data=form, headers=HTML, environ_base=HERE)
    assert answer.status_code == 403
    assert PASSWORD not in answer.text
    assert "There is a problem" in answer.text


def test_host_and_release_are_for_who_has_logged_in(site: Site) -> None:
    told = f"eed_delivery {version('eed_delivery')} on "
    assert [told in get(site.browser(), path).text for path in ("/login", "/nowhere")] == [False, False]
    assert told in get(logged_in(site, "viewer"), "/").text


def test_an_asset_is_kept_by_browsers_and_its_address_changes_with_it(site: Site) -> None:
    page = get(logged_in(site, "viewer"), "/")
    address = page.text.partition('href="/assets/style.css?')[2].partition('"')[0]
    answer = get(site.browser(), f"/assets/style.css?{address}")
    assert answer.status_code == 200
    assert "immutable" in answer.headers["Cache-Control"]
    assert get(site.browser(), "/assets/../pages.py").status_code == 404
