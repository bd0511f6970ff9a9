"""Jobs and their channels: each leaves by its own, and one whose channel is not there waits for it."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from eed_delivery.config import PublisherSettings, RenderingSettings, SourceSettings, SweeperSettings
from eed_delivery.errors import ConfigError, Problem, QueueGone
from eed_delivery.ledger.delivering.claims import Standing
from eed_delivery.ledger.delivering.ledger import DeliveryLedger
from eed_delivery.ledger.publishing.ledger import PublishingLedger
from eed_delivery.ledger.publishing.scheduling import SchedulingLedger
from eed_delivery.ledger.publishing.served_channels import ServedChannels
from eed_delivery.ledger.webhooks.outbox import Outbox
from eed_delivery.ledger.workers import Process
from eed_delivery.model import Ticket
from eed_delivery.notices import NoticeKind
from eed_delivery.publisher import Publisher, Registrar
from eed_delivery.publisher.channel_publishers import ChannelPublishers
from eed_delivery.queue import Queue
from eed_delivery.rendering.attachments import AttachmentStore
from eed_delivery.rendering.renderer import Renderer
from eed_delivery.runtime.loop import LoopThread, Pulse
from eed_delivery.source import Source
from eed_delivery.source.values import channel_of
from eed_delivery.sweeper.sweeper import Sweeper, SweepRules
from tests.servers.ministack import MiniStack
from tests.world import World

pytestmark = pytest.mark.both_databases

MAPPED = SourceSettings.model_validate({"job": {"channel": "channel"}})
PUBLISHER = PublisherSettings(poll_seconds=0.001, chunk=20, connections=2)
STATEMENTS = "statements"


@pytest.fixture
def world(world: World) -> World:
    """Jobs name their channels."""
    world.source = Source(MAPPED)
    world.registry = PublishingLedger(world.database, world.source, Outbox(tuple(NoticeKind)))
    world.delivering = DeliveryLedger(world.database, world.source, "test")
    return world


def renderer() -> Renderer:
    return Renderer(RenderingSettings(message_id_domain="bank.example"), AttachmentStore(None, None, (), 1000))


class MemoryClient:
    """An SQS client whose queues are lists, each by its URL; one of them may be away."""

    def __init__(self) -> None:
        self.sent: dict[str, list[str]] = {}
        self.away: set[str] = set()

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        if QueueUrl in self.away:
            raise QueueGone("it is away")
        self.sent.setdefault(QueueUrl, []).extend(entry["MessageBody"] for entry in Entries)
        return {"Successful": [{"Id": entry["Id"]} for entry in Entries]}

    def count(self, url: str) -> int:
        return len(self.sent.get(url, ()))


@pytest.fixture
def client() -> MemoryClient:
    return MemoryClient()


def default_publisher(world: World, client: MemoryClient, *known: str) -> Publisher:
    """It registers for all, and publishes what is of no other channel."""
    registrar = Registrar(world.registry, PUBLISHER, known=lambda: {"default", *known})
    served = ServedChannels("default", frozenset(known))
    queue = Queue(client, "default")  # type: ignore[arg-type]
    return Publisher(world.registry, queue, renderer(), PUBLISHER, registrar=registrar, served=lambda: served)


def publisher_of(world: World, client: MemoryClient, name: str) -> Publisher:
    queue = Queue(client, name)  # type: ignore[arg-type]
    return Publisher(world.registry, queue, renderer(), PUBLISHER, served=lambda: ServedChannels(name))


def run(*publishers: Publisher) -> None:
    while [p for p in publishers if p.step() == 0]:
        pass


def job(world: World, job_id: int = 1) -> tuple[str, str | None, str]:
    ((state, reason, channel),) = world.execute(
        "SELECT state, reason, channel FROM eed_job WHERE job_id = :id", id=job_id
    )
    return state, reason, channel


@pytest.mark.parametrize(
    ("constant", "text", "channel"),
    [
        (None, None, "default"),
        (None, "  ", "default"),
        (None, " statements ", "statements"),
        ("letters", "statements", "letters"),
        (None, "Überweisungen", "?berweisungen"),
        (None, "a" * 32, "a" * 32),
        (None, "a" * 33, "a" * 31 + "~"),
    ],
)
def test_a_name_that_no_channel_can_have_stays_one(constant: str | None, text: str | None, channel: str) -> None:
    assert channel_of(constant, text) == channel


def enlist(world: World, channel: str) -> None:
    """Enlist the one job of a channel to its end."""
    (leased,) = world.registry.lease(7, 60, 50, 0, ServedChannels(channel))
    while world.registry.enlist(leased, 100, 60):
        pass
    world.registry.let_go([leased])


def test_each_job_is_published_to_its_own_channels_queue(world: World, client: MemoryClient) -> None:
    world.add_job([f"a{n}@example.com" for n in range(30)])
    world.add_job([f"b{n}@example.com" for n in range(25)], job_id=2, channel=STATEMENTS)
    run(default_publisher(world, client, STATEMENTS), publisher_of(world, client, STATEMENTS))
    assert (client.count("default"), client.count(STATEMENTS)) == (30, 25)
    assert world.execute("SELECT state, COUNT(*) FROM eed_email GROUP BY state") == [("queued", 55)]


def test_a_full_queue_of_one_channel_takes_no_room_from_another(world: World, client: MemoryClient) -> None:
    ahead = PUBLISHER.model_copy(update={"queue_ahead": 20})
    world.add_job([f"a{n}@example.com" for n in range(50)])
    world.add_job([f"b{n}@example.com" for n in range(50)], job_id=2, channel=STATEMENTS)
    registrar = Registrar(world.registry, ahead, known=lambda: ("default", STATEMENTS))
    ours = [
        Publisher(
            world.registry,
            Queue(client, name),  # type: ignore[arg-type]
            renderer(),
            ahead,
            registrar=registrar if others is not None else None,
            served=lambda name=name, others=others: ServedChannels(name, others),  # type: ignore[misc]
        )
        for name, others in (("default", frozenset((STATEMENTS,))), (STATEMENTS, None))
    ]
    run(*ours)
    assert (client.count("default"), client.count(STATEMENTS)) == (20, 20)


def test_a_channel_whose_queue_is_away_does_not_stop_another(world: World, client: MemoryClient) -> None:
    world.add_job([f"a{n}@example.com" for n in range(20)])
    world.add_job([f"b{n}@example.com" for n in range(20)], job_id=2, channel=STATEMENTS)
    client.away = {"default"}
    first, second = default_publisher(world, client, STATEMENTS), publisher_of(world, client, STATEMENTS)
    with pytest.raises(QueueGone):
        run(first)
    run(second)
    assert (client.count("default"), client.count(STATEMENTS)) == (0, 20)
    client.away = set()
    run(first)
    assert client.count("default") == 20


def test_a_channel_whose_publisher_cannot_be_made_keeps_no_other_from_its_own(
    world: World, client: MemoryClient
) -> None:
    def make(name: str, _: Queue) -> Publisher:
        if name == "broken":
            raise ConfigError([Problem("channel.broken", "its queues cannot be made", "Allow it.")])
        return publisher_of(world, client, name)

    queues = {name: Queue(client, name) for name in ("broken", STATEMENTS)}  # type: ignore[arg-type]
    publishers = ChannelPublishers(lambda: queues, make, partial(LoopThread, pulse=Pulse()))
    with capture_logs() as logs:
        publishers.step()
        publishers.step()
        publishers.close()
    assert [(line["event"], line["channel"]) for line in logs if "channel" in line] == [
        ("channel_cannot_start", "broken"),
        ("channel_publisher_started", STATEMENTS),
        ("channel_publisher_ended", STATEMENTS),
    ]


def test_a_job_of_an_unknown_channel_is_held_and_goes_on_by_itself_once_it_is_there(
    world: World, client: MemoryClient
) -> None:
    ids = world.add_job(["a@example.com", "b@example.com"], channel="statments")
    with capture_logs() as logs:
        run(default_publisher(world, client, STATEMENTS))
    why = "there is no channel statments. The channels are default, statements"
    assert job(world) == ("held", why, "statments")
    assert [world.state(i) for i in ids] == ["pending", "pending"], "enlisted, and not failed"
    assert client.sent == {}
    assert [line["channel"] for line in logs if line["event"] == "job_held"] == ["statments"]
    run(default_publisher(world, client, STATEMENTS, "statments"), publisher_of(world, client, "statments"))
    assert job(world) == ("active", None, "statments")
    assert client.count("statments") == 2
    acts = world.execute("SELECT act, who, reason FROM eed_audit ORDER BY act_id")
    assert acts == [("hold", "service", why), ("release", "service", "the channel statments is there")]
    assert world.execute("SELECT kind FROM eed_webhook ORDER BY webhook_id") == [
        ("job.registered",),
        ("job.held",),
        ("job.released",),
    ]


def test_a_person_pauses_a_held_job_and_it_stays_paused_when_its_channel_comes(
    world: World, client: MemoryClient
) -> None:
    world.add_job(channel=STATEMENTS)
    run(default_publisher(world, client))
    assert job(world)[0] == "held"
    assert world.operating.pause(1, "wait for the director")
    run(default_publisher(world, client, STATEMENTS), publisher_of(world, client, STATEMENTS))
    assert job(world)[:2] == ("paused", "wait for the director")
    assert world.operating.resume(1)
    run(default_publisher(world, client, STATEMENTS), publisher_of(world, client, STATEMENTS))
    assert client.count(STATEMENTS) == 1


def test_a_paused_job_that_is_resumed_without_its_channel_is_held(world: World, client: MemoryClient) -> None:
    world.add_job(channel=STATEMENTS)
    run(default_publisher(world, client, STATEMENTS))
    world.operating.pause(1, "wait")
    run(default_publisher(world, client))
    assert job(world)[0] == "paused"
    world.operating.resume(1)
    run(default_publisher(world, client))
    assert job(world)[0] == "held"


@pytest.mark.parametrize(("act", "state"), [("cancel", "cancelled"), ("expire", "cancelled")])
def test_a_held_job_ends_as_any_other(world: World, client: MemoryClient, act: str, state: str) -> None:
    (only,) = world.add_job(channel="gone")
    run(default_publisher(world, client))
    if act == "cancel":
        assert world.operating.cancel(1, "no longer")
    else:
        world.execute("UPDATE eed_job SET expires_at = '2001-01-01 00:00:00'")
        assert world.sweeping.expire_jobs() == 1
    world.sweeping.end_leftovers()
    assert world.sweeping.finish(1)
    assert (job(world)[0], world.state(only)) == (state, "cancelled")


def test_a_held_job_with_a_template_that_does_not_compile_fails(world: World, client: MemoryClient) -> None:
    world.add_job(channel="gone", text_template="Dear {{ name")
    first = default_publisher(world, client)
    run(first)
    assert job(world)[0] == "failed"


def test_a_channel_that_another_host_serves_is_not_unknown_to_this_one(world: World, client: MemoryClient) -> None:
    world.add_job(channel=STATEMENTS)
    elsewhere = Process("other:1:a", "other", "worker", 4, STATEMENTS)
    world.workers.beat(elsewhere, sending=True, detail=None, alive_seconds=30)
    run(default_publisher(world, client))
    assert job(world)[0] == "active"
    assert client.sent == {}, "it is not published by another channel's publisher, either"
    world.workers.leave(elsewhere)
    run(default_publisher(world, client))
    assert job(world)[0] == "held"


def test_the_next_round_of_a_job_may_have_another_channel(world: World, client: MemoryClient) -> None:
    world.add_job(channel=STATEMENTS)
    world.registry.register(world.registry.new_jobs(100))
    enlist(world, STATEMENTS)
    world.execute("UPDATE eed_email SET state = 'failed'")
    assert world.sweeping.finish(1)
    world.execute("UPDATE delivery_job SET status = 'processing', channel = 'letters'")
    world.execute(
        "INSERT INTO delivery_email (id, job_id, recipient, variables, status)"
        " VALUES (1500, 1, 'z@example.com', '{}', 'pending')"
    )
    run(default_publisher(world, client, "letters"), publisher_of(world, client, "letters"))
    assert job(world) == ("active", None, "letters")
    assert client.count("letters") == 1


def test_a_message_in_another_channels_queue_sends_its_email_back_to_the_publisher(
    world: World, client: MemoryClient
) -> None:
    """Its job was moved to another channel after the message was published."""
    (only,) = world.add_job()
    world.enlist()
    world.execute("UPDATE eed_email SET state = 'queued'")
    world.execute("UPDATE eed_job SET channel = 'statements'")
    claim = world.claim(only)
    assert claim.emails == ()
    assert [refusal.standing for refusal in claim.refusals] == [Standing.OVER], "its message is deleted"
    assert world.row(only)["state"] == "pending"
    assert world.row(only)["attempts"] == 0
    run(publisher_of(world, client, STATEMENTS))
    assert client.count(STATEMENTS) == 1
    ours = DeliveryLedger(world.database, world.source, "test", channel=STATEMENTS)
    assert [email.email_id for email in ours.claim([Ticket(only, 0, 0)], 7, 60).emails] == [only]


def test_an_address_on_the_list_is_no_way_past_the_channel(world: World) -> None:
    (only,) = world.add_job()
    world.enlist()
    world.execute("UPDATE eed_job SET channel = 'statements'")
    world.execute(
        "INSERT INTO eed_suppression (address, category, reason, source, created_at)"
        " VALUES ('a@example.com', '', 'r', 's', '2001-01-01 00:00:00')"
    )
    assert world.claim(only).emails == ()
    assert world.row(only)["state"] == "pending"


def test_the_rate_is_shared_by_the_workers_of_a_channel_alone(world: World) -> None:
    def beat(name: str, channel: str) -> int:
        process = Process(name, "h", "worker", 4, channel)
        return world.workers.beat(process, sending=True, detail=None, alive_seconds=30)

    assert beat("h:1", "default") == 1
    assert beat("h:2", STATEMENTS) == 1
    assert beat("h:3", STATEMENTS) == 2
    assert beat("h:1", "default") == 1
    assert sorted((p.worker_id, p.channel) for p in world.workers.all()) == [
        ("h:1", "default"), ("h:2", STATEMENTS), ("h:3", STATEMENTS)
    ]  # fmt: skip


def test_a_job_paused_before_its_time_keeps_its_channel(world: World) -> None:
    world.add_job(channel=STATEMENTS, scheduled_for="2099-01-01 00:00:00.000000")
    scheduling = SchedulingLedger(world.database, world.source)
    waiting = scheduling.job("1")
    assert waiting is not None and waiting.channel == STATEMENTS
    assert scheduling.pause(waiting, "wait")
    assert job(world) == ("paused", "wait", STATEMENTS)


@pytest.fixture
def queues(ministack: MiniStack) -> Iterator[dict[str, Queue]]:
    client = ministack.client("sqs")
    yield {name: Queue(client, *ministack.make_queue(f"{name}-of-test")) for name in ("default", STATEMENTS)}


def sweeper(world: World, queues: dict[str, Queue]) -> Sweeper:
    rules = SweepRules(resend_below=0, drop_patience_seconds=30)
    settings = SweeperSettings(queued_patience_seconds=60)
    return Sweeper(world.sweeping, world.workers, lambda: queues, settings, rules)


@pytest.mark.parametrize("ends", [False, True])
def test_a_sweeper_that_does_not_know_a_channel_decides_nothing_of_what_is_on_its_wire(
    world: World, ends: bool
) -> None:
    """Another host's file may have it, and it may put files. A job that was cancelled ends all the same."""
    (only,) = world.add_job()
    world.enlist()
    assert world.delivering.wire(world.claimed(only), 60) is None
    world.lapse(only)
    world.execute("UPDATE eed_job SET channel = 'elsewhere'")
    if ends:
        assert world.operating.cancel(1, "no longer")
    settle = world.sweeping.settle_the_wire
    assert settle(resend_below=0, file_channels=["files"], known=["default", "files"]) == ends
    assert world.state(only) == ("in_doubt" if ends else "sending")
    assert settle(resend_below=0, known=["default", "elsewhere"]) == (not ends)


