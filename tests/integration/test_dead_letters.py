"""Foreign dead letters: the sweeper shows them, and deletes the ones that a person wants deleted."""

from pathlib import Path
from typing import Any

import boto3
import pytest

from eed_delivery.ledger.dead_letters import DeadLetterLedger, ForeignLetter
from eed_delivery.model import Ticket
from eed_delivery.queue import Queue, write
from eed_delivery.sweeper.queue_sweep import QueueSweep
from tests.operators_site import PASSWORD, Site
from tests.servers.ministack import MiniStack
from tests.world import World

pytestmark = pytest.mark.also_on_sqlite

URL = "/api/v1/dead-letters"
HERE = {"REMOTE_ADDR": "127.0.0.1"}
EVIL = "<script>alert(1)</script> \x1b[2J \u202etxt.exe anna@example.com\n" + "x" * 9000
WHY = {"reason": "a test of the old server"}


def letter(sqs_id: str = "one", receipt: str = "r1", body: str = EVIL, receives: int = 1) -> ForeignLetter:
    return ForeignLetter("default", sqs_id, receipt, receives, body, "the body is not JSON", None)


@pytest.fixture
def letters(world: World) -> DeadLetterLedger:
    return DeadLetterLedger(world.database)


def test_a_letter_is_shown_by_api_page_and_command_line_and_nothing_of_it_is_run(
    world: World, tmp_path: Path, letters: DeadLetterLedger
) -> None:
    site = Site(world, tmp_path)
    assert not letters.saw(letter())
    assert not letters.saw(letter(receipt="r2", receives=2))
    (told,) = site.json("GET", URL)["items"]
    assert (told["channel"], told["receives"], told["size"]) == ("default", 2, len(EVIL))
    assert "***@example.com" in told["body"] and "anna@" not in told["body"]
    assert len(told["body"]) <= 4000
    number = told["letter"]
    assert site.json("GET", f"{URL}/{number}", role="viewer")["problem"] == "the body is not JSON"
    site.user("anna", "viewer", "see_recipients")
    browser = site.browser()
    browser.post("/login", data={"name": "anna", "password": PASSWORD}, environ_base=HERE)
    page = browser.get(f"/dead-letters/{number}", environ_base=HERE).text
    assert "&lt;script&gt;alert(1)" in page and "<script>alert(1)" not in page
    assert not {"\x1b", "\u202e"} & set(page)
    assert "anna@example" not in page
    assert f"/dead-letters/{number}/delete" not in page
    assert f'href="/dead-letters/{number}"' in browser.get("/dead-letters", environ_base=HERE).text
    shown = site.cli.good("dead-letters", "show", str(number))
    assert "***@example.com" in shown and not {"\x1b", "\u202e"} & set(shown)
    assert site.cli.json("dead-letters", "list")[0]["letter_id"] == number


@pytest.mark.parametrize("surface", ["api", "page", "cli"])
def test_a_letter_is_deleted_once_with_its_row_of_the_audit(
    world: World, tmp_path: Path, letters: DeadLetterLedger, surface: str
) -> None:
    site = Site(world, tmp_path)
    letters.saw(letter())
    number = site.json("GET", URL)["items"][0]["letter"]
    path = f"{URL}/{number}/delete"
    assert site.problem("POST", path, WHY, role="operator")[0] == 403
    if surface == "api":
        for _ in range(2):
            assert site.ask("POST", path, WHY, Idempotency_Key="k").status_code == 200
        assert site.problem("POST", path, WHY)[0] == 404
    elif surface == "cli":
        site.cli.good("dead-letters", "delete", str(number), "--reason", WHY["reason"])
        site.cli.refused("dead-letters", "delete", str(number), "--reason", WHY["reason"])
    else:
        site.user("anna", "admin")
        browser = site.browser()
        browser.post("/login", data={"name": "anna", "password": PASSWORD}, environ_base=HERE)
        sent = {"data": WHY, "headers": {"Sec-Fetch-Site": "same-origin"}, "environ_base": HERE}
        assert browser.post(f"/dead-letters/{number}/delete", **sent).status_code == 303
        assert browser.post(f"/dead-letters/{number}/delete", **sent).status_code == 404
    noted = "SELECT surface, reason, object_kind, object_key FROM eed_audit WHERE act = 'dead_letter_delete'"
    kind = {"api": "api", "cli": "cli", "page": "page"}[surface]
    assert world.execute(noted) == [(kind, WHY["reason"], "dead letter", str(number))]
    assert site.json("GET", URL)["items"] == []
    assert [one.receipt for one in letters.to_delete("default")] == ["r1"]
    letters.asked(letters.to_delete("default"))
    assert letters.to_delete("default") == []
    assert letters.saw(letter(receipt="r3")), "it has come again"


def test_what_is_not_seen_for_a_day_is_forgotten_and_a_deleted_one_when_sqs_has_none_so_old(
    world: World, letters: DeadLetterLedger
) -> None:
    for sqs_id in ("gone", "there", "deleted", "deleted long ago"):
        letters.saw(letter(sqs_id))
    world.execute("UPDATE eed_dead_letter SET seen_at = '2001-01-01' WHERE sqs_id <> 'there'")
    world.execute("UPDATE eed_dead_letter SET deleted_at = '2001-01-01' WHERE sqs_id = 'deleted long ago'")
    (one,) = (row for row in letters.page(10) if row.sqs_id == "deleted")
    assert letters.delete(one.letter_id, "x")
    letters.forget()
    assert world.execute("SELECT sqs_id FROM eed_dead_letter ORDER BY sqs_id") == [("deleted",), ("there",)]


def test_the_sweeper_keeps_letters_of_others_and_deletes_the_ones_that_are_wanted_gone(
    world: World, one: int, ministack: MiniStack
) -> None:
    sqs: Any = boto3.client(
        "sqs",
        endpoint_url=ministack.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    urls = [sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("letters", "letters-dead")]
    queue = Queue(sqs, *urls)
    sweep = QueueSweep("default", queue, world.sweeping, 300)
    for body in ("not JSON", write(Ticket(999_999, 0, 0)), write(Ticket(one, 0, 0))):
        sqs.send_message(QueueUrl=urls[1], MessageBody=body)
    sweep.bury_dead_letters()
    letters = world.sweeping.dead_letters
    found = {row.problem: row for row in letters.page(10)}
    assert set(found) == {"the body is not JSON", "unknown email"}
    assert found["the body is not JSON"].body == "not JSON"
    letters.delete(found["the body is not JSON"].letter_id, "x")
    sweep.delete_foreign()
    depth = queue.depth(dead=True)
    assert depth is not None
    assert depth.visible + depth.in_flight == 1
