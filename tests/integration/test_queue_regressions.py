"""What other people's queue consumers got wrong, one test a defect, named after the issue that tells of it."""

import json
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.model import EmailState, Outcome, Ticket, Verdict
from eed_delivery.queue import MAX_BATCH, Queue, write
from tests.integration.conftest import NewStack
from tests.integration.test_batch import FlakyLedger, Room
from tests.servers.ministack import MiniStack
from tests.servers.sqs_proxy import Faults, SqsProxy
from tests.stack import Stack
from tests.world import World

EMAILS = 60
YES = Decision(EmailState.SENT, Outcome(Verdict.SENT, "250 ok", 250, message_id="<m@x>"), counted=True)


def people(count: int) -> list[str]:
    return [f"customer{n}@example.com" for n in range(1, count + 1)]


def facts(stack: Stack) -> dict[str, int]:
    """Messages by where they are: "" (visible), NotVisible, Delayed."""
    names = {which: f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")}
    found = stack.sqs.get_queue_attributes(QueueUrl=stack.queue_url, AttributeNames=["All"])["Attributes"]
    return {which: int(found[name]) for which, name in names.items()}


def left_in(stack: Stack) -> list[int]:
    """The emails whose messages are in the queue, when nobody holds one."""
    stack.wait_until(lambda: not facts(stack)["Delayed"], "every copy is visible")
    found: list[int] = []
    while messages := stack.sqs.receive_message(
        QueueUrl=stack.queue_url, MaxNumberOfMessages=MAX_BATCH, VisibilityTimeout=60
    ).get("Messages"):
        found += [json.loads(message["Body"])["email_id"] for message in messages]
    return found


@pytest.fixture
def proxy(ministack: MiniStack) -> Iterator[SqsProxy]:
    with SqsProxy(ministack.endpoint_url, random.Random(1)) as proxy:
        yield proxy


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(f"sqlite:///{tmp_path}/ledger.sqlite3")
    yield world
    world.close()


@pytest.fixture
def room(world: World, ministack: MiniStack, queue_urls: tuple[str, str]) -> Room:
    return Room(world, Queue(ministack.client("sqs"), *queue_urls))


def test_awspring_1661_what_is_recorded_at_sigterm_is_deleted_from_the_queue_too(new_stack: NewStack) -> None:
    """Acks that wait in a buffer are lost at shutdown, and what was done is done again."""
    stack = new_stack()
    stack.mail_up(seconds=0.05)
    stack.add_job(people(EMAILS))
    service = stack.start("run")
    stack.wait_until(lambda: len(stack.sink_ledger.read()) >= EMAILS // 4, "some are sent")
    assert service.terminate() == 0
    assert facts(stack)["NotVisible"] == 0, "nobody holds a message any more"
    left = left_in(stack)
    states = dict(stack.world.execute("SELECT email_id, state FROM eed_email"))
    sent = [email_id for email_id, state in states.items() if state == "sent"]
    assert len(sent) == len(stack.sink_ledger.read()) < EMAILS
    assert not set(sent) & set(left)
    assert {i for i, state in states.items() if state == "queued"} == set(left)


def test_kombu_1835_what_a_long_poll_brings_after_sigterm_is_given_back_at_once(
    new_stack: NewStack, proxy: SqsProxy
) -> None:
    """Messages that come in after the stop was asked for would wait out their whole visibility timeout, or be lost."""
    settings: dict[str, Any] = {"queue.wait_seconds": 8, "queue.visibility_timeout_seconds": 3600}
    stack = new_stack({**settings, "queue.endpoint_url": proxy.url})
    stack.mail_up()
    stack.add_job(people(EMAILS))
    stack.world.enlist()
    worker = stack.start("worker")
    stack.wait_until(lambda: proxy.calls["ReceiveMessage"] >= 4, "every thread's long poll is on its way")
    os.kill(worker.pid, signal.SIGTERM)
    stack.wait_until(lambda: bool(worker.log_events("stopping")), "the worker knows")
    for n in range(1, EMAILS + 1):
        stack.sqs.send_message(QueueUrl=stack.queue_url, MessageBody=write(Ticket(100_000 + n, 0, 0)))
    stack.wait_until(lambda: not worker.running, "it has ended")
    assert worker.terminate() == 0
    assert proxy.calls["SendMessageBatch"] > 0, "the poll did bring something, and it was given back as copies"
    assert facts(stack)["NotVisible"] == 0
    assert (len(stack.sink_ledger.read()), stack.counts()["sending"]) == (0, 0)
    assert sorted(left_in(stack)) == [100_000 + n for n in range(1, EMAILS + 1)]


def test_kombu_1198_an_expired_receipt_ends_no_worker(new_stack: NewStack, proxy: SqsProxy) -> None:
    """A delete that is refused ends the consumer; here it only means that the message comes again."""
    settings = {"queue.visibility_timeout_seconds": 5, "worker.lease_seconds": 4}
    stack = new_stack({**settings, "queue.endpoint_url": proxy.url})
    proxy.faults = Faults(expired=0.5, expired_calls=0.5)
    stack.mail_up()
    stack.add_job(people(EMAILS))
    service = stack.start("run")
    stack.wait_finished(1)
    assert proxy.injected["expired"] and proxy.injected["expired_call"]
    proxy.faults = Faults()
    stack.wait_until(lambda: stack.depth() == 0, "every message is deleted in the end")
    assert stack.balance().counts == {"sent": EMAILS}
    assert service.terminate() == 0
    assert not service.log_events("role_died") and not service.log_events("step_failed")


def test_masstransit_5159_a_duplicate_that_comes_while_the_first_is_in_hand_is_seen_through(
    room: Room, world: World
) -> None:
    """A guard in memory that drops the duplicate leaves its message in flight for ever; ours is deleted in the end."""
    (only,) = world.add_job()
    world.enlist()
    email = world.claimed(only)
    messages = room.publish(Ticket(only, 0, 0))
    room.work(messages)
    assert (room.transport.sent, room.left()) == ([], (0, 1, 0)), "it is kept, and waits for the end of the lease"
    world.delivering.wire(email, 60)
    world.delivering.record(email, YES, 1)
    room.queue.later(messages, 0)
    room.work(room.receive())
    assert (room.transport.sent, room.left()) == ([], (0, 0, 0)), "its work is done, and it is deleted"


def test_a_copy_made_while_the_database_is_away_stays_in_its_jobs_group(
    room: Room, world: World, ministack: MiniStack
) -> None:
    """Without its MessageGroupId a huge job's copies would starve the small ones just after an outage."""
    (only,) = world.add_job()
    world.enlist()
    flaky = FlakyLedger(world.database, world.source, "test")
    flaky.at, flaky.gone_for = "claim", 1
    room.ledger = flaky
    messages = room.publish(Ticket(only, 0, 0, group="1"))
    with pytest.raises(DatabaseGone):
        room.work(messages)
    (copy,) = ministack.client("sqs").receive_message(
        QueueUrl=room.queue.url, WaitTimeSeconds=10, MessageSystemAttributeNames=["MessageGroupId"]
    )["Messages"]
    assert (copy["MessageId"] != messages[0].sqs_id, copy["Attributes"]) == (True, {"MessageGroupId": "1"})
