"""What happens to jobs and emails is in the outbox when it is in the ledger, and not otherwise; and nothing is without
`[webhooks]`."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from eed_delivery.config import TrackingSettings, WebhooksSettings
from eed_delivery.errors import RenderError
from eed_delivery.events import DeliveryOutcome, EventKind, TrackingEvent
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.delivering.ledger import DeliveryLedger
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.ledger.job_watch import WatchLedger
from eed_delivery.ledger.operating import OperatingLedger, Selection
from eed_delivery.ledger.publishing.ledger import EXPIRED_BEFORE, PublishingLedger
from eed_delivery.ledger.suppression.unsubscribing import UnsubscribeLedger
from eed_delivery.ledger.sweeping import SweepLedger
from eed_delivery.ledger.tracking.ledger import TrackingLedger
from eed_delivery.ledger.webhooks.outbox import SILENT, Outbox
from eed_delivery.model import EmailState, Outcome, Ticket, Verdict
from eed_delivery.notices import NoticeKind
from tests.world import World

NOON = datetime.now(UTC).replace(microsecond=123000) - timedelta(hours=2)
YES = Decision(EmailState.SENT, Outcome(Verdict.SENT, "250 ok", 250, message_id="ses-1"), counted=True)
NO = Decision(
    EmailState.FAILED, Outcome(Verdict.PERMANENT, "550 anna@example.com is unknown", 550, "5.1.1"), counted=True
)
LATER = Decision(EmailState.QUEUED, Outcome(Verdict.TEMPORARY, "450 later", 450), counted=True)
DOUBT = Decision(EmailState.IN_DOUBT, Outcome(Verdict.IN_DOUBT, "no answer"), counted=True)
ALL = Outbox(tuple(NoticeKind))


def waiting(world: World) -> list[tuple[str, int | None, int | None, int | None, dict[str, Any]]]:
    """What waits to be told: kind, job, email, generation, facts."""
    rows = world.execute("SELECT kind, job_id, email_id, gen, facts FROM eed_webhook ORDER BY webhook_id")
    assert set(world.execute("SELECT state, tries, token FROM eed_webhook")) <= {("waiting", 0, None)}
    return [(kind, job_id, email_id, gen, json.loads(facts)) for kind, job_id, email_id, gen, facts in rows]


def event(email_id: int, kind: str, outcome: str | None = None, **facts: Any) -> TrackingEvent:
    return TrackingEvent(
        event_id=facts.pop("event_id", f"{email_id}/{kind}/{outcome}"),
        kind=EventKind(kind),
        occurred_at=NOON,
        email_id=email_id,
        gen=0,
        outcome=DeliveryOutcome(outcome) if outcome else None,
        **facts,
    )


def tracking(world: World, outbox: Outbox = ALL) -> TrackingLedger:
    return TrackingLedger(world.database, world.source, TrackingSettings(), outbox)


@pytest.mark.parametrize(
    ("kind", "outcome", "facts", "told"),
    [
        ("delivery", "delivered", {}, ("email.delivered", {"outcome": "delivered"})),
        (
            "bounce",
            "hard_bounced",
            {"sub_type": "NoEmail", "code": 550, "enhanced": "5.1.1", "detail": "550 who?"},
            ("email.bounced", {"outcome": "hard_bounced", "sub_type": "NoEmail", "code": 550, "enhanced": "5.1.1"}),
        ),
        ("bounce", "soft_bounced", {}, ("email.bounced", {"outcome": "soft_bounced"})),
        ("complaint", "complained", {}, ("email.complained", {"outcome": "complained"})),
        ("open", None, {}, ("email.opened", {"automatic": False})),
        ("click", None, {"automatic": True}, ("email.clicked", {"automatic": True})),
    ],
)
def test_an_event_is_told_once(
    world: World, one: int, kind: str, outcome: str | None, facts: dict[str, Any], told: tuple[str, dict[str, Any]]
) -> None:
    ledger = tracking(world)
    for _ in range(2):
        ledger.take([event(one, kind, outcome, **facts)])
    name, said = told
    assert waiting(world) == [(name, None, one, 0, said)]
    ((event_id, occurred_at),) = world.execute("SELECT event_id, occurred_at FROM eed_webhook")
    assert event_id == f"{one}/{kind}/{outcome}"
    assert datetime.fromisoformat(str(occurred_at)) == NOON.replace(tzinfo=None)


def test_what_says_nothing_to_the_tenant_is_not_told(world: World, one: int) -> None:
    quiet = [event(one, kind) for kind in ("send", "delay", "subscription")]
    out_of_office = event(one, "bounce", "soft_bounced", automatic=True)
    taken_back = event(one, "complaint", None, event_id="not-spam")
    stranger = event(4242, "delivery", "delivered", event_id="x")
    tracking(world).take([*quiet, out_of_office, taken_back, stranger])
    assert waiting(world) == []


def test_an_event_that_cannot_be_stored_is_not_told(world: World, one: int) -> None:
    if world.database.dialect != "sqlite":
        pytest.skip("SQLite's way of a trigger that refuses")
    world.execute("CREATE TRIGGER refuse BEFORE UPDATE ON eed_email BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(DBAPIError):
        tracking(world).take([event(one, "delivery", "delivered")])
    assert waiting(world) == []


def test_a_doubt_that_a_refusal_settles_is_a_failure(world: World, one: int) -> None:
    assert world.delivering.wire(world.claimed(one), 60) is None
    world.lapse(one)
    world.sweeping.settle_the_wire(resend_below=0)
    tracking(world).take([event(one, "reject")])
    assert (world.state(one), waiting(world)) == ("failed", [("email.failed", 1, one, 0, {})])


# --- jobs ----------------------------------------------------------------------------------------------------------


def test_an_operators_words_are_told_where_they_change_something(world: World, one: int) -> None:
    operating = OperatingLedger(world.database, world.source, outbox=ALL)
    for _ in range(2):
        operating.pause(1, "wrong rate")
    for _ in range(2):
        operating.resume(1)
    for _ in range(2):
        operating.cancel(1, "the fund was closed")
    assert waiting(world) == [
        ("job.paused", 1, None, None, {"reason": "wrong rate"}),
        ("job.resumed", 1, None, None, {}),
        ("job.cancelled", 1, None, None, {"reason": "the fund was closed"}),
    ]


def test_a_registered_job_is_told_once_by_the_publisher_that_was_first(world: World) -> None:
    """Two publishers see the same jobs, and the commit of one is answered by nobody."""
    for job_id in (1, 2, 3):
        world.add_job(job_id=job_id)
    world.execute("UPDATE delivery_job SET expires_at = '2020-01-01' WHERE id = 3")
    first, second = (PublishingLedger(world.database, world.source, ALL) for _ in range(2))
    seen = first.new_jobs(10)
    second.register(seen[:1])
    first.register(seen)
    first.register(seen)
    assert sorted(waiting(world)) == [
        ("job.registered", 1, None, None, {"state": "active"}),
        ("job.registered", 2, None, None, {"state": "active"}),
        ("job.registered", 3, None, None, {"state": "cancelled", "reason": EXPIRED_BEFORE}),
    ]


def test_a_job_that_a_requeue_opens_again_is_told_once(world: World) -> None:
    ids = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    for email_id in ids:
        email = world.claimed(email_id)
        world.delivering.wire(email, 60)
        world.delivering.record(email, NO, 1)
    assert world.sweeping.finish(1)
    operating = OperatingLedger(world.database, world.source, chunk=1, outbox=ALL)
    assert operating.requeue(Selection(jobs=(1,))) == 2
    assert waiting(world) == [("job.reopened", 1, None, None, {})]


def test_a_job_that_is_ready_again_is_told_once(world: World, one: int) -> None:
    email = world.claimed(one)
    world.delivering.wire(email, 60)
    world.delivering.record(email, YES, 1)
    assert world.sweeping.finish(1)
    world.execute("UPDATE delivery_job SET status = 'processing'")
    registry = PublishingLedger(world.database, world.source, ALL)
    again = registry.new_jobs(10)
    for _ in range(2):
        registry.register(again)
    assert waiting(world) == [("job.reopened", 1, None, None, {})]


def test_a_job_that_cannot_start_is_told(world: World) -> None:
    world.add_job()
    registry = PublishingLedger(world.database, world.source, ALL)
    registry.register(registry.new_jobs(10))
    world.execute("DELETE FROM eed_webhook")
    (job,) = registry.lease(new_token(), 60, 10, 0)
    for _ in range(2):
        registry.fail(job, RenderError("the template does not compile"))
    assert waiting(world) == [("job.failed", 1, None, None, {"reason": "the template does not compile"})]


def test_a_job_whose_time_has_passed_is_told(world: World, one: int) -> None:
    world.add_job(job_id=2)
    world.enlist(2)
    world.execute("UPDATE eed_job SET expires_at = '2020-01-01' WHERE job_id = 1")
    sweeping = SweepLedger(world.database, world.source, outbox=ALL)
    assert (sweeping.expire_jobs(), sweeping.expire_jobs()) == (1, 0)
    assert [(kind, job_id) for kind, job_id, *_ in waiting(world)] == [("job.cancelled", 1)]
    assert world.scalar("SELECT state FROM eed_job WHERE job_id = 2") == "active"


def test_a_job_that_is_finished_is_told_with_its_counts(world: World) -> None:
    first, second, third = world.add_job(["a@example.com", "b@example.com", "c@example.com"])
    world.enlist()
    for email_id, decision in ((first, YES), (second, NO), (third, DOUBT)):
        email = world.claimed(email_id)
        world.delivering.wire(email, 60)
        world.delivering.record(email, decision, 1)
    sweeping = SweepLedger(world.database, world.source, outbox=ALL)
    assert (sweeping.finish(1), sweeping.finish(1)) == (True, None)
    counts = {"sent": 1, "failed": 1, "in_doubt": 1}
    facts = {"state": "finished", "total": 3, "emails": counts, "refused": 0}
    assert waiting(world) == [("job.finished", 1, None, None, facts)]


def test_a_cancelled_job_is_finished_as_such_with_its_reason(world: World, one: int) -> None:
    world.operating.cancel(1, "closed")
    sweeping = SweepLedger(world.database, world.source, outbox=ALL)
    sweeping.end_leftovers()
    sweeping.finish(1)
    said = {"state": "cancelled", "total": 1, "emails": {"cancelled": 1}, "refused": 0, "reason": "closed"}
    assert waiting(world) == [("job.finished", 1, None, None, said)]


def test_a_job_that_pauses_itself_is_told(world: World, one: int) -> None:
    watch = WatchLedger(world.database, ALL)
    (job,) = watch.jobs(after_sent=0)
    assert watch.pause(job, "11 % bounced")
    assert not watch.pause(job, "11 % bounced")
    assert waiting(world) == [("job.paused", 1, None, None, {"reason": "11 % bounced"})]


# --- single emails -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("decision", "told"),
    [
        (YES, []),
        (LATER, []),
        (NO, [("email.failed", {"code": 550, "enhanced": "5.1.1"})]),
        (DOUBT, [("email.in_doubt", {})]),
    ],
)
@pytest.mark.parametrize("how", ["with the next wire", "alone", "without the source"])
def test_an_email_that_failed_or_is_in_doubt_is_told_by_its_worker(
    world: World, decision: Decision, told: list[tuple[str, dict[str, Any]]], how: str
) -> None:
    """Recorded alone, and in one request with the next email's wire; no reply is told, it may hold an address."""
    first, second = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    ledger = DeliveryLedger(world.database, world.source, "test", ALL)
    email, other = (ledger.claim([Ticket(i, 0, 0)], new_token(), 60).emails[0] for i in (first, second))
    assert ledger.wire(email, 60) is None
    if how == "with the next wire":
        assert ledger.record_and_wire([(email, decision, 1)], other, 60) is None
    else:
        assert ledger.record(email, decision, 1, with_source=how == "alone")
    assert ledger.record(email, decision, 1)  # again, as when the first answer was lost
    assert waiting(world) == [(kind, 1, first, 0, facts) for kind, facts in told]


