"""A customer's emails over all jobs: found by address, key, Message-ID, and jobs by name. Sent once more by the API."""

from pathlib import Path
from typing import Any

import pytest

from tests.operators_site import Site
from tests.world import World

SEARCH = "/api/v1/emails/search"
SES_ID = "0100018f2a6b7c8d-0a1b2c3d-4e5f-6789-abcd-ef0123456789-000000"


@pytest.fixture
def site(world: World, tmp_path: Path) -> Site:
    """With two jobs. Anna has an email of each."""
    world.add_job(["Anna@Example.com", "bert@example.com"], name="Statements November")
    world.enlist()
    world.add_job(["anna@example.com"], job_id=2, name="Dunning")
    world.enlist(2)
    world.execute(
        "INSERT INTO eed_attempt (email_id, gen, attempt, verdict, counted, message_id, ended_at)"
        f" VALUES (1001, 0, 1, 'sent', 1, :id, {world.now if world.database.dialect != 'sqlite' else '0'})",
        id=SES_ID,
    )
    return Site(world, tmp_path)


def found(site: Site, body: dict[str, str], role: str = "viewer") -> tuple[list[str], list[str]]:
    answer = site.json("POST", SEARCH, body, role=role)
    return [one["key"] for one in answer["items"]], [one["key"] for one in answer["jobs"]]


@pytest.mark.parametrize(
    ("body", "emails", "jobs"),
    [
        ({"key": "1001"}, ["1001"], []),
        ({"key": "2"}, [], ["2"]),
        ({"key": "100"}, [], []),
        ({"key": "9" * 100}, [], []),
        ({"key": "1001' OR 1=1 --"}, [], []),
        ({"message_id": "1000.0@mail.example.com"}, ["1000"], []),
        ({"message_id": "<1000.7@MAIL.example.com>"}, ["1000"], []),
        ({"message_id": "<1000.0@abcdefghijklmnop.mail.example.com>"}, ["1000"], []),
        ({"message_id": "1000.0@other.example.com"}, [], []),
        ({"message_id": "99999999999999999999.0@mail.example.com"}, [], []),
        ({"message_id": SES_ID}, ["1001"], []),
        ({"message_id": f"<{SES_ID}@us-east-2.amazonses.com>"}, ["1001"], []),
        ({"name": "november"}, [], ["1"]),
        ({"name": "%%%"}, [], []),
    ],
)
def test_emails_and_jobs_are_found_without_the_right_to_see_addresses(
    site: Site, body: dict[str, str], emails: list[str], jobs: list[str]
) -> None:
    assert found(site, body) == (emails, jobs)
    ((_, text),) = body.items()
    told = site.cli.json("find", text)
    assert ([one["key"] for one in told["emails"]], [one["key"] for one in told["jobs"]]) == (emails, jobs)


def test_an_address_is_looked_for_only_by_those_who_may_see_it(site: Site) -> None:
    body = {"recipient": "ANNA@example.com"}
    status, problem = site.problem("POST", SEARCH, body, role="admin")
    assert (status, problem["right"]) == (403, "see_recipients")
    token = site.token("viewer", "view", "see_recipients")
    assert [one["key"] for one in site.json("POST", SEARCH, body, token=token)["items"]] == ["1000", "2000"]
    told = site.cli.good("find", "anna@example.com")
    assert "1000" in told
    assert "2000" in told


@pytest.mark.parametrize("body", [{}, {"key": "1", "name": "abc"}, {"key": ""}, {"name": "ab"}, {"text": "x"}])
def test_what_cannot_be_looked_for_is_refused(site: Site, body: dict[str, str]) -> None:
    assert site.problem("POST", SEARCH, body)[0] == 422


def test_a_search_is_in_the_audit_and_says_so_when_nothing_is_there(site: Site) -> None:
    assert "nothing was found" in site.cli.good("find", "nobody@example.com")
    found(site, {"key": "1001"})
    acts = site.world.execute("SELECT surface, object_kind, object_key FROM eed_audit WHERE act = 'emails'")
    assert ("cli", "address", "nobody@example.com") in acts
    assert ("api", "email", "1001") in acts


# --- once more -------------------------------------------------------------------------------------------------------


def resend(site: Site, body: dict[str, Any], key: str = "k", **more: Any) -> Any:
    return site.ask("POST", "/api/v1/emails/1000/resend", {"reason": "lost", **body}, Idempotency_Key=key, **more)


def test_a_sent_email_is_sent_once_more_and_only_once(site: Site) -> None:
    world = site.world
    assert site.problem("POST", "/api/v1/emails/1000/resend", {"reason": "x"})[0] == 428
    assert resend(site, {}, "early").status_code == 422
    world.execute("UPDATE eed_email SET state = 'sent' WHERE email_id = 1000")
    answers = [resend(site, {}, role="operator") for _ in range(2)]
    assert [answer.json for answer in answers] == [{"key": "1000~1", "resend_of": "1000"}] * 2
    assert world.scalar("SELECT COUNT(*) FROM eed_email WHERE resend_of = 1000") == 1
    assert found(site, {"key": "1000"})[0] == ["1000", "1000~1"]
    assert world.scalar("SELECT surface FROM eed_audit WHERE act = 'resend'") == "api"
    assert world.source_status(1000) == "pending"


def test_another_address_needs_an_admin_and_respects_the_suppression_list(site: Site) -> None:
    world = site.world
    world.execute("UPDATE eed_email SET state = 'sent' WHERE email_id = 1000")
    for body in ({"recipient": "new@example.com"}, {"despite_suppression": True}):
        answer = resend(site, body, role="operator")
        assert (answer.status_code, answer.json["right"]) == (403, "admin")
    site.cli.good("suppression", "add", "New@example.com", "--reason", "x")
    refused = resend(site, {"recipient": "new@EXAMPLE.com"}, "a")
    assert refused.status_code == 422
    assert "suppression list" in refused.json["detail"]
    assert resend(site, {"recipient": "no address"}, "b").status_code == 422
    sent = resend(site, {"recipient": "new@EXAMPLE.com", "despite_suppression": True}, "c")
    assert sent.json["key"] == "1000~1"
    row = world.execute("SELECT recipient, address, redirected FROM eed_email WHERE resend_of = 1000")
    assert row == [("new@example.com", "new@example.com", 1)]