def test_what_a_channels_queue_has_lost_goes_back_and_what_waits_in_another_does_not(world: World) -> None:
    world.add_job(["a@example.com"])
    world.add_job(["b@example.com"], job_id=2, channel=STATEMENTS)
    world.registry.register(world.registry.new_jobs(100))
    enlist(world, "default")
    enlist(world, STATEMENTS)
    world.execute("UPDATE eed_email SET state = 'queued', changed_at = '2001-01-01 00:00:00'")
    assert world.sweeping.put_back_queued(60, STATEMENTS) == 1
    assert (world.state(1000), world.state(2000)) == ("queued", "pending")
    assert world.sweeping.put_back_queued(60) == 1
    world.execute("UPDATE eed_email SET state = 'queued', changed_at = '2001-01-01 00:00:00'")
    assert world.sweeping.put_back_held(60) == 0
    world.execute("UPDATE eed_job SET state = 'held' WHERE job_id = 2")
    assert world.sweeping.put_back_held(60) == 1
    assert (world.state(1000), world.state(2000)) == ("queued", "pending")


def test_dead_letters_of_each_channel_end_their_emails_though_anothers_queue_is_away(
    world: World, queues: dict[str, Queue], ministack: MiniStack
) -> None:
    (only,) = world.add_job(["b@example.com"], channel=STATEMENTS)
    world.registry.register(world.registry.new_jobs(100))
    enlist(world, STATEMENTS)
    ours = DeliveryLedger(world.database, world.source, "test", channel=STATEMENTS)
    assert ours.claim([Ticket(only, 0, 0)], 7, 60).emails
    world.lapse(only, 65)  # its lease is over, and its own message may still come
    dead = queues[STATEMENTS].dead_letter_url or ""
    Queue(ministack.client("sqs"), dead).publish([Ticket(only, 0, 0)])
    gone = f"{queues['default'].url}-gone"
    away = {**queues, "default": Queue(ministack.client("sqs"), gone, gone)}
    with pytest.raises(QueueGone):
        sweeper(world, away).step()
    assert world.state(only) == "failed"
