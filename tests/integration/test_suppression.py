"""Who is on the suppression list, for what, and how long: claims, entries, one-click wishes."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.event import listen, remove

from eed_delivery.config import JobSource, SourceSettings
from eed_delivery.ledger.delivering.claims import Standing, new_token
from eed_delivery.ledger.delivering.ledger import DeliveryLedger
from eed_delivery.ledger.operating import Selection
from eed_delivery.ledger.publishing.ledger import PublishingLedger
from eed_delivery.ledger.suppression.listing import Entered, SuppressionEntry, SuppressionFilter, SuppressionList
from eed_delivery.ledger.suppression.unsubscribing import UnsubscribeLedger
from eed_delivery.ledger.tracking.outcomes import OutcomeLedger
from eed_delivery.model import Ticket
from eed_delivery.pseudonyms import PREFIX
from eed_delivery.source import Source
from tests.servers.database_server import DatabaseServer
from tests.servers.mysql_proxy import MySqlProxy
from tests.world import World

SOON, LATER = (datetime.fromisoformat(f"{year}-01-01T00:00:00.000001") for year in (2098, 2099))
PAST = datetime.fromisoformat("2001-01-01T00:00:00")
NOON = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)


def entry(address: str = "a@example.com", category: str = "", **facts: Any) -> SuppressionEntry:
    return SuppressionEntry(address, category, facts.pop("reason", "asked"), facts.pop("source", "test"), **facts)


def suppression(world: World) -> SuppressionList:
    return SuppressionList(world.database)


def stands(world: World) -> list[tuple[str, str, str, str, datetime | None]]:
    found = suppression(world).entries(SuppressionFilter())
    return [(e.address, e.category, e.reason, e.source, e.expires_at) for e in found]


def taken_up(world: World, **job: Any) -> None:
    """Register what is ready with a mapping of jobs of one's own."""
    registry = PublishingLedger(world.database, Source(SourceSettings(job=JobSource(**job))))
    registry.register(registry.new_jobs(10))


# --- what a claim makes of it ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "category", "state"),
    [
        ("", "", "suppressed"),
        ("", "news", "suppressed"),
        ("news", "news", "suppressed"),
        ("news", "", "sending"),
        ("news", "offers", "sending"),
        ("News", "news", "sending"),
    ],
)
def test_an_entry_counts_for_every_email_or_for_its_category(
    world: World, one: int, scope: str, category: str, state: str
) -> None:
    world.execute("UPDATE eed_job SET category = :c", c=category)
    suppression(world).enter([entry(category=scope)])
    world.claim(one)
    assert world.state(one) == state


@pytest.mark.parametrize(
    "listed", ["a@example.com", "@example.com", f"{PREFIX}0a1b:{'5' * 40}"], ids=["address", "domain", "hash"]
)
def test_the_list_stops_no_file(world: World, one: int, listed: str) -> None:
    """A file goes to no address. A hash whose key is not set stops emails, and files need no key."""
    suppression(world).enter([entry("other@example.org")])
    world.execute("UPDATE eed_suppression SET address = :address", address=listed)
    putting = DeliveryLedger(world.database, world.source, "test", sends_emails=False)
    putting.rehearse()
    (email,) = putting.claim([Ticket(one, 0, 0)], new_token(), 60).emails
    assert putting.wire(email, 60) is None
    assert world.state(one) == "sending"


def test_a_file_whose_job_is_paused_goes_back_although_its_address_is_on_the_list(world: World, one: int) -> None:
    suppression(world).enter([entry()])
    putting = DeliveryLedger(world.database, world.source, "test", sends_emails=False)
    (email,) = putting.claim([Ticket(one, 0, 0)], new_token(), 60).emails
    world.operating.pause(1, "looked at")
    assert putting.wire(email, 60) is Standing.OVER
    assert world.state(one) == "pending"


@pytest.mark.parametrize(
    ("recipient", "given"),
    [
        (" A@Example.com  ", "a@example.com"),
        ("a@example.com", " A@EXAMPLE.COM "),
        ("ÄRGER@x.example", "ÄRGER@X.example"),
    ],
)
def test_an_address_is_entered_as_a_claim_compares_it(world: World, recipient: str, given: str) -> None:
    (one,) = world.add_job([recipient])
    world.enlist()
    assert suppression(world).enter([entry(given)]).added == 1
    world.claim(one)
    assert world.state(one) == "suppressed"
    assert suppression(world).remove(given, "") == 1


def test_the_category_is_the_mapped_columns_when_the_job_is_taken_up(world: World) -> None:
    world.add_job(category=" news ")
    world.add_job(job_id=2)
    taken_up(world, category="category")
    world.execute("UPDATE delivery_job SET category = 'changed'")
    assert world.execute("SELECT category FROM eed_job ORDER BY job_id") == [("news",), ("",)]


