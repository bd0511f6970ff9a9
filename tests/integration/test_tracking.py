"""What events make of the ledger: every rule, and what each condition of the SQL keeps out."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.event import listen

from eed_delivery.config import EmailSource, SourceSettings, TrackingSettings
from eed_delivery.events import DeliveryOutcome, EventKind, TrackingEvent
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.ledger.operating import Selection
from eed_delivery.ledger.sweeping import SweepLedger
from eed_delivery.ledger.tracking.ledger import LOOK_BACK, TrackingLedger
from eed_delivery.ledger.tracking.statements import OUTCOME, SETTLE
from eed_delivery.model import EmailState, Outcome, Verdict
from eed_delivery.source import Source
from tests.servers.database_server import DatabaseServer
from tests.servers.mysql_proxy import MySqlProxy
from tests.world import World

NOON = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
YES = Decision(EmailState.SENT, Outcome(Verdict.SENT, "250 ok", 250, message_id="ses-1"), counted=True)
NO = Decision(EmailState.FAILED, Outcome(Verdict.PERMANENT, "550 no", 550), counted=True)


def ledger(world: World, **settings: Any) -> TrackingLedger:
    return TrackingLedger(world.database, world.source, TrackingSettings(**settings))


def event(
    email_id: int | None, kind: str, outcome: str | None = None, minutes: float = 0, **facts: Any
) -> TrackingEvent:
    at = NOON + timedelta(minutes=minutes)
    return TrackingEvent(
        event_id=facts.pop("event_id", f"{email_id}/{kind}/{outcome}/{minutes}/{facts.get('gen', 0)}"),
        kind=EventKind(kind),
        occurred_at=at,
        email_id=email_id,
        gen=facts.pop("gen", 0),
        outcome=DeliveryOutcome(outcome) if outcome else None,
        **facts,
    )


def delivered(email_id: int, minutes: float = 0, **facts: Any) -> TrackingEvent:
    return event(email_id, "delivery", "delivered", minutes, **facts)


def soft(email_id: int, minutes: float = 0, **facts: Any) -> TrackingEvent:
    return event(email_id, "bounce", "soft_bounced", minutes, **facts)


def hard(email_id: int, minutes: float = 0, **facts: Any) -> TrackingEvent:
    return event(email_id, "bounce", "hard_bounced", minutes, **facts)


def complained(email_id: int, minutes: float = 0, **facts: Any) -> TrackingEvent:
    return event(email_id, "complaint", "complained", minutes, **facts)


def sent(world: World, email_id: int, gen: int = 0) -> None:
    email = world.claimed(email_id, gen)
    assert world.delivering.wire(email, 60) is None
    assert world.delivering.record(email, YES, 1)


def doubted(world: World, email_id: int, gen: int = 0) -> None:
    assert world.delivering.wire(world.claimed(email_id, gen), 60) is None
    world.lapse(email_id)
    assert world.sweeping.settle_the_wire(resend_below=0) == 1


def outcome(world: World, email_id: int) -> tuple[str | None, datetime | None]:
    ((word, at),) = world.execute("SELECT outcome, outcome_at FROM eed_email WHERE email_id = :i", i=email_id)
    return word, datetime.fromisoformat(str(at)).replace(tzinfo=UTC) if at else None


def suppressed(world: World) -> list[tuple[str, str, str]]:
    return list(world.execute("SELECT address, reason, source FROM eed_suppression ORDER BY address"))


# --- storing -----------------------------------------------------------------------------------------------------


def test_an_event_is_stored_whole(world: World, one: int) -> None:
    told = hard(one, sub_type="NoEmail", code=550, enhanced="5.1.1", detail="550 5.1.1 who?", message_id="ses-1")
    assert ledger(world).take([told]).stored == 1
    columns = "event_id, email_id, gen, kind, outcome, sub_type, code, enhanced, detail, message_id, automatic, address"
    (row,) = world.execute(f"SELECT {columns} FROM eed_event")
    expected = (told.event_id, one, 0, "bounce", "hard_bounced", "NoEmail", 550, "5.1.1", "550 5.1.1 who?", "ses-1")
    assert row == (*expected, 0, "a@example.com")


def test_the_same_event_again_changes_nothing(world: World, one: int) -> None:
    tracking = ledger(world)
    assert tracking.take([hard(one), hard(one)]).stored == 1
    world.execute("DELETE FROM eed_suppression")  # an operator has found the address good
    world.execute("UPDATE eed_email SET outcome = NULL")
    again = tracking.take([hard(one)])
    assert (again.stored, again.suppressed, again.unknown) == (0, 0, ())
    assert (suppressed(world), outcome(world, one)[0]) == ([], None)


def test_an_event_that_another_process_takes_at_the_same_time_is_taken_once(database_url: str) -> None:
    """The other one's row is not committed when we look, and is when we insert: the batch is looked at anew."""
    world = World(database_url)
    (one,) = world.add_job()
    world.enlist()
    tracking, pause = ledger(world), threading.Event()
    with world.database.engine.connect() as theirs, ThreadPoolExecutor(1) as pool:
        theirs.execute(
            text(
                "INSERT INTO eed_event (event_id, email_id, gen, kind, automatic, occurred_at, received_at)"
                " VALUES (:e, :i, 0, 'bounce', 0, '2026-01-01', '2026-01-01')"
            ),
            {"e": hard(one).event_id, "i": one},
        )
        ours = pool.submit(tracking.take, [hard(one), delivered(one, 5)])
        waits = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
        while not world.scalar(waits):
            pause.wait(0.1)
        theirs.commit()
        assert ours.result(60).stored == 1
    assert (outcome(world, one)[0], suppressed(world)) == ("delivered", [])  # the other one will say the rest
    world.close()


