"""When jobs end, by command, API and page, and what is said when a verdict changes."""

import json
import re
from datetime import datetime, timedelta
from math import inf
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import select

from eed_delivery.alerts.facts import measures
from eed_delivery.app.forecasting import forecast_watch
from eed_delivery.destinations import CLOSED, Destination, DomainPace
from eed_delivery.forecast.standstill import StandstillReason
from eed_delivery.forecast.verdicts import ForecastVerdict
from eed_delivery.ledger.alerts.facts import AlertFacts
from eed_delivery.ledger.domain_paces.backlogs import BacklogCounts
from eed_delivery.ledger.duties import DutyLedger
from eed_delivery.ledger.forecasts import CHANGE, ForecastLedger, ForecastLook
from eed_delivery.ledger.schema import eed_job_forecast, eed_job_progress
from eed_delivery.ledger.webhooks.outbox import Outbox
from eed_delivery.ledger.workers import Process
from eed_delivery.notices import NoticeKind
from eed_delivery.operations.forecasts.views import JobForecastView
from eed_delivery.operations.forecasts.words import verdict_sentence
from eed_delivery.operations.paces import PaceRequest
from eed_delivery.operations.refusals import WrongState
from eed_delivery.sweeper.forecast_watch import ForecastWatch
from tests.integration.test_backlog import add
from tests.integration.test_scheduling import due_in
from tests.operators_site import Site
from tests.progress import counted
from tests.world import World

pytestmark = [pytest.mark.also_on_sqlite]
TOTAL, PER_SECOND = 100_000, 100
DEADLINES = """
[deadlines.category.statements]
by = "06:00"
zone = "UTC"
[source.job]
category = "category"
deadline = "deadline"
"""


@pytest.fixture
def site(world: World, tmp_path: Path) -> Site:
    return Site(world, tmp_path, DEADLINES)


def now(world: World) -> datetime:
    return world.reporting.now()


def runs(world: World, job_id: int = 42, done: int = 40_000, still: int = 0, **job: Any) -> None:
    """A job that has been sending for five minutes, and has stood still for the last `still` seconds."""
    add(world, job_id, ["queued"] * 3, **{"source_key": str(job_id), **job})
    world.execute(
        "UPDATE eed_job SET total = :total, enlisted_at = created_at WHERE job_id = :id", total=TOTAL, id=job_id
    )
    counted(world, job_id, TOTAL, done, PER_SECOND, still)
    for role in ("worker", "publisher", "sweeper"):
        world.workers.beat(Process(role, "host", role), sending=True, detail=None, alive_seconds=60)


def forecast(site: Site, key: str = "42") -> JobForecastView:
    return site.operations.forecasts.of(key)


def seconds_left(view: JobForecastView) -> float:
    assert view.end is not None
    assert view.end.likely is not None
    return (view.end.likely - view.as_of).total_seconds()


def test_a_job_ends_by_its_speed_and_is_compared_with_its_deadline(site: Site, world: World) -> None:
    runs(world, deadline=now(world) + timedelta(hours=1))
    view = forecast(site)
    assert view.left == 60_000
    assert seconds_left(view) == pytest.approx(600, rel=0.05)
    assert view.verdict is ForecastVerdict.IN_TIME
    assert view.margin == pytest.approx(3000, rel=0.05)
    assert view.deadline_by == "deadline"