def test_a_category_may_be_the_same_for_every_job(world: World) -> None:
    world.add_job(category="news")
    taken_up(world, category_value="statements")
    assert world.scalar("SELECT category FROM eed_job") == "statements"


def test_a_reference_schema_of_before_has_no_category_and_needs_none(world: World) -> None:
    world.execute("ALTER TABLE delivery_job DROP COLUMN category")
    world.add_job()
    world.enlist()
    assert world.scalar("SELECT category FROM eed_job") == ""
    assert world.database.run(lambda c: world.source.job(c, 1, 1, 0)).category == ""


@pytest.mark.parametrize("settings", [{"category": "category"}, {"category_value": "n" * 200}])
def test_what_is_rendered_and_what_is_asked_is_the_same_category(world: World, settings: dict[str, str]) -> None:
    """A link's category comes from the source, a claim's from the ledger."""
    world.add_job(category=" news ")
    taken_up(world, **settings)
    source = Source(SourceSettings(job=JobSource(**settings)))
    category = world.database.run(lambda c: source.job(c, 1, 1, 0)).category
    assert category == world.scalar("SELECT category FROM eed_job")
    assert 0 < len(category) <= 191


# --- entering ----------------------------------------------------------------------------------------------------


def test_entries_are_added_once(world: World) -> None:
    entries = [entry(), entry(), entry("A@example.com"), entry(category="news"), entry("b@example.com")]
    assert suppression(world).enter(entries) == Entered(3, 0)
    assert suppression(world).enter(entries) == Entered(0, 0)
    assert [row[:2] for row in stands(world)] == [
        ("a@example.com", ""),
        ("a@example.com", "news"),
        ("b@example.com", ""),
    ]


@pytest.mark.parametrize(
    ("first", "second", "prolonged"),
    [
        (None, None, False),
        (None, LATER, False),
        (LATER, SOON, False),
        (SOON, SOON, False),
        (SOON, LATER, True),
        (SOON, None, True),
    ],
)
def test_an_entry_is_prolonged_and_never_shortened(
    world: World, first: datetime | None, second: datetime | None, prolonged: bool
) -> None:
    suppression(world).enter([entry(expires_at=first, created_at=PAST)])
    again = [entry(expires_at=second, reason="again", source="other"), entry("b@example.com")]
    assert suppression(world).enter(again) == Entered(1, int(prolonged))
    kept, _ = suppression(world).entries(SuppressionFilter())
    expected = (second, "again", "other") if prolonged else (first, "asked", "test")
    assert (kept.expires_at, kept.reason, kept.source) == expected
    assert kept.created_at == PAST


def test_a_complaint_marks_what_stands_for_ever_and_nothing_replaces_it(world: World) -> None:
    suppression(world).enter([entry(), entry("b@example.com", expires_at=SOON)])
    theirs = [entry(source="complaint", reason="spam"), entry("b@example.com", source="complaint", expires_at=LATER)]
    assert suppression(world).enter(theirs) == Entered(0, 1, 1)
    assert suppression(world).enter(theirs) == Entered(0, 0, 0)
    assert suppression(world).enter([entry(source="operator")]) == Entered(0, 0, 0)
    found = [(one.address, one.source) for one in suppression(world).entries(SuppressionFilter())]
    assert found == [("a@example.com", "complaint"), ("b@example.com", "complaint")]
    assert world.scalar("SELECT COUNT(*) FROM eed_audit WHERE counts LIKE '%marked%'") == 1
    of_one = "SELECT state_before, state_after FROM eed_audit WHERE object_key = 'a@example.com'"
    ((before, after),) = world.execute(of_one)
    assert ("asked" in before, "spam" in after) == (True, True)


@pytest.mark.parametrize("first", ["operator", "bounce", "unsubscribe", "complaint"])
@pytest.mark.parametrize("until", [None, SOON])
def test_the_wish_of_a_recipient_marks_what_stands_and_a_complaint_weighs_more(
    world: World, first: str, until: datetime | None
) -> None:
    (one,) = world.add_job(["a@example.com"])
    world.enlist()
    suppression(world).enter([entry(source=first, expires_at=until)])
    assert UnsubscribeLedger(world.database).store(one, 0, "", "one_click", NOON)
    wish = "complaint" if first == "complaint" else "unsubscribe"
    assert [(kept.source, kept.expires_at) for kept in suppression(world).of("a@example.com")] == [(wish, None)]
    suppression(world).enter([entry(source="operator")])
    assert [kept.source for kept in suppression(world).of("a@example.com")] == [wish]
    suppression(world).enter([entry(source="complaint")])
    assert [kept.source for kept in suppression(world).of("a@example.com")] == ["complaint"]


