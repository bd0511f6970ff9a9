"""Every conditional UPDATE of the ledger: what it lets through, and what each of its conditions keeps out."""

import pytest
from sqlalchemy.exc import DBAPIError, OperationalError

from eed_delivery.config import SourceSettings
from eed_delivery.errors import NotPossible, RenderError
from eed_delivery.ledger.delivering.claims import Standing, new_token
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.ledger.operating import Selection
from eed_delivery.ledger.publishing.ledger import PublishingLedger
from eed_delivery.ledger.workers import Process
from eed_delivery.model import EmailState, JobState, Outcome, Ticket, Verdict
from eed_delivery.source import Source
from tests.world import World

# SQLite in this file of the ledger alone: the others use the same statements.
pytestmark = [pytest.mark.both_databases, pytest.mark.also_on_sqlite]

YES = Decision(EmailState.SENT, Outcome(Verdict.SENT, "250 ok", 250, message_id="<m@x>"), counted=True)
NO = Decision(EmailState.FAILED, Outcome(Verdict.PERMANENT, "550 5.1.1 no", 550, "5.1.1"), counted=True)
LATER = Decision(EmailState.QUEUED, Outcome(Verdict.TEMPORARY, "451 later", 451), counted=True, delay=60)
NEUTRAL = Decision(EmailState.QUEUED, Outcome(Verdict.INFRASTRUCTURE, "no route"), counted=False)


# --- enlisting ---------------------------------------------------------------------------------------------------


def test_a_ready_job_is_registered_once_and_enlisted_to_its_last_email(world: World) -> None:
    ids = world.add_job([f"c{n}@example.com" for n in range(7)])
    first, second = world.registry.new_jobs(10), world.registry.new_jobs(10)
    world.registry.register(first)
    world.registry.register(second)  # another publisher that saw the same job
    (job,) = world.registry.lease(new_token(), 60, 10, 0)
    sizes = []
    while n := world.registry.enlist(job, 3, 60):
        sizes.append(n)
    report = world.reporting.job(1)
    assert sizes == [3, 3, 1]
    assert report is not None and (report.total, report.enlisted) == (7, True)
    assert [e.email_id for e in world.reporting.emails(1)] == ids
    assert world.registry.new_jobs(10) == []


def test_what_the_old_server_has_sent_is_not_enlisted(world: World) -> None:
    ids = world.add_job(["a@example.com", "b@example.com", "c@example.com"])
    world.execute("UPDATE delivery_email SET status = 'sent' WHERE id = :id", id=ids[1])
    world.enlist()
    report = world.reporting.job(1)
    assert report is not None and (report.total, report.not_enlisted) == (2, 1)
    assert world.state(ids[0]) == "pending"


def test_two_publishers_never_hold_one_job(world: World) -> None:
    world.add_job()
    world.registry.register(world.registry.new_jobs(10))
    mine = world.registry.lease(new_token(), 60, 10, 0)
    assert len(mine) == 1
    assert world.registry.lease(new_token(), 60, 10, 0) == []


def test_a_publisher_that_lost_its_lease_enlists_nothing(world: World) -> None:
    world.add_job()
    world.registry.register(world.registry.new_jobs(10))
    (stale,) = world.registry.lease(new_token(), -1, 10, 0) or [None]  # run out at once
    assert stale is None
    (held,) = world.registry.lease(new_token(), 60, 10, 0)
    world.execute("UPDATE eed_job SET token = 1")
    assert world.registry.enlist(held, 10, 60) == 0
    assert world.scalar("SELECT COUNT(*) FROM eed_email") == 0


def test_a_job_whose_time_has_passed_is_entered_as_cancelled(world: World) -> None:
    (email_id,) = world.add_job(expires_at="2001-01-01 00:00:00")
    world.enlist()
    assert world.sweeping.end_leftovers() == 1
    (job_id,) = world.sweeping.finishable()
    assert world.sweeping.finish(job_id) is True
    assert world.state(email_id) == "cancelled" == world.source_status(email_id)
    assert "expires_at" in world.row(email_id)["detail"]
    assert world.scalar("SELECT status FROM delivery_job") == "cancelled"


