"""Looking at a job as it goes: the rate of the last minute, and a watch that outlives the database."""

import signal
import subprocess
from pathlib import Path

import pytest

from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.ledger.reporting import RecentRate
from eed_delivery.model import EmailState, Outcome, Verdict
from tests.command_line import CommandLine
from tests.servers.mysql_proxy import MySqlProxy
from tests.waiting import until
from tests.world import World

YES = Decision(EmailState.SENT, Outcome(Verdict.SENT, "250 ok", 250), counted=True)
LATER = Decision(EmailState.QUEUED, Outcome(Verdict.TEMPORARY, "451 later", 451), counted=True, delay=60)


def tried(world: World, email_id: int, decision: Decision) -> None:
    email = world.claimed(email_id)
    assert world.delivering.wire(email, 60) is None
    assert world.delivering.record(email, decision, 12)


def back(world: World, table: str, column: str, seconds: float, where: str) -> None:
    """Let so much time pass for some rows."""
    moved = f"{column} - INTERVAL {seconds} SECOND"
    if world.database.dialect == "sqlite":
        moved = f"strftime('%Y-%m-%d %H:%M:%f000', {column}, '{-seconds} seconds')"
    world.execute(f"UPDATE {table} SET {column} = {moved} WHERE {where}")


@pytest.fixture
def going(world: World) -> World:
    """Job 1, ten minutes old: an email sent two minutes ago, two just now, one to be tried again. Job 2 beside it."""
    old, one, two, again, _ = world.add_job([f"{n}@example.com" for n in range(5)])
    world.enlist()
    (other,) = world.add_job(job_id=2)
    world.enlist(2)
    for email_id in (old, one, two, other):
        tried(world, email_id, YES)
    tried(world, again, LATER)
    back(world, "eed_attempt", "ended_at", 120, f"email_id = {old}")
    back(world, "eed_job", "created_at", 600, "job_id = 1")
    return world


def rate(world: World) -> RecentRate:
    job = world.reporting.job(1)
    assert job is not None
    return world.reporting.recent_rate(job)


def test_the_rate_of_the_last_minute_beside_the_average(going: World) -> None:
    assert rate(going) == RecentRate(2, 60)
    job = going.reporting.job(1)
    assert job is not None
    assert job.rate == pytest.approx(3 / 600, rel=0.1)
    back(going, "eed_attempt", "ended_at", 61, "1 = 1")
    assert rate(going) == RecentRate(0, 60)


def test_a_young_job_has_had_less_time(going: World) -> None:
    back(going, "eed_job", "created_at", -590, "job_id = 1")
    assert rate(going).seconds == pytest.approx(10, abs=8)


def test_where_there_are_more_tries_than_are_read_the_time_is_theirs(going: World) -> None:
    job = going.reporting.job(1)
    assert job is not None
    found = going.reporting.recent_rate(job, most=3)
    assert found.ended == 1  # the newest three: one of these, another job's, and one to be tried again
    assert found.seconds < 30


def test_the_command_shows_both(going: World, tmp_path: Path) -> None:
    eed = CommandLine(tmp_path, going.url)
    assert "emails a second on average, 0.0 in the last 60 s" in eed.good("job", "1")
    assert eed.json("job", "1")["recent_emails_per_second"] == pytest.approx(2 / 60)


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_watch_outlives_the_database(
    database_url: str, proxy: MySqlProxy, tmp_path: Path, options: tuple[str, ...]
) -> None:
    world = World(database_url)
    (email_id,) = world.add_job()
    world.enlist()
    eed = CommandLine(tmp_path, proxy.url(database_url))
    out = tmp_path / "out"
    with out.open("wb") as file:
        watch = eed.process("job", "1", "--watch", *options, stdout=file, stderr=subprocess.STDOUT)
    try:
        until(lambda: b"active" in out.read_bytes())
        proxy.refuse()
        until(lambda: b"the database does not answer" in out.read_bytes())
        tried(world, email_id, YES)
        proxy.heal()
        until(lambda: b"the database answers again" in out.read_bytes())
        until(lambda: b"1 sent" in out.read_bytes() or b'"sent": 1' in out.read_bytes())
        assert out.read_bytes().count(b"does not answer") == 1
        assert watch.poll() is None
        watch.send_signal(signal.SIGINT)
        assert watch.wait(60) == 1
    finally:
        watch.kill()
        world.close()
    assert b"Traceback" not in out.read_bytes()
