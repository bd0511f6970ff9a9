"""What one person alone must not do: another one with the right approves it, in time, once, and of what was seen."""

from pathlib import Path
from typing import Any

import jwt
import pytest
from werkzeug.test import TestResponse

from tests.integration.test_long_acts import FUTURE, PAST, URL, Desk
from tests.signed_tokens import KEY, claims, jwks
from tests.world import World

pytestmark = [pytest.mark.both_databases, pytest.mark.also_on_sqlite]

MORE = """[operators]
listen = "127.0.0.1:8027"
second_person = ["resend_doubts", "cancel", "resume_unwatched", "unsuppress_complaints"]
cancel_alone_max = 2
[operators.sign_on]
kind = "jwks"
header = "X-Signed"
issuer = "https://login.example.com"
audience = "mail-ops"
keys_url = "https://login.example.com/jwks.json"
people = { "anna" = { role = "admin" }, "bert" = { role = "admin" }, "carl" = { role = "operator" } }
"""
DOUBTS = {
    "kind": "requeue", "selection": {"jobs": ["1"], "state": "in_doubt"}, "accept_duplicates": True, "reason": "lost",
}  # fmt: skip
WHY = {"reason": "I looked, too"}


class TwoPeople(Desk):
    """People come through the proxy. Each may have many names, and has one subject."""

    def __init__(self, world: World, directory: Path) -> None:
        super().__init__(world, directory, MORE, fetch=lambda url: jwks(("one", KEY)))

    def by(self, subject: str, method: str, path: str, body: Any = None, mail: str = "", **more: str) -> TestResponse:
        """What the proxy sends for a person."""
        given = claims(aud="mail-ops", sub=subject, email=mail or f"{subject}@bank.example")
        signed = jwt.encode(given, KEY, "ES256", headers={"kid": "one"})
        return self.site.ask(method, path, body, role=None, X_Signed=signed, **more)

    def ask(self, subject: str = "anna", order: dict[str, Any] = DOUBTS) -> str:
        """Start an act that waits for its approval."""
        etag = self.by(subject, "POST", f"{URL}?dry_run=true", order).json["selection_etag"]  # type: ignore[index]
        key = self.key()
        answer = self.by(subject, "POST", URL, {**order, "selection_etag": etag}, Idempotency_Key=key)
        assert (answer.status_code, answer.json["state"]) == (202, "unapproved"), answer.text  # type: ignore[index]
        return str(answer.json["id"])  # type: ignore[index]

    def approve(self, subject: str, act_id: str, what: str = "approve", **more: str) -> tuple[int, str]:
        answer = self.by(subject, "POST", f"/api/v1/approvals/{act_id}/{what}", WHY, **more)
        found = answer.json
        assert found is not None
        return answer.status_code, str(found.get("state") or found["type"].rpartition(":")[2])


@pytest.fixture
def people(world: World, tmp_path: Path) -> TwoPeople:
    world.add_job([f"a{n}@example.com" for n in range(5)])
    world.enlist()
    people = TwoPeople(world, tmp_path)
    world.execute(f"UPDATE eed_email SET state = 'in_doubt', changed_at = '{PAST}' WHERE email_id < 1003")
    return people


def test_another_person_approves_and_it_is_done_once(people: TwoPeople) -> None:
    act_id = people.ask()
    people.run()
    assert people.gens() == [0] * 5
    listed = people.site.json("GET", "/api/v1/approvals?waiting=true")["items"]
    assert [(one["operation"]["id"], one["rule"], one["asked_by"]) for one in listed] == [
        (act_id, "resend_doubts", "anna@bank.example (anna)")
    ]
    assert people.approve("bert", act_id) == (200, "waiting")
    people.run()
    assert (people.of(act_id)["state"], people.gens()) == ("done", [1, 1, 1, 0, 0])
    assert people.approve("bert", act_id) == (409, "wrong_state")  # a replay
    people.run()
    assert people.gens() == [1, 1, 1, 0, 0]
    audit = people.world.execute(
        "SELECT act, who FROM eed_audit WHERE :id IN (operation, object_key) ORDER BY act_id", id=act_id
    )
    anna, bert = "anna@bank.example (anna)", "bert@bank.example (bert)"
    assert audit == [("operation_start", anna), ("operation_approve", bert), ("requeue", anna)]


