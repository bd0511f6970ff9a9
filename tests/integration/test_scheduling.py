"""Jobs that wait for their time: listed, shown, paused, let wait again and cancelled before they are taken up."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from eed_delivery.config import SourceSettings
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.publishing.scheduling import SchedulingLedger
from eed_delivery.ledger.webhooks.outbox import Outbox
from eed_delivery.notices import NoticeKind
from eed_delivery.source import Source
from tests.command_line import CommandLine
from tests.integration.conftest import NewStack
from tests.world import World


@pytest.fixture
def eed(world: World, tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path, world.url)


@pytest.fixture
def scheduling(world: World) -> SchedulingLedger:
    return SchedulingLedger(world.database, world.source, outbox=Outbox(tuple(NoticeKind)))


def due_in(world: World, seconds: float, job_id: int = 2, column: str = "scheduled_for") -> None:
    """Schedule a job by the source's own clock."""
    now = f"NOW(6) + INTERVAL {seconds} SECOND"
    if world.database.dialect == "sqlite":
        now = f"strftime('%Y-%m-%d %H:%M:%f', 'now', '{seconds} seconds')"
    world.execute(f"UPDATE delivery_job SET {column} = {now} WHERE id = {job_id}")


@pytest.fixture
def later(world: World) -> World:
    """Job 2 with two emails, to be sent in an hour; job 3, which is not ready; job 4, known to the ledger."""
    world.add_job(["a@example.com", "b@example.com"], job_id=2, name="later")
    due_in(world, 3600)
    world.add_job(job_id=3, status="preparing")
    due_in(world, 3600, 3)
    world.add_job(job_id=4)
    world.enlist(4)
    return world


def published(world: World) -> list[str]:
    """What a publisher takes up now, enlists to its end, and would publish: the emails' states by the source's keys."""
    world.registry.register(world.registry.new_jobs(100))
    for job in (jobs := world.registry.lease(new_token(), 60, 50, 0)):
        while world.registry.enlist(job, 100, 60):
            pass
    world.registry.let_go(jobs)
    return [state for (state,) in world.execute("SELECT state FROM eed_email WHERE job_id = 2 ORDER BY email_id")]


def test_a_job_that_waits_is_listed_and_shown_with_its_time(later: World, eed: CommandLine) -> None:
    text = eed.good("jobs")
    header, row = text.split("\n\n")[1].splitlines()
    assert header.split() == ["JOB", "NAME", "STATE", "SCHEDULED", "FOR"]
    assert row.split()[:3] == ["2", "later", "scheduled"]
    waiting = eed.json("jobs")[-1]
    assert (waiting["job"], waiting["state"]) == ("2", "scheduled")
    assert waiting["scheduled_for"][:19] in row
    expected = later.reporting.now() + timedelta(seconds=3600)
    (found,) = SchedulingLedger(later.database, later.source).waiting(10)
    assert found.scheduled_at is not None
    assert abs(found.scheduled_at - expected) < timedelta(seconds=60)
    text = eed.good("job", "2")
    assert "scheduled for" in text
    assert "2 emails will be sent then" in text
    assert "pause --reason REASON 2" in text
    assert eed.json("job", "2")["emails"] == 2
    assert "waits for its time" in eed.refused("emails", "2")
    due_in(later, -1)
    assert "scheduled" not in eed.good("jobs")
    assert "Is the publisher running?" in eed.refused("job", "2")


def test_a_job_paused_before_its_time_is_not_started_when_it_comes(later: World, eed: CommandLine) -> None:
    assert "paused before its time" in eed.good("pause", "2", "--reason", "the rate is wrong")
    shown = eed.good("job", "2")
    assert "paused: the rate is wrong" in shown
    assert "scheduled for" in shown
    assert "its emails are picked up when it is resumed" in shown
    assert published(later) == []
    due_in(later, -1)
    assert published(later) == []
    assert "is resumed" in eed.good("resume", "2")
    assert published(later) == ["pending", "pending"]
    assert later.scalar("SELECT found FROM eed_job WHERE job_id = 2") == 2


def test_let_go_on_before_its_time_it_waits_for_the_time_that_the_source_has_then(
    later: World, eed: CommandLine
) -> None:
    eed.good("pause", "2", "--reason", "to be sent next week")
    due_in(later, 7 * 86_400)
    assert "waits for its time" in eed.good("resume", "2")
    assert later.scalar("SELECT COUNT(*) FROM eed_job WHERE job_id = 2") == 0
    assert published(later) == []
    assert eed.json("jobs")[-1]["state"] == "scheduled"
    due_in(later, -1)
    assert published(later) == ["pending", "pending"]


def test_a_job_cancelled_before_its_time_ends_with_all_its_emails(later: World, eed: CommandLine) -> None:
    assert "cancelled before its time" in eed.good("cancel", "2", "--reason", "the fund was closed")
    assert published(later) == ["pending", "pending"]
    assert later.sweeping.end_leftovers() == 2
    assert later.sweeping.finish(2)
    assert "balanced: 2 = 2 cancelled" in eed.good("job", "2")
    assert later.source_status(2000) == "cancelled"
    assert later.scalar("SELECT status FROM delivery_job WHERE id = 2") == "cancelled"
    due_in(later, -1)
    assert later.registry.new_jobs(10) == []


def test_a_job_paused_and_then_cancelled_or_expired_ends_too(later: World, eed: CommandLine) -> None:
    due_in(later, 7200, column="expires_at")
    eed.good("pause", "2", "--reason", "a look first")
    assert later.scalar("SELECT expires_at FROM eed_job WHERE job_id = 2") is not None
    eed.good("cancel", "2", "--reason", "no")
    assert published(later) == ["pending", "pending"]
    assert later.sweeping.end_leftovers() == 2
    assert later.sweeping.finish(2)