def test_a_commit_whose_answer_is_lost_is_no_second_event(database_server: DatabaseServer, database_url: str) -> None:
    with MySqlProxy(database_server.port) as proxy:
        world = World(proxy.url(database_url))
        known, other = world.add_job(["a@example.com", "b@example.com"])
        world.enlist()
        doubted(world, other)
        new = replace(delivered(4242), occurred_at=datetime.now(UTC))
        proxy.cut_after_commit(1)
        taken = ledger(world).take([hard(known), event(other, "send"), new])
        assert sum(proxy.cuts.values()) == 1
        assert taken.unknown == (new,)  # what is to come again is told by the second run, too
        assert (outcome(world, known)[0], world.state(other)) == ("hard_bounced", "sent")
        assert [a.worker for a in world.reporting.attempts(other)].count("events") == 1
        world.close()


def test_an_empty_batch_is_no_work(world: World) -> None:
    assert ledger(world).take([]).stored == 0


# --- the outcome -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second", "ends_as"),
    [
        (delivered(1000, 1), soft(1000, 2), "soft_bounced"),
        (delivered(1000, 2), soft(1000, 1), "delivered"),
        (delivered(1000, 1), soft(1000, 1), "soft_bounced"),  # of the same moment
        (hard(1000, 1), soft(1000, 1), "hard_bounced"),
        (complained(1000, 1), delivered(1000, 1), "complained"),
        (delivered(1000, 9), hard(1000, 1), "hard_bounced"),
        (soft(1000, 9), hard(1000, 1), "hard_bounced"),
        (hard(1000, 9), complained(1000, 1), "complained"),
        (delivered(1000, 9), complained(1000, 1), "complained"),
    ],
)
def test_the_weightier_of_two_stands_in_either_order(
    world: World, one: int, first: TrackingEvent, second: TrackingEvent, ends_as: str
) -> None:
    winner = first if first.outcome == ends_as else second
    for order in ([first, second], [second, first]):
        world.execute("DELETE FROM eed_event")
        world.execute("UPDATE eed_email SET outcome = NULL, outcome_at = NULL")
        for each in order:
            ledger(world).take([each])
        assert outcome(world, one) == (ends_as, winner.occurred_at)


def test_of_the_same_class_the_latest_says_when(world: World, one: int) -> None:
    for minutes in (3, 5, 4):
        ledger(world).take([complained(one, minutes)])
    assert outcome(world, one) == ("complained", NOON + timedelta(minutes=5))


@pytest.mark.parametrize(
    "told", [replace(soft(1000, 9), automatic=True), event(1000, "open", None, 9), event(1000, "send", None, 9)]
)
def test_what_is_automatic_or_says_no_outcome_changes_none(world: World, one: int, told: TrackingEvent) -> None:
    ledger(world).take([delivered(one)])
    ledger(world).take([told])
    assert outcome(world, one) == ("delivered", NOON)


def test_the_outcome_of_one_email_is_not_the_others(world: World) -> None:
    first, second = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    ledger(world).take([hard(first)])
    assert (outcome(world, first)[0], outcome(world, second)[0]) == ("hard_bounced", None)


