"""Send windows: outside of them nothing is published, claimed or let go, by the database's clock. Nothing is lost."""

import threading
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
import structlog

from eed_delivery.config import SourceSettings
from eed_delivery.ledger.alerts.facts import AlertFacts
from eed_delivery.ledger.delivering.claims import Standing, new_token
from eed_delivery.ledger.job_lists import JobFilter, JobListLedger
from eed_delivery.ledger.operating import Selection
from eed_delivery.ledger.publishing.ledger import PublishingLedger
from eed_delivery.ledger.windows.marking import WindowMarking
from eed_delivery.ledger.windows.reading import JobWindow
from eed_delivery.model import Email
from eed_delivery.send_windows.plan import WindowPlan
from eed_delivery.send_windows.rules import SendWindows, WindowRule
from eed_delivery.source import Source
from tests.waiting import until
from tests.world import World

pytestmark = pytest.mark.both_databases

UTC = ZoneInfo("UTC")
HOUR = timedelta(hours=1)
EVERY_DAY = frozenset(range(7))
SPANS = "window_from, window_until, next_window_from, next_window_until"


def now(world: World) -> datetime:
    return world.reporting.now()


def between(begin: datetime, end: datetime) -> SendWindows:
    """Open each day from one time of day to another."""
    begin, end = (moment.replace(second=0, microsecond=0) for moment in (begin, end))
    return SendWindows((WindowRule(EVERY_DAY, begin.time(), end.time(), UTC),))


def opened(world: World) -> SendWindows:
    return between(now(world) - 2 * HOUR, now(world) + 2 * HOUR)


def shut(world: World) -> SendWindows:
    return between(now(world) + 2 * HOUR, now(world) + 3 * HOUR)


class Installation:
    """A publisher and a sweeper of an installation with send windows."""

    def __init__(self, world: World, plan: WindowPlan, settings: SourceSettings | None = None) -> None:
        self.world = world
        self.plan = plan
        self.marking = WindowMarking(world.database, lambda: self.plan, is_configured=True)
        source = Source(settings or SourceSettings())
        self.publisher = PublishingLedger(world.database, source, windows=self.marking)

    def register(self) -> None:
        self.publisher.register(self.publisher.new_jobs(100))

    def enlist(self) -> None:
        """Register and enlist what is ready, but without a message for it."""
        self.register()
        jobs = self.publisher.lease(new_token(), 60, 50, 0)
        for job in jobs:
            while self.publisher.enlist(job, 100, 60):
                pass
        self.publisher.let_go(jobs)

    def published(self) -> list[int]:
        """The emails that a publisher would publish now."""
        jobs = self.publisher.lease(new_token(), 60, 50, 0)
        found = sorted(ticket.email_id for ticket in self.publisher.pending(jobs, 10))
        self.publisher.let_go(jobs)
        return found


def plan(installation: SendWindows | None = None, **channels: SendWindows) -> WindowPlan:
    return WindowPlan(installation or SendWindows(), {"default": SendWindows(), **channels})


def spans(world: World, job_id: int = 1) -> tuple[str | None, ...]:
    (found,) = world.execute(f"SELECT {SPANS} FROM eed_job WHERE job_id = :id", id=job_id)
    return tuple(found)


def close(world: World) -> None:
    """Let the window's end come, and the next opening be an hour away."""
    over, later = world.earlier(world.now, 1), world.earlier(world.now, -3600)
    begin = world.earlier(world.now, 3600)
    world.execute(
        f"UPDATE eed_job SET window_from = {begin}, window_until = {over}, next_window_from = {later},"
        f" next_window_until = {world.earlier(world.now, -7200)}"
    )