def test_an_email_whose_row_has_gone_is_told(world: World, one: int) -> None:
    world.execute("DELETE FROM delivery_email")
    ledger = DeliveryLedger(world.database, world.source, "test", ALL)
    ledger.claim([Ticket(one, 0, 0)], new_token(), 60)
    assert (world.state(one), waiting(world)) == ("failed", [("email.failed", 1, one, 0, {})])


def test_what_the_sweeper_finds_is_told(world: World) -> None:
    first, second = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    sweeping = SweepLedger(world.database, world.source, outbox=ALL)
    assert world.delivering.wire(world.claimed(first), 60) is None
    world.claimed(second)
    for email_id in (first, second):
        world.lapse(email_id)
    sweeping.settle_the_wire(resend_below=0)
    assert sweeping.bury(Ticket(second, 0, 0))
    assert waiting(world) == [("email.in_doubt", None, first, 0, {}), ("email.failed", None, second, 0, {})]


def test_an_operators_word_that_an_email_has_failed_is_told(world: World) -> None:
    ids = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    for email_id in ids:
        email = world.claimed(email_id)
        world.delivering.wire(email, 60)
        world.delivering.record(email, DOUBT, 1)
    operating = OperatingLedger(world.database, world.source, outbox=ALL)
    operating.settle(ids[:1], EmailState.SENT, "seen")
    operating.settle(ids[1:], EmailState.FAILED, "not seen")
    assert waiting(world) == [("email.failed", 1, ids[1], 0, {})]