def test_an_old_generations_event_is_kept_and_changes_no_outcome(world: World, one: int) -> None:
    requeued(world, one)
    assert ledger(world).take([hard(one, gen=0)]).stored == 1
    assert outcome(world, one) == (None, None)


def test_a_requeue_since_our_look_keeps_the_new_generation_clean(world: World, one: int) -> None:
    requeued(world, one)
    values = {"id": one, "of_gen": 0, "its_class": 2, "at": NOON.replace(tzinfo=None), "to_outcome": "hard_bounced"}
    assert world.database.run(lambda c: c.execute(OUTCOME, values).rowcount) == 0
    assert outcome(world, one) == (None, None)


def test_a_requeue_forgets_the_outcome(world: World, one: int) -> None:
    ledger(world).take([hard(one)])
    requeued(world, one)
    assert outcome(world, one) == (None, None)


def test_an_email_in_a_workers_hand_gets_its_outcome_and_keeps_its_state(world: World, one: int) -> None:
    email = world.claimed(one)
    world.delivering.wire(email, 60)
    assert ledger(world).take([delivered(one)]).settled == 0
    assert (world.state(one), outcome(world, one)[0]) == ("sending", "delivered")
    assert world.delivering.record(email, YES, 1)
    assert (world.state(one), outcome(world, one)[0]) == ("sent", "delivered")


def test_the_outcome_is_written_back_where_a_column_is_mapped(world: World, one: int) -> None:
    world.execute("ALTER TABLE delivery_email ADD COLUMN became VARCHAR(12)")
    source = Source(SourceSettings(email=EmailSource(outcome="became")))
    tracking = TrackingLedger(world.database, source, TrackingSettings())
    tracking.take([hard(one, 1)])
    tracking.take([delivered(one, 2)])
    assert world.scalar("SELECT became FROM delivery_email") == "hard_bounced"
    world.operating._source = source
    requeued(world, one)
    assert world.scalar("SELECT became FROM delivery_email") == ""


# --- which email -------------------------------------------------------------------------------------------------


def untagged(told: TrackingEvent, message_id: str = "ses-1") -> TrackingEvent:
    return replace(told, email_id=None, gen=None, message_id=message_id)


def test_without_our_tags_the_providers_id_finds_the_email(world: World, one: int) -> None:
    sent(world, one)
    assert ledger(world).take([untagged(delivered(one)), untagged(hard(one), "another")]).unmatched == 1
    assert outcome(world, one)[0] == "delivered"


def test_the_providers_id_finds_the_generation_that_had_it(world: World, one: int) -> None:
    sent(world, one)
    requeued(world, one)  # the email's own row still shows the old id
    assert world.row(one)["message_id"] == "ses-1"
    ledger(world).take([untagged(hard(one))])
    assert outcome(world, one) == (None, None)
    assert world.execute("SELECT email_id, gen FROM eed_event") == [(one, 0)]


def test_an_id_that_a_mail_server_gave_twice_means_the_newer_email(world: World) -> None:
    first, second = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    sent(world, second)
    sent(world, first)
    ledger(world).take([untagged(delivered(1))])
    assert (outcome(world, first)[0], outcome(world, second)[0]) == ("delivered", None)


def test_an_id_in_another_script_finds_nothing(world: World, one: int) -> None:
    sent(world, one)
    assert ledger(world).take([untagged(delivered(one), "ses-①")]).unmatched == 1


def test_a_tag_without_its_generation_names_nothing(world: World, one: int) -> None:
    told = replace(delivered(one), gen=None, occurred_at=datetime.now(UTC))
    assert ledger(world).take([told]).unknown == (told,)


@pytest.mark.parametrize("told", [delivered(4242), delivered(1000, gen=1)])
def test_an_unknown_email_is_told_and_nothing_kept(world: World, one: int, told: TrackingEvent) -> None:
    fresh = replace(told, occurred_at=datetime.now(UTC))
    taken = ledger(world).take([fresh, hard(one)])
    assert (taken.unknown, taken.stored, taken.unmatched) == ((fresh,), 1, 0)
    assert world.scalar("SELECT COUNT(*) FROM eed_event") == 1


def test_an_old_event_about_an_unknown_email_is_kept_without_one(world: World, one: int) -> None:
    taken = ledger(world).take([delivered(4242)])
    assert (taken.unknown, taken.stored, taken.unmatched) == ((), 1, 1)
    assert world.execute("SELECT email_id, gen, kind FROM eed_event") == [(None, None, "delivery")]


