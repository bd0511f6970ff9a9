"""The suppression list by the pages and the API: searched, added, imported, and what goes with evidence only."""

import re
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import insert
from werkzeug.test import TestResponse

from eed_delivery.ledger.schema import eed_suppression
from eed_delivery.ledger.suppression.listing import LOOKED_AT_ONCE
from eed_delivery.operations.suppression.listing import EntriesRequest, SuppressRequest
from eed_delivery.operators.sealing import Seal
from tests.integration.test_api import ACTS, outcome
from tests.operators_site import SECRET, Site
from tests.world import World

pytestmark = [pytest.mark.also_on_sqlite]
FORM = "application/x-www-form-urlencoded"
ENTRIES = (
    ("anna@example.com", "", "asked by phone", "operator"),
    ("bert@example.com", "", "spam button", "complaint"),
    ("carla@example.org", "news", "unsubscribed: one_click", "unsubscribe"),
    ("dora@example.org", "", "550 5.1.1 <dora@example.org>: unknown", "bounce"),
)


@pytest.fixture
def site(world: World, tmp_path: Path) -> Site:
    world.add_job(["x@example.net"])
    world.enlist()
    for address, category, reason, source in ENTRIES:
        world.execute(
            "INSERT INTO eed_suppression (address, category, reason, source, created_at)"
            " VALUES (:address, :category, :reason, :source, '2026-01-01')",
            address=address, category=category, reason=reason, source=source,
        )  # fmt: skip
    return Site(world, tmp_path)


def post(site: Site, path: str, role: str = "admin", token: str | None = None, **fields: str) -> TestResponse:
    return site.ask("POST", path, urlencode(fields), media=FORM, role=role, token=token)


def seeing(site: Site) -> str:
    return site.token("admin", "view", "operate", "admin", "see_recipients")


def sealed(answer: TestResponse) -> list[str]:
    """What the buttons of the list send."""
    return [unescape(found) for found in re.findall(r'name="entry" value="([^"]+)"', answer.text)]


def listed(site: Site) -> set[str]:
    return {row[0] for row in site.world.execute("SELECT address FROM eed_suppression")}


def removals(site: Site) -> list[Any]:
    return list(
        site.world.execute(
            "SELECT object_key, reason, state_after FROM eed_audit WHERE act = 'suppression_remove' ORDER BY act_id"
        )
    )


# --- search ----------------------------------------------------------------------------------------------------------


def test_addresses_are_masked_and_found_by_who_may_see_them(site: Site) -> None:
    masked = site.ask("GET", "/suppressions", role="viewer").text
    assert masked.count("***@example.com") == 2
    assert "anna@" not in masked
    assert "dora@" not in masked
    for fields in ({"address": "anna@example.com"}, {"reason": "dora"}):
        answer = post(site, "/suppressions", "viewer", **fields)
        assert answer.status_code == 403, fields
        assert "needs the right see_recipients" in answer.text
    whole = post(site, "/suppressions", token=seeing(site), address="ANNA@example.com").text
    assert "anna@example.com" in whole
    assert "bert@" not in whole


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"domain": "example.com"}, {"anna", "bert"}),
        ({"category": "news"}, {"carla"}),
        ({"source": "complaint"}, {"bert"}),
        ({"reason": "UNKNOWN"}, {"dora"}),
        ({"reason": "%"}, set()),
        ({"expired": "yes"}, set()),
    ],
)
def test_the_list_is_narrowed(site: Site, fields: dict[str, str], found: set[str]) -> None:
    answer = post(site, "/suppressions", token=seeing(site), **fields)
    rows = answer.text.partition("<tbody>")[2].partition("</tbody>")[0]
    assert {name for name in ("anna", "bert", "carla", "dora") if f"{name}@" in rows} == found
    assert ("There are none." in answer.text) == (not found)


