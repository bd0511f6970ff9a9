"""The role `events` against a real queue: what is committed is deleted, what is not comes again."""

import json
import os
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from eed_delivery.config import EmailSource, SourceSettings, TrackingSettings
from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger.tracking.ledger import TrackingLedger
from eed_delivery.queue import Letter, Queue
from eed_delivery.source import Source
from eed_delivery.tracking.ses.collector import Collector, wait_seconds
from tests.command_line import CommandLine
from tests.servers.database_server import DatabaseServer
from tests.servers.ministack import MiniStack
from tests.servers.mysql_proxy import MySqlProxy
from tests.unit.tracking import ses_examples as ses
from tests.waiting import until
from tests.world import World

SOON = 60


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(f"sqlite:///{tmp_path}/ledger.sqlite3")
    yield world
    world.close()


@pytest.fixture
def queue(ministack: MiniStack, queue_urls: tuple[str, str]) -> Queue:
    return Queue(ministack.client("sqs"), *queue_urls)


def collector(world: World, queue: Queue, source: Source | None = None) -> Collector:
    return Collector(TrackingLedger(world.database, source or world.source, TrackingSettings()), queue, 0)


def about(email_id: int, event: dict[str, Any], gen: int = 0) -> dict[str, Any]:
    """The example, made to be about one of our emails, and to have happened just now."""
    text = json.dumps(event).replace(ses.SENT_AT, now()).replace(ses.TOLD_AT, now())
    made: dict[str, Any] = json.loads(text)
    made["mail"]["tags"] |= {"eed_email": [str(email_id)], "eed_gen": [str(gen)]}
    made["mail"]["messageId"] = f"{ses.MESSAGE_ID}-{email_id}"
    return made


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def put(queue: Queue, *bodies: str) -> None:
    for body in bodies:
        queue._client.send_message(QueueUrl=queue.url, MessageBody=body)


def left(queue: Queue) -> tuple[int, int]:
    """How many messages are in the queue, visible and hidden."""
    depth = queue.depth()
    assert depth is not None
    return depth.visible, depth.in_flight


def outcomes(world: World) -> dict[int, str | None]:
    return dict(world.execute("SELECT email_id, outcome FROM eed_email"))


def test_both_envelopes_become_outcomes_and_are_deleted(world: World, queue: Queue) -> None:
    first, second = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    put(queue, ses.raw(about(first, ses.delivery())), ses.notification(json.dumps(about(second, ses.bounce()))))
    put(queue, ses.confirmation("SubscriptionConfirmation"))  # known, and about no email
    role = collector(world, queue)
    assert role.step() == 0  # there may be more
    assert outcomes(world) == {first: "delivered", second: "hard_bounced"}
    assert world.execute("SELECT address FROM eed_suppression") == [("b@example.com",)]
    assert left(queue) == (0, 0)
    assert role.step() > 0  # nothing there, and no long poll that has waited


def test_more_than_one_receive_gives_is_one_transaction(world: World, queue: Queue) -> None:
    ids = world.add_job([f"c{n}@example.com" for n in range(35)])
    world.enlist()
    for email_id in ids:
        put(queue, ses.raw(about(email_id, ses.delivery())))
    collector(world, queue).step()
    assert set(outcomes(world).values()) == {"delivered"}
    assert world.scalar("SELECT COUNT(DISTINCT received_at) FROM eed_event") == 1
    assert left(queue) == (0, 0)


def test_what_cannot_be_read_is_told_once_and_left_to_the_queue(world: World, queue: Queue) -> None:
    put(queue, "secret@example.com is no JSON")
    with capture_logs() as logs:
        collector(world, queue).step()
    assert [(entry["event"], len(entry["sqs_message_id"])) for entry in logs] == [("event_not_understood", 36)]
    assert "secret" not in str(logs)
    assert left(queue) == (0, 1)  # hidden, and not deleted


def test_what_cannot_be_read_is_not_told_each_time_it_comes(world: World, queue: Queue) -> None:
    put(queue, "no JSON")
    queue.letters(10, 0, 0)  # somebody has had it before
    with capture_logs() as logs:
        collector(world, queue).step()
    assert (logs, left(queue)) == ([], (0, 1))


def test_an_email_that_is_not_known_yet_is_waited_for(world: World, queue: Queue) -> None:
    (known,) = world.add_job()
    world.enlist()
    put(queue, ses.raw(about(known, ses.delivery())), ses.raw(about(4242, ses.delivery())))
    with capture_logs() as logs:
        collector(world, queue).step()
    assert [(entry["event"], entry["count"]) for entry in logs] == [("events_wait_for_their_email", 1)]
    assert outcomes(world) == {known: "delivered"}
    assert left(queue) == (0, 1)


