"""One address, one form, from the source's row to the list; and the address that an email goes to is the source's."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import literal, select
from sqlalchemy.event import listen, remove

from eed_delivery.addresses import canonical
from eed_delivery.config import TrackingSettings
from eed_delivery.errors import NotPossible
from eed_delivery.events import DeliveryOutcome, EventKind, TrackingEvent
from eed_delivery.ledger.address_sql import domain_entry, plain_form
from eed_delivery.ledger.delivering.claims import Claim, new_token
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.ledger.operating import Selection
from eed_delivery.ledger.suppression.listing import SuppressionEntry, SuppressionFilter, SuppressionList
from eed_delivery.ledger.suppression.unsubscribing import UnsubscribeLedger
from eed_delivery.ledger.tracking.ledger import TrackingLedger
from eed_delivery.model import Email, EmailState, Outcome, Ticket, Verdict
from tests.examples import examples
from tests.unit.test_addresses import ANY, BAD, SPELLINGS
from tests.world import World

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
NO = Decision(EmailState.FAILED, Outcome(Verdict.PERMANENT, "550 5.1.1 no such mailbox", 550, "5.1.1"), counted=True)
YES = Decision(EmailState.SENT, Outcome(Verdict.SENT, "250 ok", 250, message_id="m-1"), counted=True)
OFTEN = [text for text in SPELLINGS["anna@example.com"] if text.strip() and "\ud800" not in text]


def enter(world: World, *addresses: str, category: str = "") -> None:
    SuppressionList(world.database).enter(
        [SuppressionEntry(address, category, "asked", "operator") for address in addresses]
    )


def stands(world: World) -> list[str]:
    return [entry.address for entry in SuppressionList(world.database).entries(SuppressionFilter())]


def address(world: World, email_id: int) -> str | None:
    found: str | None = world.scalar("SELECT address FROM eed_email WHERE email_id = :i", i=email_id)
    return found


def claim_all(world: World, ids: list[int], gen: int = 0) -> list[Email]:
    found: list[Email] = []
    for start in range(0, len(ids), 10):
        claim: Claim = world.delivering.claim([Ticket(i, gen, 0) for i in ids[start : start + 10]], new_token(), 60)
        found += claim.emails
    return found


def tried(world: World, email: Email, decision: Decision) -> None:
    assert world.delivering.wire(email, 60) is None
    assert world.delivering.record(email, decision, 5)


def bounced(email_id: int, gen: int, name: str) -> TrackingEvent:
    return TrackingEvent(
        event_id=name, kind=EventKind.BOUNCE, outcome=DeliveryOutcome.HARD_BOUNCED, email_id=email_id, gen=gen,
        occurred_at=NOON,
    )  # fmt: skip


# --- one form ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", SPELLINGS)
def test_no_spelling_passes_the_list_whichever_stands_there(world: World, form: str) -> None:
    spelt = SPELLINGS[form]
    ids = world.add_job(spelt)
    world.enlist()
    for entry in spelt:
        enter(world, entry)
        assert stands(world) == [form]
    assert claim_all(world, ids) == []
    assert {world.state(i) for i in ids} == {"suppressed"}
    assert SuppressionList(world.database).remove(spelt[-1], None) == 1


@pytest.mark.parametrize("bouncing", ["dora@example.com\r", "\u00a0Dora@EXAMPLE.com", "dora@ｅxample.com"])
def test_a_bounce_of_any_spelling_keeps_back_every_other(world: World, bouncing: str) -> None:
    (one,) = world.add_job([bouncing])
    world.enlist()
    tried(world, world.claimed(one), YES)
    tracking = TrackingLedger(world.database, world.source, TrackingSettings())
    assert tracking.take([bounced(one, 0, "e-1")]).suppressed == 1
    assert stands(world) == ["dora@example.com"]
    assert world.execute("SELECT address FROM eed_event") == [("dora@example.com",)]
    others = world.add_job(["dora@example.com", "DORA@example.com\t"], job_id=2)
    world.enlist(2)
    assert claim_all(world, others) == []


def test_what_is_enlisted_has_its_form_however_it_is_copied(world: World) -> None:
    texts = [text for all_ in SPELLINGS.values() for text in all_]
    # SQLite's substr() ends at a NUL; no database keeps half of a surrogate pair.
    texts += [text for text in BAD if len(text) <= 320 and not {"\0", "\ud800"} & set(text)]
    ids = world.add_job(texts)
    world.registry.register(world.registry.new_jobs(10))
    (job,) = world.registry.lease(new_token(), 60, 10, 0)
    while world.registry.enlist(job, 7, 60):
        pass
    assert {i: address(world, i) for i in ids} == {i: canonical(text) for i, text in zip(ids, texts, strict=True)}


def test_the_database_makes_only_forms_that_are_right(database_url: str) -> None:
    world = World(database_url)
    made = 0

    def form(text: str) -> str | None:
        found: str | None = world.database.run(lambda c: c.execute(select(plain_form(literal(text)))).scalar_one())
        return found

    @given(ANY)
    @settings(max_examples=examples(1000), deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def check(text: str) -> None:
        nonlocal made
        if any(0xD800 <= ord(letter) <= 0xDFFF for letter in text):
            return
        found = form(text)
        made += found is not None
        assert found in (None, canonical(text))

    check()
    assert made > 10
    for text in ("Anna.B+tag-1_x@EXAMPLE-a.com", "a@localhost"):
        assert form(text) == text.lower()
    for text in ("anna@example.com\n", "a@x.example\r", "carl\u212a@x.example", "a@x.example\u2028", "a@ab--c.example"):
        assert form(text) is None
    world.close()


@pytest.mark.parametrize("local", ["a", '"a@b"', "用户"])
def test_the_domain_of_an_address_is_behind_its_last_at_sign(world: World, local: str) -> None:
    entry = select(domain_entry(literal(f"{local}@x.example")))
    assert world.database.run(lambda c: c.execute(entry).scalar_one()) == "@x.example"


# --- domains -----------------------------------------------------------------------------------------------------


def test_a_domain_on_the_list_keeps_back_every_address_of_it_and_no_other(world: World) -> None:
    enter(world, "*@Bücher.example")
    enter(world, "@example.com", category="news")
    ids = world.add_job(["a@xn--bcher-kva.example", "B@BÜCHER.example\r", "a@sub.bücher.example", "a@example.com"])
    world.enlist()
    assert [email.email_id for email in claim_all(world, ids)] == ids[2:]
    assert stands(world) == ["@example.com", "@xn--bcher-kva.example"]


def test_a_bounce_of_the_address_star_is_no_entry_of_a_domain(world: World) -> None:
    star, other = world.add_job(["*@example.com", "a@example.com"])
    world.enlist()
    tried(world, world.claimed(star), YES)
    TrackingLedger(world.database, world.source, TrackingSettings()).take([bounced(star, 0, "e-1")])
    assert stands(world) == ["*@example.com"]
    assert world.claimed(other)


@pytest.mark.parametrize("wrong", ["*", "*@", "a@*.example", "example.com", "anna", "a@x.example,b@x.example"])
def test_what_would_keep_nothing_back_is_not_entered(world: World, wrong: str) -> None:
    with pytest.raises(NotPossible):
        enter(world, "good@example.com", wrong)
    assert stands(world) == []


# --- the source's address ----------------------------------------------------------------------------------------


@pytest.fixture
def failed(world: World) -> Iterator[int]:
    """An email that was tried at a wrong address, and failed."""
    (one,) = world.add_job(["stranger@wrong.example"])
    world.enlist()
    tried(world, world.claimed(one), NO)
    yield one


def correct(world: World, email_id: int, recipient: str | None) -> None:
    world.execute("UPDATE delivery_email SET recipient = :r WHERE id = :i", r=recipient, i=email_id)


def requeue(world: World, email_id: int) -> None:
    assert world.operating.requeue(Selection(emails=(email_id,))) == 1


def test_a_corrected_address_is_the_one_that_a_requeue_sends_to(world: World, failed: int) -> None:
    correct(world, failed, "Anna@Right.example")
    requeue(world, failed)
    email = world.claimed(failed, gen=1)
    assert email.recipient == "Anna@Right.example"
    tried(world, email, YES)
    assert address(world, failed) == "anna@right.example"
    attempts = world.reporting.attempts(failed)
    assert [(a.gen, a.recipient) for a in attempts] == [(0, "stranger@wrong.example"), (1, "Anna@right.example")]
    report = world.reporting.email(failed)
    assert report is not None
    assert report.recipient == "Anna@Right.example"


@pytest.mark.parametrize("broken", [None, "", "no address", "a b@example.com", "x" * 320])
def test_a_malformed_address_is_mended_by_correcting_the_source(world: World, broken: str | None) -> None:
    (one,) = world.add_job(["placeholder@example.com"])
    correct(world, one, broken)
    world.enlist()
    email = world.claimed(one)
    assert (email.recipient, address(world, one)) == (broken or "", None)
    assert world.delivering.record(email, NO, 5)
    correct(world, one, "anna@example.com")
    requeue(world, one)
    assert world.claimed(one, gen=1).recipient == "anna@example.com"
    assert address(world, one) == "anna@example.com"


@pytest.mark.parametrize("entry", ["anna@right.example", "*@right.example"])
def test_the_corrected_address_is_looked_up_on_the_list(world: World, failed: int, entry: str) -> None:
    enter(world, entry)
    correct(world, failed, "Anna@RIGHT.example ")
    requeue(world, failed)
    claim = world.claim(failed, gen=1)
    assert (claim.emails, [refusal.standing.name for refusal in claim.refusals]) == ((), ["OVER"])
    assert world.state(failed) == world.source_status(failed) == "suppressed"


def test_an_address_that_is_on_the_list_no_longer_counts_once_it_is_corrected(world: World, failed: int) -> None:
    """As after each hard bounce: the former address is on the list, and somebody corrects it in the source."""
    enter(world, "stranger@wrong.example")
    correct(world, failed, "anna@right.example")
    requeue(world, failed)
    assert world.claimed(failed, gen=1).recipient == "anna@right.example"


def test_an_address_without_its_form_is_looked_up_all_the_same(world: World, one: int) -> None:
    """Of a release that had none: its publisher may still run while the first new worker claims."""
    world.execute("UPDATE eed_email SET address = NULL")
    enter(world, "a@example.com")
    world.claim(one)
    assert (world.state(one), address(world, one)) == ("suppressed", "a@example.com")


def test_a_claim_writes_no_address_when_none_has_changed(world: World) -> None:
    ids = world.add_job([f"customer{n}@example.com" for n in range(9)] + ["anna@bücher.example\r"])
    world.enlist()
    said: list[str] = []

    def hear(*args: Any) -> None:
        said.append(args[2])

    listen(world.database.engine, "before_cursor_execute", hear)
    assert len(claim_all(world, ids)) == 10
    remove(world.database.engine, "before_cursor_execute", hear)
    assert not [statement for statement in said if "UPDATE eed_email SET recipient" in statement]


def test_the_bounce_of_a_former_address_says_nothing_of_the_corrected_one(world: World, failed: int) -> None:
    correct(world, failed, "anna@right.example")
    requeue(world, failed)
    tried(world, world.claimed(failed, gen=1), YES)
    tracking = TrackingLedger(world.database, world.source, TrackingSettings())
    tracking.take([bounced(failed, 0, "e-1")])
    assert stands(world) == ["stranger@wrong.example"]
    tracking.take([bounced(failed, 1, "e-2")])
    assert stands(world) == ["anna@right.example", "stranger@wrong.example"]


def test_so_does_a_try_of_a_release_that_did_not_write_addresses_down(world: World, failed: int) -> None:
    world.execute("UPDATE eed_attempt SET recipient = NULL")
    correct(world, failed, "anna@right.example")
    requeue(world, failed)
    tried(world, world.claimed(failed, gen=1), YES)
    TrackingLedger(world.database, world.source, TrackingSettings()).take([bounced(failed, 0, "e-1")])
    assert stands(world) == ["stranger@wrong.example"]


def test_a_wish_is_of_the_address_that_its_generation_went_to(world: World, failed: int) -> None:
    correct(world, failed, "anna@right.example")
    requeue(world, failed)
    tried(world, world.claimed(failed, gen=1), YES)
    unsubscribing = UnsubscribeLedger(world.database)
    assert unsubscribing.store(failed, 0, "", "one_click", NOON)
    assert stands(world) == ["stranger@wrong.example"]
    assert unsubscribing.store(failed, 1, "", "one_click", NOON)
    assert stands(world) == ["anna@right.example", "stranger@wrong.example"]


def test_what_died_on_the_wire_has_the_address_that_it_went_to(world: World, one: int) -> None:
    assert world.delivering.wire(world.claimed(one), 60) is None
    world.lapse(one)
    assert world.sweeping.settle_the_wire(resend_below=0) == 1
    assert [attempt.recipient for attempt in world.reporting.attempts(one)] == ["a@example.com"]