# --- claim -------------------------------------------------------------------------------------------------------


def test_a_claim_loads_the_content(world: World, one: int) -> None:
    email = world.claimed(one)
    assert (email.recipient, email.recipient_name, email.attempts) == ("a@example.com", f"Customer {one}", 0)
    assert world.state(one) == "sending"


def test_a_claimed_email_is_not_given_twice(world: World, one: int) -> None:
    world.claimed(one)
    (refusal,) = world.claim(one).refusals
    assert refusal.standing is Standing.LATER
    assert 50 < refusal.seconds < 65


def test_a_claim_needs_the_right_gen(world: World, one: int) -> None:
    assert world.claim(one, gen=1).refusals[0].standing is Standing.UNKNOWN
    world.execute("UPDATE eed_email SET gen = 2")
    assert world.claim(one, gen=1).refusals[0].standing is Standing.OVER
    assert world.state(one) == "pending"


def test_a_lease_that_ran_out_before_the_wire_is_free_again(world: World, one: int) -> None:
    world.claimed(one)
    world.lapse(one)
    assert world.claimed(one).email_id == one


def test_a_lease_that_ran_out_after_the_wire_is_not(world: World, one: int) -> None:
    assert world.delivering.wire(world.claimed(one), 60) is None
    world.lapse(one)
    assert world.claim(one).emails == ()


@pytest.mark.parametrize("state", ["sent", "failed", "in_doubt", "suppressed", "cancelled"])
def test_an_ended_email_is_never_claimed(world: World, one: int, state: str) -> None:
    world.execute("UPDATE eed_email SET state = :s", s=state)
    claim = world.claim(one)
    assert (claim.emails, claim.refusals[0].standing) == ((), Standing.OVER)


def test_an_email_that_waits_for_its_retry_is_left_alone(world: World, one: int) -> None:
    email = world.claimed(one)
    world.delivering.wire(email, 60)
    world.delivering.record(email, LATER, 1)
    (refusal,) = world.claim(one).refusals
    assert refusal.standing is Standing.LATER
    assert 50 < refusal.seconds <= 60
    world.lapse(one)
    assert world.claimed(one).attempts == 1


def test_an_unknown_email_is_called_so(world: World) -> None:
    assert world.claim(424242).refusals[0].standing is Standing.UNKNOWN


def test_a_paused_job_takes_its_emails_back_and_resume_gives_them_out_again(world: World, one: int) -> None:
    assert world.operating.pause(1, "lunch")
    assert world.claim(one).refusals[0].standing is Standing.OVER  # the message is acked
    assert world.state(one) == "pending"
    assert world.operating.resume(1)
    assert world.claimed(one).email_id == one


def test_a_suppressed_address_is_not_even_loaded(world: World, one: int) -> None:
    world.execute(
        "INSERT INTO eed_suppression (address, reason, source, created_at)"
        " VALUES ('a@example.com', 'hard bounce', 'test', '2026-01-01 00:00:00')"
    )
    assert world.claim(one).emails == ()
    assert world.state(one) == "suppressed" == world.source_status(one)


def test_an_email_whose_source_row_has_gone_fails_and_the_others_go_on(world: World) -> None:
    lost, kept = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    world.execute("DELETE FROM delivery_email WHERE id = :id", id=lost)
    claim = world.claim(lost, kept)
    assert [e.email_id for e in claim.emails] == [kept]
    assert world.state(lost) == "failed"
    assert "removed from the source" in world.row(lost)["detail"]


def test_what_another_server_has_sent_meanwhile_is_not_sent_again(world: World, one: int) -> None:
    """Paused, rolled back to the old server, which sends the rest, and resumed by mistake."""
    world.execute("UPDATE delivery_email SET status = 'sent' WHERE id = :i", i=one)
    claim = world.claim(one)
    assert (claim.emails, claim.refusals[0].standing) == ((), Standing.OVER)
    assert (world.state(one), world.source_status(one)) == ("cancelled", "sent")


def test_a_cancel_never_writes_over_what_another_server_has_sent(world: World) -> None:
    first, second = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    world.execute("UPDATE delivery_email SET status = 'sent' WHERE id = :i", i=first)
    world.operating.cancel(1, "rolled back")
    assert world.sweeping.end_leftovers() == 2
    assert (world.source_status(first), world.source_status(second)) == ("sent", "cancelled")