@pytest.mark.parametrize(("first", "second"), [("operator", "complaint"), ("complaint", "operator")])
@pytest.mark.parametrize(("one", "other"), [(None, None), (SOON, LATER), (LATER, SOON)])
def test_of_two_rows_for_one_address_the_complaint_counts_and_the_longer_time(
    world: World, first: str, second: str, one: datetime | None, other: datetime | None
) -> None:
    suppression(world).enter([entry(source=first, expires_at=one), entry(source=second, expires_at=other)])
    longer = None if one is None else LATER
    assert [(kept.source, kept.expires_at) for kept in suppression(world).of("a@example.com")] == [
        ("complaint", longer)
    ]


def test_what_stands_already_costs_one_question_however_many_there_are(world: World) -> None:
    many = [entry(f"{n}@example.com", expires_at=SOON) for n in range(100)]
    suppression(world).enter(many)
    said: list[str] = []

    def hear(*args: Any) -> None:
        said.append(args[2].split()[0])

    listen(world.database.engine, "before_cursor_execute", hear)
    assert suppression(world).enter(many) == Entered(0, 0)
    remove(world.database.engine, "before_cursor_execute", hear)
    assert [word for word in said if word != "BEGIN"] == ["SELECT"]


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_for_the_same_address_the_longer_one_counts(world: World, order: int) -> None:
    both = [entry(expires_at=SOON), entry(expires_at=LATER)][::order]
    assert suppression(world).enter(both) == Entered(1, 0)
    assert stands(world)[0][-1] == LATER


def test_an_entry_without_a_time_was_made_now_by_the_databases_clock(world: World) -> None:
    before = world.reporting.now()
    suppression(world).enter([entry()])
    (made,) = suppression(world).entries(SuppressionFilter())
    assert made.created_at is not None
    assert before <= made.created_at <= world.reporting.now()


def test_somebody_elses_entry_of_the_same_moment_is_prolonged(database_url: str) -> None:
    """It is not committed when we look, and is when we insert."""
    world, pause = World(database_url), threading.Event()
    with world.database.engine.connect() as theirs, ThreadPoolExecutor(1) as pool:
        theirs.execute(
            text(
                "INSERT INTO eed_suppression (address, category, reason, source, created_at, expires_at)"
                " VALUES ('a@example.com', '', 'theirs', 'bounce', '2026-01-01', '2098-01-01')"
            )
        )
        ours = pool.submit(suppression(world).enter, [entry(), entry("b@example.com")])
        waits = "SELECT COUNT(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
        while not world.scalar(waits):
            pause.wait(0.1)
        theirs.commit()
        assert ours.result(60) == Entered(1, 1)
    assert stands(world)[0] == ("a@example.com", "", "asked", "test", None)
    world.close()


def test_a_commit_whose_answer_is_lost_is_told_as_it_was(database_server: DatabaseServer, database_url: str) -> None:
    with MySqlProxy(database_server.port) as proxy:
        world = World(proxy.url(database_url))
        proxy.cut_after_commit(1)
        assert suppression(world).enter([entry()]) == Entered(1, 0)
        proxy.cut_after_commit(1)
        assert suppression(world).remove("a@example.com", None) == 1
        assert sum(proxy.cuts.values()) == 2
        world.close()


# --- taking away, and reading ------------------------------------------------------------------------------------


def test_an_address_is_taken_off_for_one_category_or_for_all(world: World) -> None:
    names = ("", "news", "offers")
    suppression(world).enter([entry(address, name) for address in ("a@example.com", "b@example.com") for name in names])
    assert suppression(world).remove("A@Example.com", "") == 1
    assert suppression(world).remove("a@example.com", "") == 0
    assert [e.category for e in suppression(world).of("a@EXAMPLE.com")] == ["news", "offers"]
    assert suppression(world).remove("a@example.com", None) == 2
    assert [row[:2] for row in stands(world)] == [("b@example.com", name) for name in names]


@pytest.mark.parametrize("page", [1, 2, 3, 100])
def test_pages_give_every_entry_once_and_in_order(world: World, page: int) -> None:
    keys = [(f"{name}@example.com", category) for name in "aäbz" for category in ("", "news", "offers")]
    suppression(world).enter([entry(*key) for key in reversed(keys)])
    found = [e.key for e in suppression(world).entries(SuppressionFilter(), page=page)]
    assert sorted(found) == sorted(keys)
    assert found == sorted(found, key=lambda key: (key[0].encode(), key[1]))
    after = [e.key for e in suppression(world).entries(SuppressionFilter(), after="A@example.com", page=page)]
    assert after == [key for key in found if key[0] != "a@example.com"]


