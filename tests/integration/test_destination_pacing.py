"""The pace of destination domains, from the publisher to the wire, in the time of the database's clock.

Its clock is set before each transaction (`SET timestamp`), so two hosts and a function share a pace for minutes, which
take the test a second.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy import Connection, event

from eed_delivery.addresses import domain_of
from eed_delivery.config import PublisherSettings, RenderingSettings
from eed_delivery.database.engine import make_engine
from eed_delivery.destinations import Destination, DestinationRules, DomainPace
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.delivering.domain_holds import DomainHolds
from eed_delivery.ledger.domain_paces.backlogs import BacklogCounts
from eed_delivery.ledger.domain_paces.stored import DomainPaceLedger
from eed_delivery.ledger.domain_paces.turns import DestinationTurns, Place, TurnKind
from eed_delivery.ledger.holds.ledger import HoldLedger
from eed_delivery.ledger.publishing.by_destination import DestinationReading
from eed_delivery.model import Accepted, HoldScope, HoldTarget, Rendered
from eed_delivery.publisher import Publisher
from eed_delivery.publisher.destinations import DestinationBacklogs
from eed_delivery.publisher.registrar import Registrar
from eed_delivery.queue import Queue
from eed_delivery.rendering.attachments import AttachmentStore
from eed_delivery.rendering.renderer import Renderer
from eed_delivery.transports import Grant
from eed_delivery.worker.batch import Batch, Hands
from eed_delivery.worker.delivery import Delivery, RetryRules
from eed_delivery.worker.destination_pacing import DestinationPacing
from eed_delivery.worker.journal import Journal
from eed_delivery.worker.keeper import Hold
from eed_delivery.worker.process import CompiledJobs
from tests.faults.model.actors import Life
from tests.faults.model.queue import DEAD_LETTER_URL, URL, Client, MemoryQueue
from tests.integration.test_plans import looked_at
from tests.servers.database_server import DatabaseServer
from tests.world import World

SEND_LEASE = 60.0
GMAIL = Destination("gmail.com", DomainPace(per_second=20))


READ_EMAILS = 20_000


@pytest.fixture(scope="module")
def reading(database_server: DatabaseServer) -> Iterator[World]:
    """A job of many emails to one domain, over one connection whose handlers are counted."""
    url = database_server.create_database("destination_plans")
    world = World(url, engine=make_engine(sa.make_url(url), connections=1))
    limit = "max_recursive_iterations" if database_server.kind == "mariadb" else "cte_max_recursion_depth"
    for statement in (
        f"SET {limit} = 1000000",
        "INSERT INTO eed_job (job_id, source_key, state, total, enlisted_at, created_at)"
        f" VALUES (1, '1', 'active', {READ_EMAILS}, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6))",
        "INSERT INTO eed_email (email_id, job_id, recipient, address, state)"
        f" WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < {READ_EMAILS})"
        f" SELECT i, 1, 'x', CONCAT('a@', IF(i > {READ_EMAILS - 100}, 'bank.example', 'gmail.com')), 'pending' FROM n",
        "ANALYZE TABLE eed_email, eed_job",
    ):
        world.execute(statement)
    yield world
    world.close()


class Clock:
    """The time of the database, of the processes and of the queue."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.begin = datetime(2026, 12, 1, tzinfo=UTC)

    def __call__(self) -> float:
        return self.seconds

    def set_database(self, c: Connection) -> None:
        now = self.begin + timedelta(seconds=self.seconds)
        c.exec_driver_sql(f"SET timestamp = {now.timestamp():.6f}")


@pytest.fixture
def clock(world: World, database_kind: str) -> Iterator[Clock]:
    if database_kind == "sqlite":
        pytest.skip("SQLite's clock cannot be set")
    clock, engine = Clock(), world.database.engine
    event.listen(engine, "begin", clock.set_database)
    yield clock
    event.remove(engine, "begin", clock.set_database)
    engine.dispose()