@pytest.mark.parametrize(
    ("job", "by", "verdict"),
    [
        ({"deadline": timedelta(minutes=5)}, "deadline", ForecastVerdict.TOO_LATE),
        ({"deadline": timedelta(minutes=10)}, "deadline", ForecastVerdict.AT_RISK),
        ({"deadline": timedelta(hours=9), "expires_at": timedelta(minutes=5)}, "expires_at", ForecastVerdict.TOO_LATE),
        ({"category": "statements"}, "category", None),
        ({}, "", ForecastVerdict.NO_DEADLINE),
    ],
)
def test_the_earliest_of_its_deadlines_counts(
    site: Site, world: World, job: dict[str, Any], by: str, verdict: ForecastVerdict | None
) -> None:
    at = now(world)
    runs(world, **{name: at + value if isinstance(value, timedelta) else value for name, value in job.items()})
    view = forecast(site)
    assert view.deadline_by == by
    assert verdict in (None, view.verdict)
    if verdict is ForecastVerdict.TOO_LATE:
        assert view.needed == pytest.approx(200, rel=0.1)
        assert "/s needed, 100/s now. Add workers or hosts." in " ".join(view.would_help)


def test_two_jobs_share_the_speed_of_both(site: Site, world: World) -> None:
    runs(world)
    runs(world, job_id=43, done=90_000)
    both = forecast(site)
    assert both.shares_with == ("43",)
    # Together 200 a second: both end 20,000 at first, and the larger one then has all of the speed.
    assert seconds_left(both) == pytest.approx(350, rel=0.05)


@pytest.mark.parametrize(
    ("pace", "words"),
    [
        (DomainPace(per_second=0.02), "slow.example is the bound: 0.02 a second, 60,000 left"),
        (CLOSED, "slow.example is held: 60,000 left"),
    ],
)
def test_a_job_that_waits_for_a_domain_says_for_which(site: Site, world: World, pace: DomainPace, words: str) -> None:
    runs(world, still=60, deadline=now(world) + timedelta(hours=1))
    BacklogCounts(world.database).keep(42, {Destination("slow.example", pace): 60_000})
    view = forecast(site)
    assert view.stands == (StandstillReason.DOMAIN, f"{words}.")
    assert words in verdict_sentence(view)
    (job,) = site.json("GET", "/api/v1/tonight")["jobs"]
    assert job["why"].endswith(f"{words}.")
    assert words in site.ask("GET", "/jobs/42", token=site.token("viewer"), Accept="text/html").text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("UPDATE eed_job SET state = 'paused', reason = 'their server is slow'", "paused"),
        (
            "INSERT INTO eed_hold (scope, subject, reason, who, held_at) VALUES ('all', '', 'x', 'anna', '2026-01-01')",
            "held",
        ),
        ("DELETE FROM eed_worker WHERE role = 'worker'", "no_worker"),
        ("UPDATE eed_worker SET sending = 0, detail = 'the relay refuses' WHERE role = 'worker'", "breaker_open"),
        ("DELETE FROM eed_worker WHERE role = 'publisher'", "no_publisher"),
        ("UPDATE eed_worker SET detail = 'access denied' WHERE role = 'publisher'", "queue_refuses"),
    ],
)
def test_what_does_not_move_has_the_first_reason_that_fits(site: Site, world: World, change: str, reason: str) -> None:
    runs(world, deadline=now(world) + timedelta(hours=1))
    world.execute(change)
    view = forecast(site)
    assert view.verdict is ForecastVerdict.NOT_MOVING
    assert view.stands is not None
    assert view.stands.reason == reason


def test_half_a_minute_without_an_email_is_said(site: Site, world: World) -> None:
    runs(world, still=30)
    view = forecast(site)
    assert view.verdict is ForecastVerdict.NOT_MOVING
    assert view.stands is not None
    assert view.stands.reason == "unexplained"


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("rate_limit", "allows 0.6 emails a minute"),
        ("source_slow", "the source gives no more"),
        ("others_share", "take the turns: 43"),
    ],
)
def test_the_last_reasons_of_a_job_that_stands_still(site: Site, world: World, reason: str, words: str) -> None:
    runs(world, still=30, done=TOTAL if reason == "source_slow" else 40_000)
    if reason == "others_share":
        runs(world, job_id=43)
    elif reason == "source_slow":
        world.execute("UPDATE eed_job SET enlisted_at = NULL")
    else:
        site.operations.paces.set(PaceRequest("default", 0.01, "the relay asked for it"))
    stands = forecast(site).stands
    assert stands is not None
    assert stands.reason == reason
    assert words in stands.words