def test_rehearse_says_whether_a_claim_could_work(world: World, one: int) -> None:
    world.delivering.rehearse()
    assert world.state(one) == "pending"
    world.execute("ALTER TABLE delivery_email RENAME COLUMN variables TO vars")
    with pytest.raises(OperationalError):
        world.delivering.rehearse()


# --- wire --------------------------------------------------------------------------------------------------------


def test_the_wire_is_granted_once(world: World, one: int) -> None:
    email = world.claimed(one)
    assert world.delivering.wire(email, 60) is None
    assert world.delivering.wire(email, 60) is Standing.LOST
    assert world.row(one)["attempts"] == 1


def test_no_wire_without_a_live_lease(world: World, one: int) -> None:
    email = world.claimed(one)
    world.lapse(one)
    assert world.delivering.wire(email, 60) is Standing.LOST
    assert world.row(one)["wire_at"] is None


def test_no_wire_under_an_old_token(world: World, one: int) -> None:
    stale = world.claimed(one)
    world.lapse(one)
    world.claimed(one)
    assert world.delivering.wire(stale, 60) is Standing.LOST
    assert world.row(one)["wire_at"] is None


def test_no_wire_for_an_old_gen(world: World, one: int) -> None:
    email = world.claimed(one)
    world.execute("UPDATE eed_email SET gen = 1")
    assert world.delivering.wire(email, 60) is Standing.LOST


@pytest.mark.parametrize(
    ("change", "ends_as"),
    [
        ("UPDATE eed_job SET state = 'paused'", "pending"),
        ("UPDATE eed_job SET state = 'cancelled', reason = 'wrong figures'", "cancelled"),
        ("UPDATE eed_job SET state = 'failed', reason = 'template'", "failed"),
        ("UPDATE eed_job SET expires_at = '2001-01-01 00:00:00'", "cancelled"),
    ],
)
def test_no_wire_unless_the_job_is_active(world: World, one: int, change: str, ends_as: str) -> None:
    email = world.claimed(one)
    world.execute(change)
    assert world.delivering.wire(email, 60) is Standing.OVER
    assert world.state(one) == ends_as


# --- record ------------------------------------------------------------------------------------------------------


def test_an_answer_is_recorded_with_its_attempt_and_the_source_row(world: World, one: int) -> None:
    email = world.claimed(one)
    world.delivering.wire(email, 60)
    assert world.delivering.record(email, YES, 12)
    assert (world.state(one), world.source_status(one)) == ("sent", "sent")
    (attempt,) = world.reporting.attempts(one)
    assert (attempt.verdict, attempt.code, attempt.counted, attempt.took_ms) == ("sent", 250, True, 12)
    assert world.execute("SELECT attempts, message_id FROM delivery_email WHERE id = :i", i=one) == [(1, "<m@x>")]


def test_a_stale_worker_overwrites_nothing(world: World, one: int) -> None:
    stale = world.claimed(one)
    world.lapse(one)
    fresh = world.claimed(one)
    assert not world.delivering.record(stale, NO, 1)
    assert world.delivering.wire(fresh, 60) is None
    assert world.delivering.record(fresh, YES, 1)
    assert not world.delivering.record(stale, NO, 1)
    assert world.state(one) == "sent"


def test_late_truth_settles_doubt(world: World, one: int) -> None:
    email = world.claimed(one)
    world.delivering.wire(email, 60)
    world.lapse(one)
    assert world.sweeping.settle_the_wire(resend_below=0) == 1
    assert (world.state(one), world.source_status(one)) == ("in_doubt", "in_doubt")
    assert world.delivering.record(email, YES, 1)
    assert (world.state(one), world.source_status(one)) == ("sent", "sent")