class Wire:
    """Takes all, and notes when and whose."""

    name = "wire"
    wire_seconds = 1.0

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds
        self.sent: list[tuple[float, str]] = []

    def send(self, message: Rendered, grant: Grant) -> Accepted:
        grant()
        self.sent.append((self._clock.seconds, message.recipient))
        return Accepted("250 ok", 250, message.message_id)

    def probe(self) -> None: ...

    def close(self) -> None: ...


class House:
    """A publisher and some hosts over one ledger and one queue, a step at a time."""

    def __init__(self, world: World, clock: Clock, paces: dict[str, DomainPace], hosts: int = 2) -> None:
        self.world, self.clock = world, clock
        self.messages = MemoryQueue(max_receives=3)
        self.queue = Queue(Client(self.messages, Life("house")), URL, DEAD_LETTER_URL, tries=1)  # type: ignore[arg-type]
        self.renderer = Renderer(
            RenderingSettings(message_id_domain="bank.example"), AttachmentStore(None, None, (), 1000)
        )
        self.wire = Wire(clock, 0.0)
        self.paces = DomainPaceLedger(world.database, paces)
        self.turns = DestinationTurns(world.database)
        self.backlogs = DestinationBacklogs(
            self.paces, DestinationReading(world.database), self.turns, BacklogCounts(world.database), "default", clock
        )
        settings = PublisherSettings(poll_seconds=0.25, chunk=1000, queue_ahead=200, connections=1)
        self.publisher = Publisher(
            world.registry,
            self.queue,
            self.renderer,
            settings,
            clock,
            registrar=Registrar(world.registry, settings, clock),
            destinations=self.backlogs,
        )
        self.pacings = [DestinationPacing(self.paces, self.turns, SEND_LEASE, clock) for _ in range(hosts)]
        self.hands = [self._hands(pacing) for pacing in self.pacings]
        self.publish_at = 0.0

    def _hands(self, pacing: DestinationPacing) -> Hands:
        pacing.learn()
        ledger = self.world.delivering
        journal = Journal(ledger, 30, threading.Event())
        return Hands(
            ledger=ledger,
            queue=self.queue,
            delivery=Delivery(self.renderer, self.wire, journal, RetryRules(delay=0), lambda: None),
            journal=journal,
            compiled=CompiledJobs(ledger, self.renderer).get,
            lease_seconds=30,
            visibility_seconds=60,
            may_go_on=lambda: True,
            react=lambda _email, _outcome: None,
            pacing=pacing.of_batch,
        )

    def step(self, seconds: float = 0.25, batches: int = 1) -> None:
        """So much time passes. Each host takes some batches, and the publisher does what is due."""
        self.clock.seconds += seconds
        self.messages.now = self.clock.seconds
        if self.clock.seconds >= self.publish_at:
            self.publish_at = self.clock.seconds + self.publisher.step()
        for hands in self.hands:
            for _ in range(batches):
                received = self.queue.receive(10, 0, 60)
                if received:
                    Batch(received, hands, Hold(list(received))).work()

    def learn(self) -> None:
        """As a heartbeat does."""
        for pacing in self.pacings:
            pacing.learn()

    def sent_to(self, domain: str, since: float = 0.0) -> int:
        return sum(1 for at, recipient in self.wire.sent if domain_of(recipient) == domain and at > since)

    def problems(self) -> list[str]:
        """What has harmed an email: sent twice, a try or receives for nothing."""
        twice = [who for who, count in Counter(who for _, who in self.wire.sent).items() if count > 1]
        burnt = self.world.execute(
            "SELECT email_id FROM eed_email WHERE attempts > 1 OR state IN ('failed', 'in_doubt')"
        )
        receives = [message.receives for message in self.messages.ever if message.receives > 1]
        return [*twice, *map(str, burnt), *map(str, receives), *self.messages.died]


def people(domain: str, count: int) -> list[str]:
    return [f"c{n}@{domain}" for n in range(count)]


