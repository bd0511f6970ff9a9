"""The watch on running jobs, over a real ledger: what it counts, when it acts, what an operator's word does to it."""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from sqlalchemy import event, make_url
from structlog.testing import capture_logs

from eed_delivery.config import TrackingSettings, WatchSettings
from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import Database
from eed_delivery.events import DeliveryOutcome, EventKind, TrackingEvent
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.ledger.job_watch import WatchLedger
from eed_delivery.ledger.operating import Selection
from eed_delivery.ledger.tracking.ledger import TrackingLedger
from eed_delivery.ledger.webhooks.outbox import Outbox
from eed_delivery.model import EmailState, Outcome, Verdict
from eed_delivery.notices import NoticeKind
from eed_delivery.sweeper.job_watch import JobWatch
from tests.world import World

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
YES = Decision(EmailState.SENT, Outcome(Verdict.SENT, "250 ok", 250, message_id="m"), counted=True)
NO = Decision(EmailState.FAILED, Outcome(Verdict.PERMANENT, "550 no", 550, "5.1.1"), counted=True)
HARD, SOFT, COMPLAINED = DeliveryOutcome.HARD_BOUNCED, DeliveryOutcome.SOFT_BOUNCED, DeliveryOutcome.COMPLAINED
RULES = WatchSettings(
    after_sent=10,
    bounces_warn_percent=20,
    bounces_pause_percent=40,
    complaints_warn_percent=10,
    complaints_pause_percent=20,
)


@pytest.fixture
def ids(world: World) -> list[int]:
    """The emails of job 1, enlisted."""
    found = world.add_job([f"c{n}@example.com" for n in range(40)])
    world.enlist()
    return found


def watch(world: World, rules: WatchSettings = RULES) -> JobWatch:
    return JobWatch(WatchLedger(world.database), rules)


def send(world: World, email_ids: Sequence[int], gen: int = 0, how: Decision = YES) -> None:
    for email_id in email_ids:
        email = world.claimed(email_id, gen)
        assert world.delivering.wire(email, 60) is None
        assert world.delivering.record(email, how, 12)


def tell(world: World, email_ids: Sequence[int], outcome: DeliveryOutcome, gen: int = 0) -> None:
    kind = EventKind.COMPLAINT if outcome is COMPLAINED else EventKind.BOUNCE
    events = [
        TrackingEvent(f"{i}/{gen}/{outcome}", kind, NOON, email_id=i, gen=gen, outcome=outcome) for i in email_ids
    ]
    forgiving = TrackingSettings(suppress_hard_bounces=0, suppress_complaints=0)
    assert TrackingLedger(world.database, world.source, forgiving).take(events).stored == len(events)


def said(*watches: JobWatch) -> list[str]:
    """What a look of each says in the log."""
    with capture_logs() as lines:
        for one in watches:
            one.step()
    return [line["event"] for line in lines]


def state(world: World, job_id: int = 1) -> tuple[str, str | None]:
    report = world.reporting.job(job_id)
    assert report is not None
    return report.state, report.reason


def test_a_job_warns_once_and_pauses_itself_with_a_reason(world: World, ids: list[int]) -> None:
    one = watch(world)
    send(world, ids[:10])
    tell(world, ids[:1], HARD)
    assert said(one) == []
    tell(world, ids[1:2], HARD)
    assert said(one, watch(world)) == ["job_watch_warning"]
    assert (said(one), state(world)) == ([], ("active", None))
    assert len(statements(world, one.step)) == 2, "what was said is not counted again"
    tell(world, ids[2:4], HARD)
    assert said(one, watch(world)) == ["job_paused_by_watch"]
    reason = "4 of 10 emails sent bounced hard: 40 %, and the job watch pauses a job at 40 %"
    assert state(world) == ("paused", reason)
    assert said(one, watch(world)) == []


def test_the_log_names_the_job_and_its_counts(world: World, ids: list[int]) -> None:
    send(world, ids[:10])
    tell(world, ids[:3], HARD)
    tell(world, ids[3:4], COMPLAINED)
    with capture_logs() as lines:
        watch(world).step()
    facts = {"job_id": 1, "job": "1", "sent": 10, "hard_bounced": 3, "complained": 1}
    assert [line.items() >= facts.items() for line in lines] == [True, True]
    assert [(line["log_level"], line["reason"]) for line in lines] == [
        ("warning", "3 of 10 emails sent bounced hard: 30 %"),
        ("warning", "1 of 10 emails sent were complained about: 10 %"),
    ]


