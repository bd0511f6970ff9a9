"""The commit went through, its answer was lost, and the work runs again. Each transaction of the ledger has the same
result, and returns the same, as if nothing had happened."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.ledger.operating import Selection
from eed_delivery.model import EmailState, JobState, Outcome, Ticket, Verdict
from tests.servers.mysql_proxy import MySqlProxy
from tests.world import World

pytestmark = pytest.mark.both_databases

PEOPLE = [f"p{n}@example.com" for n in range(1, 6)]
SENT = Decision(EmailState.SENT, Outcome(Verdict.SENT, "ok", 250, message_id="<m@x>"), counted=True)
DOUBT = Decision(EmailState.IN_DOUBT, Outcome(Verdict.IN_DOUBT, "timed out"), counted=True)
FAILED = Decision(EmailState.FAILED, Outcome(Verdict.PERMANENT, "no such user", 550), counted=True)
LATER = Decision(EmailState.QUEUED, Outcome(Verdict.TEMPORARY, "later", 450), counted=True, delay=60)
Cut = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def world(proxy: MySqlProxy, database_url: str) -> Iterator[World]:
    world = World(proxy.url(database_url))
    yield world
    world.close()


@pytest.fixture
def cut(proxy: MySqlProxy) -> Cut:
    """Do something whose first commit goes through without an answer; fails when there was none to cut."""

    def cut(work: Callable[[], Any]) -> Any:
        before = proxy.counts["cut after commit"]
        proxy.cut_after_commit(1)
        done = work()
        assert proxy.counts["cut after commit"] == before + 1
        return done

    return cut


def attempts(world: World, email_id: int) -> list[str]:
    rows = world.execute("SELECT verdict FROM eed_attempt WHERE email_id = :id ORDER BY attempt_id", id=email_id)
    return [verdict for (verdict,) in rows]


def enlisted(world: World) -> list[int]:
    ids = world.add_job(PEOPLE)
    world.enlist()
    return ids


def ended(world: World, decision: Decision) -> list[int]:
    """A job whose emails have all ended alike."""
    ids = enlisted(world)
    for email_id in ids:
        email = world.claimed(email_id)
        assert world.delivering.wire(email, 60) is None
        assert world.delivering.record(email, decision, 1)
    return ids


# --- the publisher -----------------------------------------------------------------------------------------------


def test_register_lease_enlist_and_mark(world: World, cut: Cut) -> None:
    ids = world.add_job([*PEOPLE, "old@example.com"])
    world.execute("UPDATE delivery_email SET status = 'sent' WHERE recipient = 'old@example.com'")
    cut(lambda: world.registry.register(world.registry.new_jobs(10)))
    assert world.execute("SELECT job_id, total FROM eed_job") == [(1, 0)]
    (job,) = cut(lambda: world.registry.lease(new_token(), 60, 10, 0))
    while cut(lambda: world.registry.enlist(job, 2, 60)):
        pass
    assert world.execute("SELECT total, not_enlisted, enlisted_at IS NOT NULL FROM eed_job") == [(5, 1, 1)]
    assert [row[0] for row in world.execute("SELECT email_id FROM eed_email ORDER BY email_id")] == ids[:5]
    (job,) = world.registry.lease(job.token, 60, 10, 0)
    tickets = world.registry.pending([job], 10)
    cut(lambda: world.registry.mark_queued(tickets))
    assert {world.state(ticket.email_id) for ticket in tickets} == {"queued"}
    cut(lambda: world.registry.let_go([job]))
    assert world.scalar("SELECT lease_until FROM eed_job") is None


# --- the worker --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decision", [SENT, DOUBT, FAILED, LATER], ids=lambda d: str(d.state))
def test_claim_wire_and_record(world: World, cut: Cut, decision: Decision) -> None:
    email_id = enlisted(world)[0]
    email = cut(lambda: world.claimed(email_id))
    assert cut(lambda: world.delivering.wire(email, 60)) is None
    assert world.row(email_id)["attempts"] == 1
    assert cut(lambda: world.delivering.record(email, decision, 1)) is True
    assert (world.state(email_id), world.row(email_id)["attempts"]) == (str(decision.state), 1)
    assert attempts(world, email_id) == [str(decision.outcome.verdict)]


def test_the_record_of_one_and_the_wire_of_the_next(world: World, cut: Cut) -> None:
    first, second = enlisted(world)[:2]
    emails = world.claim(first, second).emails
    assert world.delivering.wire(emails[0], 60) is None
    assert cut(lambda: world.delivering.record_and_wire([(emails[0], SENT, 1)], emails[1], 60)) is None
    assert (world.state(first), attempts(world, first)) == ("sent", ["sent"])
    assert world.row(second)["wire_at"] is not None


def test_a_late_no_after_the_sweepers_doubt(world: World, cut: Cut) -> None:
    email_id = enlisted(world)[0]
    email = world.claimed(email_id)
    world.delivering.wire(email, 60)
    world.lapse(email_id)
    world.sweeping.settle_the_wire(resend_below=0)
    cut(lambda: world.delivering.record(email, LATER, 1))
    assert (world.state(email_id), attempts(world, email_id)) == ("pending", ["in_doubt", "temporary"])


def test_release(world: World, cut: Cut) -> None:
    email = world.claimed(enlisted(world)[0])
    cut(lambda: world.delivering.release([email]))
    assert (world.state(email.email_id), world.row(email.email_id)["attempts"]) == ("queued", 0)


# --- the sweeper -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("resend_below", "state"), [(0, "in_doubt"), (3, "pending")])
def test_settling_the_wire(world: World, cut: Cut, resend_below: int, state: str) -> None:
    email_id = enlisted(world)[0]
    world.delivering.wire(world.claimed(email_id), 60)
    world.lapse(email_id)
    assert cut(lambda: world.sweeping.settle_the_wire(resend_below=resend_below)) == 1
    assert (world.state(email_id), attempts(world, email_id)) == (state, ["in_doubt"])


def test_picking_up_and_putting_back(world: World, cut: Cut) -> None:
    dropped, forgotten = enlisted(world)[:2]
    world.claimed(dropped)
    world.registry.mark_queued([Ticket(forgotten, 0, 0)])
    for email_id in (dropped, forgotten):
        world.lapse(email_id)
    assert cut(lambda: world.sweeping.pick_up_dropped(60)) == 1
    assert cut(lambda: world.sweeping.put_back_queued(60)) == 1
    assert (world.state(dropped), world.state(forgotten)) == ("pending", "pending")


def test_burying_a_dead_letter(world: World, cut: Cut) -> None:
    email_id = enlisted(world)[0]
    world.claimed(email_id)
    world.lapse(email_id)
    assert cut(lambda: world.sweeping.bury(Ticket(email_id, 0, 0))) is True
    assert (world.state(email_id), world.source_status(email_id)) == ("failed", "failed")


def test_ending_leftovers_and_finishing(world: World, cut: Cut) -> None:
    ids = enlisted(world)
    world.operating.cancel(1, "no more")
    assert cut(world.sweeping.end_leftovers) == len(ids)
    assert cut(lambda: world.sweeping.finish(1)) is True
    assert world.execute("SELECT state, finished_at IS NOT NULL FROM eed_job") == [("cancelled", 1)]
    assert {world.source_status(email_id) for email_id in ids} == {"cancelled"}


def test_expiring_jobs(world: World, cut: Cut) -> None:
    enlisted(world)
    world.execute("UPDATE eed_job SET expires_at = UTC_TIMESTAMP() - INTERVAL 1 SECOND")
    assert cut(world.sweeping.expire_jobs) == 1


# --- the operator ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("decision", [FAILED, DOUBT], ids=lambda d: str(d.state))
def test_requeueing(world: World, cut: Cut, decision: Decision) -> None:
    ids = ended(world, decision)
    assert world.sweeping.finish(1) is True
    assert cut(lambda: world.operating.requeue(Selection(state=decision.state))) == len(ids)
    assert [(world.row(i)["state"], world.row(i)["gen"]) for i in ids] == [("pending", 1)] * len(ids)
    assert {world.source_status(i) for i in ids} == {"pending"}


def test_a_requeue_never_takes_what_has_come_into_doubt_since(world: World, proxy: MySqlProxy) -> None:
    """The operator's word was for one doubt: the same email may be in doubt again before the work runs again."""
    email_id = ended(world, DOUBT)[0]
    again: list[str] = []

    def in_doubt_again(statement: str) -> None:
        """The first thing that the proxy sees after the cut: by then others have been at it."""
        if proxy.counts["cut after commit"] and not again:
            again.append(statement)
            other = World(proxy.url(world.url).replace(f":{proxy.port}/", f":{proxy.target_port}/"))
            email = other.claimed(email_id, gen=1)
            other.delivering.wire(email, 60)
            other.delivering.record(email, DOUBT, 1)
            other.close()

    proxy.on_statement = in_doubt_again
    proxy.cut_after_commit(1)
    world.operating.requeue(Selection(state=EmailState.IN_DOUBT, emails=(email_id,)))
    assert again
    assert (world.row(email_id)["state"], world.row(email_id)["gen"]) == ("in_doubt", 1)