@pytest.mark.parametrize("of_channel", [False, True])
def test_nothing_leaves_outside_of_a_window_and_nothing_is_harmed(world: World, of_channel: bool) -> None:
    windows = shut(world)
    house = Installation(world, plan(default=windows) if of_channel else plan(windows))
    first, second = world.add_job(["a@example.com", "b@example.com"])
    house.enlist()
    assert house.published() == []
    claim = world.claim(first, second)
    assert claim.emails == () and {one.standing for one in claim.refusals} == {Standing.OVER}
    assert [world.row(one)["attempts"] for one in (first, second)] == [0, 0]
    assert [world.state(one) for one in (first, second)] == ["pending", "pending"]
    house.plan = plan(opened(world))
    house.marking.mark_changed()
    assert house.published() == [first, second]
    assert world.delivering.wire(world.claimed(first), 60) is None


def test_a_window_closes_to_the_email(world: World) -> None:
    house = Installation(world, plan(opened(world)))
    first, second = world.add_job(["a@example.com", "b@example.com"])
    house.enlist()
    assert house.published() == [first, second]
    emails = [world.claimed(first), world.claimed(second)]
    assert world.delivering.wire(emails[0], 60) is None
    close(world)
    assert world.delivering.wire(emails[1], 60) is Standing.OVER
    assert world.row(second)["state"] == "pending" and world.row(second)["attempts"] == 0
    assert house.published() == []


def test_a_shut_job_is_not_leased_and_one_that_closes_while_it_is_leased_is_not_published(world: World) -> None:
    house = Installation(world, plan(opened(world)))
    world.add_job()
    house.enlist()
    jobs = house.publisher.lease(new_token(), 60, 50, 0)
    assert len(house.publisher.pending(jobs, 10)) == 1
    close(world)
    assert house.publisher.pending(jobs, 10) == []
    house.publisher.let_go(jobs)
    assert house.publisher.lease(new_token(), 60, 50, 0) == []


@pytest.mark.parametrize(
    ("columns", "is_open"),
    [
        ({}, True),  # no windows are configured
        ({"window_from": -60, "window_until": 60}, True),
        ({"window_from": -60, "window_until": 0}, False),
        ({"window_from": 60, "window_until": 120}, False),
        # No sweeper was there when the first was over: the second one counts, and then nothing opens.
        ({"window_from": -120, "window_until": -60, "next_window_from": -30, "next_window_until": 60}, True),
        ({"window_from": -120, "window_until": -60, "next_window_from": 30, "next_window_until": 60}, False),
        ({"window_from": -120, "window_until": -60, "next_window_from": -30, "next_window_until": -1}, False),
        ({"window_from": -120, "window_until": -60}, False),
    ],
)
def test_the_spans_in_a_job_say_alone_whether_it_is_open(
    world: World, columns: dict[str, float], is_open: bool
) -> None:
    (only,) = world.add_job()
    world.enlist()
    email = world.claimed(only)
    if columns:
        given = ", ".join(f"{name} = {world.earlier(world.now, -seconds)}" for name, seconds in columns.items())
        world.execute(f"UPDATE eed_job SET {given}")
    assert (world.delivering.wire(email, 60) is None) is is_open
    world.execute("UPDATE eed_email SET state = 'queued', wire_at = NULL, token = NULL")
    assert bool(world.claim(only).emails) is is_open


def test_a_job_without_spans_waits_where_windows_are_configured(world: World) -> None:
    (only,) = world.add_job()
    house = Installation(world, plan(opened(world)))
    world.enlist()  # by a publisher that knows of no windows
    assert spans(world) == (None,) * 4
    assert house.published() == []
    house.marking.mark_due()
    assert house.published() == [only]


def test_a_job_that_opens_again_gets_new_spans_first(world: World) -> None:
    house = Installation(world, plan(opened(world)))
    (only,) = world.add_job()
    house.enlist()
    world.execute("UPDATE eed_email SET state = 'failed'")
    world.execute("UPDATE eed_job SET state = 'failed', finished_at = created_at")
    assert world.operating.requeue(Selection()) == 1
    assert house.published() == []
    assert world.claim(only).emails == ()
    report = world.reporting.job(1)
    assert report is not None and report.window == JobWindow(False, None, is_known=False)
    assert [one.report.window for one in JobListLedger(world.database).jobs(JobFilter(), 5)] == [report.window]
    house.marking.mark_due()
    assert house.published() == [only]


