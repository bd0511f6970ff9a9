"""What the ledger knows of temporary answers: to whom they came of late, and what was accepted since."""

import pytest

from eed_delivery.ledger.answers import AnswersLedger
from eed_delivery.ledger.delivering.domain_holds import IS_HELD
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.ledger.operating import Selection
from eed_delivery.model import EmailState, Outcome, Verdict
from tests.world import World

BUSY = Outcome(Verdict.TEMPORARY, "450 4.2.1 Mailbox busy", 450, "4.2.1")
SENT = Outcome(Verdict.SENT, "250 ok", 250)


@pytest.fixture
def answers(world: World) -> AnswersLedger:
    return AnswersLedger(world.database)


def attempt(world: World, email_id: int, outcome: Outcome) -> None:
    email = world.claimed(email_id)
    assert world.delivering.wire(email, 60) is None
    state = EmailState.SENT if outcome.verdict is Verdict.SENT else EmailState.QUEUED
    world.delivering.record(email, Decision(state, outcome, True, delay=0), 1)


def test_deferrals_are_those_of_all_jobs_the_newest_first(world: World, answers: AnswersLedger) -> None:
    (first,) = world.add_job(["c@d1.example"])
    world.enlist()
    (second,) = world.add_job(["c@d2.example"], job_id=2)
    world.enlist(2)
    attempt(world, first, BUSY)
    attempt(world, second, Outcome(Verdict.INFRASTRUCTURE, "451 4.3.0 later", 451))
    attempt(world, first, BUSY)
    attempt(world, second, Outcome(Verdict.INFRASTRUCTURE, "the connection was lost"))
    attempt(world, second, SENT)
    found = answers.deferrals(60, 10)
    assert [(one.email_id, one.recipient, one.reply[:3]) for one in found] == [
        (second, "c@d2.example", "451"), (first, "c@d1.example", "450")
    ]  # fmt: skip
    assert [one.email_id for one in answers.deferrals(60, 1)] == [second]
    world.execute("UPDATE eed_attempt SET ended_at = '2001-01-01'")
    assert answers.deferrals(60, 10) == []


def test_what_another_channel_is_told_is_not_compared(world: World, answers: AnswersLedger) -> None:
    """Neither does a relay's trouble count for another relay, nor what that one has sent."""
    first, second = world.add_job(["c@d1.example", "c@d2.example"])
    world.enlist()
    other, third = world.add_job(["o@d1.example", "p@d1.example"], job_id=2)
    world.enlist(2)
    attempt(world, first, BUSY)
    attempt(world, other, BUSY)
    attempt(world, third, SENT)
    world.execute("UPDATE eed_job SET channel = 'letters' WHERE job_id = 2")
    theirs = AnswersLedger(world.database, "letters")
    (ours,), (its,) = answers.deferrals(60, 10), theirs.deferrals(60, 10)
    assert (ours.email_id, its.email_id) == (first, other)
    assert not answers.was_sent_since(ours.attempt_id)
    assert theirs.was_sent_since(its.attempt_id, "d1.example")
    attempt(world, second, SENT)
    assert answers.was_sent_since(ours.attempt_id)


def test_what_was_sent_since_an_attempt_is_known_by_domain(world: World, answers: AnswersLedger) -> None:
    first, second = world.add_job(["c@d1.example", "c@d2.example"])
    world.enlist()
    attempt(world, first, BUSY)
    (before,) = answers.deferrals(60, 10)
    assert not answers.was_sent_since(before.attempt_id)
    attempt(world, second, SENT)
    assert answers.was_sent_since(before.attempt_id)
    assert answers.was_sent_since(before.attempt_id, "d2.example")
    assert not answers.was_sent_since(before.attempt_id, "d1.example")
    assert not answers.was_sent_since(before.attempt_id, "_2.example"), "a sign of LIKE is meant literally"


def test_since_when_an_email_is_answered_so_is_known(world: World, answers: AnswersLedger) -> None:
    first, second = world.add_job(["c@d1.example", "c@d2.example"])
    world.enlist()
    assert answers.seconds_since_first(first, 0, 450, "4.2.1") == 0
    attempt(world, first, BUSY)
    world.execute(f"UPDATE eed_attempt SET ended_at = {world.earlier(world.now, 5000)}")
    attempt(world, first, BUSY)
    attempt(world, first, Outcome(Verdict.INFRASTRUCTURE, "451 later", 451))
    attempt(world, second, BUSY)
    assert answers.seconds_since_first(first, 0, 450, "4.2.1") == pytest.approx(5000, abs=60)
    assert answers.seconds_since_first(first, 0, 451, None) == pytest.approx(0, abs=60), "its own codes"
    assert answers.seconds_since_first(first, 1, 450, "4.2.1") == 0, "of this generation"
    assert answers.seconds_since_first(second, 0, 450, "4.2.1") == pytest.approx(0, abs=60), "its own answers"


def test_a_claim_says_what_was_refused_before(world: World) -> None:
    (only,) = world.add_job()
    world.enlist()
    email = world.claimed(only)
    assert not email.refused_before
    world.delivering.defer([email], f"example.com{IS_HELD}421 no", 0)
    email = world.claimed(only)
    assert not email.refused_before, "it has waited for its domain, and had no try"
    world.delivering.release([email])
    attempt(world, only, BUSY)
    assert world.claimed(only).refused_before


def test_a_new_generation_was_never_refused(world: World) -> None:
    (only,) = world.add_job()
    world.enlist()
    email = world.claimed(only)
    assert world.delivering.wire(email, 60) is None
    world.delivering.record(email, Decision(EmailState.FAILED, BUSY, True), 1)
    assert world.operating.requeue(Selection(emails=(only,))) == 1
    assert not world.claimed(only, gen=1).refused_before
