"""What an operator decides, and the watch, take effect at once, in real processes, for queued and claimed emails too.

Nothing here measures time. That nothing leaves after a decision is read from the ledger. The database's clock stamps
every wire, and was asked for the time after the decision was committed.
"""

from datetime import UTC, datetime
from typing import Any

from eed_delivery.config import TrackingSettings
from eed_delivery.events import DeliveryOutcome, EventKind, TrackingEvent
from eed_delivery.ledger.tracking.ledger import TrackingLedger
from tests.integration.conftest import NewStack
from tests.stack import Stack

IN_NO_HURRY: dict[str, Any] = {
    "sweeper.interval_seconds": 600,
    "service.stall_seconds": 1800,
    "transport.rate_per_second": 40,
}
"""The sweeper's first round is over before a job is there, and the next one comes long after the test. A job is under
way for long enough to be stopped in the middle."""


def people(count: int) -> list[str]:
    return [f"customer{n}@example.com" for n in range(1, count + 1)]


def under_way(stack: Stack, emails: int, sent: int, hosts: int = 1) -> None:
    """The service runs, on so many hosts, and the job has sent so many of its emails."""
    stack.mail_up()
    services = [stack.start("run") for _ in range(hosts)]
    stack.wait_until(lambda: all(s.log_events("ready") for s in services), "the service is up")
    stack.add_job(people(emails))
    stack.wait_until(lambda: stack.counts()["sent"] >= sent, "the job is under way")


def now(stack: Stack) -> Any:
    return stack.world.scalar("SELECT UTC_TIMESTAMP(6)")


def left_after(stack: Stack, moment: Any) -> int:
    return int(stack.world.scalar("SELECT COUNT(*) FROM eed_email WHERE wire_at > :at", at=moment))


def state(stack: Stack) -> str:
    return str(stack.world.scalar("SELECT state FROM eed_job"))


def test_nothing_leaves_after_a_pause_and_all_goes_on_after_a_resume(new_stack: NewStack) -> None:
    stack = new_stack({**IN_NO_HURRY, "worker.threads": 8})
    under_way(stack, emails=400, sent=20, hosts=2)
    stack.command("pause", "1", "--reason", "a look")
    paused_at = now(stack)
    stack.wait_until(lambda: set(stack.counts()) == {"sent", "pending"}, "queue and hands are empty")
    assert left_after(stack, paused_at) == 0
    assert len(stack.sink_ledger.read()) == stack.counts()["sent"]
    stack.command("resume", "1")
    stack.wait_until(lambda: stack.counts() == {"sent": 400}, "all are sent")
    assert not stack.books().sent_twice


def test_nothing_leaves_after_a_cancel_and_its_emails_end_without_the_sweepers_round(new_stack: NewStack) -> None:
    stack = new_stack(IN_NO_HURRY)
    under_way(stack, emails=1500, sent=20)
    stack.command("cancel", "1", "--reason", "it's 10 % too much")
    cancelled_at = now(stack)
    stack.wait_finished(1)
    assert left_after(stack, cancelled_at) == 0
    assert stack.balance().counts.keys() == {"sent", "cancelled"}
    details = stack.world.execute("SELECT DISTINCT detail FROM eed_email WHERE state = 'cancelled'")
    assert details == [("it's 10 % too much",)]


def bounce_all(stack: Stack) -> None:
    """All that were sent bounce hard."""
    sent = [i for (i,) in stack.world.execute("SELECT email_id FROM eed_email WHERE state = 'sent' ORDER BY email_id")]
    events = [
        TrackingEvent(str(i), EventKind.BOUNCE, datetime.now(UTC), i, 0, outcome=DeliveryOutcome.HARD_BOUNCED)
        for i in sent
    ]
    TrackingLedger(stack.world.database, stack.world.source, TrackingSettings()).take(events)


def test_a_job_pauses_itself_once_on_two_hosts_and_a_resume_overrides(new_stack: NewStack) -> None:
    watch = {
        "watch.after_sent": 40,
        "watch.interval_seconds": 0.2,
        "watch.bounces_pause_percent": 10,
        "watch.bounces_warn_percent": 0,
    }
    stack = new_stack({**IN_NO_HURRY, **watch, "sweeper.interval_seconds": 1})
    under_way(stack, emails=800, sent=90, hosts=2)
    bounce_all(stack)  # 90 of 800 are more than 10 %, however many have been sent by the next look
    stack.wait_until(lambda: state(stack) == "paused", "the job has paused itself")
    paused_at = now(stack)
    stack.wait_until(lambda: set(stack.counts()) == {"sent", "pending"}, "it has come to rest")
    assert left_after(stack, paused_at) == 0
    assert [e["job"] for e in stack.log_events("job_paused_by_watch")] == ["1"]
    assert "bounced hard" in stack.command("job", "1").output
    before = stack.counts()["sent"]
    stack.command("resume", "1")
    stack.wait_until(lambda: stack.counts()["sent"] >= before + 80, "it goes on, and for long enough to be judged")
    assert state(stack) == "active"
    stack.command("cancel", "1", "--reason", "seen enough")
    stack.wait_finished(1)
    assert len(stack.log_events("job_paused_by_watch")) == 1
    assert stack.balance().counts.keys() == {"sent", "cancelled"}