def test_the_same_person_is_refused_under_each_name_and_so_are_a_token_and_who_has_no_right(
    people: TwoPeople,
) -> None:
    act_id = people.ask()
    assert people.approve("anna", act_id) == (403, "same_person")
    assert people.approve("anna", act_id, mail="bert@bank.example") == (403, "same_person")
    assert people.approve("carl", act_id) == (403, "no_right")
    path = f"/api/v1/approvals/{act_id}/approve"
    assert people.site.problem("POST", path, WHY)[1]["type"].endswith("person_needed")
    etag = people.count(DOUBTS)["selection_etag"]
    order = {**DOUBTS, "selection_etag": etag}
    status, problem = people.site.problem("POST", URL, order, Idempotency_Key="token")
    assert (status, problem["type"]) == (403, "urn:eed-delivery:problem:person_needed")
    people.run()
    assert people.gens() == [0] * 5


def test_doubts_are_settled_as_failed_by_two_people_because_one_can_requeue_them_then(people: TwoPeople) -> None:
    order = {"kind": "settle", "selection": {"jobs": ["1"]}, "as": "failed", "reason": "lost"}
    etag = people.count(order)["selection_etag"]
    status, problem = people.site.problem("POST", URL, {**order, "selection_etag": etag}, Idempotency_Key="token")
    assert (status, problem["type"]) == (403, "urn:eed-delivery:problem:person_needed")
    act_id = people.ask("carl", order)
    people.run()
    assert people.world.scalar("SELECT COUNT(*) FROM eed_email WHERE state = 'in_doubt'") == 3
    assert people.approve("bert", act_id) == (200, "waiting")
    people.run()
    assert people.world.scalar("SELECT COUNT(*) FROM eed_email WHERE state = 'failed'") == 3


def test_what_has_grown_or_is_too_late_is_not_approved(people: TwoPeople) -> None:
    act_id = people.ask()
    people.world.execute(f"UPDATE eed_email SET state = 'in_doubt', changed_at = '{FUTURE}' WHERE email_id = 1004")
    assert people.approve("bert", act_id) == (412, "changed")
    people.world.execute("UPDATE eed_email SET state = 'sent' WHERE email_id = 1004")
    people.world.execute(f"UPDATE eed_approval SET until_at = '{PAST}'")
    assert people.approve("bert", act_id) == (409, "wrong_state")
    people.world.execute(f"UPDATE eed_operation SET made_at = '{PAST}'")
    people.steps.over()
    assert people.of(act_id)["state"] == "stopped"
    assert people.gens() == [0] * 5


def test_a_refused_act_is_stopped_and_cannot_be_approved(people: TwoPeople) -> None:
    act_id = people.ask()
    assert people.approve("bert", act_id, "refuse") == (200, "stopped")
    assert people.approve("bert", act_id) == (409, "wrong_state")
    stopped = people.ask()
    people.by("anna", "POST", f"{URL}/{stopped}/stop", WHY)
    assert people.approve("bert", stopped) == (409, "wrong_state")
    people.run()
    assert people.gens() == [0] * 5