def test_settling_by_an_operators_word(world: World, cut: Cut) -> None:
    ids = ended(world, DOUBT)
    assert cut(lambda: world.operating.settle(ids, EmailState.SENT, "the customer has it")) == ids
    assert {world.state(i) for i in ids} == {"sent"}
    assert attempts(world, ids[0]) == ["in_doubt", "sent"]


def test_settling_leaves_a_doubt_that_has_come_since(world: World, proxy: MySqlProxy) -> None:
    email_id = ended(world, DOUBT)[0]
    again: list[str] = []

    def in_doubt_again(statement: str) -> None:
        """By the second run it was requeued, and is in doubt again."""
        if proxy.counts["cut after commit"] and not again:
            again.append(statement)
            other = World(proxy.url(world.url).replace(f":{proxy.port}/", f":{proxy.target_port}/"))
            other.operating.requeue(Selection(emails=(email_id,)))
            email = other.claimed(email_id, gen=1)
            other.delivering.wire(email, 60)
            other.delivering.record(email, DOUBT, 1)
            other.close()

    proxy.on_statement = in_doubt_again
    proxy.cut_after_commit(1)
    assert world.operating.settle([email_id], EmailState.FAILED, "not in the log") == [email_id]
    assert again
    assert (world.row(email_id)["state"], world.row(email_id)["gen"]) == ("in_doubt", 1)


def test_pause_resume_and_cancel(world: World, cut: Cut) -> None:
    enlisted(world)
    assert cut(lambda: world.operating.pause(1, "wait")) is True
    assert cut(lambda: world.operating.resume(1)) is True
    assert cut(lambda: world.operating.cancel(1, "no more")) is True
    assert world.scalar("SELECT state FROM eed_job") == JobState.CANCELLED
    assert world.operating.cancel(1, "again") is False


def test_a_decision_that_changes_the_version_which_was_seen(world: World, cut: Cut) -> None:
    enlisted(world)
    seen = world.operating.version(1)
    assert cut(lambda: world.operating.pause(1, "wait", version=seen)) is True
    seen = world.operating.version(1)
    assert cut(lambda: world.operating.resume(1, version=seen)) is True
    assert world.execute("SELECT act FROM eed_audit WHERE job_id = 1 ORDER BY act_id") == [("pause",), ("resume",)]