# --- doubt -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["send", "delivery", "bounce", "complaint", "delay", "open", "click"])
def test_a_sign_of_life_settles_a_doubt_as_sent(world: World, one: int, kind: str) -> None:
    doubted(world, one)
    taken = ledger(world).take([event(one, kind, message_id="ses-9")])
    assert (taken.settled, world.state(one), world.source_status(one)) == (1, "sent", "sent")
    assert world.row(one)["message_id"] == "ses-9"
    assert world.scalar("SELECT sent_at FROM delivery_email") is not None
    last = world.reporting.attempts(one)[-1]
    assert (last.verdict, last.counted, last.gen) == ("sent", False, 0)


@pytest.mark.parametrize("kinds", [["send", "reject"], ["reject"], ["rendering_failure"]])
def test_a_refusal_settles_a_doubt_as_failed(world: World, one: int, kinds: list[str]) -> None:
    doubted(world, one)
    ledger(world).take([event(one, kind) for kind in kinds])
    assert (world.state(one), world.source_status(one)) == ("failed", "failed")
    assert world.reporting.attempts(one)[-1].verdict == "permanent"


def test_what_a_contact_list_says_settles_nothing(world: World, one: int) -> None:
    doubted(world, one)
    assert ledger(world).take([event(one, "subscription")]).settled == 0
    assert world.state(one) == "in_doubt"


def test_an_old_generations_event_settles_nothing(world: World, one: int) -> None:
    doubted(world, one)
    world.execute("UPDATE eed_email SET gen = 1")
    assert ledger(world).take([event(one, "send")]).settled == 0
    assert ledger(world).settle_late_doubts(None)[0] == 0
    assert world.state(one) == "in_doubt"


def test_an_event_without_an_id_of_its_own_takes_none_away(world: World, one: int) -> None:
    doubted(world, one)
    world.execute("UPDATE eed_email SET message_id = 'early'")
    ledger(world).take([event(one, "send")])
    assert world.row(one)["message_id"] == "early"


@pytest.mark.parametrize(
    ("state", "gen"),
    [(s, 0) for s in ("pending", "queued", "sending", "failed", "cancelled", "suppressed", "sent")] + [("in_doubt", 1)],
)
def test_only_the_doubt_of_that_generation_is_settled(world: World, one: int, state: str, gen: int) -> None:
    world.execute("UPDATE eed_email SET state = :s, gen = :g", s=state, g=gen)
    values = {"id": one, "of_gen": 0, "to_state": "sent", "reason": "", "provider_id": None}
    assert world.database.run(lambda c: c.execute(SETTLE, values).rowcount) == 0
    assert world.state(one) == state


def test_the_worker_whose_answer_was_lost_comes_too_late(world: World, one: int) -> None:
    email = world.claimed(one)
    world.delivering.wire(email, 60)
    world.lapse(one)
    world.sweeping.settle_the_wire(resend_below=0)
    ledger(world).take([event(one, "send")])
    assert not world.delivering.record(email, NO, 1)
    assert world.state(one) == "sent"


def test_a_doubt_that_comes_after_its_event_is_settled_too(world: World, one: int) -> None:
    tracking = ledger(world)
    world.delivering.wire(world.claimed(one), 60)
    tracking.take([event(one, "send", message_id="ses-9")])
    world.lapse(one)
    world.sweeping.settle_the_wire(resend_below=0)
    world.sweeping.finish(1)
    assert tracking.settle_late_doubts(None) == (1, 1)
    assert (world.state(one), world.source_status(one), world.row(one)["message_id"]) == ("sent", "sent", "ses-9")
    assert tracking.settle_late_doubts(None) == (0, 2)


def test_doubts_without_an_event_stay(world: World) -> None:
    first, second = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    doubted(world, first)
    silently_told(world, first, kind="subscription")
    ledger(world).take([event(second, "send")])
    assert ledger(world).settle_late_doubts(None)[0] == 0
    assert world.state(first) == "in_doubt"


def test_attempts_that_were_looked_at_long_ago_are_not_again(world: World, one: int) -> None:
    doubted(world, one)
    silently_told(world, one)
    world.add_job(["b@example.com"], job_id=2)
    world.enlist(2)
    doubted(world, 2000)
    silently_told(world, 2000)
    assert ledger(world).settle_late_doubts(LOOK_BACK + 2) == (0, 2)
    assert ledger(world).settle_late_doubts(LOOK_BACK + 1) == (1, 2)
    assert (world.state(one), world.state(2000)) == ("in_doubt", "sent")
    assert ledger(world).settle_late_doubts(LOOK_BACK)[0] == 1