def test_a_job_with_many_unsent_emails_is_cancelled_by_two_people(people: TwoPeople) -> None:
    path = "/api/v1/jobs/1/cancel"
    people.world.execute("UPDATE eed_email SET state = 'pending'")
    seen = people.site.ask("GET", "/api/v1/jobs/1").headers["ETag"]
    asked = people.by("anna", "POST", path, WHY, If_Match=seen, Idempotency_Key="one")
    again = people.by("anna", "POST", path, WHY, If_Match=seen, Idempotency_Key="one")
    assert (asked.status_code, again.json) == (202, asked.json)
    act_id = str(asked.json["id"])  # type: ignore[index]
    people.site.json("POST", "/api/v1/jobs/1/pause", WHY)
    assert people.approve("bert", act_id) == (412, "changed")
    asked = people.by("anna", "POST", path, WHY, If_Match="*")
    act_id = str(asked.json["id"])  # type: ignore[index]
    assert people.approve("bert", act_id) == (200, "waiting")
    assert people.steps.whole() > 0, "it waits behind no report"
    people.steps.decisions()
    assert people.world.scalar("SELECT state FROM eed_job") == "cancelled"
    assert people.of(act_id)["state"] == "done"
    assert people.world.scalar("SELECT operation FROM eed_audit WHERE act = 'cancel'") == act_id
    # as after a kill between the act and its end
    people.world.execute("UPDATE eed_operation SET state = 'running' WHERE operation_id = :id", id=act_id)
    people.run()
    assert people.of(act_id)["state"] == "done"


def test_a_job_with_few_unsent_emails_is_cancelled_by_one(people: TwoPeople) -> None:
    people.world.execute("UPDATE eed_email SET state = 'sent' WHERE email_id < 1003")
    assert people.site.json("POST", "/api/v1/jobs/1/cancel", WHY, If_Match="*")["state"] == "cancelled"


def test_a_job_is_resumed_unwatched_by_two_people(people: TwoPeople) -> None:
    people.site.cli.good("pause", "1", "--reason", "x")
    body = {**WHY, "watched": False}
    asked = people.by("anna", "POST", "/api/v1/jobs/1/resume", body)
    assert asked.status_code == 202
    assert people.world.scalar("SELECT state FROM eed_job") == "paused"
    page = people.by("bert", "GET", f"/operations/{asked.json['id']}/approve").text  # type: ignore[index]
    assert "The rule is resume_unwatched." in page
    assert "The job goes on unwatched" in page
    assert people.approve("bert", str(asked.json["id"])) == (200, "waiting")  # type: ignore[index]
    people.run()
    assert people.world.execute("SELECT state, watched FROM eed_job") == [("active", 0)]


def test_a_complaint_is_taken_off_the_list_by_two_people(people: TwoPeople) -> None:
    for address in ("a@example.com", "b@example.com"):
        people.site.cli.good("suppression", "add", address, "--reason", "x")
    people.world.execute("UPDATE eed_suppression SET source = 'complaint' WHERE address = 'a@example.com'")
    status, problem = people.site.problem("POST", "/api/v1/suppressions/remove", {"addresses": ["a@example.com"]})
    assert (status, problem["type"]) == (409, "urn:eed-delivery:problem:second_person")
    padded = {"addresses": ["a@example.com"], "category": " ", "evidence": "ticket 4711"}  # to a database it is ""
    assert people.site.problem("POST", "/api/v1/suppressions/remove", padded)[0] == 409
    people.site.json("POST", "/api/v1/suppressions/remove", {"addresses": ["b@example.com"]})
    order = {"kind": "unsuppress", "selection": {"addresses": ["a@example.com"]}, "reason": "she asked, in writing"}
    etag = people.count(order)["selection_etag"]
    answer = people.by("anna", "POST", URL, {**order, "selection_etag": etag}, Idempotency_Key=people.key())
    assert (answer.status_code, "/evidence" in answer.text) == (422, True), answer.text
    order["evidence"] = "ticket 4711"
    act_id = people.ask(order={**order, "canary": 3, "tolerance": 4})
    page = people.by("bert", "GET", f"/operations/{act_id}/approve").text
    for text in ("***@example.com", "evidence ticket 4711", "It waits after the first 3.", "Up to 4 more may match"):
        assert text in page
    assert "a@example.com" not in page, "an admin may not see recipients by the role alone"
    assert people.approve("bert", act_id) == (200, "waiting")
    people.run()
    assert people.world.scalar("SELECT COUNT(*) FROM eed_suppression") == 0
    assert people.of(act_id)["parameters"]["evidence"] == "ticket 4711"
    found = people.world.execute("SELECT who, reason, state_after FROM eed_audit WHERE act = 'suppression_remove'")
    assert found[-1] == ("anna@bank.example (anna)", "she asked, in writing", '{"evidence": "ticket 4711"}')