def test_a_slow_domain_keeps_its_pace_and_holds_up_no_other(world: World, clock: Clock) -> None:
    """Its emails come first, and are the larger part. What else there is leaves as quickly as hosts can send."""
    house = House(world, clock, {"gmail.com": DomainPace(per_second=20)})
    world.add_job([*people("gmail.com", 400), *people("bank.example", 150)])
    ended = 0.0
    for _ in range(50):  # 80 emails a second
        house.step()
        if not ended and house.sent_to("bank.example") == 150:
            ended = clock.seconds
    assert 0 < ended <= 150 / (80 - 20) * 1.25 + 0.5
    begun = next(at for at, who in house.wire.sent if domain_of(who) == "gmail.com")
    assert house.sent_to("gmail.com") == pytest.approx(20 * (clock.seconds - begun), rel=0.1)
    queued = world.scalar("SELECT COUNT(*) FROM eed_email WHERE state = 'queued'")
    assert queued <= 30, "the queue has no more than may go"
    assert house.problems() == []
    while house.sent_to("gmail.com") < 400 and clock.seconds < 60:
        house.step()
    assert clock.seconds == pytest.approx(begun + 20, rel=0.1)
    assert world.execute("SELECT DISTINCT state FROM eed_email") == [("sent",)]


def test_two_hosts_and_a_function_share_one_pace(world: World, clock: Clock) -> None:
    """Each wants more than there is, at moments of its own. Within 2 % of what the pace allows over a minute."""
    takers = [DestinationTurns(world.database) for _ in range(3)]
    given: list[float] = []
    for n in range(700):
        clock.seconds += 0.1 + (n % 7) * 0.01
        turns = takers[n % 3].take({GMAIL: 1 + n % 5})["gmail.com"]
        given += [clock.seconds] * turns.count
    assert len(given) == pytest.approx(20 * clock.seconds, rel=0.02)
    for first in range(0, len(given) - 1200, 100):
        lasted = given[first + 1199] - given[first]
        assert lasted >= 1200 / 20 * 0.98, "in no minute more"


def test_no_more_threads_than_its_concurrency_send_to_a_domain(world: World, clock: Clock) -> None:
    two = Destination("gmail.com", DomainPace(concurrency=2))
    turns = DestinationTurns(world.database)
    places = [Place(new_token(), 60) for _ in range(3)]
    counts = [turns.take({two: 10}, place=place)["gmail.com"].count for place in places]
    assert counts == [10, 10, 0]
    assert turns.take({two: 1}, place=places[0])["gmail.com"].count == 1, "it has its place already"
    turns.leave(["gmail.com"], places[0].token)
    assert turns.take({two: 1}, place=places[2])["gmail.com"].count == 1
    assert turns.take({two: 1}, place=places[0])["gmail.com"].count == 0
    clock.seconds += 61  # both have died
    assert turns.take({two: 1}, place=places[0])["gmail.com"].count == 1
    assert turns.take({two: 5}, TurnKind.PUBLISH)["gmail.com"].count == 5, "what is published needs no place"


def test_a_concurrency_keeps_the_others_going(world: World, clock: Clock) -> None:
    house = House(world, clock, {"gmail.com": DomainPace(concurrency=1)}, hosts=3)
    world.add_job([*people("gmail.com", 100), *people("bank.example", 100)])
    for _ in range(60):
        house.step()
    assert (house.sent_to("gmail.com"), house.sent_to("bank.example")) == (100, 100)
    assert house.problems() == []
    assert world.execute("SELECT * FROM eed_domain_slot") == [], "no place is left behind"


