"""One batch in one thread's hand: each message's fate, with a real ledger, a real queue and a scripted way out."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from eed_delivery.config import RenderingSettings
from eed_delivery.errors import (
    DatabaseGone,
    DeliveryFailure,
    InDoubt,
    InfrastructureFailure,
    PermanentFailure,
    Stopping,
    Throttled,
    TransientFailure,
)
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.delivering.ledger import DeliveryLedger
from eed_delivery.model import Accepted, Email, Outcome, Rendered, Ticket
from eed_delivery.queue import Queue, Received
from eed_delivery.rendering.attachments import AttachmentStore
from eed_delivery.rendering.renderer import Renderer
from eed_delivery.transports import Grant
from eed_delivery.worker.batch import AHEAD_BYTES, Batch, Hands
from eed_delivery.worker.delivery import Delivery, RetryRules
from eed_delivery.worker.journal import Journal
from eed_delivery.worker.keeper import Keeper
from eed_delivery.worker.process import CompiledJobs
from tests.servers.ministack import MiniStack
from tests.world import World


class ScriptedTransport:
    """Says yes, or what the script says for a recipient; `before` is raised before the wire, `after` behind it."""

    name = "scripted"
    wire_seconds = 1.0

    def __init__(self) -> None:
        self.before: dict[str, Exception] = {}
        self.after: dict[str, Exception] = {}
        self.sent: list[tuple[str, str]] = []

    def send(self, message: Rendered, grant: Grant) -> Accepted:
        if message.recipient in self.before:
            raise self.before[message.recipient]
        grant()
        if message.recipient in self.after:
            raise self.after[message.recipient]
        self.sent.append((message.recipient, message.message_id))
        return Accepted("250 ok", 250, message.message_id)

    def probe(self) -> None: ...

    def close(self) -> None: ...


class Room:
    """A worker thread's surroundings, with nothing running by itself."""

    def __init__(self, world: World, queue: Queue) -> None:
        self.world = world
        self.queue = queue
        self.transport = ScriptedTransport()
        self.go_on: Callable[[], bool] = lambda: True
        self.pace: Callable[[], None] = lambda: None
        self.give_up = threading.Event()
        self.visibility_seconds = 60.0
        self.seen: list[tuple[int, Outcome]] = []
        self.ledger: DeliveryLedger = world.delivering
        settings = RenderingSettings(message_id_domain="bank.example")
        self.renderer = Renderer(settings, AttachmentStore(None, None, (), 1000))
        self.keeper = Keeper(queue, world.delivering, 60, 30)

    def publish(self, *tickets: Ticket) -> list[Received]:
        self.queue.publish(tickets)
        return self.receive()

    def receive(self) -> list[Received]:
        return self.queue.receive(10, 1, 60)

    def work(self, messages: list[Received], rules: RetryRules | None = None) -> None:
        journal = Journal(self.ledger, 30, self.give_up)
        hands = Hands(
            ledger=self.ledger,
            queue=self.queue,
            delivery=Delivery(
                self.renderer, self.transport, journal, rules or RetryRules(delay=0), lambda: self.pace()
            ),
            journal=journal,
            compiled=CompiledJobs(self.ledger, self.renderer).get,
            lease_seconds=30,
            visibility_seconds=self.visibility_seconds,
            may_go_on=lambda: self.go_on(),
            react=self._react,
        )
        with self.keeper.holding(messages) as hold:
            Batch(messages, hands, hold).work()

    def _react(self, email: Email, outcome: Outcome) -> None:
        self.seen.append((email.email_id, outcome))

    def left(self) -> tuple[int, int, int]:
        depth = self.queue.depth()
        assert depth is not None
        return depth.visible, depth.in_flight, depth.delayed


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(f"sqlite:///{tmp_path}/ledger.sqlite3")
    yield world
    world.close()


@pytest.fixture
def room(world: World, ministack: MiniStack, queue_urls: tuple[str, str]) -> Room:
    return Room(world, Queue(ministack.client("sqs"), *queue_urls))