def test_its_pause_is_told_to_the_tenants_own_system(world: World, ids: list[int]) -> None:
    send(world, ids[:10])
    tell(world, ids[:2], HARD)
    telling = JobWatch(WatchLedger(world.database, Outbox(NoticeKind)), RULES)
    telling.step()
    assert world.execute("SELECT kind FROM eed_webhook") == [], "a warning is for the log"
    tell(world, ids[2:4], HARD)
    telling.step()
    ((kind, job_id, facts),) = world.execute("SELECT kind, job_id, facts FROM eed_webhook")
    assert (kind, job_id) == ("job.paused", 1)
    assert json.loads(facts) == {"reason": state(world)[1]}


def test_complaints_pause_a_job_too(world: World, ids: list[int]) -> None:
    send(world, ids[:10])
    tell(world, ids[:2], COMPLAINED)
    assert said(watch(world)) == ["job_paused_by_watch"]
    assert "2 of 10 emails sent were complained about: 20 %" in str(state(world)[1])


def test_soft_bounces_do_not_count(world: World, ids: list[int]) -> None:
    send(world, ids[:10])
    tell(world, ids[:10], SOFT)
    assert said(watch(world)) == []


def test_what_was_not_sent_counts_neither_way(world: World, ids: list[int]) -> None:
    """A bounce of an email that ended as failed says nothing of those that were sent, nor does a late word of one."""
    send(world, ids[:10])
    send(world, ids[10:20], how=NO)
    tell(world, [*ids[:3], *ids[10:20]], HARD)
    assert said(watch(world)) == ["job_watch_warning"]


def test_nothing_is_said_before_enough_was_sent(world: World, ids: list[int]) -> None:
    send(world, ids[:9])
    tell(world, ids[:9], HARD)
    one = watch(world)
    assert said(one) == []
    send(world, ids[9:10])
    assert said(one) == ["job_paused_by_watch"]


def test_a_rate_that_falls_while_more_is_sent_is_counted_again(world: World, ids: list[int]) -> None:
    """What was known of a job at the last look must not be held against it later."""
    one = watch(world)
    send(world, ids[:10])
    tell(world, ids[:3], HARD)
    assert said(one) == ["job_watch_warning"]
    send(world, ids[10:20])
    tell(world, ids[3:7], HARD)
    assert (said(one), state(world)[0]) == ([], "active")
    tell(world, ids[7:8], HARD)
    assert said(one) == ["job_paused_by_watch"]


def test_resume_overrides_and_counts_only_what_leaves_after_it(world: World, ids: list[int]) -> None:
    one = watch(world)
    send(world, ids[:10])
    tell(world, ids[:5], HARD)
    assert said(one) == ["job_paused_by_watch"]
    assert world.operating.resume(1)
    send(world, ids[10:19])
    tell(world, ids[5:10], HARD)  # late bounces of what had left before
    tell(world, ids[10:13], HARD)
    assert said(one, watch(world)) == []
    send(world, ids[19:20])
    assert said(one, watch(world)) == ["job_watch_warning"], "it warns anew"
    tell(world, ids[13:14], HARD)
    assert said(one, watch(world)) == ["job_paused_by_watch"]
    assert "4 of 10 emails sent since it was resumed bounced hard: 40 %" in str(state(world)[1])


def test_what_was_warned_of_before_a_resume_is_warned_of_again(world: World, ids: list[int]) -> None:
    one = watch(world)
    for start in (0, 10):
        send(world, ids[start : start + 10])
        tell(world, ids[start : start + 2], HARD)
        tell(world, ids[start + 2 : start + 3], COMPLAINED)
        assert said(one) == ["job_watch_warning", "job_watch_warning"]
        resumed(world)


def test_what_was_known_before_a_resume_is_not_taken_for_what_left_after_it(world: World, ids: list[int]) -> None:
    one = watch(world)
    send(world, ids[:30])
    tell(world, ids[:1], COMPLAINED)
    assert said(one) == [], "it has counted the 30"
    resumed(world)
    send(world, ids[30:])
    tell(world, ids[30:34], HARD)
    assert said(one) == ["job_paused_by_watch"]


def test_a_job_that_is_resumed_unwatched_goes_on(world: World, ids: list[int]) -> None:
    one = watch(world)
    send(world, ids[:10])
    tell(world, ids[:5], HARD)
    said(one)
    assert world.operating.resume(1, watched=False)
    send(world, ids[10:30])
    tell(world, ids[10:30], HARD)
    assert said(one) == []
    world.operating.pause(1, "a look")
    world.operating.resume(1)
    send(world, ids[30:])
    tell(world, ids[30:], HARD)
    assert said(one) == ["job_paused_by_watch"]