def test_a_publisher_that_was_faster_has_the_job(later: World, scheduling: SchedulingLedger) -> None:
    waiting = scheduling.job("2")
    assert waiting is not None
    due_in(later, -1)
    assert published(later) == ["pending", "pending"]
    assert not scheduling.pause(waiting, "too late")
    assert not scheduling.cancel(waiting, "too late")
    assert later.scalar("SELECT state FROM eed_job WHERE job_id = 2") == "active"


def test_what_has_begun_is_not_forgotten(later: World, scheduling: SchedulingLedger) -> None:
    due_in(later, -1)
    published(later)
    later.operating.pause(2, "wrong")
    due_in(later, 3600)
    assert scheduling.let_wait(2, "2") is None
    assert later.scalar("SELECT COUNT(*) FROM eed_job WHERE job_id = 2") == 1


def test_each_act_is_in_the_audit(later: World, eed: CommandLine) -> None:
    eed.good("pause", "2", "--reason", "wrong")
    eed.good("resume", "2", "--reason", "it was right")
    eed.good("cancel", "2", "--reason", "closed")
    acts = eed.json("job", "2")["acts"]
    assert [(act["act"], act["reason"]) for act in acts] == [
        ("pause", "wrong"),
        ("resume", "it was right"),
        ("cancel", "closed"),
    ]
    assert "service" not in {act["who"] for act in acts}


def test_it_is_told_by_webhook_with_the_sources_key(later: World, scheduling: SchedulingLedger) -> None:
    waiting = scheduling.job("2")
    assert waiting is not None
    assert scheduling.pause(waiting, "wrong")
    assert scheduling.let_wait(2, "2") is not None
    assert scheduling.cancel(waiting, "closed")
    told = [
        (kind, json.loads(facts))
        for kind, facts in later.execute("SELECT kind, facts FROM eed_webhook ORDER BY webhook_id")
    ]
    assert told == [
        ("job.paused", {"job": "2", "reason": "wrong"}),
        ("job.resumed", {"job": "2"}),
        ("job.cancelled", {"job": "2", "reason": "closed"}),
    ]


STRING_KEYS: dict[str, Any] = {
    "job": {"table": "runs", "key_type": "string", "scheduled_for": "send_at"}
    | dict.fromkeys(("name", "reply_to", "text_template", "expires_at"), ""),
    "email": {"table": "letters", "key_type": "string", "recipient_name": "", "variables": "", "attempts": "",
              "message_id": "", "sent_at": "", "status_detail": ""},
    "attachment": {"table": ""},
}  # fmt: skip


@pytest.fixture
def words(database_url: str) -> World:
    """A source with words for keys, some of which the column's collation takes for one."""
    world = World(database_url)
    for statement in (
        "CREATE TABLE runs (id VARCHAR(40) PRIMARY KEY, status VARCHAR(20), sender VARCHAR(99), subject VARCHAR(99),"
        " html_template TEXT, send_at DATETIME) COLLATE utf8mb4_general_ci",
        "CREATE TABLE letters (id VARCHAR(40) PRIMARY KEY, job_id VARCHAR(40), recipient VARCHAR(254),"
        " status VARCHAR(20)) COLLATE utf8mb4_general_ci",
        "INSERT INTO runs (id, status, send_at) VALUES ('Run-A', 'processing', NOW() + INTERVAL 1 DAY)",
        "INSERT INTO runs (id, status, send_at) VALUES ('never', 'processing', '9999-12-31')",
        "INSERT INTO letters VALUES ('L-1', 'Run-A', 'a@example.com', 'pending')",
    ):
        world.execute(statement)
    return world


def test_keys_that_are_words_are_compared_letter_for_letter(words: World) -> None:
    source = Source(SourceSettings.model_validate(STRING_KEYS))
    scheduling = SchedulingLedger(words.database, source)
    assert [(job.key, job.scheduled_at is None) for job in scheduling.waiting(10)] == [
        ("Run-A", False),
        ("never", True),
    ]
    assert scheduling.job("run-a") is None
    waiting = scheduling.job("Run-A")
    assert waiting is not None
    assert scheduling.emails(waiting) == 1
    assert scheduling.pause(waiting, "wrong")
    assert [job.key for job in scheduling.waiting(10)] == ["never"]
    job_id = words.scalar("SELECT job_id FROM eed_job WHERE source_key = 'Run-A'")
    assert scheduling.let_wait(job_id, "Run-A") == waiting
    words.close()


@pytest.mark.parametrize("key", ["x", "-1", "1e3", "99999999999999999999999", "٢"])
def test_what_is_no_key_waits_for_nothing(later: World, scheduling: SchedulingLedger, key: str) -> None:
    assert scheduling.job(key) is None


def test_real_processes_leave_it_alone_and_then_send_it(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.mail_up()
    stack.add_job(["a@example.com"], job_id=1, scheduled_for="2999-01-01 00:00:00")
    stack.add_job(["b@example.com"], job_id=2, scheduled_for="2999-01-01 00:00:00")
    stack.command("pause", "1", "--reason", "a look first")
    stack.command("cancel", "2", "--reason", "the fund was closed")
    service = stack.start("run")
    stack.wait_finished(2)
    stack.world.execute("UPDATE delivery_job SET scheduled_for = '2001-01-01' WHERE id = 1")
    stack.add_job(["c@example.com"], job_id=3)
    stack.wait_finished(3)
    assert stack.counts(1) == {}
    stack.command("resume", "1")
    stack.wait_finished(1)
    assert service.terminate() == 0
    assert (stack.counts(1), stack.counts(2)) == ({"sent": 1}, {"cancelled": 1})
    stack.balance()
