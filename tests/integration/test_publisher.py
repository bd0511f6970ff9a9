"""The publisher: from ready jobs to messages, on a real database and a real queue."""

from collections.abc import Iterator

import pytest

from eed_delivery.config import PublisherSettings, RenderingSettings, SourceSettings
from eed_delivery.ledger.registry import RegistryLedger
from eed_delivery.publisher import Publisher
from eed_delivery.rendering import Renderer
from eed_delivery.rendering.attachments import AttachmentStore
from eed_delivery.source import Source
from eed_delivery.sqs import Queue
from tests.servers.ministack import MiniStack
from tests.world import World

SETTINGS = PublisherSettings(poll_seconds=0.01, chunk=20, connections=2)
SINGLE = SourceSettings.model_validate(
    {
        "single_table": True,
        "job": {
            "sender_value": "Bank <s@bank.example>",
            "subject_value": "Hello",
            "text_template_value": "Dear customer",
            **dict.fromkeys(("name", "sender", "reply_to", "subject", "html_template", "text_template"), ""),
            **dict.fromkeys(("scheduled_for", "expires_at"), ""),
            "statuses": {"ready": 1},
        },
        "email": {
            "table": "outgoing",
            "id": "nr",
            "recipient": "mail_to",
            "status": "state",
            **dict.fromkeys(
                ("recipient_name", "variables", "status_detail", "attempts", "message_id", "sent_at"), ""
            ),
            "statuses": {
                "pending": [1], "sent": 2, "failed": 3, "in_doubt": 4, "suppressed": 5, "cancelled": 6,
            },
        },
        "attachment": {"table": ""},
    }
)  # fmt: skip


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    world = World(database_url)
    yield world
    world.close()


@pytest.fixture
def queue(ministack: MiniStack, queue_urls: tuple[str, str]) -> Queue:
    return Queue(ministack.client("sqs"), *queue_urls)


def publisher(registry: RegistryLedger, queue: Queue) -> Publisher:
    renderer = Renderer(RenderingSettings(message_id_domain="bank.example"), AttachmentStore(None, None, (), 1000))
    return Publisher(registry, queue, renderer, SETTINGS)


def run(*publishers: Publisher) -> None:
    """Step until nobody has more to do."""
    while [p for p in publishers if p.step() == 0]:
        pass


def messages(queue: Queue) -> list[int]:
    found = []
    while batch := queue.receive(10, 0, 300):
        found += [message.ticket.email_id for message in batch if message.ticket]
    return sorted(found)


def test_every_email_of_every_ready_job_gets_one_message(world: World, queue: Queue) -> None:
    ids = world.add_job([f"c{n}@example.com" for n in range(53)]) + world.add_job(["x@example.com"], job_id=2)
    world.add_job(["later@example.com"], job_id=3, status="created")
    world.add_job(["later@example.com"], job_id=4, scheduled_for="2999-01-01 00:00:00")
    run(publisher(world.registry, queue))
    assert messages(queue) == ids
    assert world.execute("SELECT state, COUNT(*) FROM eed_email GROUP BY state") == [("queued", 54)]


def test_a_huge_job_does_not_keep_a_small_one_waiting(world: World, queue: Queue) -> None:
    world.add_job([f"c{n}@example.com" for n in range(100)])
    (small,) = world.add_job(["x@example.com"], job_id=2)
    publisher(world.registry, queue).step()
    assert small in messages(queue)


def test_two_publishers_do_no_harm(world: World, queue: Queue) -> None:
    ids = world.add_job([f"c{n}@example.com" for n in range(60)])
    run(publisher(world.registry, queue), publisher(world.registry, queue))
    assert messages(queue) == ids
    assert world.scalar("SELECT total FROM eed_job") == 60


def test_a_successor_goes_on_where_a_crash_left_off(world: World, queue: Queue) -> None:
    ids = world.add_job([f"c{n}@example.com" for n in range(60)])
    publisher(world.registry, queue).step()  # one chunk enlisted and published, the lease still held
    world.execute("UPDATE eed_job SET lease_until = '2001-01-01 00:00:00'")
    run(publisher(world.registry, queue))
    assert messages(queue) == ids


def test_a_job_whose_template_cannot_compile_publishes_nothing(world: World, queue: Queue) -> None:
    world.add_job(["a@example.com"], text_template="Dear {{ name")
    run(publisher(world.registry, queue))
    assert messages(queue) == []
    report = world.reporting.job(1)
    assert report is not None and report.state == "failed" and "text template" in (report.reason or "")


def test_a_paused_job_is_enlisted_but_not_published(world: World, queue: Queue) -> None:
    ids = world.add_job(["a@example.com"])
    world.registry.register(world.registry.new_jobs(10))
    world.operating.pause(1, "wait")
    run(publisher(world.registry, queue))
    assert (messages(queue), world.state(ids[0])) == ([], "pending")
    world.operating.resume(1)
    run(publisher(world.registry, queue))
    assert messages(queue) == ids


def test_a_requeued_email_gets_a_message_of_its_new_generation(world: World, queue: Queue) -> None:
    (only,) = world.add_job(["a@example.com"])
    run(publisher(world.registry, queue))
    world.execute("UPDATE eed_email SET state = 'pending', gen = 3 WHERE email_id = :i", i=only)
    run(publisher(world.registry, queue))
    found = [m.ticket.gen for m in queue.receive(10, 0, 300) if m.ticket]
    assert sorted(found) == [0, 3]


def test_rows_that_are_jobs_of_one_email_are_registered_by_the_hundred(world: World, queue: Queue) -> None:
    world.execute("CREATE TABLE outgoing (nr BIGINT PRIMARY KEY, mail_to VARCHAR(320), state INT, KEY (state))")
    for nr in range(1, 301):
        world.execute("INSERT INTO outgoing VALUES (:nr, :to, :s)", nr=nr, to=f"c{nr}@example.com", s=1 + (nr > 250))
    registry = RegistryLedger(world.database, Source(SINGLE))
    one, two = publisher(registry, queue), publisher(registry, queue)
    run(one, two)
    assert messages(queue) == list(range(1, 251))
    assert world.execute("SELECT COUNT(*), SUM(total) FROM eed_job WHERE enlisted_at IS NOT NULL") == [(250, 250)]