def host(world: World, plan_: WindowPlan, digest: str, *, is_configured: bool = True) -> Installation:
    found = Installation(world, plan_)
    found.marking = WindowMarking(world.database, lambda: found.plan, is_configured=is_configured, digest=digest)
    found.publisher = PublishingLedger(world.database, world.source, windows=found.marking)
    return found


def test_while_hosts_have_other_windows_none_of_them_marks(world: World) -> None:
    one, other = host(world, plan(shut(world)), "a"), host(world, plan(opened(world)), "b")
    none = host(world, plan(), "")
    world.add_job()
    one.marking.mark_changed()
    one.enlist()
    before = spans(world)
    with structlog.testing.capture_logs() as logs:
        other.marking.mark_changed()
        other.marking.mark_all()
        none.marking.mark_changed()
    assert {line["event"] for line in logs} == {"send_windows_differ"}
    assert spans(world) == before
    long_ago = world.earlier(world.now, 60)
    world.execute(f"UPDATE eed_duty SET done_at = {long_ago} WHERE name = 'windows a'")
    other.marking.mark_changed()
    assert spans(world) != before and world.claim(1000).emails
    world.execute(f"UPDATE eed_duty SET done_at = {long_ago} WHERE name LIKE 'windows %'")
    none.marking.mark_changed()
    assert spans(world) == (None,) * 4


def test_without_windows_the_jobs_of_a_channel_that_is_not_known_keep_their_spans(world: World) -> None:
    one, none = host(world, plan(shut(world)), "a"), host(world, plan(), "")
    world.add_job()
    one.enlist()
    world.execute("UPDATE eed_job SET channel = 'letters'")
    before = spans(world)
    none.marking.mark_changed()
    assert spans(world) == before


def test_a_job_is_entered_shut_where_only_a_channel_of_the_ledger_has_windows(world: World) -> None:
    house = host(world, plan(letters=shut(world)), "a", is_configured=False)
    world.add_job()
    house.plan = plan(letters=shut(world))
    house.register()
    assert spans(world)[1] is not None


def test_a_job_that_is_ready_again_and_expires_before_its_window_is_said(world: World) -> None:
    house = Installation(world, plan(shut(world)))
    world.add_job()
    house.enlist()
    world.execute("UPDATE eed_job SET state = 'finished', finished_at = created_at")
    world.execute("UPDATE delivery_job SET expires_at = :soon", soon=now(world) + HOUR)
    with structlog.testing.capture_logs() as logs:
        house.register()
    events = [line["event"] for line in logs]
    assert "job_will_expire_unsent" in events and "send_window_closed" not in events


def test_spans_follow_the_configuration(world: World) -> None:
    house = Installation(world, plan(shut(world)))
    world.add_job()
    house.register()
    before = spans(world)
    house.marking.mark_changed()
    assert spans(world) == before
    house.plan = plan(opened(world))
    house.marking.mark_due()  # of those whose span is over
    assert spans(world) == before
    house.marking.mark_changed()
    assert spans(world) != before
    house.plan = plan()
    house.marking.mark_changed()
    assert spans(world) == (None,) * 4


def test_of_a_channel_that_is_not_known_no_window_is_written(world: World) -> None:
    house = Installation(world, plan(opened(world)))
    world.add_job()
    house.register()
    world.execute("UPDATE eed_job SET channel = 'gone', window_until = window_from")
    before = spans(world)
    house.marking.mark_all()
    assert spans(world) == before


OWN = '[{"from": "%s", "to": "%s", "zone": "UTC"}]'


@pytest.fixture
def with_own(world: World) -> SourceSettings:
    return SourceSettings.model_validate({"job": {"send_window": "send_window", "category": "category"}})


def test_a_job_has_a_window_of_its_own(world: World, with_own: SourceSettings) -> None:
    begin, end = now(world) - 2 * HOUR, now(world) + 2 * HOUR
    text = OWN % (f"{begin:%H:%M}", f"{end:%H:%M}")
    world.add_job(job_id=1)
    world.add_job(job_id=2, send_window=text)
    house = Installation(world, plan(shut(world)), with_own)
    house.enlist()
    assert house.published() == [2000]