def test_an_email_that_was_once_in_doubt_and_goes_out_again_is_left_alone(world: World, one: int) -> None:
    assert world.delivering.wire(world.claimed(one), 60) is None
    world.lapse(one)
    world.sweeping.settle_the_wire(resend_below=3)
    silently_told(world, one)
    assert ledger(world).settle_late_doubts(None)[0] == 0
    assert world.state(one) == "pending"


def test_an_event_of_an_earlier_generation_settles_no_later_doubt(world: World, one: int) -> None:
    doubted(world, one)
    assert world.operating.requeue(Selection(EmailState.IN_DOUBT, emails=(one,))) == 1
    silently_told(world, one, gen=0)
    doubted(world, one, gen=1)
    assert ledger(world).settle_late_doubts(None)[0] == 0
    assert world.state(one) == "in_doubt"


def test_what_is_settled_is_not_asked_about_again(world: World, one: int) -> None:
    doubted(world, one)
    silently_told(world, one)
    tracking, changes = ledger(world), []
    listen(world.database.engine, "before_cursor_execute", lambda *told: changes.append(told[2][:6]))
    assert [tracking.settle_late_doubts(None)[0] for _ in range(2)] == [1, 0]
    assert changes.count("UPDATE") == 2  # the ledger's and the source's, the first time


def test_one_late_doubt_that_the_source_refuses_keeps_no_other_unsettled(world: World) -> None:
    first, second = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    for email_id in (first, second):
        doubted(world, email_id)
        silently_told(world, email_id)
    refuse = "SIGNAL SQLSTATE '45000'" if world.database.dialect != "sqlite" else "SELECT RAISE(ABORT, 'no')"
    condition = f"NEW.id = {first}"
    if world.database.dialect == "sqlite":
        world.execute(f"CREATE TRIGGER refuse BEFORE UPDATE ON delivery_email WHEN {condition} BEGIN {refuse}; END")
    else:
        body = f"IF {condition} THEN {refuse}; END IF"
        world.execute(f"CREATE TRIGGER refuse BEFORE UPDATE ON delivery_email FOR EACH ROW BEGIN {body}; END")
    assert ledger(world).settle_late_doubts(None)[0] == 1
    assert (world.state(first), world.state(second)) == ("in_doubt", "sent")


def test_a_job_waits_for_the_events_of_its_doubts_where_they_are_to_reconcile_it(world: World, one: int) -> None:
    patient = SweepLedger(world.database, world.source, reconcile_seconds=600)
    email = world.claimed(one)
    world.delivering.wire(email, 60)
    assert world.delivering.record(email, replace(NO, state=EmailState.IN_DOUBT), 1)
    assert (patient.finishable(), world.sweeping.finishable()) == ([], [1])
    world.lapse(one, 601)  # no event has come
    assert patient.finishable() == [1]


def test_a_settled_doubt_is_waited_for_no_longer(world: World, one: int) -> None:
    patient = SweepLedger(world.database, world.source, reconcile_seconds=600)
    email = world.claimed(one)
    world.delivering.wire(email, 60)
    world.delivering.record(email, replace(NO, state=EmailState.IN_DOUBT), 1)
    world.add_job(["b@example.com"], job_id=2)
    world.enlist(2)
    world.execute("UPDATE eed_email SET state = 'cancelled' WHERE job_id = 2")
    assert patient.finishable() == [2]  # another job's doubt is not its own
    ledger(world).take([event(one, "send")])
    assert patient.finishable() == [1, 2]


# --- suppression -------------------------------------------------------------------------------------------------


def test_a_hard_bounce_and_a_complaint_suppress_the_ledgers_address(world: World) -> None:
    first, second = world.add_job(["A@Example.com", "b@example.com"])
    world.enlist()
    taken = ledger(world).take([hard(first, detail="550 who?", recipient="x@example.net"), complained(second)])
    assert taken.suppressed == 2
    assert suppressed(world) == [
        ("a@example.com", "hard bounce: 550 who?", "bounce"),
        ("b@example.com", "complaint", "complaint"),
    ]
    assert world.claim(first).emails == ()


@pytest.mark.parametrize(
    "told", [soft(1000), delivered(1000), replace(hard(1000), automatic=True), event(1000, "complaint")]
)
def test_nothing_else_does(world: World, one: int, told: TrackingEvent) -> None:
    assert ledger(world).take([told]).suppressed == 0
    assert suppressed(world) == []


