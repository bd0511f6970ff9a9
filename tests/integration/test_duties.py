"""What one at a time does, for as long as it says."""

import pytest

from eed_delivery.ledger.duties import DutyLedger
from tests.world import World

pytestmark = pytest.mark.both_databases

A, B = 11, 12
HELD = "SELECT holder FROM eed_duty WHERE name = '{}'"


@pytest.fixture
def duties(world: World) -> DutyLedger:
    return DutyLedger(world.database)


def test_a_duty_is_held_by_one_at_a_time(duties: DutyLedger) -> None:
    assert duties.hold("tick", A, 60)
    assert duties.hold("tick", A, 60), "it is the same one's"
    assert not duties.hold("tick", B, 60)
    duties.let_go("tick", B)
    assert not duties.hold("tick", B, 60), "only the one who has it lets go"
    duties.let_go("tick", A)
    assert duties.hold("tick", B, 60)


def test_one_who_died_has_it_no_longer_than_it_said(world: World, duties: DutyLedger) -> None:
    assert duties.hold("tick", A, 60)
    world.execute(f"UPDATE eed_duty SET held_until = {world.earlier('held_until', 60)}")
    assert duties.hold("tick", B, 60)
    assert not duties.hold("tick", A, 60)


def test_each_duty_has_its_own_holder(world: World, duties: DutyLedger) -> None:
    assert duties.hold("other", A, 60)
    assert duties.hold("tick", B, 60)
    assert (world.scalar(HELD.format("other")), world.scalar(HELD.format("tick"))) == (A, B)
    assert duties.hold("third", B, 60)
    duties.let_go("tick", B)
    assert (world.scalar(HELD.format("other")), world.scalar(HELD.format("third"))) == (A, B)


def test_a_duty_that_was_done_before_can_be_held(duties: DutyLedger) -> None:
    assert duties.take("tick", 0)
    assert duties.hold("tick", A, 60)