@pytest.mark.parametrize(("answer", "attempts"), [(LATER, 1), (NEUTRAL, 0)])
def test_a_late_not_now_ends_doubt_and_the_email_goes_out_again(
    world: World, one: int, answer: Decision, attempts: int
) -> None:
    email = world.claimed(one)
    world.delivering.wire(email, 60)
    world.lapse(one)
    world.sweeping.settle_the_wire(resend_below=0)
    assert world.delivering.record(email, answer, 1)
    assert (world.state(one), world.source_status(one)) == ("pending", "pending")
    assert world.row(one)["attempts"] == attempts


def test_a_late_not_now_after_its_job_has_finished_fails_and_can_be_requeued(world: World, one: int) -> None:
    email = world.claimed(one)
    world.delivering.wire(email, 60)
    world.lapse(one)
    world.sweeping.settle_the_wire(resend_below=0)
    assert world.sweeping.finish(1) is True
    assert world.delivering.record(email, LATER, 1)
    assert world.state(one) == "failed"


def test_late_success_beats_a_resend_that_has_not_left_yet(world: World, one: int) -> None:
    email = world.claimed(one)
    world.delivering.wire(email, 60)
    world.lapse(one)
    world.sweeping.settle_the_wire(resend_below=3)
    assert world.delivering.record(email, YES, 1)
    assert (world.state(one), world.claim(one).emails) == ("sent", ())


def test_doubt_is_recorded_once(world: World, one: int) -> None:
    doubt = Decision(EmailState.IN_DOUBT, Outcome(Verdict.IN_DOUBT, "no answer"), counted=True)
    email = world.claimed(one)
    world.delivering.wire(email, 60)
    assert world.delivering.record(email, doubt, 1) and world.delivering.record(email, doubt, 1)
    assert len(world.reporting.attempts(one)) == 1


def test_a_record_that_runs_twice_writes_one_attempt(world: World, one: int) -> None:
    """The commit went through and its answer was lost: the same work runs again."""
    email = world.claimed(one)
    world.delivering.wire(email, 60)
    assert world.delivering.record(email, LATER, 1)
    assert world.delivering.record(email, LATER, 1)
    assert len(world.reporting.attempts(one)) == 1
    assert world.row(one)["attempts"] == 1


def test_a_neutral_answer_costs_nothing(world: World, one: int) -> None:
    email = world.claimed(one)
    world.delivering.wire(email, 60)
    world.delivering.record(email, NEUTRAL, 1)
    row = world.row(one)
    assert (row["state"], row["attempts"], row["wire_at"]) == ("queued", 0, None)
    assert world.claimed(one).attempts == 0


def test_a_counted_answer_without_a_wire_counts(world: World, one: int) -> None:
    email = world.claimed(one)
    world.delivering.record(email, LATER, 1)
    assert world.row(one)["attempts"] == 1


def test_record_and_wire_share_a_commit(world: World) -> None:
    first, second = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    one, two = world.claim(first, second).emails
    assert world.delivering.wire(one, 60) is None
    assert world.delivering.record_and_wire([(one, YES, 1)], two, 60) is None
    assert (world.state(first), world.row(second)["attempts"]) == ("sent", 1)


# --- release and renew -------------------------------------------------------------------------------------------


def test_release_is_only_for_what_has_not_seen_the_wire(world: World) -> None:
    first, second = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    one, two = world.claim(first, second).emails
    world.delivering.wire(one, 60)
    world.delivering.release([one, two])
    assert (world.state(first), world.state(second)) == ("sending", "queued")


def test_renew_never_revives_a_lease(world: World, one: int) -> None:
    email = world.claimed(one, lease=30)
    before = world.row(one)["lease_until"]
    world.delivering.renew([[email]], 90)
    renewed = world.row(one)["lease_until"]
    assert renewed > before
    world.lapse(one)
    lapsed = world.row(one)["lease_until"]
    world.delivering.renew([[email]], 90)
    assert world.row(one)["lease_until"] == lapsed


# --- sweep -------------------------------------------------------------------------------------------------------


def test_a_live_lease_on_the_wire_is_not_swept(world: World, one: int) -> None:
    world.delivering.wire(world.claimed(one), 60)
    assert world.sweeping.settle_the_wire(resend_below=0) == 0
    assert world.state(one) == "sending"


