"""Samples of a rehearsal that go to a tester: marked, to nobody else, counted nowhere, and in the audit."""

import email
import json
from email import policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.operations.rehearsing.sample_mail import HEADER, MARK
from eed_delivery.operations.rehearsing.sample_sending import SamplesToSend
from tests.rehearsing import Stage
from tests.world import World

pytestmark = pytest.mark.also_on_sqlite

TESTER = "tester@bank.example"
LEDGER = ("eed_email", "eed_job", "eed_attempt", "delivery_email", "delivery_job")


@pytest.fixture
def stage(world: World, tmp_path: Path) -> Stage:
    found = Stage(world, tmp_path, 'sample_recipients = ["@bank.example"]\n')
    found.job(6, subject="Ihr Kontoauszug für {{ name }}")
    return found


def support(stage: Stage) -> str:
    """A token that may see content."""
    return stage.site.token("operator", "view", "operate", "see_content", name="support")


def mail(stage: Stage) -> list[EmailMessage]:
    """What left, in order."""
    files = sorted(stage.site.cli.emails.glob("*.eml"))
    return [email.message_from_bytes(one.read_bytes(), policy=policy.default) for one in files]


def test_they_go_to_the_tester_alone_and_say_what_they_are(stage: Stage) -> None:
    found = stage.rehearse()
    before = [stage.world.execute(f"SELECT * FROM {table} ORDER BY 1") for table in LEDGER]
    path = f"/api/v1/rehearsals/{found['operation']}/samples"
    body = {"count": 3, "to": TESTER}
    token = support(stage)
    assert stage.site.problem("POST", path, body, token=token)[0] == 428
    stage.site.json("POST", path, body, token=token, Idempotency_Key="a")
    stage.site.json("POST", path, body, token=token, Idempotency_Key="a")  # a repeat sends none
    sent = mail(stage)
    assert len(sent) == 3
    assert {one["To"] for one in sent} == {TESTER}
    assert {one[HEADER] for one in sent} == {found["operation"]}
    assert all(one["Subject"].startswith(f"{MARK} Ihr Kontoauszug für C") for one in sent)
    assert len({one["Message-ID"] for one in sent}) == 3
    assert not any(one["List-Unsubscribe"] or "2000" in one["Date"] for one in sent)
    assert not any("@example.com" in str(value) for one in sent for value in one.values())
    assert all("Balance: " in one.get_body().get_content() for one in sent)  # type: ignore[union-attr]
    assert [stage.world.execute(f"SELECT * FROM {table} ORDER BY 1") for table in LEDGER] == before
    noted = stage.world.execute(
        "SELECT object_key, state_after FROM eed_audit WHERE act = 'sample_send' ORDER BY act_id"
    )
    assert [key for key, _ in noted] == [one["key"] for one in found["samples"][:3]]
    assert json.loads(noted[0][1]) == {"operation": found["operation"], "to": "***@bank.example"}


def test_no_one_else_gets_any(stage: Stage) -> None:
    found = stage.rehearse()
    path = f"/api/v1/rehearsals/{found['operation']}/samples"
    token, wrong = support(stage), {"c1@example.com": 409, "nobody": 422}
    for to, status in wrong.items():
        assert stage.site.problem("POST", path, {"to": to}, token=token, Idempotency_Key=to)[0] == status
    many = {"to": TESTER, "count": 51}
    assert stage.site.problem("POST", path, many, token=token, Idempotency_Key="c")[0] == 422
    operator = stage.site.token("operator", "view", "operate", name="no content")
    assert stage.site.problem("POST", path, {"to": TESTER}, token=operator, Idempotency_Key="d")[0] == 403
    told = stage.site.cli("rehearse", "1", "--to", "c1@example.com", "--processes", "1")
    assert (told.exit_code, "sample_recipients" in told.output) == (1, True)
    assert mail(stage) == []
    assert stage.world.scalar("SELECT COUNT(*) FROM eed_operation") == 1
    with pytest.raises(InvalidRequest):
        SamplesToSend("one", 1, "tester@bänk.example")


def test_the_command_line_and_the_page_send_them_too(stage: Stage) -> None:
    told = stage.site.cli("rehearse", "1", "--sample", "2", "--to", TESTER, "--processes", "1")
    assert told.exit_code == 0, told.output
    assert f"2 samples were sent to {TESTER}" in told.stderr
    assert len(mail(stage)) == 2
    operation = stage.world.scalar("SELECT operation_id FROM eed_rehearsal")
    token, page = support(stage), f"/rehearsals/{operation}/send"
    shown = stage.site.ask("GET", f"/rehearsals/{operation}", token=token)
    assert page in shown.text
    assert "whole emails of customers" in stage.site.ask("GET", page, token=token).text
    media = "application/x-www-form-urlencoded"
    done = stage.site.ask("POST", page, "to=tester%40bank.example&count=1", media=media, token=token)
    assert done.status_code == 303, done.text
    assert len(mail(stage)) == 3