def test_what_complained_since_the_start_is_not_taken_off_the_list_by_one_person(people: TwoPeople) -> None:
    for address in ("a@example.com", "b@example.com"):
        people.site.cli.good("suppression", "add", address, "--expires", "2d", "--reason", "x")
    order = {"kind": "unsuppress", "selection": {"domain": "example.com"}, "reason": "wrongly imported"}
    etag = people.count(order)["selection_etag"]
    act = people.by("anna", "POST", URL, {**order, "selection_etag": etag}, Idempotency_Key=people.key()).json
    people.world.execute("UPDATE eed_suppression SET source = 'complaint' WHERE address = 'a@example.com'")
    people.site.cli.good("suppression", "add", "a@example.com", "--reason", "no complaint any more")
    people.run()
    assert people.of(act["id"])["state"] == "done"  # type: ignore[index]
    assert people.world.execute("SELECT address, source FROM eed_suppression") == [("a@example.com", "complaint")]


def test_on_the_command_line_only_root_acts_alone(people: TwoPeople) -> None:
    """Names there are claims. Tests run as root, or as somebody who may not."""
    import os

    cli = people.site.cli
    requeue = ("requeue", "--job", "1", "--state", "in_doubt", "--accept-duplicates", "--yes")
    assert "another person has to approve" in cli.refused(*requeue)
    assert "another person has to approve" in cli.refused("settle", "1000", "--as", "failed")
    cli.good("settle", "1000", "--as", "sent")
    people.world.execute(f"UPDATE eed_email SET state = 'in_doubt', changed_at = '{PAST}' WHERE email_id = 1000")
    people.world.execute("UPDATE eed_email SET state = 'pending' WHERE email_id > 1002")
    people.world.execute("UPDATE eed_email SET state = 'pending' WHERE email_id = 1002")
    assert "another person has to approve" in cli.refused("cancel", "1", "--reason", "x")
    act_id = people.ask()
    assert "claims" in cli.refused("approvals", "approve", act_id, "--reason", "x")
    assert act_id in cli.good("approvals", "list", "--waiting")
    if os.geteuid() != 0:
        pytest.skip("only root acts alone")
    cli.good("approvals", "approve", act_id, "--alone", "--reason", "nobody else is there")
    people.run()
    assert cli.good("operations", "show", act_id).startswith(f"operation {act_id} (requeue, by anna")
    assert people.gens()[:2] == [1, 1]
    cli.good("cancel", "1", "--reason", "the fund was closed", "--alone")
    command = people.world.scalar("SELECT command FROM eed_audit WHERE act = 'cancel'")
    assert "--alone" in str(command)


def test_one_admin_alone_resends_nothing_to_somebody_who_has_complained(people: TwoPeople) -> None:
    people.world.execute("UPDATE eed_email SET state = 'sent'")
    entry = "INSERT INTO eed_suppression (address, category, reason, source, created_at)"
    for address, source in (("a3@example.com", "complaint"), ("a4@example.com", "bounce")):
        people.world.execute(
            f"{entry} VALUES (:address, '', 'x', :source, :at)", address=address, source=source, at=PAST
        )

    def resend(email: int, **more: Any) -> int:
        body = {"reason": "she asks for it", "despite_suppression": True, **more}
        answer = people.by("anna", "POST", f"/api/v1/emails/{email}/resend", body, Idempotency_Key=people.key())
        return answer.status_code

    assert resend(1004) == 200
    assert resend(1003) == 422, "she has complained"
    assert resend(1000, recipient="A3@example.com") == 422, "that is the same customer"
    people.world.execute("DELETE FROM eed_suppression WHERE source = 'complaint'")
    assert resend(1003) == 200