def test_the_policy_resend_sends_again_and_keeps_the_doubt_on_record(world: World, one: int) -> None:
    world.delivering.wire(world.claimed(one), 60)
    world.lapse(one)
    assert world.sweeping.settle_the_wire(resend_below=2) == 1
    assert world.state(one) == "pending"
    assert [a.verdict for a in world.reporting.attempts(one)] == ["in_doubt"]
    world.delivering.wire(world.claimed(one), 60)
    world.lapse(one)
    assert world.sweeping.settle_the_wire(resend_below=2) == 1
    assert world.state(one) == "in_doubt"  # out of attempts


def test_what_was_dropped_before_the_wire_is_picked_up_after_its_patience(world: World, one: int) -> None:
    world.claimed(one)
    world.lapse(one, 90)
    assert world.sweeping.pick_up_dropped(150) == 0
    world.lapse(one, 150)
    assert world.sweeping.pick_up_dropped(150) == 1
    assert world.state(one) == "pending"


def test_a_queued_email_without_a_message_goes_back(world: World, one: int) -> None:
    world.registry.mark_queued([Ticket(one, 0, 0)])
    assert world.sweeping.put_back_queued(300) == 0
    world.lapse(one, 400)
    assert world.sweeping.put_back_queued(300) == 1
    assert world.state(one) == "pending"


def test_a_dead_letter_of_an_email_that_waits_for_its_retry_gives_it_a_fresh_message(world: World, one: int) -> None:
    email = world.claimed(one)
    world.delivering.wire(email, 60)
    world.delivering.record(email, LATER, 1)
    assert not world.sweeping.bury(Ticket(one, 0, 0))
    row = world.row(one)
    assert (row["state"], row["attempts"]) == ("pending", 1)
    assert row["not_before"] is not None


def test_a_mark_that_comes_late_does_not_hide_that_a_new_message_is_needed(world: World, one: int) -> None:
    """SQS takes the message, the job is paused, a fast worker puts the row back, and only then the publisher marks."""
    job = world.registry.lease(new_token(), 60, 10, 0)[0]
    tickets = world.registry.pending([job], 10)
    world.operating.pause(1, "wait")
    assert world.claim(one).emails == ()
    world.registry.mark_queued(tickets)
    assert world.state(one) == "pending"
    world.operating.resume(1)
    world.registry.mark_queued(world.registry.pending([job], 10))
    assert world.state(one) == "queued"


def test_keys_that_cannot_be_kept_fail_with_a_reason_and_the_others_go_on(world: World) -> None:
    (good,) = world.add_job()
    world.execute(
        "INSERT INTO delivery_email (id, job_id, recipient, status) VALUES (-5, 1, 'b@example.com', 'pending')"
    )
    world.enlist()
    assert (world.state(good), world.source_status(-5)) == ("pending", "failed")
    report = world.reporting.job(1)
    assert report is not None and report.total == 1


def test_a_string_key_that_is_too_long_is_no_cursor_and_stops_nobody(world: World) -> None:
    world.execute(
        "CREATE TABLE parcels (code VARCHAR(250) PRIMARY KEY, job_id INT, mail VARCHAR(99), status VARCHAR(20))"
    )
    for code in ("a", "b" * 200):
        world.execute("INSERT INTO parcels VALUES (:code, 1, 'p@example.com', 'pending')", code=code)
    world.add_job([])
    absent = dict.fromkeys(("recipient_name", "variables", "status_detail", "attempts", "message_id", "sent_at"), "")
    email = {"table": "parcels", "id": "code", "key_type": "string", "recipient": "mail", **absent}
    registry = PublishingLedger(
        world.database, Source(SourceSettings.model_validate({"email": email, "attachment": {"table": ""}}))
    )
    registry.register(registry.new_jobs(10))
    (job,) = registry.lease(new_token(), 60, 10, 0)
    while registry.enlist(job, 10, 60):
        pass
    report = world.reporting.job(1)
    assert report is not None and (report.total, report.enlisted) == (1, True)
    assert world.execute("SELECT status FROM parcels ORDER BY code") == [("pending",), ("failed",)]