def test_entries_are_chosen_by_each_of_their_facts(world: World) -> None:
    chosen = entry("a@example.com", "news", source="bounce")
    others = [
        entry("b@example.com", "news", source="bounce"),
        entry("a@sub.example.com", "news", source="bounce"),
        entry("a@example.com", "", source="bounce"),
        entry("a@example.com", "offers", source="complaint"),
    ]
    ended = entry("z@example.com", "news", source="bounce", expires_at=PAST)
    suppression(world).enter([chosen, *others, ended])

    def found(**wanted: Any) -> set[tuple[str, str]]:
        return {e.key for e in suppression(world).entries(SuppressionFilter(**wanted))}

    every = {e.key for e in (chosen, *others, ended)}
    assert found(address="A@example.com") == {key for key in every if key[0] == "a@example.com"}
    assert found(domain="Example.com") == {key for key in every if key[0].endswith("@example.com")}
    assert found(category="") == {("a@example.com", "")}
    assert found(source="complaint") == {("a@example.com", "offers")}
    assert found(expired=True) == {ended.key}
    assert found(expired=False) == every - {ended.key}
    assert found(domain="example.com", category="news", expired=False) == {chosen.key, ("b@example.com", "news")}
    assert found() == every


# --- one-click wishes --------------------------------------------------------------------------------------------


def test_a_wish_is_kept_for_its_category_and_for_ever(world: World) -> None:
    first, second = world.add_job(["A@Example.com", "b@example.com"])
    world.enlist()
    suppression(world).enter([entry(expires_at=SOON), entry(category="news", expires_at=SOON)])
    assert UnsubscribeLedger(world.database).store(first, 0, "news", "one_click", NOON)
    assert stands(world) == [
        ("a@example.com", "", "asked", "test", SOON),
        ("a@example.com", "news", "unsubscribed: one_click", "unsubscribe", None),
    ]
    for category in ("offers", ""):
        assert UnsubscribeLedger(world.database).store(second, 0, category, "", NOON)
        found = [e.category for e in suppression(world).of("b@example.com")]
        assert found == sorted({category, "offers"})
    assert stands(world)[-1] == ("b@example.com", "offers", "unsubscribed", "unsubscribe", None)


def test_a_wish_is_among_the_events_of_its_email_once_and_says_nothing_else(world: World, one: int) -> None:
    for _ in range(2):
        assert UnsubscribeLedger(world.database).store(one, 0, "news", "form", NOON)
    (told,) = OutcomeLedger(world.database).events_of(one)
    assert (told.kind, told.sub_type, told.detail, told.automatic) == (
        "subscription",
        "unsubscribed news",
        "form",
        False,
    )
    assert told.occurred_at.replace(tzinfo=UTC) == NOON
    assert world.execute("SELECT state, outcome FROM eed_email") == [("pending", None)]
    assert UnsubscribeLedger(world.database).store(one, 0, "", "form", NOON)
    assert len(OutcomeLedger(world.database).events_of(one)) == 2


def test_a_wish_that_comes_again_counts_after_an_operator_has_taken_the_first_away(world: World, one: int) -> None:
    unsubscribing = UnsubscribeLedger(world.database)
    unsubscribing.store(one, 0, "", "form", NOON)
    assert suppression(world).remove("a@example.com", "") == 0, "without evidence"
    assert suppression(world).remove("a@example.com", "", evidence="ticket 4711") == 1
    assert unsubscribing.store(one, 0, "", "form", NOON)
    assert len(stands(world)) == 1


def test_a_wish_of_an_older_generation_counts_and_one_of_none_does_not(world: World, one: int) -> None:
    world.execute("UPDATE eed_email SET state = 'failed'")
    world.operating.requeue(Selection(emails=(one,)))
    unsubscribing = UnsubscribeLedger(world.database)
    for unknown in ((one, 2), (one + 1, 0)):
        assert not unsubscribing.store(*unknown, "", "form", NOON)
    assert stands(world) == []
    assert world.scalar("SELECT COUNT(*) FROM eed_event") == 0
    assert unsubscribing.store(one, 0, "", "form", NOON)
    assert len(stands(world)) == 1


def test_what_is_no_address_is_not_cut_to_another_ones(world: World, one: int) -> None:
    world.execute("UPDATE eed_email SET recipient = :r, address = NULL", r="x" * 310 + "@example.com")
    assert not UnsubscribeLedger(world.database).store(one, 0, "", "form", NOON)
    assert stands(world) == []