def test_the_list_of_jobs_has_what_the_sweeper_forecast_last(site: Site, world: World) -> None:
    runs(world, deadline=now(world) + timedelta(hours=1))
    assert "FORECAST" not in site.cli.good("jobs")
    assert json.loads(site.cli.good("jobs", "--json"))[0]["forecast"] is None
    forecast_watch(site.operations._app).step()
    assert re.search(r"in time, ends \d\d-\d\dT\d\d:\d\dZ", site.cli.good("jobs"))
    assert json.loads(site.cli.good("jobs", "--json"))[0]["forecast"]["verdict"] == "in_time"


def test_a_job_that_has_not_begun_has_the_speed_of_the_last_days(site: Site, world: World) -> None:
    runs(world, job_id=1)
    world.execute("UPDATE eed_job SET finished_at = created_at")
    add(world, 42, ["pending"] * 3, source_key="42")
    world.execute("UPDATE eed_job SET total = 60000, enlisted_at = created_at WHERE job_id = 42")
    world.execute("INSERT INTO eed_job_progress SELECT 42, MAX(at), 60000, 0, 1, 0, 1 FROM eed_job_progress")
    view = forecast(site)
    assert view.is_usual
    assert view.speed is not None
    assert view.speed.per_second == pytest.approx(PER_SECOND, rel=0.1)
    with pytest.raises(WrongState):
        forecast(site, "1")


def test_a_scheduled_job_is_forecast_from_its_time_on(site: Site, world: World) -> None:
    runs(world, job_id=1)
    world.execute("UPDATE eed_job SET finished_at = created_at")
    world.add_job(["a@example.com", "b@example.com"], job_id=2)
    due_in(world, 3600)
    view = forecast(site, "2")
    assert (view.left, view.is_enlisted) == (2, False)
    assert view.end is not None
    assert view.end.likely is not None
    assert (view.end.likely - now(world)).total_seconds() == pytest.approx(3600, abs=60)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE eed_job SET enlisted_at = NULL", "Its emails are still being picked up."),
        ("DELETE FROM eed_job_progress WHERE at > (SELECT created_at FROM eed_job)", "It was not counted"),
    ],
)
def test_what_is_not_known_is_not_forecast(site: Site, world: World, change: str, words: str) -> None:
    runs(world, deadline=now(world) + timedelta(hours=1))
    world.execute(change)
    view = forecast(site)
    assert view.verdict is ForecastVerdict.UNKNOWN
    assert verdict_sentence(view).startswith(words)


def test_a_paused_job_behind_its_deadline_is_an_alert(site: Site, world: World) -> None:
    runs(world, deadline=now(world) - timedelta(minutes=5), state="paused")
    forecast_watch(site.operations._app).step()
    assert AlertFacts(world.database).deadline_margin_seconds() < -300


def test_nothing_seen_is_unknown(site: Site, world: World) -> None:
    add(world, 42, ["pending"] * 3, source_key="42")
    runs(world, job_id=1)
    world.execute("DELETE FROM eed_job_progress")
    assert forecast(site).verdict is ForecastVerdict.UNKNOWN


def test_all_surfaces_say_the_same(site: Site, world: World) -> None:
    runs(world, deadline=now(world) + timedelta(hours=1), name="statements")
    said = " ".join(site.json("GET", "/api/v1/jobs/42/forecast")["sentences"])
    assert "It ends in time: " in said
    assert "60,000 of 100,000 emails are left." in said
    told = site.json("GET", "/api/v1/forecasts")["items"]
    assert [(one["key"], one["verdict"]) for one in told] == [("42", "in_time")]
    for path in ("/", "/jobs/42"):
        assert "It ends in time" in site.ask("GET", path).text
    shown = " ".join(site.cli.good("forecast", "42").split())
    assert "in time" in shown
    assert "60,000 of 100,000 emails are left." in shown
    assert "in time" in site.cli.good("forecast")
    assert json.loads(site.cli.good("forecast", "42", "--json"))["verdict"] == "in_time"
    assert "It ends in time" in " ".join(site.cli.good("job", "42").split())