def test_a_job_that_a_requeue_opens_again_is_watched_anew(world: World) -> None:
    """Its bounces came when it had finished; the operator who sends the failed ones again has seen them."""
    ids = world.add_job([f"c{n}@example.com" for n in range(25)])
    world.enlist()
    send(world, ids[:15])
    send(world, ids[15:], how=NO)
    assert world.sweeping.finish(1)
    tell(world, ids[:10], HARD)
    one = watch(world)
    assert said(one) == []
    assert world.operating.requeue(Selection(jobs=(1,))) == 10
    assert said(one) == []
    send(world, ids[15:], gen=1)
    tell(world, ids[15:18], HARD, gen=1)
    assert said(one) == ["job_watch_warning"]


def test_a_bounce_of_an_earlier_generation_is_not_counted(world: World, ids: list[int]) -> None:
    send(world, ids[:10], how=NO)
    tell(world, ids[:10], HARD)
    assert world.operating.requeue(Selection(jobs=(1,))) == 10
    send(world, ids[:10], gen=1)
    one = watch(world)
    assert said(one) == []
    tell(world, ids[:2], HARD, gen=1)
    assert said(one) == ["job_watch_warning"]


@pytest.mark.parametrize("rate", ["warn", "pause"])
def test_0_percent_is_never(world: World, ids: list[int], rate: str) -> None:
    send(world, ids[:10])
    tell(world, ids[:10], HARD)
    off = {f"bounces_{rate}_percent": 0, f"complaints_{rate}_percent": 0}
    assert said(watch(world, RULES.model_copy(update=off))) == [
        "job_paused_by_watch" if rate == "warn" else "job_watch_warning"
    ]


@pytest.mark.parametrize("word", ["pause", "cancel"])
def test_a_job_that_does_not_run_is_left_alone(world: World, ids: list[int], word: str) -> None:
    send(world, ids[:10])
    tell(world, ids[:10], HARD)
    {"pause": world.operating.pause, "cancel": world.operating.cancel}[word](1, "his reason")
    assert said(watch(world)) == []
    assert state(world)[1] == "his reason"
    assert len(statements(world, watch(world).step)) == 1, "it is not even counted"


# --- races: the operator's word comes between the watch's counting and its pause ------------------------------------


def meanwhile(world: World, act: Callable[[], object]) -> JobWatch:
    """A watch on another host, in which something happens right before it writes."""
    engine = make_engine(make_url(world.url), connections=2)

    def before(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.startswith("UPDATE eed_job"):
            act()

    event.listen(engine, "before_cursor_execute", before)
    return JobWatch(WatchLedger(Database(engine)), RULES)


def resumed(world: World) -> None:
    assert world.operating.pause(1, "a look") and world.operating.resume(1)


def test_a_resume_that_comes_between_counting_and_pausing_stands(database_url: str) -> None:
    world = World(database_url)
    ids = world.add_job([f"c{n}@example.com" for n in range(40)])
    world.enlist()
    send(world, ids[:10])
    tell(world, ids[:5], HARD)
    assert said(meanwhile(world, lambda: resumed(world))) == []
    assert state(world) == ("active", None)
    assert said(watch(world)) == [], "and is not undone by the next look"
    world.close()


def test_a_cancel_that_comes_between_counting_and_pausing_stands(database_url: str) -> None:
    world = World(database_url)
    ids = world.add_job([f"c{n}@example.com" for n in range(40)])
    world.enlist()
    send(world, ids[:10])
    tell(world, ids[:5], HARD)
    assert said(meanwhile(world, lambda: world.operating.cancel(1, "enough"))) == []
    assert state(world) == ("cancelled", "enough")
    world.close()


# --- what a look costs ----------------------------------------------------------------------------------------------


def statements(world: World, look: Callable[[], object]) -> list[str]:
    seen: list[str] = []

    def before(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(world.database.engine, "before_cursor_execute", before)
    try:
        look()
    finally:
        event.remove(world.database.engine, "before_cursor_execute", before)
    return [statement for statement in seen if "eed_" in statement]


def test_what_was_sent_is_counted_only_where_it_may_matter(world: World, ids: list[int]) -> None:
    one = watch(world)
    send(world, ids[:30])
    assert len(statements(world, one.step)) == 2, "the jobs, and their bounces"
    tell(world, ids[:2], HARD)
    assert len(statements(world, one.step)) == 4, "2 of 10 would be enough for a warning"
    assert len(statements(world, one.step)) == 2, "now it is known that there are 30"


def test_a_job_that_is_too_small_costs_nothing(world: World) -> None:
    world.add_job([f"c{n}@example.com" for n in range(9)])
    world.enlist()
    assert len(statements(world, watch(world).step)) == 1