@pytest.mark.parametrize("text", ["every night", '[{"from": "08:00", "to": "20:00", "zone": "Mars"}]', "[" * 2000])
def test_a_window_of_its_own_that_cannot_be_used_keeps_a_job_shut(
    world: World, with_own: SourceSettings, text: str
) -> None:
    world.add_job(job_id=1, send_window=text)
    world.add_job(job_id=2, send_window=text, category="urgent")
    house = Installation(world, WindowPlan(opened(world), {"default": SendWindows()}, ignoring={"urgent"}), with_own)
    with structlog.testing.capture_logs() as logs:
        house.enlist()
    assert [(line["jobs"], line["log_level"]) for line in logs if line["event"] == "send_window_unusable"] == [
        (["1"], "error")
    ]
    assert house.published() == [2000]


def test_what_will_expire_before_its_window_opens_is_said_when_it_is_registered(world: World) -> None:
    house = Installation(world, plan(shut(world)))
    soon, late = (now(world) + n * HOUR for n in (1, 5))
    world.add_job(job_id=1, expires_at=soon)
    world.add_job(job_id=2, expires_at=late)
    with structlog.testing.capture_logs() as logs:
        house.register()
    assert [line["job"] for line in logs if line["event"] == "job_will_expire_unsent"] == ["1"]


def test_what_waits_for_its_window_is_no_silence_and_is_not_late_when_it_opens(world: World) -> None:
    house = Installation(world, plan(shut(world)))
    world.add_job()
    house.enlist()
    world.execute(f"UPDATE eed_job SET created_at = {world.earlier(world.now, 40_000)}")
    facts = AlertFacts(world.database)
    assert facts.silence_seconds() == 0
    begin, end = world.earlier(world.now, 30), world.earlier(world.now, -3600)
    world.execute(f"UPDATE eed_job SET window_from = {begin}, window_until = {end}")
    assert 29 < facts.silence_seconds() < 3000
    begin, first = world.earlier(world.now, 20_000), world.earlier(world.now, 10_000)
    world.execute(
        f"UPDATE eed_job SET next_window_from = window_from, next_window_until = window_until, window_until = {first}"
    )
    assert 29 < facts.silence_seconds() < 3000
    world.execute(f"UPDATE eed_job SET window_from = {begin}, window_until = {end}, next_window_from = NULL")
    assert facts.silence_seconds() > 19_000


@pytest.fixture
def emails(world: World) -> list[Email]:
    ids = world.add_job([f"c{n}@example.com" for n in range(300)])
    world.enlist()
    return [email for n in range(0, 300, 10) for email in world.claim(*ids[n : n + 10]).emails]


def test_a_window_that_closes_under_load_lets_no_email_go_at_or_after_its_end(
    world: World, emails: list[Email]
) -> None:
    begin, now, end = (world.earlier(world.now, seconds) for seconds in (3600, 0, -1))
    world.execute(f"UPDATE eed_job SET window_from = {begin}, window_until = {end}")
    refused: list[Standing | None] = []

    def work(part: list[Email]) -> None:
        for email in part[:-5]:
            world.delivering.wire(email, 60)
        until(lambda: world.scalar(f"SELECT COUNT(*) FROM eed_job WHERE window_until <= {now}") == 1)
        refused.extend(world.delivering.wire(email, 60) for email in part[-5:])

    threads = [threading.Thread(target=work, args=(emails[n::4],)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == [Standing.OVER] * 20
    assert world.scalar(
        "SELECT COUNT(*) FROM eed_email e JOIN eed_job j ON j.job_id = e.job_id WHERE e.wire_at >= j.window_until"
    ) == 0  # fmt: skip
    states = world.execute("SELECT state, attempts, COUNT(*) FROM eed_email GROUP BY state, attempts")
    assert {(state, attempts) for state, attempts, _ in states} <= {("sending", 1), ("pending", 0)}