def test_a_wish_to_unsubscribe_is_told_once(world: World, one: int) -> None:
    ledger = UnsubscribeLedger(world.database, ALL)
    for _ in range(2):
        assert ledger.store(one, 0, "offers", "one_click", NOON)
    assert ledger.store(one, 0, "", "form", NOON)
    assert waiting(world) == [
        ("email.unsubscribed", None, one, 0, {"category": "offers"}),
        ("email.unsubscribed", None, one, 0, {}),
    ]


# --- nothing without [webhooks] ------------------------------------------------------------------------------------


def test_without_a_url_nothing_is_wanted() -> None:
    assert Outbox.of(WebhooksSettings(events=("job.finished",))) is SILENT
    assert not any(SILENT.wants(kind) for kind in NoticeKind)
    every = Outbox.of(WebhooksSettings(url="https://hooks.example.com/"))
    assert all(every.wants(kind) for kind in NoticeKind)
    some = Outbox.of(WebhooksSettings(url="https://hooks.example.com/", events=("job.finished",)))
    assert [kind for kind in NoticeKind if some.wants(kind)] == ["job.finished"]


def test_what_nobody_wants_is_not_even_looked_at(world: World) -> None:
    def never() -> Any:
        raise AssertionError("it was looked at")
        yield

    world.database.run(lambda c: SILENT.put(c, never()))