def look(verdict: ForecastVerdict, margin: float = -100.0) -> ForecastLook:
    deadline = datetime(2026, 12, 1, 6)  # noqa: DTZ001 - as the ledger keeps times
    return ForecastLook(42, "42", deadline - timedelta(seconds=margin), margin, verdict, deadline, 412.0)


def test_a_verdict_is_told_once_when_three_looks_agree(world: World) -> None:
    add(world, 42, ["queued"] * 3, source_key="42")
    ledger = ForecastLedger(world.database, Outbox([NoticeKind.JOB_DEADLINE_AT_RISK]))
    seen = [ForecastVerdict.IN_TIME, *[ForecastVerdict.TOO_LATE] * 4, *[ForecastVerdict.IN_TIME] * 3]
    told = [[change.now.value for change in ledger.note([look(verdict)])] for verdict in seen]
    assert told == [[], [], [], ["too_late"], [], [], [], ["in_time"]]
    facts = [json.loads(row[0]) for row in world.execute("SELECT facts FROM eed_webhook ORDER BY webhook_id")]
    assert [(one["verdict"], one["before"]) for one in facts] == [("too_late", "in_time"), ("in_time", "too_late")]
    assert facts[0]["deadline"] == "2026-12-01T06:00:00Z"
    assert (facts[0]["margin_seconds"], facts[0]["needed_per_second"]) == (-100, 412.0)
    world.execute("UPDATE eed_job SET finished_at = created_at")
    ledger.note([])
    assert world.execute("SELECT * FROM eed_job_forecast") == []


@pytest.mark.parametrize("spoilt", [{}, {"its_job_id": 43}, {"read_at": datetime(2026, 1, 1)}])  # noqa: DTZ001
def test_a_look_counts_only_if_no_other_host_has_looked_meanwhile(world: World, spoilt: dict[str, Any]) -> None:
    add(world, 42, ["queued"] * 3, source_key="42")
    add(world, 43, ["queued"] * 3)
    ForecastLedger(world.database).note([look(ForecastVerdict.IN_TIME)])
    read_at = world.database.run(lambda c: c.execute(select(eed_job_forecast.c.at)).scalar_one())
    values = {"its_job_id": 42, "read_at": read_at, "its_end_at": None, "its_margin_seconds": 1.0}
    values |= {"its_verdict": "at_risk", "its_seen": "at_risk", "its_looks": 0, **spoilt}
    changed = world.database.run(lambda c: c.execute(CHANGE, values).rowcount)
    assert changed == (0 if spoilt else 1)


def test_the_watch_keeps_forecasts_for_metrics_and_alerts(site: Site, world: World) -> None:
    facts = AlertFacts(world.database)
    assert facts.deadline_margin_seconds() == inf
    runs(world, deadline=now(world) + timedelta(minutes=5))
    watch = forecast_watch(site.operations._app)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            world.execute("DELETE FROM eed_duty")
            watch.step()
    assert [line["event"] for line in logs] == ["job_deadline_at_risk"]
    assert facts.deadline_margin_seconds() == pytest.approx(-300, abs=40)
    assert "deadline_margin_seconds" in measures(facts, None, None)  # type: ignore[arg-type]
    figures = site.operations.figures.now()
    assert figures["eed_job_deadline_margin_seconds"]["42",] == pytest.approx(-300, abs=40)
    assert figures["eed_job_forecast_end_timestamp_seconds"]["42",] > 1_700_000_000
    assert ForecastWatch(ForecastLedger(world.database), DutyLedger(world.database), list).step() == 20.0
    assert world.database.run(lambda c: c.execute(select(eed_job_progress.c.job_id)).first()) is not None