def test_a_dead_letter_fails_an_email_whose_worker_died_with_it_in_hand(world: World) -> None:
    dead, sent, other_gen = world.add_job(["a@example.com", "b@example.com", "c@example.com"])
    world.enlist()
    email = world.claimed(sent)
    world.delivering.wire(email, 60)
    world.delivering.record(email, YES, 1)
    world.claimed(dead)
    assert not world.sweeping.bury(Ticket(dead, 0, 0)), "its worker still has it"
    world.lapse(dead)
    assert world.sweeping.bury(Ticket(dead, 0, 0))
    assert not world.sweeping.bury(Ticket(sent, 0, 0))
    assert not world.sweeping.bury(Ticket(other_gen, 1, 0))
    assert not world.sweeping.bury(Ticket(999999, 0, 0))
    assert (world.state(dead), world.state(sent), world.state(other_gen)) == ("failed", "sent", "pending")
    assert world.source_status(dead) == "failed"


def test_a_dead_letter_of_an_email_that_was_in_nobodys_hand_costs_it_nothing(world: World, one: int) -> None:
    """Receives burn without a try where answers of the queue are lost: that is not the recipient's fault (G4)."""
    world.registry.mark_queued([Ticket(one, 0, 0)])
    assert not world.sweeping.bury(Ticket(one, 0, 0))
    row = world.row(one)
    assert (row["state"], row["attempts"], world.source_status(one)) == ("pending", 0, "pending")


def test_a_dead_letter_fails_an_email_that_nobody_can_read(world: World) -> None:
    odd, other = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    world.registry.mark_queued([Ticket(odd, 0, 0), Ticket(other, 0, 0)])
    world.execute("UPDATE eed_email SET source_key = 'not a number' WHERE email_id = :id", id=odd)
    assert world.sweeping.bury(Ticket(odd, 0, 0))
    assert not world.sweeping.bury(Ticket(other, 0, 0))
    assert (world.state(odd), world.state(other)) == ("failed", "pending")
    assert "cannot be read" in world.row(odd)["detail"]


def test_a_source_that_nobody_can_read_buries_nobody(world: World, one: int) -> None:
    world.registry.mark_queued([Ticket(one, 0, 0)])
    world.execute("ALTER TABLE delivery_email RENAME TO elsewhere")
    with pytest.raises(DBAPIError):
        world.sweeping.bury(Ticket(one, 0, 0))
    assert world.state(one) == "queued"
    world.execute("ALTER TABLE elsewhere RENAME TO delivery_email")


def test_a_job_finishes_only_when_it_balances(world: World) -> None:
    first, second = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    for email_id, decision in ((first, YES), (second, NO)):
        assert world.sweeping.finishable() == []
        email = world.claimed(email_id)
        world.delivering.wire(email, 60)
        world.delivering.record(email, decision, 1)
    assert world.sweeping.finishable() == [1]
    world.execute("UPDATE eed_job SET total = 3")
    assert world.sweeping.finish(1) is False
    world.execute("UPDATE eed_job SET total = 2")
    assert world.sweeping.finish(1) is True
    assert world.scalar("SELECT status FROM delivery_job") == "finished"
    assert world.sweeping.finish(1) is None  # another sweeper was faster


# --- operators ---------------------------------------------------------------------------------------------------


def _failed(world: World, email_id: int) -> None:
    email = world.claimed(email_id)
    world.delivering.wire(email, 60)
    world.delivering.record(email, NO, 1)


def test_a_requeue_starts_a_new_generation_and_opens_the_job_again(world: World, one: int) -> None:
    stale = world.claimed(one)
    world.delivering.wire(stale, 60)
    world.delivering.record(stale, NO, 1)
    world.sweeping.finish(1)
    selection = Selection(jobs=(1,))
    assert world.operating.count(selection) == 1
    assert world.operating.requeue(selection) == 1
    row = world.row(one)
    assert (row["state"], row["gen"], row["attempts"]) == ("pending", 1, 0)
    assert (world.source_status(one), world.scalar("SELECT status FROM delivery_job")) == ("pending", "processing")
    assert not world.delivering.record(stale, YES, 1)  # G5
    assert world.claim(one, gen=0).refusals[0].standing is Standing.OVER
    assert world.claimed(one, gen=1).gen == 1


