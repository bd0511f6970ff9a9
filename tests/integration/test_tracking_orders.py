"""In whatever order, batches and number events come: the outcome is what the set of them says."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eed_delivery.config import TrackingSettings
from eed_delivery.events import DeliveryOutcome, EventKind, TrackingEvent
from eed_delivery.ledger.tracking.ledger import TrackingLedger
from tests.examples import examples
from tests.world import World

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
GEN = 1
OUTCOMES = (None, *DeliveryOutcome)


def event(
    number: int, email_id: int, gen: int, outcome: DeliveryOutcome | None, tick: int, auto: bool
) -> TrackingEvent:
    return TrackingEvent(
        event_id=f"event-{number}",
        kind=EventKind.BOUNCE,
        occurred_at=NOON + timedelta(microseconds=tick),
        email_id=email_id,
        gen=gen,
        outcome=outcome,
        automatic=auto,
    )


FACTS = st.tuples(
    st.sampled_from([1000, 1001, 1002]),
    st.sampled_from([GEN, GEN, GEN, 0]),
    st.sampled_from(OUTCOMES),
    st.integers(0, 3),
    st.sampled_from([False, False, False, True]),
)
SETS = st.lists(FACTS, max_size=12).map(lambda told: [event(n, *facts) for n, facts in enumerate(told)])


def said_by(events: Sequence[TrackingEvent], email_id: int) -> tuple[str, datetime] | tuple[None, None]:
    """The rule in plain words, without the code that is tested."""
    told = [e for e in events if (e.email_id, e.gen) == (email_id, GEN) and e.outcome and not e.automatic]
    for final in ("complained", "hard_bounced"):
        if times := [e.occurred_at for e in told if e.outcome == final]:
            return final, max(times)
    if not told:
        return None, None
    last = max(e.occurred_at for e in told)
    bounced = any(e.outcome == "soft_bounced" for e in told if e.occurred_at == last)
    return ("soft_bounced" if bounced else "delivered"), last


@pytest.fixture
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    mariadb = getattr(request, "param", "sqlite") == "mariadb"
    url = request.getfixturevalue("database_url") if mariadb else f"sqlite:///{tmp_path}/ledger.sqlite3"
    world = World(url)
    world.add_job([f"c{n}@example.com" for n in range(3)])
    world.enlist()
    yield world
    world.close()


def forget(world: World) -> TrackingLedger:
    world.execute("DELETE FROM eed_event")
    world.execute("DELETE FROM eed_suppression")
    world.execute("UPDATE eed_email SET gen = :g, outcome = NULL, outcome_at = NULL", g=GEN)
    return TrackingLedger(world.database, world.source, TrackingSettings(suppress_soft_bounces=2))


def outcomes(world: World) -> dict[int, tuple[str | None, datetime | None]]:
    rows = world.execute("SELECT email_id, outcome, outcome_at FROM eed_email")
    return {i: (word, datetime.fromisoformat(str(at)).replace(tzinfo=UTC) if at else None) for i, word, at in rows}


@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=SETS, data=st.data())
def test_any_order_each_doubled_in_any_batches(world: World, events: list[TrackingEvent], data: st.DataObject) -> None:
    tracking = forget(world)
    coming = data.draw(st.permutations(events * 2))
    while coming:
        size = data.draw(st.integers(1, len(coming)))
        tracking.take(coming[:size])
        coming = coming[size:]
    assert outcomes(world) == {i: said_by(events, i) for i in (1000, 1001, 1002)}
    assert world.scalar("SELECT COUNT(*) FROM eed_event") == len(events)


@pytest.mark.parametrize("world", ["mariadb"], indirect=True)
def test_several_at_once_each_with_all_of_them_in_its_own_order(world: World) -> None:
    """Deadlocks and races between takers end in the same, too."""
    random = Random(5)
    for _ in range(15):
        tracking = forget(world)
        events = [
            event(n, random.choice([1000, 1001, 1002]), GEN, random.choice(OUTCOMES), random.randrange(4), False)
            for n in range(30)
        ]
        with ThreadPoolExecutor(4) as pool:
            for each in [pool.submit(take_all, tracking, random.sample(events, 30)) for _ in range(4)]:
                each.result(60)
        assert outcomes(world) == {i: said_by(events, i) for i in (1000, 1001, 1002)}
        assert world.scalar("SELECT COUNT(*) FROM eed_event") == 30
        asked = {e.email_id for e in events if e.outcome in ("complained", "hard_bounced")}
        assert world.scalar("SELECT COUNT(*) FROM eed_suppression") >= len(asked)


def take_all(tracking: TrackingLedger, events: Sequence[TrackingEvent]) -> None:
    for start in range(0, len(events), 7):
        tracking.take(events[start : start + 7])
