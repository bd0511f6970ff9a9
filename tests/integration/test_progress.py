"""How far jobs have come: what is counted, which time counts, and what is forgotten."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from eed_delivery.app.parts import App
from eed_delivery.config import SourceSettings
from eed_delivery.forecast.speed import measured_speed
from eed_delivery.ledger.duties import DutyLedger
from eed_delivery.ledger.progress import ProgressLedger
from eed_delivery.ledger.publishing.ledger import PublishingLedger
from eed_delivery.ledger.schema import eed_email, eed_job
from eed_delivery.ledger.workers import FUNCTIONS, Process
from eed_delivery.source import Source
from eed_delivery.sweeper.progress import ProgressSweep
from tests.integration.test_backlog import add
from tests.integration.test_scheduling import due_in
from tests.operating import operations_over
from tests.world import World

pytestmark = pytest.mark.both_databases

OPEN = ["pending", "queued", "sending"]
ENDED = ["sent", "failed", "in_doubt", "suppressed", "cancelled"]


def shift(world: World, seconds: float) -> None:
    """As if all that was counted had been counted earlier."""
    world.execute(f"UPDATE eed_job_progress SET at = {world.earlier('at', seconds)}")


def count(world: World, *channels: str) -> ProgressLedger:
    ledger = ProgressLedger(world.database)
    ledger.count(channels or ("default",))
    return ledger


def end(world: World, job_id: int, number: int) -> None:
    ids = [row[0] for row in world.execute("SELECT email_id FROM eed_email WHERE state = 'queued' ORDER BY email_id")]
    for email_id in ids[:number]:
        world.execute("UPDATE eed_email SET state = 'sent' WHERE email_id = :id", id=email_id)
    assert job_id


def test_what_has_ended_is_counted_with_the_time_in_which_emails_could_leave(world: World) -> None:
    add(world, 1, OPEN + ENDED)
    add(world, 2, ["queued"])
    ledger = count(world)
    shift(world, 5)
    end(world, 1, 1)
    count(world)
    found = ledger.of([1, 2])
    assert set(found) == {1}, "of one email there is nothing to forecast"
    assert (found[1].total, found[1].done) == (8, 6)
    assert [one.done for one in found[1].counts] == [5, 6]
    assert found[1].counts[-1].allowed == pytest.approx(5, abs=4)


def read(world: World, statement: Any) -> Any:
    return world.database.run(lambda c: c.execute(statement).all())


def in_seconds(world: World, seconds: float) -> str:
    return world.earlier(world.now, -seconds)


@pytest.mark.parametrize(
    "stops",
    [
        "UPDATE eed_job SET state = 'paused'",
        "UPDATE eed_job SET window_from = '1970-01-01', window_until = '1970-01-01'",
        "UPDATE eed_job SET held_until = '2999-01-01 00:00:00'",
        "INSERT INTO eed_hold (scope, subject, reason, who, held_at) VALUES ('all', '', 'x', 'anna', '2026-01-01')",
        "UPDATE eed_job SET channel = 'quiet'",
    ],
)
def test_time_in_which_no_email_could_leave_does_not_count(world: World, stops: str) -> None:
    add(world, 1, ["queued"] * 4)
    count(world)
    world.execute(stops)
    shift(world, 5)
    ledger = count(world)
    assert [one.allowed for one in ledger.of([1])[1].counts] == [0.0, 0.0]


def test_a_long_gap_says_nothing(world: World) -> None:
    add(world, 1, ["queued"] * 4)
    count(world)
    shift(world, 400)
    assert count(world).of([1])[1].counts[-1].allowed == 0.0


def test_few_counts_are_kept_for_eight_days(world: World) -> None:
    add(world, 1, ["queued"] * 4)
    for _ in range(4):
        count(world)
        shift(world, 250)
    world.execute("UPDATE eed_job SET finished_at = '2026-01-01'")
    shift(world, 1000)
    ledger = count(world)
    kept = world.execute("SELECT kept FROM eed_job_progress")
    assert 1 <= len(kept) <= 4
    assert all(row[0] for row in kept), "the others are of the last quarter of an hour"
    assert len(ledger.history("default", 7)[1]) == len(kept)
    assert ledger.history("other", 7) == {}
    shift(world, 8 * 86_400)
    count(world)
    assert world.execute("SELECT * FROM eed_job_progress") == []


def test_emails_that_wait_for_their_retry_are_found(world: World) -> None:
    add(world, 1, ["queued"] * 4)
    world.execute(f"UPDATE eed_email SET not_before = {in_seconds(world, 600)} WHERE email_id < 100002")
    found = ProgressLedger(world.database).retries(1)
    assert found.emails == 2
    assert found.last_at == max(row[0] for row in read(world, select(eed_email.c.not_before)) if row[0])


def test_a_job_of_which_nothing_may_leave_is_counted_once_a_minute(world: World) -> None:
    add(world, 1, ["queued"] * 4, state="paused")
    for seconds in (5, 5, 60):
        count(world)
        shift(world, seconds)
    count(world)
    assert world.scalar("SELECT COUNT(*) FROM eed_job_progress") == 2


def test_the_count_at_which_only_retries_are_left_is_kept(world: World) -> None:
    add(world, 1, ["queued"] * 10)
    count(world)
    shift(world, 1)
    end(world, 1, 9)
    count(world)
    assert [bool(row[0]) for row in world.execute("SELECT kept FROM eed_job_progress ORDER BY at")] == [True, True]


@pytest.mark.parametrize("role", ["worker", "function"])
def test_hosts_and_functions_send(world: World, tmp_path: Path, role: str) -> None:
    add(world, 1, ["queued"] * 4)
    host = FUNCTIONS if role == "function" else "host"
    world.workers.beat(Process("w", host, role), sending=True, detail=None, alive_seconds=60)
    App(operations_over(world, tmp_path).settings).progress_sweep().step()
    assert world.scalar("SELECT may_leave FROM eed_job_progress") == 1


def test_hosts_take_turns(world: World) -> None:
    add(world, 1, ["queued"] * 4)
    ledger, duties = ProgressLedger(world.database), DutyLedger(world.database)
    hosts = [ProgressSweep(ledger, duties, lambda: ["default"], iter([0.0, 0.5]).__next__) for _ in range(2)]
    assert [host.step() for host in hosts] == [25.0, 5.0], "half a second's count has a rest of 25"
    assert world.scalar("SELECT COUNT(*) FROM eed_job_progress") == 1


def test_the_speed_is_that_of_the_time_that_counts(world: World) -> None:
    add(world, 1, ["queued"] * 1200)
    for _ in range(9):
        count(world)
        shift(world, 5)
        ids: Any = world.execute("SELECT MIN(email_id) FROM eed_email WHERE state = 'queued'")[0][0]
        world.execute("UPDATE eed_email SET state = 'sent' WHERE email_id < :id", id=ids + 100)
    speed = measured_speed(count(world).of([1])[1].counts)
    assert speed is not None
    assert speed.per_second == pytest.approx(20, rel=0.5)


def test_a_deadline_comes_from_the_source(world: World) -> None:
    world.add_job(job_id=1)
    world.add_job(job_id=2)
    due_in(world, 3600, column="deadline")
    source = Source(SourceSettings.model_validate({"job": {"deadline": "deadline"}}))
    registry = PublishingLedger(world.database, source)
    registry.register(registry.new_jobs(10))
    found = read(world, select(eed_job.c.deadline, eed_job.c.created_at).order_by(eed_job.c.job_id))
    assert found[0][0] is None
    assert (found[1][0] - found[1][1]).total_seconds() == pytest.approx(3600, abs=30)
