"""Defects that other queues have had, each as a test that fails if we ever have it too; and some of our own."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import event, make_url, text

from eed_delivery.database.engine import (
    IDLE_CONNECTION_SECONDS,
    IDLE_TRANSACTION_SECONDS,
    LOCK_WAIT_SECONDS,
    make_engine,
)
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.delivering.claims import Standing
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.ledger.sweeping import SweepLedger
from eed_delivery.ledger.workers import Process
from eed_delivery.model import Email, EmailState, Outcome, Ticket, Verdict
from tests.servers.database_server import DatabaseServer
from tests.world import World

YES = Decision(EmailState.SENT, Outcome(Verdict.SENT, "250 ok", 250, message_id="<m@x>"), counted=True)
LATER = Decision(EmailState.QUEUED, Outcome(Verdict.TEMPORARY, "451 later", 451), counted=True, delay=60)


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    world = World(database_url)
    yield world
    world.close()


# --- hexpm/hexpm#1825: work was rescued for its age alone, while whoever had it was still at it: it was done twice ---


def test_hexpm_1825_live_work_is_not_rescued_however_old_it_is(world: World, one: int) -> None:
    email = world.claimed(one, lease=60)
    world.lapse(one)  # an hour passes, and its keeper has come by all the time:
    world.execute("UPDATE eed_email SET lease_until = UTC_TIMESTAMP(6) + INTERVAL 60 SECOND")
    assert world.sweeping.pick_up_dropped(0) == 0
    assert world.claim(one).emails == ()
    assert world.delivering.wire(email, 60) is None


def test_hexpm_1825_who_is_rescued_while_alive_gets_no_wire(world: World, one: int) -> None:
    """Nobody can tell a frozen worker from a dead one. It may be rescued, and it may come back: it does not send."""
    frozen = world.claimed(one)
    world.lapse(one)
    assert world.sweeping.pick_up_dropped(0) == 1
    assert world.delivering.wire(frozen, 60) is Standing.LOST
    rescuer = world.claimed(one)
    assert world.delivering.wire(frozen, 60) is Standing.LOST
    assert world.delivering.wire(rescuer, 60) is None


def test_hexpm_1825_work_that_may_be_done_is_never_rescued(world: World, one: int) -> None:
    email = world.claimed(one)
    assert world.delivering.wire(email, 60) is None
    world.lapse(one)
    assert world.sweeping.pick_up_dropped(0) == 0
    assert world.claim(one).emails == ()
    assert world.sweeping.settle_the_wire(resend_below=0) == 1
    assert world.state(one) == "in_doubt"
    assert world.claim(one).emails == ()


# --- riverqueue/river#1302: the rescuer read a job as running, and wrote over it although it had finished since ---


Slow = Callable[[Callable[[], object]], SweepLedger]


@pytest.fixture
def slow(world: World) -> Iterator[Slow]:
    """Makes a sweeper on another host, in which something happens between its reading and its writing of an email."""
    engine = make_engine(make_url(world.url), connections=1)

    def make(meanwhile: Callable[[], object]) -> SweepLedger:
        def before(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            if statement.startswith("UPDATE eed_email"):
                meanwhile()

        event.listen(engine, "before_cursor_execute", before)
        return SweepLedger(Database(engine), world.source)

    yield make
    engine.dispose()


@pytest.mark.parametrize("resend_below", [0, 3])
def test_river_1302_an_email_sent_between_reading_and_rescue_stays_sent(
    world: World, one: int, slow: Slow, resend_below: int
) -> None:
    email = world.claimed(one)
    assert world.delivering.wire(email, 60) is None
    world.lapse(one)
    sweeper = slow(lambda: world.delivering.record(email, YES, 1))
    assert sweeper.settle_the_wire(resend_below=resend_below) == 0
    assert (world.state(one), world.source_status(one)) == ("sent", "sent")
    assert world.execute("SELECT verdict FROM eed_attempt") == [("sent",)]


def test_river_1302_an_email_to_be_retried_since_the_reading_keeps_its_time(world: World, one: int, slow: Slow) -> None:
    email = world.claimed(one)
    assert world.delivering.wire(email, 60) is None
    world.lapse(one)
    assert slow(lambda: world.delivering.record(email, LATER, 1)).settle_the_wire(resend_below=3) == 0
    row = world.row(one)
    assert (row["state"], row["attempts"]) == ("queued", 1)
    assert row["not_before"] is not None


def test_river_1302_an_email_claimed_anew_since_the_reading_stays_with_its_new_owner(
    world: World, one: int, slow: Slow
) -> None:
    world.claimed(one)
    world.lapse(one)
    owners: list[Email] = []
    assert slow(lambda: owners.append(world.claimed(one))).pick_up_dropped(0) == 0
    assert world.delivering.wire(owners[0], 60) is None


def test_river_1302_a_queued_email_claimed_since_the_reading_is_not_published_again(
    world: World, one: int, slow: Slow
) -> None:
    world.registry.mark_queued([Ticket(one, 0, 0)])
    world.lapse(one)
    owners: list[Email] = []
    assert slow(lambda: owners.append(world.claimed(one))).put_back_queued(60) == 0
    assert world.delivering.wire(owners[0], 60) is None


# --- our own: a process frozen in the middle of its heartbeat's transaction kept every sweeper waiting ---


def test_a_heartbeat_that_never_ends_does_not_stop_the_sweepers(world: World) -> None:
    """`forget_the_dead` walked over all rows, and waited for the lock on the frozen one's, on every host."""
    for name in ("dead", "frozen"):
        world.workers.beat(Process(name, "h", "worker"), sending=True, detail=None, alive_seconds=30)
    world.execute("UPDATE eed_worker SET heartbeat_at = '2001-01-01' WHERE worker_id = 'dead'")
    with world.database.engine.connect() as frozen, frozen.begin():
        frozen.execute(text("UPDATE eed_worker SET detail = 'x' WHERE worker_id = 'frozen'"))
        world.workers.forget_the_dead()
    assert [process.worker_id for process in world.workers.all()] == ["frozen"]


@pytest.mark.both_databases
def test_the_server_ends_a_transaction_whose_client_says_nothing_more(
    world: World, database_server: DatabaseServer
) -> None:
    """What a frozen process has locked is free again after seconds, not after the eight hours of `wait_timeout`."""
    assert world.execute("SELECT @@wait_timeout, @@innodb_lock_wait_timeout") == [
        (IDLE_CONNECTION_SECONDS, LOCK_WAIT_SECONDS)
    ]
    if database_server.ends_idle_transactions:
        assert world.scalar("SELECT @@idle_transaction_timeout") == IDLE_TRANSACTION_SECONDS
