"""What people hold: nothing of it is let go after the hold's moment, by the database's clock."""

from pathlib import Path

import pytest

from eed_delivery.app.operations import Operations
from eed_delivery.ledger.delivering.claims import Standing, new_token
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.ledger.holds.ledger import HoldLedger
from eed_delivery.ledger.publishing.served_channels import ServedChannels
from eed_delivery.ledger.workers import Process, WorkerLedger
from eed_delivery.model import EmailState, Outcome, Verdict
from eed_delivery.operations.holds import HoldRequest, HoldScope, HoldTarget, hold_target
from eed_delivery.operations.refusals import InvalidRequest, UnknownKey, WrongState
from tests.operating import operations_over
from tests.world import World

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