def test_a_held_domain_holds_up_no_other_and_a_hold_that_ends_lets_it_go(world: World, clock: Clock) -> None:
    """By a person, and by the service. Neither has emails of it claimed and put back."""
    house = House(world, clock, {})
    HoldLedger(world.database).hold(HoldTarget(HoldScope.DOMAIN, "held.example"), "they ask us to wait", None)
    DomainHolds(world.database).hold("trouble.example", "421 not now")
    world.add_job([*people("held.example", 100), *people("trouble.example", 100), *people("bank.example", 100)])
    for _ in range(10):
        house.step()
    assert [house.sent_to(f"{name}.example") for name in ("held", "trouble", "bank")] == [0, 0, 100]
    assert len(house.messages.ever) == 100, "nothing of the others was published"
    (hold,) = HoldLedger(world.database).all()
    HoldLedger(world.database).release(hold.hold_id)
    DomainHolds(world.database).release("trouble.example")
    for _ in range(20):
        house.step()
    assert [house.sent_to(f"{name}.example") for name in ("held", "trouble", "bank")] == [100, 100, 100]
    assert house.problems() == []


def test_a_pace_is_set_and_cleared_while_a_job_runs(world: World, clock: Clock) -> None:
    house = House(world, clock, {})
    world.add_job(people("gmail.com", 400))
    for _ in range(4):
        house.step()
    begun = house.sent_to("gmail.com")
    assert begun > 40
    house.paces.set("gmail.com", DomainPace(per_second=4), "421 4.7.28", 60)
    house.learn()
    since = clock.seconds
    for _ in range(40):
        house.step()
    assert house.sent_to("gmail.com", since) == pytest.approx(4 * 10, abs=8)
    assert house.problems() == [], "not of those that were in the queue either"
    clock.seconds += 60
    assert world.registry.end_domain_paces() == ["gmail.com"]
    house.learn()
    for _ in range(40):
        house.step()
    assert house.sent_to("gmail.com") == 400
    assert house.problems() == []


def test_small_jobs_and_large_ones_share_a_destination(world: World, clock: Clock) -> None:
    """A small job that comes later does not stand behind all of a large one."""
    house = House(world, clock, {"*.example": DomainPace(per_second=10), "b.example": DomainPace(per_second=10)})
    world.add_job(people("a.example", 150))
    for _ in range(8):
        house.step()
    world.add_job([*people("x.example", 3), *people("free.test", 3)], job_id=2)
    world.add_job(people("b.example", 30), job_id=3)
    for _ in range(12):
        house.step()
    assert house.sent_to("x.example") == 3
    assert house.sent_to("free.test") == 3
    assert house.sent_to("b.example") >= 20
    assert house.sent_to("a.example") == pytest.approx(10 * clock.seconds, abs=14)
    assert house.problems() == []


def test_a_million_that_wait_are_not_read_with_each_look(reading: World) -> None:
    """By the entries that the database's handlers read. All but the last hundred wait for one domain."""
    rules = DestinationRules({"gmail.com": DomainPace(per_second=20)})
    read = DestinationReading(reading.database, block=1000)

    def entries(ask: Callable[[], object]) -> int:
        before = reading.database.run(looked_at)
        ask()
        return reading.database.run(looked_at) - before

    assert entries(lambda: read.behind(1, 0, 100, rules)) < 500, "the first page"
    assert entries(lambda: read.behind(1, 0, 100, rules, {"gmail.com"})) < 4500, "a block, and its end"
    assert entries(lambda: read.of(1, "gmail.com", READ_EMAILS // 2, 100, rules)) < 2000
    assert entries(lambda: read.tickets([READ_EMAILS - 5, 7])) < 50
    assert entries(lambda: read.behind(1, READ_EMAILS - 50, 100, rules, {"gmail.com"})) < 600
    after, found, at_end = 0, list[int](), False
    while not at_end:
        rows = read.behind(1, after, 30, rules, {"gmail.com"})
        found += [row.email_id for row in rows.rows]
        after, at_end = rows.last, rows.at_end
    assert found == list(range(READ_EMAILS - 99, READ_EMAILS + 1)), "each of the others, once and in order"
    counts, last = Counter[Destination](), 0
    while last is not None:
        more, last = read.counted(1, last, rules)
        counts.update(more)
    assert counts == {rules.of("gmail.com"): READ_EMAILS - 100}