@pytest.fixture
def ids(world: World) -> list[int]:
    ids = world.add_job(["a@example.com", "b@example.com", "c@example.com"])
    world.enlist()
    return ids


def tickets(ids: list[int], gen: int = 0) -> list[Ticket]:
    return [Ticket(i, gen, 0, "1") for i in ids]


def states(world: World, ids: list[int]) -> list[str]:
    return [world.state(i) for i in ids]


def test_a_batch_is_sent_recorded_and_acked(room: Room, ids: list[int]) -> None:
    room.work(room.publish(*tickets(ids)))
    assert [message_id for _, message_id in room.transport.sent] == [f"<{i}.0@bank.example>" for i in ids]
    assert states(room.world, ids) == ["sent"] * 3
    assert room.left() == (0, 0, 0)


def test_each_answer_has_its_fate(room: Room, ids: list[int]) -> None:
    room.transport.before["a@example.com"] = PermanentFailure("550 5.1.1 unknown", code=550, enhanced="5.1.1")
    room.transport.after["b@example.com"] = InDoubt("the connection died after the dot")
    room.transport.after["c@example.com"] = TransientFailure("451 later", code=451)
    room.work(room.publish(*tickets(ids)), RetryRules(delay=600))
    assert states(room.world, ids) == ["failed", "in_doubt", "queued"]
    assert room.left() == (0, 1, 0)  # the one to be tried again waits in the queue
    assert room.world.row(ids[2])["attempts"] == 1


def test_the_third_temporary_answer_is_the_last(room: Room, world: World) -> None:
    (only,) = world.add_job()
    world.enlist()
    room.transport.after["a@example.com"] = TransientFailure("451 later")
    messages = room.publish(Ticket(only, 0, 0))
    for attempt in (1, 2, 3):
        room.work(messages)
        assert world.row(only)["attempts"] == attempt
        room.queue.later(messages, 0)
        messages = room.receive()
    assert world.state(only) == "failed"
    assert [a.attempt for a in world.reporting.attempts(only)] == [1, 2, 3]
    room.work(messages)
    assert (room.left(), len(world.reporting.attempts(only))) == ((0, 0, 0), 3)


class Store(ScriptedTransport):
    """A store of files: after a lost answer it can be asked, and answers what `there` says."""

    there: Accepted | DeliveryFailure | None = None

    def settle(self, message: Rendered) -> Accepted | None:
        if isinstance(self.there, DeliveryFailure):
            raise self.there
        return self.there


@pytest.mark.parametrize(
    ("there", "state", "attempts"),
    [
        (Accepted("1 file is there", None, None), "sent", 1),
        (None, "queued", 0),
        (InfrastructureFailure("the store does not answer"), "queued", 0),
        (Throttled("slow down"), "queued", 0),
        (PermanentFailure("another file is there"), "failed", 1),
    ],
)
def test_after_a_lost_answer_a_store_of_files_is_asked(
    room: Room, world: World, there: Accepted | DeliveryFailure | None, state: str, attempts: int
) -> None:
    (only,) = world.add_job()
    world.enlist()
    room.transport = store = Store()
    store.there, store.after["a@example.com"] = there, InDoubt("the connection was lost")
    room.work(room.publish(Ticket(only, 0, 0)))
    assert (world.state(only), world.row(only)["attempts"]) == (state, attempts)


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("failure", [InfrastructureFailure("refused"), Throttled("454 4.7.0 slow down")])
def test_what_is_not_the_recipients_fault_costs_nothing(
    room: Room, world: World, where: str, failure: DeliveryFailure
) -> None:
    (only,) = world.add_job()
    world.enlist()
    getattr(room.transport, where)["a@example.com"] = failure
    room.work(room.publish(Ticket(only, 0, 0)))
    row = world.row(only)
    assert (row["state"], row["attempts"], row["wire_at"]) == ("queued", 0, None)
    assert room.left() == (0, 0, 1)  # a fresh copy; the message that brought it is gone
    assert room.seen[0][1].verdict is failure.verdict