def test_an_old_generations_bounce_is_about_the_same_address(world: World, one: int) -> None:
    requeued(world, one)
    assert ledger(world).take([hard(one)]).suppressed == 1


def test_thresholds_of_nought_are_never_reached(world: World, one: int) -> None:
    off = ledger(world, suppress_hard_bounces=0, suppress_complaints=0)
    off.take([hard(one), complained(one)])
    assert suppressed(world) == []


def test_a_threshold_counts_one_address_one_outcome_and_its_days(world: World) -> None:
    ids = world.add_job(["a@example.com", "A@example.com", "a@example.com", "a@example.com", "b@example.com"])
    world.enlist()
    twice = ledger(world, suppress_soft_bounces=2, suppress_within_days=1, suppress_hard_bounces=0)
    twice.take([hard(ids[3])])
    twice.take(
        [soft(ids[0], minutes=-3 * 1440), soft(ids[4]), delivered(ids[2]), replace(soft(ids[3]), automatic=True)]
    )
    assert twice.take([soft(ids[1])]).suppressed == 0
    assert twice.take([soft(ids[2])]).suppressed == 1
    assert suppressed(world) == [("a@example.com", "soft bounce", "bounce")]


def test_a_complaint_marks_an_entry_that_an_operator_has_made_for_ever(world: World, one: int) -> None:
    world.execute(
        "INSERT INTO eed_suppression (address, category, reason, source, created_at)"
        " SELECT address, '', 'x', 'operator', '2001-01-01 00:00:00' FROM eed_email WHERE email_id = :one",
        one=one,
    )
    ledger(world).take([complained(one)])
    assert [source for _, _, source in suppressed(world)] == ["complaint"]


def test_a_complaint_in_the_same_batch_gives_the_reason(world: World, one: int) -> None:
    ledger(world).take([complained(one), hard(one, 5)])
    assert [source for _, _, source in suppressed(world)] == ["complaint"]


@pytest.mark.parametrize(
    ("stands", "days", "ends"),
    [
        (None, 30, None),
        (None, 0, None),
        ("2099-01-01", 30, "2099"),
        ("2026-01-01", 0, None),
        ("2026-01-01", 30, "later"),
    ],
)
def test_a_later_entry_never_shortens_one(
    world: World, one: int, stands: str | None, days: int, ends: str | None
) -> None:
    world.execute(
        "INSERT INTO eed_suppression (address, reason, source, created_at, expires_at)"
        " VALUES ('a@example.com', 'asked', 'operator', '2026-01-01', :e)",
        e=stands and f"{stands} 00:00:00.000000",
    )
    world.execute(
        "INSERT INTO eed_suppression (address, category, reason, source, created_at, expires_at)"
        " VALUES ('z@example.com', '', 'asked', 'x', '2026-01-01', '2026-01-02'),"
        " ('a@example.com', 'news', 'asked', 'x', '2026-01-01', '2026-01-02')"
    )
    changed = ledger(world, suppression_days=days).take([hard(one)]).suppressed
    ((reason, expires),) = world.execute(
        "SELECT reason, expires_at FROM eed_suppression WHERE address = 'a@example.com' AND category = ''"
    )
    until = None if expires is None else datetime.fromisoformat(str(expires)).replace(tzinfo=UTC)
    if ends == "later":
        assert until is not None and abs(until - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=5)
    else:
        assert str(until)[:4] == str(ends)[:4]
    assert (reason, changed) == (("hard bounce", 1) if str(stands)[:4] == "2026" else ("asked", 0))
    neighbours = "SELECT reason FROM eed_suppression WHERE address = 'z@example.com' OR category = 'news'"
    assert world.execute(neighbours) == [("asked",), ("asked",)]


def silently_told(world: World, email_id: int, gen: int = 0, kind: str = "send") -> None:
    """An event in the ledger that has settled nothing when it came."""
    world.execute(
        "INSERT INTO eed_event (event_id, email_id, gen, kind, automatic, occurred_at, received_at)"
        " VALUES (:e, :i, :g, :k, 0, '2026-01-01', '2026-01-01')",
        e=f"silent-{email_id}", i=email_id, g=gen, k=kind,
    )  # fmt: skip


def requeued(world: World, email_id: int) -> None:
    world.execute("UPDATE eed_email SET state = 'failed' WHERE email_id = :i", i=email_id)
    assert world.operating.requeue(Selection(emails=(email_id,))) == 1