def test_a_filter_that_is_none_is_refused(site: Site) -> None:
    assert post(site, "/suppressions", source="rumour").status_code == 422
    assert site.problem("POST", "/api/v1/suppressions/search", {}, token=seeing(site))[0] == 422
    body = {"reason_contains": "unknown"}
    (one,) = site.json("POST", "/api/v1/suppressions/search", body, token=seeing(site))["items"]
    assert one["source"] == "bounce"
    assert "bounce" in site.cli.good("suppression", "list", "--reason-contains", "unknown")


def test_the_next_page_begins_where_the_one_before_has_ended(site: Site) -> None:
    addresses = "\n".join(f"x{n:03}@example.net" for n in range(150))
    assert post(site, "/suppressions/add", "operator", address=addresses, reason="r").status_code == 303
    first = post(site, "/suppressions", token=seeing(site), domain="example.net")
    after = unescape(re.findall(r'name="after" value="([^"]+)"', first.text)[0])
    assert "x099" not in after and "example.net" not in after
    second = post(site, "/suppressions", token=seeing(site), domain="example.net", after=after)
    assert "x100@example.net" in second.text
    assert "x099@example.net" not in second.text


# --- add and import --------------------------------------------------------------------------------------------------


def test_addresses_are_added_by_the_page(site: Site) -> None:
    fields = {"address": "new@example.com\n*@example.net", "reason": "r", "ends": "86400"}
    done = post(site, "/suppressions/add", "operator", **fields)
    assert done.status_code == 303
    assert {"new@example.com", "@example.net"} <= listed(site)
    assert site.world.scalar("SELECT COUNT(*) FROM eed_suppression WHERE expires_at IS NOT NULL") == 2
    for address in ("nobody", "a b@example.com", "x@example.com\n" * 1001):
        answer = post(site, "/suppressions/add", address=address, reason="r")
        assert answer.status_code == 422, address
        assert 'id="address-error"' in answer.text
    assert post(site, "/suppressions/add", "viewer", address="a@example.com", reason="r").status_code == 403