def test_when_the_breaker_opens_the_rest_of_the_batch_goes_back(room: Room, ids: list[int]) -> None:
    room.transport.before["a@example.com"] = InfrastructureFailure("refused")
    room.go_on = lambda: not room.seen
    room.work(room.publish(*tickets(ids)))
    assert states(room.world, ids) == ["queued"] * 3
    assert (room.transport.sent, room.left()) == ([], (0, 0, 3))


def test_a_stop_while_waiting_for_a_turn_hands_everything_back(room: Room, ids: list[int]) -> None:
    def stopping() -> None:
        raise Stopping("the service is stopping")

    room.pace = stopping
    room.work(room.publish(*tickets(ids)))
    assert states(room.world, ids) == ["queued"] * 3
    assert room.left() == (0, 0, 3)


def test_a_job_paused_in_the_middle_of_a_batch_gets_no_further_wire(room: Room, ids: list[int]) -> None:
    messages = room.publish(*tickets(ids))
    room.pace = lambda: room.world.operating.pause(1, "wrong logo") and None
    room.work(messages)
    assert states(room.world, ids) == ["pending"] * 3
    assert (room.transport.sent, room.left()) == ([], (0, 0, 0))


def test_an_email_that_came_twice_in_one_batch_is_sent_once(room: Room, ids: list[int]) -> None:
    room.queue.publish(tickets(ids))
    room.work(room.publish(*tickets(ids)))
    assert len(room.transport.sent) == 3
    assert room.left() == (0, 0, 0)


def test_a_doubled_message_does_not_wait_for_the_end_of_a_long_lease(room: Room, ids: list[int]) -> None:
    room.world.delivering.claim(tickets(ids[:1]), new_token(), 1000)
    room.visibility_seconds = 1
    room.work(room.publish(*tickets(ids[:1])))
    (again,) = room.queue.receive(10, 10, 60)
    assert again.receive_count == 2
    assert room.seen == []


def test_an_older_generation_beside_a_newer_one_is_void(room: Room, ids: list[int]) -> None:
    room.world.execute("UPDATE eed_email SET gen = 1 WHERE email_id = :i", i=ids[0])
    room.queue.publish([Ticket(ids[0], 0, 0)])
    room.work(room.publish(Ticket(ids[0], 1, 0)))
    assert [message_id for _, message_id in room.transport.sent] == [f"<{ids[0]}.1@bank.example>"]
    assert room.left() == (0, 0, 0)


def test_messages_that_are_not_ours_are_kept_and_the_others_go_on(
    room: Room, ids: list[int], ministack: MiniStack
) -> None:
    sqs = ministack.client("sqs")
    for body in ("not json", '{"v":2,"email_id":1,"gen":0,"base":0}'):
        sqs.send_message(QueueUrl=room.queue.url, MessageBody=body)
    room.queue.publish([Ticket(424242, 0, 0), Ticket(ids[1], 9, 0)])
    room.work(room.publish(Ticket(ids[0], 0, 0)))
    assert room.world.state(ids[0]) == "sent"
    assert room.left() == (0, 4, 0)


def test_a_defect_before_the_wire_costs_one_try_and_behind_it_is_doubt(room: Room, ids: list[int]) -> None:
    room.transport.before["a@example.com"] = ZeroDivisionError("oops")
    room.transport.after["b@example.com"] = ZeroDivisionError("oops")
    room.work(room.publish(*tickets(ids)), RetryRules(delay=600))
    assert states(room.world, ids) == ["queued", "in_doubt", "sent"]
    assert "ZeroDivisionError" in room.world.row(ids[1])["detail"]


class Askable(ScriptedTransport):
    """A store of files can be asked."""

    def settle(self, _: Rendered) -> None: ...


