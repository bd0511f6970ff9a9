"""The publisher: from ready jobs to messages, on a real database and a real queue."""

import re
from collections.abc import Iterator

import boto3
import pytest
from botocore.stub import Stubber
from sqlalchemy import event
from structlog.testing import capture_logs

from eed_delivery.config import PublisherSettings, RenderingSettings, SourceSettings
from eed_delivery.ledger.publishing.ledger import PublishingLedger
from eed_delivery.publisher import AILING_SECONDS, SLOW_CHUNK_SECONDS, Publisher, Registrar
from eed_delivery.queue import Queue
from eed_delivery.rendering.attachments import AttachmentStore
from eed_delivery.rendering.renderer import Renderer
from eed_delivery.source import Source
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


def publisher(registry: PublishingLedger, queue: Queue, settings: PublisherSettings = SETTINGS) -> Publisher:
    renderer = Renderer(RenderingSettings(message_id_domain="bank.example"), AttachmentStore(None, None, (), 1000))
    return Publisher(registry, queue, renderer, settings, registrar=Registrar(registry, settings))


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


def test_what_workers_put_back_while_its_job_was_paused_is_published_by_the_next_step_after_a_resume(
    world: World, queue: Queue
) -> None:
    ids = world.add_job(["a@example.com", "b@example.com"])
    ours = publisher(world.registry, queue)
    run(ours)
    assert messages(queue) == ids
    world.operating.pause(1, "wait")
    assert world.claim(*ids).emails == ()
    ours.step()
    assert messages(queue) == []
    world.operating.resume(1)
    ours.step()
    assert messages(queue) == ids


def test_a_requeued_email_gets_a_message_of_its_new_generation(world: World, queue: Queue) -> None:
    (only,) = world.add_job(["a@example.com"])
    run(publisher(world.registry, queue))
    world.execute("UPDATE eed_email SET state = 'pending', gen = 3 WHERE email_id = :i", i=only)
    run(publisher(world.registry, queue))
    found = [m.ticket.gen for m in queue.receive(10, 0, 300) if m.ticket]
    assert sorted(found) == [0, 3]


def enlisted(world: World) -> list[tuple[int, str]]:
    return list(world.execute("SELECT email_id, recipient FROM eed_email ORDER BY email_id"))


def test_all_chunks_of_a_job_are_enlisted_by_the_same_rules(world: World, queue: Queue) -> None:
    """The first chunk is read here, the others are copied inside the database."""
    ids = world.add_job([f"zoë{n}@example.com" for n in range(60)])
    world.execute("UPDATE delivery_email SET recipient = NULL WHERE id % 10 = 7")
    world.execute("UPDATE delivery_email SET status = 'sent' WHERE id % 10 = 3")
    world.execute("ALTER TABLE delivery_email MODIFY recipient TEXT")
    world.execute("UPDATE delivery_email SET recipient = CONCAT(REPEAT('é', 600), '@x.example') WHERE id % 10 = 5")
    run(publisher(world.registry, queue))
    wanted = {3: None, 5: "é" * 500, 7: ""}
    assert enlisted(world) == [
        (i, recipient)
        for n, i in enumerate(ids)
        if (recipient := wanted.get(i % 10, f"zoë{n}@example.com")) is not None
    ]
    assert world.execute("SELECT total, not_enlisted FROM eed_job") == [(54, 6)]
    assert messages(queue) == [i for i in ids if i % 10 != 3]


def test_bytes_never_become_another_address(world: World, queue: Queue) -> None:
    """The database would cut them at the first one that is no text, or write "?" in its place."""
    ids = world.add_job([f"c{n}@example.com" for n in range(60)])
    world.execute("ALTER TABLE delivery_email MODIFY recipient VARBINARY(320)")
    world.execute("UPDATE delivery_email SET recipient = CONCAT(X'6D', X'FC', '@example.com') WHERE id % 10 = 5")
    run(publisher(world.registry, queue))
    assert [recipient for i, recipient in enlisted(world) if i % 10 == 5] == ["m\ufffd@example.com"] * 6
    assert len(enlisted(world)) == len(ids)


AHEAD = PublisherSettings(poll_seconds=0.01, chunk=20, connections=2, queue_ahead=30)


def test_no_more_is_published_than_may_wait_in_the_queue(world: World, queue: Queue) -> None:
    ids = world.add_job([f"c{n}@example.com" for n in range(100)])
    run(publisher(world.registry, queue, AHEAD))
    assert messages(queue) == ids[:30]
    assert world.execute("SELECT state, COUNT(*) FROM eed_email GROUP BY state") == [("pending", 70), ("queued", 30)]


def test_what_workers_have_taken_makes_room_that_all_jobs_share(world: World, queue: Queue) -> None:
    huge = world.add_job([f"c{n}@example.com" for n in range(100)])
    run(publisher(world.registry, queue, AHEAD))
    small = world.add_job([f"c{n}@example.com" for n in range(5)], job_id=2)
    run(publisher(world.registry, queue, AHEAD))
    assert messages(queue) == huge[:30]  # no room, for whomever
    world.claim(*huge[:10])
    publisher(world.registry, queue, AHEAD).step()
    assert messages(queue) == [*huge[30:35], *small]