def test_a_requeue_is_narrowed_by_reason_and_never_takes_what_is_not_failed(world: World) -> None:
    first, second, third = world.add_job(["a@example.com", "b@example.com", "c@example.com"])
    world.enlist()
    _failed(world, first)
    _failed(world, second)
    world.execute("UPDATE eed_email SET detail = 'mailbox full' WHERE email_id = :i", i=second)
    assert world.operating.requeue(Selection(error_like="%full%")) == 1
    assert (world.state(first), world.state(second), world.state(third)) == ("failed", "pending", "pending")
    assert world.operating.requeue(Selection(since_seconds=60, emails=(first, third))) == 1
    assert world.row(third)["gen"] == 0
    with pytest.raises(NotPossible):
        Selection(state=EmailState.SENT)


def test_a_cancelled_job_takes_nothing_back(world: World, one: int) -> None:
    _failed(world, one)
    world.operating.cancel(1, "wrong figures")
    assert world.operating.requeue(Selection()) == 0
    assert world.state(one) == "failed"


def test_cancel_ends_what_is_not_on_the_wire(world: World) -> None:
    on_wire, waiting = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    email = world.claimed(on_wire)
    world.delivering.wire(email, 60)
    assert world.operating.cancel(1, "wrong figures")
    assert not world.operating.cancel(1, "again")
    assert world.sweeping.end_leftovers() == 1
    assert (world.state(waiting), world.row(waiting)["detail"]) == ("cancelled", "wrong figures")
    assert world.sweeping.finishable() == []
    world.delivering.record(email, YES, 1)
    assert world.sweeping.finish(1) is True
    report = world.reporting.job(1)
    assert report is not None and report.state is JobState.CANCELLED and report.balanced


def test_only_an_email_in_doubt_can_be_settled(world: World) -> None:
    doubtful, failed = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    _failed(world, failed)
    stale = world.claimed(doubtful)
    world.delivering.wire(stale, 60)
    world.lapse(doubtful)
    world.sweeping.settle_the_wire(resend_below=0)
    assert world.operating.settle([doubtful, failed], EmailState.SENT, "seen in the relay's log") == [doubtful]
    assert (world.state(doubtful), world.source_status(doubtful)) == ("sent", "sent")
    assert not world.delivering.record(stale, NO, 1)  # an operator's word stands
    assert [a.worker for a in world.reporting.attempts(doubtful)] == ["sweeper", "operator"]


def test_a_failed_job_fails_its_emails_and_can_be_requeued_once_mended(world: World) -> None:
    (email_id,) = world.add_job()
    world.registry.register(world.registry.new_jobs(10))
    (job,) = world.registry.lease(new_token(), 60, 10, 0)
    world.registry.fail(job, RenderError("html template, line 3: unexpected end"))
    while world.registry.enlist(job, 10, 60):
        pass
    assert world.registry.pending([job], 10) == []  # nothing of it is published
    world.sweeping.end_leftovers()
    assert world.sweeping.finish(1) is True
    assert (world.state(email_id), world.row(email_id)["detail"]) == ("failed", "html template, line 3: unexpected end")
    assert world.operating.requeue(Selection(jobs=(1,))) == 1
    report = world.reporting.job(1)
    assert report is not None and report.state is JobState.ACTIVE


# --- heartbeats --------------------------------------------------------------------------------------------------


def test_the_rate_is_shared_by_those_who_live_and_send(world: World) -> None:
    a, b, c = (Process(f"h:{n}", "h", "worker", 4) for n in range(3))
    assert world.workers.beat(a, sending=True, detail=None, alive_seconds=15) == 1
    assert world.workers.beat(b, sending=True, detail=None, alive_seconds=15) == 2
    assert world.workers.beat(c, sending=False, detail="no route", alive_seconds=15) == 2
    world.execute("UPDATE eed_worker SET heartbeat_at = '2001-01-01 00:00:00' WHERE worker_id = 'h:1'")
    assert world.workers.beat(a, sending=True, detail=None, alive_seconds=15) == 1
    world.workers.forget_the_dead()
    world.workers.leave(c)
    assert [p.worker_id for p in world.workers.all()] == ["h:0"]