def test_the_wait_for_an_email_doubles_up_to_the_queues_limit() -> None:
    waits = [wait_seconds(Letter("id", "receipt", count, "")) for count in (1, 2, 3, 10, 11, 1000)]
    assert waits == [60, 120, 240, 30_720, 43_200, 43_200]


def test_an_event_that_waited_too_long_is_kept_without_an_email(world: World, queue: Queue) -> None:
    told = ses.delivery()
    told["mail"]["tags"] |= {"eed_email": ["4242"]}
    put(queue, ses.raw(told))  # of some time ago
    with capture_logs() as logs:
        collector(world, queue).step()
    assert [entry["event"] for entry in logs] == ["events_unmatched"]
    assert world.execute("SELECT email_id, kind FROM eed_event") == [(None, "delivery")]
    assert left(queue) == (0, 0)


def test_one_event_that_the_database_refuses_keeps_no_other_back(world: World, queue: Queue) -> None:
    good, bad = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    world.execute("ALTER TABLE delivery_email ADD COLUMN became VARCHAR(12)")
    world.execute(
        "CREATE TRIGGER refuse BEFORE UPDATE ON delivery_email WHEN NEW.became = 'hard_bounced'"
        " BEGIN SELECT RAISE(ABORT, 'not in this house'); END"
    )
    put(queue, ses.raw(about(bad, ses.bounce())), ses.raw(about(good, ses.delivery())))
    with capture_logs() as logs:
        collector(world, queue, Source(SourceSettings(email=EmailSource(outcome="became")))).step()
    assert [entry["event"] for entry in logs] == ["events_taken_singly", "event_cannot_be_taken"]
    assert outcomes(world) == {good: "delivered", bad: None}
    assert left(queue) == (0, 1)


def test_nothing_is_received_while_the_database_is_away(
    database_server: DatabaseServer, database_url: str, ministack: MiniStack, queue_urls: tuple[str, str]
) -> None:
    """Each receive counts towards the dead-letter queue."""
    queue = Queue(ministack.client("sqs"), *queue_urls)
    with MySqlProxy(database_server.port) as proxy:
        world = World(proxy.url(database_url))
        (email_id,) = world.add_job()
        world.enlist()
        role = collector(world, queue)
        put(queue, ses.raw(about(email_id, ses.delivery())))
        proxy.refuse()
        with pytest.raises(DatabaseGone):
            role.step()
        put(queue, ses.raw(about(email_id, ses.bounce())))
        with pytest.raises(DatabaseGone):
            role.step()
        assert left(queue) == (1, 1)
        proxy.heal()
        role.step()
        assert outcomes(world) == {email_id: "hard_bounced"}
        role.step()
        assert left(queue) == (0, 1)  # the first comes again when its time has come
        world.close()


def test_the_loop_settles_what_came_into_doubt_after_its_event(world: World, queue: Queue) -> None:
    (email_id,) = world.add_job()
    world.enlist()
    role = collector(world, queue)
    world.delivering.wire(world.claimed(email_id), 60)
    put(queue, ses.raw(about(email_id, ses.send())))
    role.step()
    world.lapse(email_id)
    world.sweeping.settle_the_wire(resend_below=0)
    assert role.settle() > 0
    assert world.state(email_id) == "sent"


@pytest.mark.parametrize("command", ["events", "run"])
def test_the_commands_take_events_until_they_are_told_to_stop(
    world: World, ministack: MiniStack, queue_urls: tuple[str, str], tmp_path: Path, command: str
) -> None:
    (email_id,) = world.add_job()
    world.enlist()
    events_url, _ = ministack.make_queue(f"events-for-{command}")
    eed = CommandLine(tmp_path, world.url, queue_urls, ministack.endpoint_url)
    eed.environ["EED_TRACKING__EVENTS_QUEUE_URL"] = events_url
    eed.environ["EED_TRACKING__PROCESSES"] = "2"
    put(Queue(ministack.client("sqs"), events_url), ses.raw(about(email_id, ses.complaint())))
    with (tmp_path / "log").open("wb") as log:
        role = eed.process(command, stdout=log, stderr=log)
    try:
        until(lambda: outcomes(world) == {email_id: "complained"}, (tmp_path / "log").read_text, SOON)
    finally:
        os.kill(role.pid, signal.SIGTERM)
        assert role.wait(SOON) == 0, (tmp_path / "log").read_text()
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    started = {line["role"] for line in lines if line["event"] == "role_started"}
    assert {role for role in started if role.startswith("events")} == {"events-1", "events-2"}
    assert outcomes(world) == {email_id: "complained"}, (tmp_path / "log").read_text()


def test_the_command_wants_its_queue(world: World, tmp_path: Path) -> None:
    eed = CommandLine(tmp_path, world.url)
    assert "tracking.events_queue_url" in eed.refused("events", code=78)
