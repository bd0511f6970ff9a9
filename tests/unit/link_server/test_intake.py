"""Events wait in a queue with a limit; what an outage or a defect costs is counted."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from structlog.testing import capture_logs

from eed_delivery.errors import DatabaseGone
from eed_delivery.events import EventKind, TrackingEvent
from eed_delivery.link_server.all_links import LinkWatch
from eed_delivery.link_server.intake import BATCH, PAUSE_SECONDS, Intake


class Store:
    """A database that may be away."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.fault: Exception | None = None

    def __call__(self, events: Sequence[TrackingEvent]) -> None:
        if self.fault is not None:
            raise self.fault
        self.batches.append([event.event_id for event in events])


def _event(number: int) -> TrackingEvent:
    return TrackingEvent(str(number), EventKind.OPEN, datetime(2026, 1, 2, tzinfo=UTC))


def test_events_are_stored_in_order_and_in_batches() -> None:
    store = Store()
    intake = Intake(store)
    for number in range(BATCH + 1):
        intake.put(_event(number))
    assert (intake.step(), intake.step()) == (0.0, PAUSE_SECONDS)
    assert [len(batch) for batch in store.batches] == [BATCH, 1]
    assert [number for batch in store.batches for number in batch] == [str(number) for number in range(BATCH + 1)]


def test_nothing_is_stored_when_nothing_came() -> None:
    store = Store()
    assert Intake(store).step() == PAUSE_SECONDS
    assert store.batches == []


def test_what_came_while_the_database_was_away_is_stored_once_it_is_back() -> None:
    store = Store()
    intake = Intake(store)
    store.fault = DatabaseGone("away")
    for number in range(3):
        intake.put(_event(number))
        with pytest.raises(DatabaseGone):
            intake.step()
    store.fault = None
    intake.step()
    intake.step()
    assert (store.batches, intake.dropped) == ([["0", "1", "2"]], 0)


def test_what_the_queue_cannot_hold_is_dropped_counted_and_told_once() -> None:
    store = Store()
    intake = Intake(store, capacity=2)
    for number in range(5):
        intake.put(_event(number))
    with capture_logs() as lines:
        intake.step()
        intake.step()
    assert (store.batches, intake.dropped) == ([["0", "1"]], 3)
    assert [(line["event"], line["count"]) for line in lines] == [("opens_and_clicks_dropped", 3)]


def test_a_batch_that_cannot_be_stored_does_not_stand_in_the_way_for_ever() -> None:
    store = Store()
    intake = Intake(store)
    store.fault = RuntimeError("a defect")
    intake.put(_event(1))
    with pytest.raises(RuntimeError):
        intake.step()
    store.fault = None
    intake.put(_event(2))
    intake.step()
    assert (store.batches, intake.dropped) == ([["2"]], 1)


def test_at_the_end_everything_is_stored_or_it_says_why_not() -> None:
    store = Store()
    intake = Intake(store)
    store.fault = DatabaseGone("away")
    for number in range(2 * BATCH + 1):
        intake.put(_event(number))
    with pytest.raises(DatabaseGone):
        intake.flush()
    store.fault = None
    intake.flush()
    assert [len(batch) for batch in store.batches] == [BATCH, BATCH, 1]


def _click(seconds: float, link: str) -> TrackingEvent:
    at = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=seconds)
    return TrackingEvent(f"{seconds} {link}", EventKind.CLICK, at, email_id=7, gen=1, detail=link)


class Judged:
    """What is stored, and whether it was taken for a machine's."""

    def __init__(self) -> None:
        self.events: list[tuple[str, bool]] = []

    def __call__(self, events: Sequence[TrackingEvent]) -> None:
        self.events += [(event.detail, event.automatic) for event in events]


def test_clicks_wait_until_it_is_known_whether_all_links_were_followed() -> None:
    store, now = Judged(), [datetime(2026, 1, 2, tzinfo=UTC)]
    intake = Intake(store, watch=LinkWatch(), now=lambda: now[0])
    for seconds, link in ((0, "a"), (1, "b"), (2, "c"), (30, "a")):
        now[0] = datetime(2026, 1, 2, tzinfo=UTC) + timedelta(seconds=seconds)
        intake.put(_click(seconds, link))
        if seconds < 30:
            assert intake.step() == PAUSE_SECONDS
            assert store.events == []
    assert intake.waiting == 4
    assert intake.step() == PAUSE_SECONDS
    assert store.events == [("a", True), ("b", True), ("c", True)]
    assert intake.waiting == 1
    intake.flush()  # at the end nothing waits any more
    assert (store.events[3:], intake.waiting) == ([("a", False)], 0)