def test_what_waits_for_its_retry_takes_no_room(world: World, queue: Queue) -> None:
    ids = world.add_job([f"c{n}@example.com" for n in range(100)])
    run(publisher(world.registry, queue, AHEAD))
    world.execute("UPDATE eed_email SET not_before = '2999-01-01' WHERE email_id < :i", i=ids[10])
    run(publisher(world.registry, queue, AHEAD))
    assert messages(queue) == ids[:40]


def test_a_job_that_cannot_be_enlisted_is_left_alone_for_a_while(world: World, queue: Queue) -> None:
    world.add_job(["a@example.com"])
    world.execute("ALTER TABLE delivery_email DROP COLUMN recipient")
    trying = publisher(world.registry, queue)
    with capture_logs() as told:
        trying.step()
        trying.step()
    assert [line["event"] for line in told].count("enlist_failed") == 1


def test_a_queue_that_refuses_every_message_is_left_alone_for_a_while(world: World) -> None:
    world.add_job(["a@example.com"])
    world.enlist()
    client = boto3.client("sqs", region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
    refused = [{"Id": "0", "SenderFault": False, "Code": "InternalError"}]
    with Stubber(client) as stub:
        stub.add_response("send_message_batch", {"Successful": [], "Failed": refused})
        refusing = Queue(client, "https://sqs.us-east-1.amazonaws.com/000000000000/q")
        assert publisher(world.registry, refusing).step() == AILING_SECONDS


def test_leases_go_round(world: World) -> None:
    """In a single-table schema there are more jobs than one step can take."""
    for job_id in range(1, 6):
        world.add_job(job_id=job_id)
    world.registry.register(world.registry.new_jobs(10))
    taken = [job.job_id for job in world.registry.lease(7, 60, 2, beyond=3)]
    more = [job.job_id for job in world.registry.lease(8, 60, 2, beyond=5)]
    assert (taken, more) == ([4, 5], [1, 2])
    world.execute("UPDATE eed_job SET lease_until = NULL")
    assert [job.job_id for job in world.registry.lease(9, 60, 2, beyond=4)] == [1, 5]


def test_rows_that_are_jobs_of_one_email_are_registered_by_the_hundred(world: World, queue: Queue) -> None:
    world.execute("CREATE TABLE outgoing (nr BIGINT PRIMARY KEY, mail_to VARCHAR(320), state INT, KEY (state))")
    for nr in range(1, 301):
        world.execute("INSERT INTO outgoing VALUES (:nr, :to, :s)", nr=nr, to=f"c{nr}@example.com", s=1 + (nr > 250))
    registry = PublishingLedger(world.database, Source(SINGLE))
    one, two = publisher(registry, queue), publisher(registry, queue)
    run(one, two)
    assert messages(queue) == list(range(1, 251))
    assert world.execute("SELECT COUNT(*), SUM(total) FROM eed_job WHERE enlisted_at IS NOT NULL") == [(250, 250)]


def test_a_job_that_cannot_be_registered_does_not_stop_the_others(world: World, queue: Queue) -> None:
    """Its key cannot be kept, and the source does not let its status be written."""
    world.execute("UPDATE delivery_job SET status = 'created'")
    world.execute("ALTER TABLE delivery_job MODIFY id BIGINT")
    world.add_job(["a@example.com"], job_id=-1)
    world.add_job(["b@example.com"], job_id=2)
    world.execute(
        "CREATE TRIGGER refuse BEFORE UPDATE ON delivery_job FOR EACH ROW"
        " IF OLD.id < 0 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'; END IF"
    )
    one = publisher(world.registry, queue)
    with capture_logs() as told:
        for _ in range(5):
            one.step()
    assert messages(queue) == [2000]
    assert [line["event"] for line in told].count("registration_failed") == 1, "it is left alone for a while"


class SlowDatabase:
    """A clock on which each chunk that is enlisted takes so many seconds."""

    def __init__(self, world: World, seconds: float) -> None:
        self.now = 0.0
        self._seconds = seconds
        event.listen(world.database.engine, "before_cursor_execute", self._note)

    def _note(self, _c: object, _cursor: object, statement: str, *_: object) -> None:
        if re.match(r"INSERT.* INTO eed_email\b", statement):
            self.now += self._seconds

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("seconds", "told"), [(SLOW_CHUNK_SECONDS + 1, 2), (SLOW_CHUNK_SECONDS - 1, 0)])
def test_a_chunk_that_takes_long_is_logged_with_what_to_do(
    world: World, queue: Queue, seconds: float, told: int
) -> None:
    world.add_job([f"c{n}@example.com" for n in range(40)])  # two chunks
    renderer = Renderer(RenderingSettings(message_id_domain="bank.example"), AttachmentStore(None, None, (), 1000))
    clock = SlowDatabase(world, seconds)
    registrar = Registrar(world.registry, SETTINGS, clock)
    slow = Publisher(world.registry, queue, renderer, SETTINGS, clock, registrar=registrar)
    with capture_logs() as logs:
        for _ in range(4):
            slow.step()
    lines = [line for line in logs if line["event"] == "chunk_slow"]
    assert [(line["job_id"], line["seconds"], line["emails"]) for line in lines] == [(1, seconds, 20)] * told
    assert all("db check" in line["todo"] for line in lines)