def test_a_sent_email_costs_its_worker_nothing_more_and_a_failed_one_one_statement(database_url: str) -> None:
    """As MariaDB counts them; the statement goes in the request that the worker makes anyway."""
    world = World(database_url)
    cost = {}
    for job_id, (name, outbox) in enumerate((("without", SILENT), ("with", ALL)), start=1):
        ids = world.add_job([f"{n}@example.com" for n in range(6)], job_id=job_id)
        world.enlist(job_id)
        ledger = DeliveryLedger(world.database, world.source, "test", outbox)
        emails = ledger.claim([Ticket(i, 0, 0) for i in ids], new_token(), 60).emails
        ledger.wire(emails[0], 60)
        for decision, first in ((YES, 0), (NO, 2)):
            before = counted(world)
            for one, other in zip(emails[first : first + 2], emails[first + 1 : first + 3], strict=True):
                assert ledger.record_and_wire([(one, decision, 1)], other, 60) is None
            after = counted(world)
            cost[name, decision.state] = {key: after[key] - before[key] for key in after}
    assert cost["with", EmailState.SENT] == cost["without", EmailState.SENT]
    without = cost["without", EmailState.FAILED]
    more = {key: value - without[key] for key, value in cost["with", EmailState.FAILED].items()}
    assert {key: value for key, value in more.items() if value} == {"Com_insert": 2, "Questions": 2}
    world.close()


def counted(world: World) -> dict[str, int]:
    names = ("Com_insert", "Com_update", "Com_select", "Com_commit", "Com_rollback", "Questions")
    found = dict(world.execute("SHOW GLOBAL STATUS"))
    return {name: int(found[name]) for name in names}
