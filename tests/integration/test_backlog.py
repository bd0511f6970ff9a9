"""How many emails wait and may go: which jobs count, and how near the estimate of a large job is."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, insert

from eed_delivery.ledger.backlog import FEW, OPENS_SOON_SECONDS, SHUT_FOR_SECONDS, BacklogLedger, BacklogLimits
from eed_delivery.ledger.figures import FiguresLedger
from eed_delivery.ledger.paces import TOGETHER
from eed_delivery.ledger.progress import JUST_NOW_SECONDS
from eed_delivery.ledger.schema import eed_email, eed_job
from eed_delivery.ledger.workers import WorkerLedger
from eed_delivery.operations.figures import FigureSources, LedgerFigures
from eed_delivery.operations.paces import PaceRequest
from eed_delivery.operations.processes import ProcessQueries
from tests.operators_site import Site
from tests.world import World

pytestmark = pytest.mark.both_databases

MADE = datetime(2026, 1, 1)  # noqa: DTZ001 - as the ledger keeps times
SAMPLE, LOOKS = 10, 64


def add(world: World, job_id: int, states: Sequence[str], ids: Sequence[int] | None = None, **job: Any) -> None:
    """A job with an email in each of these states, in the ledger alone."""
    row = {"job_id": job_id, "source_key": f"job {job_id}", "state": "active", "created_at": MADE, "total": len(states)}
    numbers = ids or range(100_000 * job_id, 100_000 * job_id + len(states))
    emails = [
        {"email_id": n, "source_key": f"e{n}", "job_id": job_id, "recipient": "a@example.com", "state": state}
        for n, state in zip(numbers, states, strict=True)
    ]

    def work(c: Any) -> None:
        c.execute(insert(eed_job), {**row, **job})
        if emails:
            c.execute(insert(eed_email), emails)

    world.database.run(work)


def backlog(world: World, **limits: int) -> dict[str, int]:
    return BacklogLedger(world.database, BacklogLimits(**limits)).by_channel()


def test_emails_of_jobs_that_may_go_are_counted_by_channel(world: World) -> None:
    states = ["pending", "pending", "queued", "sending", "sent", "failed", "in_doubt", "suppressed", "cancelled"]
    add(world, 1, states)
    add(world, 2, ["queued"], channel="news")
    add(world, 3, ["pending"] * 150, channel="news")
    assert backlog(world) == {"default": 3, "news": 151}


def test_what_the_sweeper_has_just_counted_of_a_large_job_is_not_sampled(world: World) -> None:
    add(world, 1, ["pending"] * 3)
    world.execute(f"UPDATE eed_job SET total = {FEW + 1}")
    assert backlog(world) == {"default": 3}
    insert_count = (
        "INSERT INTO eed_job_progress (job_id, at, total, done, may_leave, allowed_seconds, kept)"
        f" VALUES (1, {{at}}, {FEW + 1}, {FEW - 400}, 1, 0, 0)"
    )
    world.execute(insert_count.format(at=in_seconds(world, -JUST_NOW_SECONDS - 5)))
    assert backlog(world) == {"default": 3}  # it is too old
    world.execute(insert_count.format(at=in_seconds(world, -1)))
    assert backlog(world) == {"default": 401}


def in_seconds(world: World, seconds: float) -> str:
    return world.earlier(world.now, -seconds)


@pytest.mark.parametrize(
    "change",
    [
        "state = 'paused'",
        "state = 'held'",
        "state = 'cancelled'",
        "state = 'finished', finished_at = {now}",
        "held_until = {later}",
        "window_from = {later}, window_until = {later}",
        "window_from = {past}, window_until = {past}",
    ],
)
def test_a_job_that_may_not_go_has_no_backlog(world: World, change: str) -> None:
    add(world, 1, ["pending"])
    assert backlog(world) == {"default": 1}
    times = {"now": in_seconds(world, 0), "later": in_seconds(world, 3600), "past": in_seconds(world, -60)}
    world.execute(f"UPDATE eed_job SET {change.format(**times)}")
    assert backlog(world) == {}


def test_a_job_counts_shortly_before_its_window_opens(world: World) -> None:
    add(world, 1, ["pending"])
    for column in ("", "next_"):
        for ahead, expected in ((OPENS_SOON_SECONDS - 30, {"default": 1}), (OPENS_SOON_SECONDS + 30, {})):
            world.execute(
                "UPDATE eed_job SET window_from = {0}, window_until = {0}, next_window_from = NULL,"
                " next_window_until = NULL".format(in_seconds(world, -60))
            )
            opens, shuts = in_seconds(world, ahead), in_seconds(world, 7200)
            world.execute(f"UPDATE eed_job SET {column}window_from = {opens}, {column}window_until = {shuts}")
            assert backlog(world) == expected


@pytest.mark.parametrize(("scope", "subject"), [("all", ""), ("channel", "default"), ("category", "news")])
def test_what_people_hold_has_no_backlog(world: World, scope: str, subject: str) -> None:
    add(world, 1, ["pending"], category="news")
    world.execute(
        "INSERT INTO eed_hold (scope, subject, reason, who, held_at)"
        f" VALUES (:scope, :subject, 'r', 'anna', {in_seconds(world, 0)})",
        scope=scope,
        subject=subject,
    )
    assert backlog(world) == {}


def dense(count: int) -> list[int]:
    return list(range(1, count + 1))


def test_what_waits_for_a_gate_that_stays_shut_is_no_backlog(world: World) -> None:
    add(world, 1, ["pending"])
    add(world, 2, ["pending"], channel="news")
    world.execute(
        "INSERT INTO eed_gate (channel, reason, shut_at, shut_until, pause_seconds)"
        f" VALUES ('news', 'away', {in_seconds(world, 0)}, {in_seconds(world, 60)}, 5)"
    )
    assert backlog(world) == {"default": 1, "news": 1}, "it has been shut for a moment"
    world.execute(f"UPDATE eed_gate SET shut_at = {in_seconds(world, -SHUT_FOR_SECONDS - 1)}")
    assert backlog(world) == {"default": 1}
    world.execute("UPDATE eed_gate SET reason = NULL")
    assert backlog(world) == {"default": 1, "news": 1}


def test_many_jobs_cost_few_statements(world: World) -> None:
    for n in range(1, 41):
        add(world, n, ["sent"] * 3 + ["pending"] * 2, total=FEW, channel="news" if n % 2 else "default")
    add(world, 41, ["pending"] * 4, total=FEW + 1)
    with counted(world) as statements:
        assert backlog(world) == {"default": 44, "news": 40}
    assert len(statements) <= 6, "one for the jobs, one for each channel, and two for the large job"


def test_jobs_beyond_the_limits_count_with_all_their_emails(world: World) -> None:
    add(world, 1, ["pending"] * 3 + ["sent"] * 7)
    add(world, 2, ["pending"] * 2 + ["sent"] * 4)
    add(world, 3, ["pending"], channel="news")
    assert backlog(world) == {"default": 5, "news": 1}
    assert backlog(world, jobs=1) == {"default": 3 + 6, "news": 1}, "the largest is looked into"
    world.execute("UPDATE eed_job SET total = :few WHERE job_id = 2", few=FEW + 1)
    assert backlog(world, large=0) == {"default": 3 + FEW + 1, "news": 1}


def spread(count: int) -> list[int]:
    """Ids with a wide gap, and every third after it."""
    return [*range(1, count // 2 + 1), *range(50_000_000, 50_000_000 + 3 * (count - count // 2), 3)]


@pytest.mark.parametrize(
    ("ids", "error"), [(lambda n: list(range(1, n + 1)), 0.03), (spread, 0.1)], ids=["dense", "spread"]
)
@pytest.mark.parametrize("done", [0.0, 0.33, 0.9])
def test_a_large_job_is_estimated(world: World, done: float, ids: Callable[[int], list[int]], error: float) -> None:
    count = 3000
    sent = int(count * done)
    states = ["sent"] * sent + ["pending"] * (count - sent)
    for n in (3, sent // 2):  # put off, and published long ago
        states[n] = "queued"
    waiting = count - states.count("sent")
    add(world, 1, states, ids(count))
    with counted(world) as statements:
        found = backlog(world, sample=SAMPLE, looks=LOOKS)["default"]
    assert abs(found - waiting) <= error * count
    assert len(statements) <= LOOKS + 5
    assert abs(backlog(world)["default"] - waiting) <= 0.01 * count


def test_a_thin_beginning_does_not_hide_what_follows(world: World) -> None:
    """Beside a larger job, which needs all the looks."""
    add(world, 1, ["pending"] * 2000)
    thin = range(1, 2001, 100)
    states = ["pending"] * len(thin) + ["sent"] * 1000 + ["pending"] * 1000
    add(world, 2, states, [*thin, *range(10_000, 12_000)])
    assert abs(backlog(world, sample=SAMPLE, looks=LOOKS)["default"] - 3020) <= 0.05 * 3020


@contextmanager
def counted(world: World) -> Iterator[list[str]]:
    """What is asked meanwhile."""
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "eed_" in statement:
            statements.append(statement)

    engine = world.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        ({}, None),
        ({"default": 10.0}, 0.3),
        ({"default": 10.0, "news": 2.0}, 1.0),
        ({"default": 10.0, "news": 2.0, TOGETHER: 1.0}, 5.0),
        ({"files": 1.0}, 0.0),
    ],
)
def test_it_takes_as_long_as_the_slowest_channel(world: World, limits: dict[str, float], seconds: float | None) -> None:
    add(world, 1, ["pending"] * 3)
    add(world, 2, ["pending"] * 2, channel="news")
    processes = ProcessQueries(WorkerLedger(world.database), 5.0, lambda: datetime.now(UTC))
    ledger = BacklogLedger(world.database)
    sources = FigureSources(
        FiguresLedger(world.database), processes, {}, lambda: None, ledger.by_channel, lambda: limits
    )
    now = LedgerFigures(sources).now()
    assert now["eed_backlog"] == {(): 5.0}
    assert now.get("eed_backlog_seconds") == (None if seconds is None else {(): seconds})


@pytest.mark.parametrize(
    ("pace", "seconds"), [(None, 2.0), (("default", 5.0), 4.0), ((TOGETHER, 2.0), 10.0)], ids=["none", "own", "all"]
)
def test_the_rate_is_the_configured_one_or_the_pace_that_people_set(
    world: World, tmp_path: Path, pace: tuple[str, float] | None, seconds: float
) -> None:
    add(world, 1, ["pending"] * 20)
    site = Site(world, tmp_path, environ={"EED_TRANSPORT__RATE_PER_SECOND": "10"})
    if pace is not None:
        site.operations.paces.set(PaceRequest(*pace, "a slow night"))
    answer = site.ask("GET", "/metrics/ledger", role="viewer")
    assert f"\need_backlog_seconds {seconds}\n" in answer.text