def test_a_defect_behind_the_wire_to_a_store_of_files_is_no_doubt(room: Room, ids: list[int]) -> None:
    room.transport = Askable()
    room.transport.after["b@example.com"] = ZeroDivisionError("oops")
    room.work(room.publish(*tickets(ids)), RetryRules(delay=600))
    assert states(room.world, ids) == ["sent", "queued", "sent"]


def test_a_template_that_fails_for_one_email_fails_that_one(room: Room, ids: list[int]) -> None:
    room.world.execute("UPDATE delivery_email SET variables = '{}' WHERE id = :i", i=ids[1])
    room.work(room.publish(*tickets(ids)))
    assert states(room.world, ids) == ["sent", "failed", "sent"]
    assert "name" in room.world.row(ids[1])["detail"]


class Order:
    """Notes when an email is rendered (the renderer asks for the time then) and when it waits for its turn."""

    def __init__(self, room: Room) -> None:
        self.of_events: list[str] = []
        settings = RenderingSettings(message_id_domain="bank.example")
        room.renderer = Renderer(settings, AttachmentStore(None), clock=self._rendered)
        room.pace = lambda: self.of_events.append("send")

    def _rendered(self) -> datetime:
        self.of_events.append("render")
        return datetime.now(UTC)


def test_a_batchs_emails_are_rendered_one_right_after_the_other(room: Room, ids: list[int]) -> None:
    order = Order(room)
    room.work(room.publish(*tickets(ids)))
    assert order.of_events == ["render"] * 3 + ["send"] * 3


