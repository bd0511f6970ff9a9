"""What people hold: nothing of it is let go after the hold's moment, by the database's clock."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import structlog
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, OperationalError

from eed_delivery.app.operations import Operations
from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.delivering.claims import Standing, new_token
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.ledger.holds.ledger import HoldLedger
from eed_delivery.ledger.operating import Selection
from eed_delivery.ledger.paces import PaceLedger
from eed_delivery.ledger.publishing.served_channels import ServedChannels
from eed_delivery.ledger.reconciling.ledger import ReconcilingLedger
from eed_delivery.ledger.workers import Process, WorkerLedger
from eed_delivery.model import EmailState, Outcome, Verdict
from eed_delivery.operations.holds import HoldRequest, HoldScope, HoldTarget, hold_target
from eed_delivery.operations.refusals import InvalidRequest, UnknownKey, WrongState
from tests.operating import operations_over
from tests.world import World

T = TypeVar("T")
pytestmark = pytest.mark.both_databases

DEFAULT = ServedChannels("default", frozenset())
OF_FILES = """
[channel.files]
kind = "s3"
bucket = "files"
region = "us-east-1"
queue = { url = "https://sqs.us-east-1.amazonaws.com/0/f", dead_letter_url = "https://127.0.0.1/0/f-dead" }
"""
SENT = Decision(EmailState.SENT, Outcome(Verdict.SENT, "250 ok", 250), counted=True)


@pytest.fixture
def operations(world: World, tmp_path: Path) -> Operations:
    return operations_over(world, tmp_path)


def published(world: World) -> list[int]:
    """The emails that a publisher would publish now."""
    jobs = world.registry.lease(new_token(), 60, 50, 0, DEFAULT)
    found = sorted(ticket.email_id for ticket in world.registry.pending(jobs, 10))
    world.registry.let_go(jobs)
    return found


def held(operations: Operations, scope: str, subject: str, lasts: float | None = None) -> int:
    target = hold_target(HoldScope(scope), subject)
    return operations.holds.hold(HoldRequest(target, "why", lasts)).hold.hold_id


@pytest.mark.parametrize(
    ("scope", "subject", "left"),
    [
        ("all", "", []),
        ("channel", "default", []),
        ("category", "", []),
        ("category", "news", [1000, 1001]),
        ("domain", "EXAMPLE.net", [1000]),
        ("domain", "net", [1000, 1001]),
    ],
)
def test_what_is_held_is_neither_published_nor_claimed_nor_wired_and_is_unharmed(
    world: World, operations: Operations, scope: str, subject: str, left: list[int]
) -> None:
    first, second = world.add_job(["a@example.com", "b@example.net"])
    world.enlist()
    granted = [world.claimed(first), world.claimed(second)]
    number = held(operations, scope, subject)
    wired = [email.email_id for email in granted if world.delivering.wire(email, 60) is None]
    assert wired == left
    for email in granted:
        if email.email_id in left:
            world.delivering.record(email, SENT, 1)
    waiting = sorted({first, second} - set(left))
    if not waiting:
        return
    claim = world.claim(*waiting)
    assert claim.emails == () and {refusal.standing for refusal in claim.refusals} <= {Standing.OVER}
    assert [(world.state(one), world.row(one)["attempts"]) for one in waiting] == [("pending", 0)] * len(waiting)
    assert published(world) == []
    operations.holds.release(number)
    assert published(world) == waiting
    assert sorted(email.email_id for email in world.claim(*waiting).emails) == waiting


def test_a_job_that_is_registered_under_a_hold_of_a_domain_waits_for_its_copy(
    world: World, operations: Operations
) -> None:
    held(operations, "domain", "example.net")
    first, second = world.add_job(["a@example.com", "b@example.net"])
    world.enlist()
    assert published(world) == []
    world.registry.look_at_holds()
    assert published(world) == [first]
    assert [email.email_id for email in world.claim(first, second).emails] == [first]


def test_a_hold_ends_by_itself(world: World, operations: Operations) -> None:
    (only,) = world.add_job(["b@example.net"])
    world.enlist()
    held(operations, "domain", "example.net", 60)
    held(operations, "category", "", 60)
    world.execute("UPDATE eed_hold SET until_at = '2001-01-01 00:00:00.000000'")
    ended = world.registry.look_at_holds()
    assert ended == [HoldTarget(HoldScope.CATEGORY), HoldTarget(HoldScope.DOMAIN, "example.net")]
    assert operations.holds.all() == ()
    assert published(world) == [only]
    assert world.claim(only).emails


def test_files_go_to_no_domain(world: World, tmp_path: Path) -> None:
    operations = operations_over(world, tmp_path, OF_FILES)
    world.add_job()
    world.enlist()
    world.execute("UPDATE eed_job SET channel = 'files'")
    held(operations, "domain", "example.com")
    assert world.scalar("SELECT held_domains FROM eed_job") == ""
    assert world.registry.lease(new_token(), 60, 50, 0, ServedChannels("files"))
    world.registry.look_at_holds(lambda: ["files"])
    assert world.scalar("SELECT held_domains FROM eed_job") == ""


def test_a_hold_whose_process_was_killed_before_its_jobs_had_copies_is_made_up_for(
    world: World, operations: Operations
) -> None:
    (only,) = world.add_job()
    world.enlist()
    number = held(operations, "domain", "example.com")
    world.execute("UPDATE eed_hold SET in_force_at = NULL")
    world.execute("UPDATE eed_job SET held_domains = NULL")
    assert published(world) == [], "no publisher publishes it in between"
    assert operations.holds.view(number).hold.in_force_at is None
    world.registry.look_at_holds()
    assert operations.holds.view(number).hold.in_force_at is not None
    assert world.claim(only).emails == ()


def test_the_proof_says_what_left_last_and_which_processes_know(world: World, operations: Operations) -> None:
    first, second, third = world.add_job(["a@example.com", "b@example.net", "c@example.com"])
    world.enlist()
    workers = WorkerLedger(world.database)
    for name in ("test", "other"):
        workers.beat(Process(name, "a", "worker", 2), sending=True, detail=None, alive_seconds=60)
    sent, on_wire, late = (world.claimed(one) for one in (first, second, third))
    assert world.delivering.wire(sent, 60) is None
    world.delivering.record(sent, SENT, 3)
    assert world.delivering.wire(on_wire, 60) is None
    number = held(operations, "all", "")
    assert world.delivering.wire(late, 60) is Standing.OVER
    workers.beat(Process("test", "a", "worker", 2), sending=True, detail=None, alive_seconds=60)
    proof = operations.holds.view(number)
    assert proof.on_wire.emails == 1
    assert proof.on_wire.last_wire_at is not None and proof.hold.in_force_at is not None
    assert proof.on_wire.last_wire_at < proof.hold.in_force_at
    assert [(one.channel, one.worker) for one in proof.on_wire.last] == [("default", None), ("default", "test")]
    assert proof.pending == ("other",)
    assert {process.worker_id: process.last_wire_at for process in proof.processes}["test"] == proof.on_wire.last[1].at
    world.delivering.record(on_wire, SENT, 3)
    of_domain = operations.holds.on_wire(hold_target(HoldScope.DOMAIN, "example.net"))
    assert (of_domain.emails, of_domain.last_wire_at) == (0, proof.on_wire.last[0].at)


def test_a_second_hold_of_the_same_keeps_its_number_and_the_longest_counts(
    world: World, operations: Operations
) -> None:
    world.add_job()
    world.enlist()
    first = held(operations, "category", "", 60)
    assert held(operations, "category", "") == first
    held(operations, "channel", "default", 60)
    assert str(world.scalar("SELECT held_until FROM eed_job"))[:4] == "9999"
    operations.holds.release(first)
    assert str(world.scalar("SELECT held_until FROM eed_job"))[:4] != "9999"


def test_what_cannot_be_held_is_refused(world: World, operations: Operations) -> None:
    with pytest.raises(UnknownKey, match="there is no channel letters"):
        held(operations, "channel", "letters")
    with pytest.raises(InvalidRequest, match="is not a domain"):
        held(operations, "domain", "not a domain")
    with pytest.raises(InvalidRequest, match="names nothing"):
        held(operations, "all", "example.com")
    with pytest.raises(InvalidRequest, match="has passed"):
        held(operations, "all", "", -1)
    with pytest.raises(UnknownKey, match="there is no hold 99"):
        operations.holds.release(99)
    for n in range(8):
        held(operations, "domain", f"{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 50}{n}.example")
    with pytest.raises(WrongState, match="too many domains"):
        held(operations, "domain", f"{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 50}9.example")
    assert len(HoldLedger(world.database).all()) == 8


EVERYTHING = HoldTarget(HoldScope.ALL)


def domain(name: str) -> HoldTarget:
    return HoldTarget(HoldScope.DOMAIN, name)


class Interrupted(Database):
    """After one of its commits something else happens."""

    def __init__(self, engine: Engine, commits: int, meanwhile: Callable[[], object]) -> None:
        super().__init__(engine)
        self._commits = commits
        self._meanwhile = meanwhile

    def once(self, work: Callable[[Connection], T]) -> T:
        done = super().once(work)
        self._commits -= 1
        if self._commits == 0:
            self._meanwhile()
        return done


@pytest.mark.parametrize("commits", [1, 2, 3])
def test_a_hold_within_the_release_of_another_keeps_its_copies(world: World, commits: int) -> None:
    world.add_job()
    world.enlist()
    anna = HoldLedger(world.database)
    number = anna.hold(EVERYTHING, "why", None).hold_id
    bert = HoldLedger(Interrupted(world.database.engine, commits, lambda: anna.hold(EVERYTHING, "again", None)))
    bert.release(number)
    held = anna.of(EVERYTHING) or anna.hold(EVERYTHING, "again", None)
    assert held.in_force_at is not None
    assert str(world.scalar("SELECT held_until FROM eed_job"))[:4] == "9999"


@pytest.mark.parametrize("commits", [1, 2, 3])
def test_domains_that_are_held_at_once_are_both_held(world: World, commits: int) -> None:
    world.add_job()
    world.enlist()
    anna = HoldLedger(world.database)
    bert = HoldLedger(Interrupted(world.database.engine, commits, lambda: anna.hold(domain("a.example"), "why", None)))
    bert.hold(domain("b.example"), "why", None)
    assert [hold.in_force_at is not None for hold in anna.all()] == [True, True]
    assert world.scalar("SELECT held_domains FROM eed_job") == "@a.example @b.example "


def is_locked(world: World, others: Engine, name: str) -> bool:
    if world.database.dialect == "sqlite":
        with sqlite3.connect(str(make_url(world.url).database), timeout=0) as c:
            try:
                c.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            return False
    with others.begin() as c:
        try:
            c.execute(text("SELECT name FROM eed_duty WHERE name = :name FOR UPDATE NOWAIT"), {"name": name}).all()
        except DBAPIError:
            return True
    return False


def test_holds_their_copies_and_paces_are_written_under_a_lock(world: World) -> None:
    """So no second transaction reads what a first one is about to change."""
    world.add_job()
    world.enlist()
    others = make_engine(make_url(world.url), connections=1)
    written: list[tuple[str, bool]] = []

    def look(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        for table, name in (("eed_hold", "holds"), ("eed_job", "holds"), ("eed_pace", "paces")):
            if statement.startswith((f"UPDATE {table}", f"INSERT INTO {table}", f"DELETE FROM {table}")):
                written.append((statement.split("(")[0][:20], is_locked(world, others, name)))

    event.listen(world.database.engine, "before_cursor_execute", look)
    try:
        holds = HoldLedger(world.database)
        number = holds.hold(EVERYTHING, "why", None).hold_id
        holds.release(number)
        holds.hold(EVERYTHING, "why", 60)
        world.execute("update eed_hold SET until_at = '2001-01-01 00:00:00.000000'")
        assert holds.end_expired() == [EVERYTHING]
        PaceLedger(world.database).set("default", 1, "why", None)
    finally:
        event.remove(world.database.engine, "before_cursor_execute", look)
        others.dispose()
    assert {statement.split()[0] for statement, _ in written} == {"INSERT", "UPDATE", "DELETE"}
    assert [statement for statement, locked in written if not locked] == []
    assert len(written) >= 12


def test_domains_that_do_not_fit_hold_their_jobs_as_a_whole(world: World) -> None:
    (only,) = world.add_job()
    world.enlist()
    for n in range(9):
        world.execute(
            "INSERT INTO eed_hold (scope, subject, reason, who, held_at)"
            " VALUES ('domain', :subject, 'why', 'w', '2001-01-01 00:00:00.000000')",
            subject=f"{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 50}{n}.example",
        )
    with structlog.testing.capture_logs() as logs:
        world.registry.look_at_holds()
    assert [entry["domains"] for entry in logs if entry["event"] == "held_domains_too_long"] == [9]
    assert all(hold.in_force_at is not None for hold in HoldLedger(world.database).all())
    assert (published(world), world.claim(only).emails) == ([], ())
    world.execute("DELETE FROM eed_hold WHERE subject LIKE '%8.example'")
    world.registry.look_at_holds()
    assert published(world) == [only]


def test_a_release_whose_answer_was_lost_is_done(world: World) -> None:
    def lose_the_answer() -> None:
        raise OperationalError("COMMIT", {}, Exception(2013, "Lost connection to server during query"))

    holds = HoldLedger(world.database)
    held = holds.hold(EVERYTHING, "why", None)
    released = HoldLedger(Interrupted(world.database.engine, 1, lose_the_answer)).release(held.hold_id)
    assert released is not None and released.hold_id == held.hold_id
    assert world.scalar("SELECT COUNT(*) FROM eed_audit WHERE act = 'channel_release'") == 1


def requeued(world: World) -> None:
    world.execute("UPDATE eed_email SET state = 'failed'")
    assert world.operating.requeue(Selection()) == 2


def ready_again(world: World) -> None:
    world.execute("UPDATE delivery_job SET status = 'processing'")
    world.registry.register(world.registry.new_jobs(10))


def enlisted_late(world: World) -> None:
    ReconcilingLedger(world.database, world.source, world.registry).enlist_late(1)


@pytest.mark.parametrize("opens", [requeued, ready_again, enlisted_late])
def test_a_job_that_opens_again_waits_for_its_copy(
    world: World, operations: Operations, opens: Callable[[World], None]
) -> None:
    first, _second = world.add_job(["a@example.com", "b@example.net"])
    world.enlist()
    held(operations, "domain", "example.org")
    world.execute("UPDATE eed_email SET state = 'sent'")
    world.execute("UPDATE eed_job SET state = 'finished', finished_at = '2001-01-01 00:00:00.000000'")
    held(operations, "domain", "example.net")
    assert world.scalar("SELECT held_domains FROM eed_job") == "@example.org "
    opens(world)
    assert world.execute("SELECT finished_at, held_until, held_domains FROM eed_job") == [(None, None, None)]
    world.execute("UPDATE eed_email SET state = 'pending'")
    assert published(world) == []
    world.registry.look_at_holds()
    assert published(world) == [first]
