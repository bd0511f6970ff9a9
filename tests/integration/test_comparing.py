"""Source and ledger side by side: what differs is found, named with both sides, and counted; what agrees is not."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection

from eed_delivery.config import SourceSettings
from eed_delivery.ledger.actor import Actor
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.ledger.reconciling.comparing import ComparingLedger
from eed_delivery.ledger.reconciling.differences import Difference
from eed_delivery.ledger.resending import Resend, ResendLedger
from eed_delivery.model import EmailState, Outcome, Verdict
from eed_delivery.source.comparing import SourceComparison, SourceEmail
from eed_delivery.source.tables import Key
from tests.integration.test_enlisting import finish, publish
from tests.world import World

VERDICTS = {
    EmailState.SENT: Verdict.SENT,
    EmailState.FAILED: Verdict.PERMANENT,
    EmailState.IN_DOUBT: Verdict.IN_DOUBT,
}
PAGE = 3
"""So small that a job has several."""


def end(world: World, email_id: int, state: EmailState = EmailState.SENT) -> None:
    email = world.claimed(email_id)
    world.delivering.wire(email, 60)
    assert world.delivering.record(email, Decision(state, Outcome(VERDICTS[state], "250 ok"), counted=True), 1)


def comparing(world: World, settings: SourceSettings | None = None) -> ComparingLedger:
    return ComparingLedger(world.database, SourceComparison(settings or SourceSettings()), page=PAGE)


def compare(world: World, *job_ids: int, settings: SourceSettings | None = None) -> list[Difference]:
    ledger = comparing(world, settings)
    return [
        difference
        for group in ledger.groups(job_ids or (1,))
        for page in ledger.pages(group)
        for difference in page.differences
    ]


def brief(differences: Sequence[Difference]) -> list[tuple[str, str | None, str, str]]:
    return [(d.kind, d.email, d.source, d.ledger) for d in differences]


@pytest.fixture
def ids(world: World) -> list[int]:
    """A job of ten that is finished: eight sent, one failed, one in doubt."""
    ids = world.add_job([f"c{n}@example.com" for n in range(10)])
    world.enlist()
    for email_id in ids[:8]:
        end(world, email_id)
    end(world, ids[8], EmailState.FAILED)
    end(world, ids[9], EmailState.IN_DOUBT)
    assert world.sweeping.finish(1)
    return ids


def test_a_job_that_agrees_has_no_differences(world: World, ids: list[int]) -> None:
    assert compare(world) == []


def test_every_email_is_read_once_in_pages(world: World, ids: list[int]) -> None:
    ledger = comparing(world)
    pages = [page for group in ledger.groups([1]) for page in ledger.pages(group)]
    assert sum(page.rows for page in pages) == 10
    assert max(page.rows for page in pages) == PAGE


def test_a_job_that_is_sending_has_no_differences(world: World) -> None:
    ids = world.add_job([f"c{n}@example.com" for n in range(10)])
    world.enlist()
    end(world, ids[0])
    world.claimed(ids[1])
    assert compare(world) == []


def test_rows_that_the_publisher_has_not_come_to_are_not_missing(world: World) -> None:
    world.add_job([f"c{n}@example.com" for n in range(10)])
    world.registry.register(world.registry.new_jobs(10))
    (job,) = world.registry.lease(7, 60, 10, 0)
    assert world.registry.enlist(job, 4, 60) == 4
    assert compare(world) == []


CASES: dict[str, tuple[str, tuple[str, int | None, str, str]]] = {
    "a row that came after its job had finished": (
        "INSERT INTO delivery_email (id, job_id, recipient, status) VALUES (7, 1, 'new@example.com', 'pending')",
        ("missing", 7, "not sent yet", "not there"),
    ),
    "a row without a status": (
        "INSERT INTO delivery_email (id, job_id, recipient, status) VALUES (7, 1, 'new@example.com', NULL)",
        ("missing", 7, "not sent yet", "not there"),
    ),
    "a row that was deleted": ("DELETE FROM delivery_email WHERE id = 1003", ("gone", 1003, "no such row", "sent")),
    "a failed one that was deleted": (
        "DELETE FROM delivery_email WHERE id = 1008",
        ("gone", 1008, "no such row", "failed"),
    ),
    "a row that another job has now": (
        "UPDATE delivery_email SET job_id = 2 WHERE id = 1003",
        ("moved", 1003, "in job 2", "sent in job 1"),
    ),
    "a sent one that says it is not": (
        "UPDATE delivery_email SET status = 'pending' WHERE id = 1003",
        ("status", 1003, "'pending'", "sent"),
    ),
    "a failed one that has no status": (
        "UPDATE delivery_email SET status = NULL WHERE id = 1008",
        ("status", 1008, "NULL", "failed"),
    ),
    "a doubt that says it was sent": (
        "UPDATE delivery_email SET status = 'sent' WHERE id = 1009",
        ("status", 1009, "'sent'", "in_doubt"),
    ),
    "an address that was corrected after it had been sent": (
        "UPDATE delivery_email SET recipient = 'right@example.com' WHERE id = 1003",
        ("recipient", 1003, "right@example.com", "c3@example.com"),
    ),
    "an address that is gone": (
        "UPDATE delivery_email SET recipient = NULL WHERE id = 1009",
        ("recipient", 1009, "", "c9@example.com"),
    ),
    "a job's row that was deleted": ("DELETE FROM delivery_job", ("job_gone", None, "no such row", "there")),
    "a total that a former release left wrong": (
        "UPDATE eed_job SET total = 9, found = 10",
        ("counts", None, "10 emails", "total 9"),
    ),
    "a row that was found, and of which nobody knows": (
        "UPDATE eed_job SET found = 11",
        ("counts", None, "10 enlisted + 0 moved + 0 regenerated + 0 refused", "found 11"),
    ),
}


@pytest.mark.parametrize(("statement", "wanted"), CASES.values(), ids=CASES.keys())
def test_a_difference_is_named_with_both_sides(
    world: World, ids: list[int], statement: str, wanted: tuple[str, int | None, str, str]
) -> None:
    world.execute(statement)
    kind, email, source, ledger = wanted
    found = compare(world)
    assert brief(found) == [(kind, None if email is None else str(email), source, ledger)]
    assert found[0].job == "1" and found[0].todo


HARMLESS = {
    "a word of the delivery server's own": "UPDATE delivery_email SET status = 'archived' WHERE id = 1003",
    "an address in another spelling": "UPDATE delivery_email SET recipient = ' c3@EXAMPLE.com' WHERE id = 1003",
    "another address of one that failed": "UPDATE delivery_email SET recipient = 'x@example.com' WHERE id = 1008",
    "a row of a job that the ledger does not know": (
        "INSERT INTO delivery_email (id, job_id, recipient, status) VALUES (7, 9, 'new@example.com', 'pending')"
    ),
    "a row that the old server has sent": (
        "INSERT INTO delivery_email (id, job_id, recipient, status) VALUES (7, 1, 'new@example.com', 'sent')"
    ),
}


@pytest.mark.parametrize("statement", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_is_no_difference_is_not_called_one(world: World, ids: list[int], statement: str) -> None:
    world.execute(statement)
    assert compare(world) == []


def test_a_status_of_the_delivery_servers_own_is_counted_apart(world: World, ids: list[int]) -> None:
    world.execute("UPDATE delivery_email SET status = 'archived' WHERE id > 1003")
    ledger = comparing(world)
    (group,) = ledger.groups([1])
    assert sum(page.elsewhere for page in ledger.pages(group)) == 6


def test_a_refused_row_is_not_missing(world: World, ids: list[int]) -> None:
    insert = "INSERT INTO delivery_email (id, job_id, recipient, status) VALUES ({}, 1, 'new@example.com', 'pending')"
    refuse = (
        "INSERT INTO eed_refusal (job_id, job_key, source_key, reason, refused_at)"
        " VALUES ({}, '1', '{}', 'why', '2026-01-01 00:00:00.000000')"
    )
    for key in (7, 8):
        world.execute(insert.format(key))
    world.execute(refuse.format(1, 7))
    world.execute(refuse.format(2, 8))  # another job's refusal is not this one's
    world.execute("UPDATE eed_job SET found = found + 1, refused = 1")
    assert brief(compare(world)) == [("missing", "8", "not sent yet", "not there")]


def test_a_row_that_moved_is_named_in_both_jobs_until_it_is_refused(world: World, ids: list[int]) -> None:
    world.add_job(["x@example.com"], job_id=2)
    world.enlist(2)
    world.execute("UPDATE delivery_email SET job_id = 2, status = 'pending' WHERE id = 1008")
    assert brief(compare(world, 1, 2)) == [
        ("moved", "1008", "in job 2", "failed in job 1"),
        ("moved_here", "1008", "not sent yet in job 2", "in job 1"),
    ]
    world.execute(
        "INSERT INTO eed_refusal (job_id, job_key, source_key, reason, refused_at)"
        " VALUES (2, '2', '1008', 'known already', '2026-01-01 00:00:00.000000')"
    )
    world.execute("UPDATE eed_job SET found = found + 1, refused = 1 WHERE job_id = 2")
    assert compare(world, 1, 2) == []


def test_what_an_operator_has_sent_once_more_has_no_row_in_the_source(world: World, ids: list[int]) -> None:
    ResendLedger(world.database, world.source, Actor("anna", "cli")).resend(Resend(ids[0], "a test", "x@example.com"))
    assert compare(world) == []


def test_small_jobs_are_compared_together_and_each_difference_is_its_jobs(world: World) -> None:
    for job_id in range(1, 8):
        for email_id in world.add_job([f"c{n}@example.com" for n in range(2)], job_id=job_id):
            world.enlist(job_id) if email_id == 1000 * job_id else None
            end(world, email_id)
    world.execute("DELETE FROM delivery_email WHERE id IN (3001, 6000)")
    world.execute("UPDATE eed_job SET total = 5 WHERE job_id = 7")
    ledger = comparing(world)
    assert [len(group) for group in ledger.groups(range(1, 8))] == [7]
    found = compare(world, *range(1, 8))
    assert sorted((d.kind, d.job, d.email) for d in found if d.email) == [("gone", "3", "3001"), ("gone", "6", "6000")]
    assert [(d.kind, d.job) for d in found if not d.email] == [("counts", "7")]


Meddle = Callable[[], None]


class MeddlingSource(SourceComparison):
    """A source in which somebody changes something between the first look at a page and the second."""

    def __init__(self, meddle: Meddle) -> None:
        super().__init__(SourceSettings())
        self._meddle = [meddle]

    def emails(self, c: Connection, keys: Collection[Key]) -> dict[Key, SourceEmail]:
        if self._meddle:
            self._meddle.pop()()
        return super().emails(c, keys)


def test_a_row_that_changes_while_it_is_read_is_looked_at_again(database_url: str) -> None:
    world = World(database_url)
    world.add_job(["a@example.com"])
    world.enlist()
    end(world, 1000)
    world.execute("UPDATE delivery_email SET status = 'pending'")
    sent = MeddlingSource(lambda: world.execute("UPDATE delivery_email SET status = 'sent'"))
    ledger = ComparingLedger(world.database, sent)
    (group,) = ledger.groups([1])
    assert [d for page in ledger.pages(group) for d in page.differences] == []
    world.close()


TEXT = SourceSettings.model_validate(
    {
        "job": {"table": "jobs", "name": "", "reply_to": "", "html_template": "", "scheduled_for": "",
                "expires_at": "", "key_type": "string"},
        "email": {"table": "mails", "recipient_name": "", "variables": "", "attempts": "", "message_id": "",
                  "sent_at": "", "key_type": "string"},
        "attachment": {"table": ""},
    }
)  # fmt: skip


def test_keys_that_only_a_collation_takes_for_one_are_two(database_url: str) -> None:
    world = World(database_url, TEXT)
    exact = "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    loose = "VARCHAR(40) CHARACTER SET latin1 COLLATE latin1_swedish_ci"
    world.execute(
        f"CREATE TABLE jobs (id {exact} PRIMARY KEY, status VARCHAR(20), sender VARCHAR(90), subject VARCHAR(90),"
        " text_template TEXT)"
    )
    world.execute(
        f"CREATE TABLE mails (id {exact} PRIMARY KEY, job_id {loose}, recipient VARCHAR(254), status VARCHAR(20),"
        " status_detail VARCHAR(300), KEY (job_id))"
    )
    for job, *keys in (("x7Qa", "K1", "K2", "K3", "K4"), ("X7qA", "k1", "k2")):
        world.execute("INSERT INTO jobs VALUES (:id, 'processing', 's@bank.example', 'S', 'T')", id=job)
        for key in keys:
            world.execute(
                "INSERT INTO mails VALUES (:id, :job, :to, 'pending', '')", id=key, job=job, to=f"{key}@x.example"
            )
    publish(world)
    ids = [row[0] for row in world.execute("SELECT email_id FROM eed_email")]
    for email_id in ids:
        end(world, email_id)
    finish(world)
    job_ids = [row[0] for row in world.execute("SELECT job_id FROM eed_job ORDER BY source_key")]
    assert compare(world, *job_ids, settings=TEXT) == []
    world.execute("DELETE FROM mails WHERE id = 'k1'")
    world.execute("UPDATE mails SET id = 'k4' WHERE id = 'K4'")
    world.execute("INSERT INTO mails VALUES ('k3', 'x7Qa', 'late@x.example', 'pending', '')")
    assert sorted((d.kind, d.job, d.email) for d in compare(world, *job_ids, settings=TEXT)) == [
        ("gone", "X7qA", "k1"),
        ("gone", "x7Qa", "K4"),
        ("missing", "x7Qa", "k3"),
    ]
    world.close()


SINGLE = SourceSettings.model_validate(
    {
        "single_table": True,
        "job": {"name": "", "sender": "sender", "reply_to": "", "html_template": "", "text_template": "body",
                "scheduled_for": "", "expires_at": "", "statuses": {"ready": 1}},
        "email": {"table": "mq", "recipient": "rcpt", "recipient_name": "", "variables": "", "status": "state",
                  "status_detail": "err", "attempts": "", "message_id": "", "sent_at": "",
                  "statuses": {"sent": 3, "failed": 9, "in_doubt": 8, "suppressed": 7, "cancelled": 6}},
    }
)  # fmt: skip


def test_rows_that_are_jobs_of_one_email_are_compared_too(tmp_path: Path) -> None:
    world = World(f"sqlite:///{tmp_path}/single.sqlite3")
    world.execute("CREATE TABLE mq (id INTEGER PRIMARY KEY, sender, rcpt, subject, body, state INTEGER, err)")
    for n in range(1, 6):
        world.execute(f"INSERT INTO mq VALUES ({n}, 's@bank.example', 'c{n}@example.com', 'S', 'T', 3, '')")
        world.execute(
            "INSERT INTO eed_job (job_id, source_key, state, total, found, enlisted_at, created_at)"
            f" VALUES ({n}, '{n}', 'finished', 1, 1, '2026-01-01', '2026-01-01')"
        )
        world.execute(
            f"INSERT INTO eed_email (email_id, job_id, recipient, state) VALUES ({n}, {n}, 'c{n}@example.com', 'sent')"
        )
    assert compare(world, *range(1, 6), settings=SINGLE) == []
    world.execute("UPDATE mq SET state = 1 WHERE id = 2")
    world.execute("DELETE FROM mq WHERE id = 4")
    found = compare(world, *range(1, 6), settings=SINGLE)
    assert brief(found) == [("status", "2", "'1'", "sent"), ("gone", "4", "no such row", "sent")]
    world.close()
