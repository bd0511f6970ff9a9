"""How long ago the mail server took an email, by the database's clock, and what that makes of an open."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from eed_delivery.config import TrackingSettings
from eed_delivery.events import EventKind, TrackingEvent
from eed_delivery.ledger.suppression.unsubscribing import UnsubscribeLedger
from eed_delivery.ledger.tracking.acceptance import AcceptanceLedger
from eed_delivery.ledger.tracking.ledger import TrackingLedger
from eed_delivery.link_server.endpoint import Unsubscription
from eed_delivery.link_server.forms import Wish
from eed_delivery.link_server.recording import LinkRecorder, UnknownEmail
from tests.world import World

SECOND = timedelta(seconds=1)


def attempt(world: World, email_id: int, seconds_ago: int, verdict: str = "sent", gen: int = 0) -> None:
    if world.database.dialect == "sqlite":
        at = f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-{seconds_ago} seconds')"
    else:
        at = f"UTC_TIMESTAMP(6) - INTERVAL {seconds_ago} SECOND"
    world.execute(
        "INSERT INTO eed_attempt (email_id, gen, attempt, verdict, counted, ended_at)"
        f" VALUES ({email_id}, {gen}, 1, '{verdict}', 1, {at})"
    )


def ages(world: World, *places: tuple[int, int]) -> dict[tuple[int, int], float]:
    found = AcceptanceLedger(world.database).ages(places)
    return {place: age.total_seconds() for place, age in found.items()}


def test_each_generation_has_its_age_and_what_was_not_taken_has_none(world: World) -> None:
    attempt(world, 1, 500)
    attempt(world, 1, 100, gen=1)
    attempt(world, 2, 900, "in_doubt")
    attempt(world, 2, 30)
    attempt(world, 3, 50, "temporary")
    attempt(world, 4, 50, "permanent")
    found = ages(world, (1, 0), (1, 1), (2, 0), (3, 0), (4, 0), (5, 0))
    assert set(found) == {(1, 0), (1, 1), (2, 0)}
    assert found == {
        (1, 0): pytest.approx(500, abs=60),
        (1, 1): pytest.approx(100, abs=60),
        (2, 0): pytest.approx(900, abs=60),
    }


def test_nothing_is_asked_about_nothing(world: World) -> None:
    assert ages(world) == {}


def recording(world: World) -> LinkRecorder:
    tracking = TrackingLedger(world.database, world.source, TrackingSettings())
    return LinkRecorder(tracking, AcceptanceLedger(world.database), UnsubscribeLedger(world.database))


def opens(world: World, events: Sequence[tuple[int, timedelta]]) -> list[tuple[str, int]]:
    """What is stored of persons' opens of these emails, so long ago by this machine's clock."""
    now = datetime.now(UTC)
    recording(world).store(
        [
            TrackingEvent(f"e{n}", EventKind.OPEN, now - ago, i, 0, sub_type="person")
            for n, (i, ago) in enumerate(events)
        ]
    )
    return world.execute("SELECT sub_type, automatic FROM eed_event ORDER BY event_id")  # type: ignore[no-any-return]


def test_what_comes_too_soon_is_a_machines(world: World) -> None:
    long_ago, just_now, not_yet = world.add_job([f"{n}@example.com" for n in range(3)])
    world.enlist()
    attempt(world, long_ago, 3600)
    attempt(world, just_now, 0)
    told = opens(
        world, [(long_ago, 0 * SECOND), (just_now, 0 * SECOND), (not_yet, 0 * SECOND), (long_ago, 3599 * SECOND)]
    )
    assert told == [("person", 0), ("too_soon", 1), ("too_soon", 1), ("too_soon", 1)]


def test_an_email_that_the_ledger_has_not_is_no_reason_to_lose_the_others(world: World, one: int) -> None:
    attempt(world, one, 3600)
    assert opens(world, [(one, SECOND), (one + 1, SECOND)]) == [("person", 0)]


def test_a_wish_about_an_email_that_the_ledger_has_not_is_not_confirmed(world: World, one: int) -> None:
    def wish(email_id: int, gen: int) -> Unsubscription:
        return Unsubscription(email_id, gen, "news", Wish.FORM, datetime.now(UTC))

    for nobody in (wish(one + 1, 0), wish(one, 1)):
        with pytest.raises(UnknownEmail):
            recording(world).unsubscribe(nobody)
    recording(world).unsubscribe(wish(one, 0))
    assert world.execute("SELECT address, category FROM eed_suppression") == [("a@example.com", "news")]