def test_no_more_is_rendered_ahead_than_memory_is_given_for(room: Room, world: World) -> None:
    ids = world.add_job(["a@example.com", "b@example.com", "c@example.com"], text_template="x" * (AHEAD_BYTES // 2))
    world.enlist()
    order = Order(room)
    room.work(room.publish(*tickets(ids)))
    assert order.of_events == ["render", "render", "send", "send", "render", "send"]


def test_nothing_is_rendered_behind_an_email_that_cannot_be(room: Room, ids: list[int]) -> None:
    """A disk or S3 that is away is asked once, and the breaker's word is heard before it is asked again."""
    room.world.execute("UPDATE delivery_email SET variables = '{}' WHERE id = :i", i=ids[0])
    order = Order(room)
    room.go_on = lambda: not room.seen
    room.work(room.publish(*tickets(ids)))
    assert order.of_events == ["render"]
    assert states(room.world, ids) == ["failed", "queued", "queued"]


def test_a_service_that_is_to_stop_renders_nothing_more(room: Room, ids: list[int]) -> None:
    order = Order(room)
    room.go_on = lambda: not order.of_events
    room.work(room.publish(*tickets(ids)))
    assert order.of_events == ["render"]
    assert states(room.world, ids) == ["queued"] * 3


class FlakyLedger(DeliveryLedger):
    """A ledger whose database goes away at chosen calls."""

    gone_for: int = 0
    at: str = ""

    def _maybe_gone(self, call: str) -> None:
        if self.at == call and self.gone_for:
            self.gone_for -= 1
            raise DatabaseGone("the server has gone away")

    def claim(self, *args, **named):  # type: ignore[no-untyped-def]
        self._maybe_gone("claim")
        return super().claim(*args, **named)

    def record(self, *args, **named):  # type: ignore[no-untyped-def]
        self._maybe_gone("record")
        return super().record(*args, **named)

    def record_and_wire(self, *args, **named):  # type: ignore[no-untyped-def]
        self._maybe_gone("wire")
        return super().record_and_wire(*args, **named)


def test_a_database_that_is_away_at_the_claim_costs_no_receive(room: Room, ids: list[int]) -> None:
    flaky = FlakyLedger(room.world.database, room.world.source, "test")
    flaky.at, flaky.gone_for = "claim", 1
    room.ledger = flaky
    with pytest.raises(DatabaseGone):
        room.work(room.publish(*tickets(ids)))
    assert room.left() == (0, 0, 3)
    assert states(room.world, ids) == ["pending"] * 3


def test_a_database_that_is_away_at_the_wire_means_not_sent(room: Room, ids: list[int]) -> None:
    flaky = FlakyLedger(room.world.database, room.world.source, "test")
    flaky.at, flaky.gone_for = "wire", 1
    room.ledger = flaky
    room.work(room.publish(*tickets(ids)))
    assert [recipient for recipient, _ in room.transport.sent] == ["b@example.com", "c@example.com"]
    assert states(room.world, ids) == ["queued", "sent", "sent"]
    assert room.world.row(ids[0])["attempts"] == 0


def test_an_outcome_waits_for_the_database(room: Room, world: World) -> None:
    (only,) = world.add_job()
    world.enlist()
    flaky = FlakyLedger(room.world.database, room.world.source, "test")
    flaky.at, flaky.gone_for = "record", 2
    room.ledger = flaky
    room.work(room.publish(Ticket(only, 0, 0)))
    assert world.state(only) == "sent"


def test_a_row_that_the_source_refuses_wedges_nobody(room: Room, ids: list[int]) -> None:
    """A trigger of the delivery server's own, say: the email was sent, and the ledger must know it."""
    room.world.execute(
        f"CREATE TRIGGER no BEFORE UPDATE ON delivery_email WHEN NEW.id = {ids[0]}"
        " BEGIN SELECT RAISE(ABORT, 'not this one'); END"
    )
    room.work(room.publish(*tickets(ids)))
    assert states(room.world, ids) == ["sent"] * 3
    assert room.left() == (0, 0, 0)
    assert room.world.source_status(ids[0]) == "pending"


def test_a_mapping_that_breaks_costs_no_receive(room: Room, ids: list[int]) -> None:
    room.world.execute("ALTER TABLE delivery_email RENAME COLUMN variables TO vars")
    with pytest.raises(DatabaseGone, match="as they are mapped"):
        room.work(room.publish(*tickets(ids)))
    assert room.left() == (0, 0, 3)


def test_an_outcome_is_given_up_only_when_the_service_must_exit(room: Room, world: World) -> None:
    (only,) = world.add_job()
    world.enlist()
    flaky = FlakyLedger(room.world.database, room.world.source, "test")
    flaky.at, flaky.gone_for = "record", 10**6
    room.ledger = flaky
    room.give_up.set()
    room.work(room.publish(Ticket(only, 0, 0)))
    assert world.state(only) == "sending"  # and past the wire: the sweeper will call it in doubt
    assert room.left() == (0, 1, 0)


def test_the_keeper_extends_what_has_been_in_hand_for_a_round(room: Room, ids: list[int]) -> None:
    messages = room.publish(*tickets(ids))
    claim = room.world.claim(*ids, lease=20)
    with room.keeper.holding(messages) as hold:
        hold.emails = claim.emails
        before = room.world.row(ids[0])["lease_until"]
        room.keeper.step()
        assert room.world.row(ids[0])["lease_until"] == before  # the first round only looks
        room.keeper.step()
        assert room.world.row(ids[0])["lease_until"] > before
    room.keeper.step()


def test_the_keeper_renews_every_batch_whatever_its_token(room: Room, ids: list[int]) -> None:
    first, second = room.world.claim(ids[0], lease=20), room.world.claim(*ids[1:], lease=20)
    with room.keeper.holding([]) as one, room.keeper.holding([]) as other:
        one.emails, other.emails = first.emails, second.emails
        room.keeper.step()
        before = [room.world.row(i)["lease_until"] for i in ids]
        room.keeper.step()
        after = [room.world.row(i)["lease_until"] for i in ids]
    assert all(old < new for old, new in zip(before, after, strict=True))


def test_the_keepers_next_round_begins_on_time_however_long_this_one_takes(room: Room) -> None:
    assert room.keeper.step() < 30 / 3  # a third of the shorter timeout, less what this round took
