"""The page Audit."""

from pathlib import Path

import pytest
from werkzeug.test import Client, TestResponse

from eed_delivery.ledger.actor import Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject, note
from eed_delivery.ledger.audit_chain import ChainLedger
from tests.operators_site import PASSWORD, Site
from tests.world import World

HERE = {"REMOTE_ADDR": "127.0.0.1"}


@pytest.fixture
def site(world: World, tmp_path: Path) -> Site:
    return Site(world, tmp_path)


def logged_in(site: Site, role: str, *rights: str) -> Client:
    site.user(role, role, *rights)
    browser = site.browser()
    browser.post("/login", data={"name": role, "password": PASSWORD}, environ_base=HERE)
    return browser


def get(browser: Client, path: str) -> TestResponse:
    return browser.get(path, headers={"Accept": "text/html"}, environ_base=HERE)


def acts(world: World, count: int = 1) -> None:
    anna = Actor("anna", "cli", "host", command="eed-delivery suppression add <b>c@example.com</b>")

    def work(c: object) -> None:
        for n in range(count):
            act = Act(
                ActKind.SUPPRESSION_ADD, object=ActObject.ADDRESS, key="c@customers.example", reason=f"asked {n}",
                before={"note": "<script>"}, operation=f"o{n}",
            )  # fmt: skip
            note(c, anna, act)  # type: ignore[arg-type]

    world.database.run(work)


def test_the_audit_shows_who_did_what_and_its_head(site: Site) -> None:
    acts(site.world)
    auditor = logged_in(site, "auditor")
    answer = get(auditor, "/audit?person=anna")
    assert answer.status_code == 200
    assert "asked 0" in answer.text
    assert "&lt;script&gt;" in answer.text
    assert "<script>" not in answer.text
    assert "c@customers.example" not in answer.text
    assert "***@customers.example" in answer.text
    assert ChainLedger(site.world.database).head().hash in answer.text
    rows = site.world.execute("SELECT who, surface, state_after FROM eed_audit WHERE act = 'audit'")
    assert rows == [("auditor", "page", '{"person": "anna"}')], "to look is in the audit"
    assert get(logged_in(site, "viewer"), "/audit").status_code == 403


def test_filters_narrow_and_a_mistake_is_said_beside_its_field(site: Site) -> None:
    acts(site.world)
    auditor = logged_in(site, "auditor", "see_recipients")
    assert "c@customers.example" in get(auditor, "/audit").text
    assert "There are none." in get(auditor, "/audit?act=pause").text
    assert "There are none." in get(auditor, "/audit?until=2001-01-01").text
    assert "asked 0" in get(auditor, "/audit?since=2001-01-01&until=&act=suppression_add").text
    for wrong in ("since=yesterday", "until=9999-12-31", "act=dance", "after=x"):
        assert get(auditor, f"/audit?{wrong}").status_code == 422, wrong
    assert 'id="since-error"' in get(auditor, "/audit?since=yesterday").text
    assert get(auditor, "/audit?persn=anna").status_code == 422, "a filter with a typo is never ignored"


def test_a_long_audit_has_pages(site: Site) -> None:
    acts(site.world, 51)
    auditor = logged_in(site, "auditor")
    first = get(auditor, "/audit?act=suppression_add")
    assert (first.text.count("<td>suppression add</td>"), "asked 0<" in first.text) == (50, False)
    path = first.text.partition('<a id="next" rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert path.startswith("/audit?act=suppression_add&after=")
    second = get(auditor, path)
    assert (second.text.count("<td>suppression add</td>"), "asked 0<" in second.text) == (1, True)
    assert 'id="next"' not in second.text