def uploaded(site: Site, content: str, **fields: str) -> TestResponse:
    begin = "--x\r\nContent-Disposition: form-data; name="
    parts = [f'{begin}"{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
    file = f'{begin}"file"; filename="a.csv"\r\n\r\n{content}\r\n--x--\r\n'
    return site.ask("POST", "/suppressions/import", "".join(parts) + file, media="multipart/form-data; boundary=x")


def test_a_file_is_checked_then_imported_and_its_bad_rows_are_named(site: Site) -> None:
    content = "address,category\nnew@example.com,news\nnobody,\nanna@example.com,"
    checked = uploaded(site, content, dry_run="yes")
    assert "Nothing was changed." in checked.text
    assert "new@example.com" not in listed(site)
    done = uploaded(site, content, reason="of the old service")
    assert "1 added, 0 kept longer, 1 there already" in done.text
    assert "this is not an address" in done.text
    assert "new@example.com" in listed(site)
    told = site.json("POST", "/api/v1/suppressions/import?dry_run=true", content, media="text/csv")
    assert (told["read"], told["good"], told["bad"], told["bad_rows"][0]["line"]) == (3, 2, 1, 3)


@pytest.mark.parametrize("content", ["address,colour\na@example.com,red", "PK\x03\x04", ""])
def test_a_file_that_is_none_is_refused(site: Site, content: str) -> None:
    answer = uploaded(site, content)
    assert answer.status_code == (422 if content else 200)
    assert listed(site) == {address for address, *_ in ENTRIES}
    status = site.ask("POST", "/api/v1/suppressions/import", content, media="text/csv").status_code
    assert status == (422 if content else 200)


def test_a_file_beyond_the_limit_is_refused_and_so_is_another_type(site: Site) -> None:
    big = "a" * (2**23 + 1)
    assert site.ask("POST", "/api/v1/suppressions/import", big, media="text/csv").status_code == 413
    assert uploaded(site, big).status_code == 413
    assert site.ask("POST", "/api/v1/suppressions/import", "{}").status_code == 415


# --- removal ---------------------------------------------------------------------------------------------------------


def test_an_admin_takes_off_what_they_see_masked(site: Site) -> None:
    first = sealed(site.ask("GET", "/suppressions"))[0]
    asked = post(site, "/suppressions/remove", entry=first)
    assert asked.status_code == 200
    assert "Take ***@example.com off the suppression list?" in unescape(asked.text)
    assert "anna@" not in asked.text
    assert post(site, "/suppressions/remove", version=first, reason="").status_code == 422
    assert post(site, "/suppressions/remove", version=first, reason="she asked").status_code == 303
    assert "anna@example.com" not in listed(site)
    assert removals(site) == [("anna@example.com", "she asked", None)]
    gone = post(site, "/suppressions/remove", version=first, reason="she asked")
    assert gone.status_code == 422
    assert post(site, "/suppressions/remove", entry="forged").status_code == 422
    place = Seal(SECRET, "suppressions-after").sealed(b"anna@example.com")
    assert post(site, "/suppressions/remove", entry=place).status_code == 422
    assert post(site, "/suppressions/remove", "operator", entry=first).status_code == 403


ASKED_FOR = [("bert@example.com", ""), ("carla@example.org", "news")]


@pytest.mark.parametrize(("address", "category"), ASKED_FOR)
def test_what_a_recipient_asked_for_goes_with_evidence_only_from_each_surface(
    site: Site, address: str, category: str
) -> None:
    before = listed(site)
    typed = {"address": address, "category": category, "reason": "wants them again"}
    answer = post(site, "/suppressions/remove", **typed)
    assert answer.status_code == 422
    assert 'id="evidence-error"' in answer.text
    body = {"addresses": ["anna@example.com", address], "category": category, "reason": "wants them again"}
    status, problem = site.problem("POST", "/api/v1/suppressions/remove", body)
    assert (status, problem["errors"][0]["pointer"]) == (422, "/evidence")
    order = {"kind": "unsuppress", "selection": {"addresses": [address]}, "reason": "r"}
    etag = site.json("POST", "/api/v1/operations?dry_run=true", order)["selection_etag"]
    status, problem = site.problem("POST", "/api/v1/operations", {**order, "selection_etag": etag}, Idempotency_Key="k")
    assert (status, problem["errors"][0]["pointer"]) == (422, "/evidence")
    command = ("suppression", "remove", address, "--category", category, "--reason", "wants them again")
    assert "goes with evidence only" in site.cli.refused(*command, code=2)
    assert listed(site) == before, "nothing is half done"

    rows, proven = [], {"addresses": [address], "evidence": "ticket 4711"}
    stored = site.world.execute("SELECT * FROM eed_suppression WHERE address = :address", address=address)[0]
    for remove in (
        lambda: site.cli.good(*command, "--evidence", "ticket 4711"),
        lambda: site.json("POST", "/api/v1/suppressions/remove", {**body, **proven}),
        lambda: post(site, "/suppressions/remove", **typed, evidence="ticket 4711"),
    ):
        remove()
        assert address not in listed(site)
        rows.append(removals(site)[-1])
        marks = ", ".join(f":v{n}" for n in range(len(stored)))
        values = {f"v{n}": value for n, value in enumerate(stored)}
        site.world.execute(f"INSERT INTO eed_suppression VALUES ({marks})", **values)
    assert rows == [(address, "wants them again", '{"evidence": "ticket 4711"}')] * 3


def test_a_refusal_that_tells_who_asked_for_it_is_in_the_audit(site: Site) -> None:
    body = {"addresses": ["anna@example.com", "bert@example.com"], "reason": "r"}
    assert site.problem("POST", "/api/v1/suppressions/remove", body)[0] == 422
    looks = "SELECT object_key FROM eed_audit WHERE act = 'suppression_list' ORDER BY object_key"
    assert [row[0] for row in site.world.execute(looks)] == ["anna@example.com", "bert@example.com"]


@pytest.mark.parametrize("evidence", ["", " ", "x" * 201, "a\x1b[2J"])
def test_evidence_that_is_none_is_refused(site: Site, evidence: str) -> None:
    body = {"addresses": ["bert@example.com"], "reason": "r", "evidence": evidence}
    assert site.problem("POST", "/api/v1/suppressions/remove", body)[0] == 422
    assert "bert@example.com" in listed(site)


# --- the same from each surface --------------------------------------------------------------------------------------

BY_PAGE: dict[str, tuple[str, dict[str, str]]] = {
    "suppression_add": ("/suppressions/add", {"address": "a@example.com", "reason": "r"}),
    "suppression_import": ("/suppressions/import", {"reason": "r"}),
}


@pytest.mark.parametrize("act", BY_PAGE)
def test_a_page_does_the_same_as_the_api_and_leaves_the_same_row_in_the_audit(site: Site, act: str) -> None:
    before, _, method, path, body, headers = ACTS[act]
    by_api = outcome(site, act, before, lambda: site.json(method, path, body, **headers))
    page, fields = BY_PAGE[act]

    def by_page() -> None:
        answer = uploaded(site, body, **fields) if act == "suppression_import" else post(site, page, **fields)
        assert answer.status_code in (200, 303), answer.text

    assert outcome(site, act, before, by_page) == by_api
    assert len(by_api[1]) == 1


def test_a_repeated_import_is_answered_as_the_first_was(site: Site) -> None:
    path = "/api/v1/suppressions/import?reason=moved"
    first = site.ask("POST", path, "a@example.com\nnobody\n", media="text/csv", Idempotency_Key="k")
    assert (first.status_code, first.json and first.json["added"]) == (200, 1), first.text
    site.world.execute("DELETE FROM eed_suppression")
    again = site.ask("POST", path, "a@example.com\nnobody\n", media="text/csv", Idempotency_Key="k")
    assert (again.json and again.json["added"], again.headers["Idempotent-Replayed"]) == (1, "true")
    assert site.world.scalar("SELECT COUNT(*) FROM eed_suppression") == 0, "it was not done again"
    other = site.ask("POST", path, "b@example.com\n", media="text/csv", Idempotency_Key="k")
    assert other.status_code == 422, "the key came with another file"


# --- a list that is longer than what is read at once -----------------------------------------------------------------


def test_a_filter_without_a_hit_looks_on_where_a_part_has_ended(site: Site) -> None:
    rows = [
        {"address": f"{n:06}@example.net", "reason": "x", "source": "import", "created_at": datetime.now(UTC)}
        for n in range(LOOKED_AT_ONCE + 10)
    ]
    site.world.database.run(lambda c: c.execute(insert(eed_suppression), rows))
    first = post(site, "/suppressions", token=seeing(site), source="complaint")
    assert "There are none in this part of the list." in first.text
    after = unescape(re.findall(r'name="after" value="([^"]+)"', first.text)[0])
    second = post(site, "/suppressions", token=seeing(site), source="complaint", after=after)
    assert "bert@example.com" in second.text
    for method, path, body in (
        ("GET", "/api/v1/suppressions?source=complaint", None),
        ("POST", "/api/v1/suppressions/search", {"reason_contains": "spam"}),
    ):
        answer = site.json(method, path, body, token=seeing(site))
        assert (answer["items"], answer["next"] is None) == ([], False)
        further = site.json(method, answer["next"], body, token=seeing(site))
        assert ([one["address"] for one in further["items"]], further["next"]) == (["bert@example.com"], None)
    (one,) = site.cli.json("suppression", "list", "--source", "complaint", "--limit", "5")
    assert one["address"] == "bert@example.com", "the command line looks on by itself"


def test_the_entries_of_an_address_are_never_on_two_pages(site: Site) -> None:
    entries = site.operations.suppression
    for category in ("a", "b", "c"):
        entries.add(SuppressRequest(("anna@example.com",), "r", category))
    page = entries.page(EntriesRequest(), 2)
    assert [(one.address, one.category) for one in page.entries] == [
        ("anna@example.com", category) for category in ("", "a", "b", "c")
    ]
    following = entries.page(EntriesRequest(after=page.next_after), 10)
    assert [one.address for one in following.entries] == ["bert@example.com", "carla@example.org", "dora@example.org"]
    assert following.next_after is None
