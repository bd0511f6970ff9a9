"""What `job`, `emails` and `email` show of the delivery outcome, beside the state and never mixed with it."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eed_delivery.config import TrackingSettings
from eed_delivery.events import DeliveryOutcome, EventKind, TrackingEvent
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.ledger.tracking.engagement import EngagementLedger
from eed_delivery.ledger.tracking.ledger import TrackingLedger
from eed_delivery.ledger.tracking.outcomes import EVENTS_OF_AN_EMAIL, BounceReason, OutcomeLedger
from eed_delivery.model import EmailState, Outcome, Verdict
from tests.command_line import CommandLine
from tests.world import World

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
YES = Decision(EmailState.SENT, Outcome(Verdict.SENT, "250 ok", 250, message_id="m"), counted=True)
NO = Decision(EmailState.FAILED, Outcome(Verdict.PERMANENT, "550 5.1.1 no such user", 550, "5.1.1"), counted=True)
DELIVERED, SOFT, HARD, COMPLAINED, SILENT, FAILED = range(1000, 1006)


def told(email_id: int, kind: str, outcome: str | None, minute: int = 0, **facts: object) -> TrackingEvent:
    plain = TrackingEvent(
        event_id=f"{email_id}/{kind}/{outcome}/{minute}/{len(facts)}",
        kind=EventKind(kind),
        occurred_at=NOON + timedelta(minutes=minute),
        email_id=email_id,
        gen=0,
        outcome=DeliveryOutcome(outcome) if outcome else None,
    )
    return replace(plain, **facts)  # type: ignore[arg-type]


EVENTS = [
    told(DELIVERED, "delivery", "delivered"),
    told(SOFT, "bounce", "soft_bounced", sub_type="MailboxFull", code=452, enhanced="4.2.2"),
    told(HARD, "bounce", "hard_bounced", 2, sub_type="NoEmail", code=550, enhanced="5.1.1", detail="550 who?\x1b[2J"),
    told(HARD, "delivery", "delivered", 1),
    told(HARD, "bounce", "soft_bounced", 3, sub_type="OutOfOffice", automatic=True),
    told(COMPLAINED, "complaint", "complained", sub_type="abuse"),
    told(FAILED, "bounce", "hard_bounced", sub_type="NoEmail", code=550, enhanced="5.1.1"),
]
OUTCOMES = {"delivered": 1, "soft_bounced": 1, "hard_bounced": 1, "complained": 1, "no_word_yet": 1}
LOOKS = [
    told(DELIVERED, "open", None, 5),
    told(DELIVERED, "open", None, 6),
    told(SOFT, "open", None, 6, automatic=True),
    told(COMPLAINED, "open", None, 7),
    told(COMPLAINED, "click", None, 8),
]


@pytest.fixture
def world(world: World) -> World:
    """Job 1: four emails of which something was heard, one of which nothing was, one that failed. Job 2: one sent."""
    world.add_job([f"c{n}@example.com" for n in range(6)])
    world.enlist()
    world.add_job(job_id=2)
    world.enlist(2)
    for email_id in (*range(DELIVERED, FAILED + 1), 2000):
        email = world.claimed(email_id)
        assert world.delivering.wire(email, 60) is None
        assert world.delivering.record(email, NO if email_id == FAILED else YES, 12)
    take(world, EVENTS)
    return world


def take(world: World, events: list[TrackingEvent]) -> None:
    assert TrackingLedger(world.database, world.source, TrackingSettings()).take(events).stored == len(events)


@pytest.fixture
def eed(world: World, tmp_path: Path) -> CommandLine:
    return CommandLine(tmp_path, world.url)


def emails(eed: CommandLine, *words: str) -> list[str]:
    return [email["email"] for email in eed.json("emails", "1", *words)]


def test_a_job_says_what_became_of_its_sent_emails(eed: CommandLine) -> None:
    text = eed.good("job", "1")
    table = text[text.index("OF 5 SENT") :].split("\n\n")[0]
    assert [line.rsplit(maxsplit=1) for line in table.splitlines()] == [
        ["OF 5 SENT", "EMAILS"], ["delivered", "1"], ["soft bounced", "1"], ["hard bounced", "1"], ["complained", "1"],
        ["no word yet", "1"],
    ]  # fmt: skip
    assert eed.json("job", "1")["outcomes"] == OUTCOMES


def test_opens_and_clicks_are_counted_by_email_where_there_are_any_and_without_machines(
    world: World, eed: CommandLine
) -> None:
    assert "OPENS" not in eed.good("job", "1")
    take(world, LOOKS)
    told = eed.json("job", "1")
    assert told["outcomes"] == OUTCOMES
    assert told["engagement"] == {"opened": 2, "clicked": 1, "machine_opened": 1, "machine_clicked": 0}
    assert not any(eed.json("job", "2")["engagement"].values())
    text = eed.good("job", "1")
    table = text[text.index("OPENS AND CLICKS") :].split("\n\n")[0]
    assert [line.rsplit(maxsplit=1) for line in table.splitlines()] == [
        ["OPENS AND CLICKS", "EMAILS"], ["opened", "2"], ["clicked", "1"], ["opened by machines", "1"],
    ]  # fmt: skip


def test_what_was_heard_of_an_earlier_generation_is_not_this_ones(world: World, eed: CommandLine) -> None:
    take(world, LOOKS)
    world.execute("UPDATE eed_email SET gen = 1, outcome = NULL, outcome_at = NULL")
    assert eed.json("job", "1")["outcomes"] == {
        "delivered": 0, "soft_bounced": 0, "hard_bounced": 0, "complained": 0, "no_word_yet": 5
    }  # fmt: skip
    assert not any(eed.json("job", "1")["engagement"].values())
    assert [email["opens"] for email in eed.json("emails", "1")] == [0] * 6
    assert OutcomeLedger(world.database).bounces(1) == []


def test_a_job_of_which_nothing_could_be_heard_shows_no_outcomes(world: World, eed: CommandLine) -> None:
    assert "delivered    not tracked" in eed.good("job", "2")
    eed.environ["EED_TRACKING__EVENTS_QUEUE_URL"] = "http://127.0.0.1:9/0/events"
    assert "no word yet       1" in eed.good("job", "2")
    take(world, [told(2000, "open", None)])
    del eed.environ["EED_TRACKING__EVENTS_QUEUE_URL"]
    assert "opened                 1" in eed.good("job", "2")


def test_emails_show_their_outcome_and_can_be_chosen_by_it(eed: CommandLine) -> None:
    lines = eed.good("emails", "1").splitlines()
    assert lines[3].split()[:5] == [str(HARD), "c2@example.com", "sent", "hard_bounced", "1"]
    assert emails(eed, "--outcome", "hard_bounced") == [str(HARD), str(FAILED)]
    assert emails(eed, "--outcome", "hard_bounced", "--state", "sent") == [str(HARD)]
    assert emails(eed, "--outcome", "no_word_yet") == [str(SILENT)]
    assert emails(eed, "--outcome", "no_word_yet", "--state", "failed") == []
    assert emails(eed) == [str(n) for n in range(DELIVERED, FAILED + 1)]


def test_only_what_was_sent_is_waited_for(world: World, eed: CommandLine) -> None:
    world.execute("UPDATE eed_email SET outcome = NULL WHERE email_id = :i", i=FAILED)
    assert emails(eed, "--outcome", "no_word_yet") == [str(SILENT)]


def test_emails_as_csv_end_with_the_outcome_and_what_was_opened(world: World, eed: CommandLine) -> None:
    take(world, LOOKS)
    header, *rows = csv.reader(io.StringIO(eed.good("emails", "1", "--format", "csv")))
    engagement = ["opens", "clicks", "machine_opens", "machine_clicks"]
    assert header[-8:] == ["outcome", "outcome_at", *engagement, "wire_at", "lease_until"]
    assert [row[-6:-2] for row in rows] == [
        ["2", "0", "0", "0"], ["0", "0", "1", "0"], ["0"] * 4, ["1", "1", "0", "0"], ["0"] * 4, ["0"] * 4
    ]  # fmt: skip
    assert [row[-8:-6] for row in rows[2:5]] == [
        ["hard_bounced", "2026-11-22T12:02:00.000Z"], ["complained", "2026-11-22T12:00:00.000Z"], ["", ""]
    ]  # fmt: skip


def test_an_email_lists_its_events_in_the_order_in_which_they_happened(eed: CommandLine) -> None:
    text = eed.good("email", str(HARD))
    assert "state:       sent\noutcome:     hard_bounced, 2026-11-22T12:02:00Z\n" in text
    header, *rows = text.split("\n\n")[-1].splitlines()
    assert header.split() == ["HAPPENED", "GEN", "EVENT", "SUB-TYPE", "OUTCOME", "CODE", "AUTOMATIC", "DETAIL"]
    assert [row.split()[:3] for row in rows] == [
        ["2026-11-22T12:01:00Z", "0", "delivery"],
        ["2026-11-22T12:02:00Z", "0", "bounce"],
        ["2026-11-22T12:03:00Z", "0", "bounce"],
    ]
    assert rows[1].split()[3:] == ["NoEmail", "hard_bounced", "550", "5.1.1", "no", "550", "who?\\x1b[2J"]
    assert rows[2].split()[3:] == ["OutOfOffice", "soft_bounced", "yes"]


def test_an_email_as_json_has_its_events(eed: CommandLine) -> None:
    facts = eed.json("email", str(HARD))
    assert (facts["state"], facts["outcome"], facts["outcome_at"]) == (
        "sent", "hard_bounced", "2026-11-22T12:02:00.000Z"
    )  # fmt: skip
    bounce = facts["events"][1]
    assert (bounce["kind"], bounce["sub_type"], bounce["code"], bounce["enhanced"], bounce["automatic"]) == (
        "bounce", "NoEmail", 550, "5.1.1", False,
    )  # fmt: skip
    assert bounce["occurred_at"] == "2026-11-22T12:02:00.000Z"
    assert eed.json("email", str(SILENT))["events"] == []
    assert "HAPPENED" not in eed.good("email", str(SILENT))


def test_an_email_that_was_opened_without_end_is_shown_in_bounds(world: World, eed: CommandLine) -> None:
    take(world, [told(SILENT, "open", None, n) for n in range(EVENTS_OF_AN_EMAIL + 1)])
    assert f"only the first {EVENTS_OF_AN_EMAIL:,} events are shown" in eed.good("email", str(SILENT))
    assert len(eed.json("email", str(SILENT))["events"]) == EVENTS_OF_AN_EMAIL


def test_bounces_are_counted_by_their_reason(world: World) -> None:
    found = OutcomeLedger(world.database).bounces(1)
    assert found == [
        BounceReason("complained", "abuse", None, None, 1),
        BounceReason("hard_bounced", "NoEmail", 550, "5.1.1", 1),
        BounceReason("soft_bounced", "MailboxFull", 452, "4.2.2", 1),
    ]
    again = told(HARD, "bounce", "hard_bounced", 9, sub_type="NoEmail", code=550, enhanced="5.1.1")
    take(world, [again, told(HARD, "bounce", "hard_bounced", 10, sub_type="a machine's", automatic=True)])
    assert OutcomeLedger(world.database).bounces(1) == found
    assert OutcomeLedger(world.database).bounces(1, limit=2) == found[:2]


def test_an_email_says_how_often_it_was_opened_by_people_and_by_machines(world: World, eed: CommandLine) -> None:
    assert "opened:" not in eed.good("email", str(DELIVERED))
    take(world, [*LOOKS, told(DELIVERED, "open", None, 9, automatic=True), told(SILENT, "click", None, automatic=True)])
    assert "opened:      2, and 1 by machines\n" in eed.good("email", str(DELIVERED))
    assert "clicked:     0, and 1 by machines\n" in eed.good("email", str(SILENT))
    assert "opened:      1\nclicked:     1\n" in eed.good("email", str(COMPLAINED))
    facts = eed.json("email", str(DELIVERED))
    assert (facts["opens"], facts["clicks"], facts["machine_opens"], facts["machine_clicks"]) == (2, 0, 1, 0)
    assert facts["outcome"] == "delivered"


def test_opens_are_found_page_by_page_each_beside_its_email(world: World) -> None:
    take(world, LOOKS)
    beside = EngagementLedger(world.database).beside(world.reporting.emails(1), page=2)
    assert [(email.email_id, engagement.opens) for email, engagement in beside] == [
        (DELIVERED, 2), (SOFT, 0), (HARD, 0), (COMPLAINED, 1), (SILENT, 0), (FAILED, 0)
    ]  # fmt: skip
