"""Old events are forgotten; what they have made of an email, and what a threshold still counts, is not."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from eed_delivery.config import TrackingSettings
from eed_delivery.ledger.tracking.forgetting import BEGINNING, EventPosition, ForgettingLedger
from eed_delivery.ledger.tracking.ledger import TrackingLedger
from eed_delivery.sweeper.retention import PAUSE_SECONDS, Retention
from tests.command_line import CommandLine
from tests.integration.test_tracking import delivered, event, hard, ledger, outcome, sent, soft, suppressed
from tests.servers.ministack import MiniStack
from tests.stack import Stack
from tests.world import World

DAYS = 30
RESTS = 7.0


@pytest.fixture
def one(world: World) -> int:
    (email_id,) = world.add_job()
    world.enlist()
    sent(world, email_id)
    return email_id


def forgetting(world: World, within: int = 90, days: int = DAYS) -> ForgettingLedger:
    settings = TrackingSettings(event_retention_days=days, suppress_within_days=within)
    return ForgettingLedger(world.database, settings)


def age(world: World, days: float, which: str = "1 = 1") -> None:
    """Let these events have come in, and have happened, so long ago."""
    now = world.reporting.now() - timedelta(days=days)
    world.execute(f"UPDATE eed_event SET received_at = :at, occurred_at = :at WHERE {which}", at=now)


def left(world: World) -> set[str]:
    return {row[0] for row in world.execute("SELECT event_id FROM eed_event")}


def test_what_is_old_is_forgotten_and_what_it_has_made_of_an_email_stays(world: World, one: int) -> None:
    ledger(world).take([delivered(one, event_id="old"), event(one, "open", event_id="opened")])
    was = outcome(world, one)
    age(world, DAYS + 0.1)
    ledger(world).take([event(one, "click", event_id="young")])
    age(world, DAYS - 0.1, "event_id = 'young'")
    assert forgetting(world).forget(BEGINNING) == (2, None)
    assert left(world) == {"young"}
    assert was[0] == "delivered"
    assert outcome(world, one) == was


def test_what_a_threshold_still_counts_is_kept(world: World, one: int) -> None:
    (other,) = world.add_job(job_id=2)  # to the same address
    world.enlist(2)
    takes = ledger(world, suppress_soft_bounces=2)
    takes.take([soft(one, event_id="counts"), delivered(one, event_id="counts nowhere")])
    age(world, 89)
    assert forgetting(world).forget(BEGINNING) == (1, None)
    assert left(world) == {"counts"}
    takes.take([soft(other)])
    assert [source for _, _, source in suppressed(world)] == ["bounce"]


def test_what_no_threshold_counts_any_more_is_not(world: World, one: int) -> None:
    ledger(world).take([hard(one, event_id="counted once")])
    age(world, 91)
    assert forgetting(world).forget(BEGINNING) == (1, None)


def test_a_walk_passes_by_what_it_keeps(world: World, one: int) -> None:
    """Were the kept ones looked at again each time, nothing behind them would ever be forgotten."""
    kept = [soft(one, n, event_id=f"a{n}") for n in range(3)]
    ledger(world).take([*kept, *(delivered(one, n, event_id=f"b{n}") for n in range(3))])
    age(world, 50)  # all of one moment: it goes on by their ids
    deleted: list[int] = []
    place: EventPosition | None = BEGINNING
    while place is not None:
        count, place = forgetting(world).forget(place, most=2)
        deleted.append(count)
    assert deleted == [0, 1, 2, 0]
    assert left(world) == {"a0", "a1", "a2"}


def test_a_walk_goes_by_when_events_came_in(world: World, one: int) -> None:
    """What a server says of its own time may lie in any century."""
    ledger(world).take([delivered(one, event_id="of long ago"), delivered(one, 1, event_id="of the future")])
    age(world, 10_000, "event_id = 'of long ago'")
    world.execute("UPDATE eed_event SET received_at = :now WHERE 1 = 1", now=world.reporting.now())
    assert forgetting(world).forget(BEGINNING) == (0, None)


def test_a_row_that_somebody_else_has_deleted_is_no_trouble(world: World, one: int) -> None:
    ledger(world).take([delivered(one)])
    age(world, 31)
    assert [forgetting(world).forget(BEGINNING) for _ in range(2)] == [(1, None), (0, None)]


def test_the_loop_walks_to_the_end_and_rests(world: World, one: int) -> None:
    ledger(world).take([delivered(one, n) for n in range(501)])
    age(world, 31)
    retention = Retention(forgetting(world), RESTS)
    with capture_logs() as logs:
        assert [retention.step() for _ in range(3)] == [PAUSE_SECONDS, RESTS, RESTS]
    assert logs == [{"event": "events_forgotten", "log_level": "info", "count": 501}]
    ledger(world).take([delivered(one, 600)])
    age(world, 31)
    assert retention.step() == RESTS
    assert len(left(world)) == 1  # an hour has not passed


@pytest.mark.parametrize("days", [1, 14])
def test_an_event_is_kept_for_as_long_as_it_may_come_again(days: int) -> None:
    with pytest.raises(ValidationError, match="14 days"):
        TrackingSettings(event_retention_days=days)
    assert TrackingSettings(event_retention_days=15).event_retention_days == 15


def test_reports_and_their_certificate_stay_as_they_were(world: World, one: int, tmp_path: Path) -> None:
    ledger(world).take([hard(one, code=550, enhanced="5.1.1")])
    eed = CommandLine(tmp_path, world.url)
    before = eed.good("report", "1")
    age(world, 365)
    assert forgetting(world).forget(BEGINNING)[0] == 1
    assert eed.good("report", "1") == before
    assert "Hard bounced" in eed.good("report", "1", "--format", "html")


def test_the_sweepers_process_forgets_where_it_is_told_to(
    database_url: str, ministack: MiniStack, tmp_path: Path
) -> None:
    with Stack(database_url, ministack, tmp_path / "stack", {"tracking.event_retention_days": DAYS}) as stack:
        (email_id,) = stack.world.add_job()
        stack.world.enlist()
        sent(stack.world, email_id)
        TrackingLedger(stack.world.database, stack.world.source, TrackingSettings()).take([delivered(email_id)])
        age(stack.world, 31)
        service = stack.start("sweeper")
        stack.wait_until(lambda: not left(stack.world), "the old event is forgotten")
        assert service.terminate() == 0
