"""What the ledger stores about one person: shown whole, erased whole, and still suppressed afterwards."""

import json
import random
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import String

from eed_delivery.addresses import canonical
from eed_delivery.app.operations import Operations
from eed_delivery.config import TrackingSettings
from eed_delivery.errors import DatabaseGone
from eed_delivery.ledger.actor import SERVICE
from eed_delivery.ledger.acts import Act, ActKind, ActObject
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.ledger.delivering.ledger import DeliveryLedger
from eed_delivery.ledger.persons import erasing as erasing_module
from eed_delivery.ledger.persons.erasing import ErasingLedger
from eed_delivery.ledger.persons.personal_data import PERSONAL_DATA, Erasure
from eed_delivery.ledger.schema import metadata
from eed_delivery.ledger.suppression.listing import SuppressionEntry, SuppressionFilter, SuppressionList
from eed_delivery.ledger.suppression.unsubscribing import UnsubscribeLedger
from eed_delivery.ledger.tracking.ledger import TrackingLedger
from eed_delivery.operations.persons import EraseRequest
from eed_delivery.operations.refusals import InvalidRequest, OperationRefused, WrongState
from eed_delivery.operations.suppression.listing import RemoveRequest, SuppressRequest
from eed_delivery.pseudonyms import Pseudonyms, is_pseudonym
from tests.integration.test_tracking import hard
from tests.operating import operations_over
from tests.world import World

pytestmark = [pytest.mark.both_databases, pytest.mark.also_on_sqlite]

SECRET = "a-key-for-the-tests-of-persons-0123456789"
OTHER_SECRET = "another-key-for-the-tests-of-persons-01234"
PSEUDONYMS = Pseudonyms([SECRET])
ANNA = "sigrid.meyer@example.com"
SPELLINGS = (ANNA, "Sigrid.Meyer@Example.COM", " sigrid.meyer@EXAMPLE.com ", "SIGRID.MEYER@example.com")
BOB = "bob@example.net"
HASH = PSEUDONYMS.of(ANNA)


@pytest.fixture
def desk(world: World, tmp_path: Path) -> Operations:
    return operations_over(world, tmp_path, secrets={"EED_PRIVACY__SECRET": SECRET})


def delivering(world: World, *secrets: str) -> DeliveryLedger:
    world.delivering = DeliveryLedger(world.database, world.source, "test", pseudonyms=Pseudonyms(secrets))
    return world.delivering


def settle(world: World, state: str = "sent") -> None:
    """Let every email have ended, with an attempt that went to its recipient and a reply that names it."""
    for email_id, recipient in world.execute("SELECT email_id, recipient FROM eed_email WHERE state = 'pending'"):
        said = f"for <{recipient.strip()}>: no such user {recipient.strip().partition('@')[0]}"
        world.execute(
            "UPDATE eed_email SET state = :s, detail = :d WHERE email_id = :i",
            s=state, d=f"for <{recipient.strip()}>", i=email_id,
        )  # fmt: skip
        world.execute(
            "INSERT INTO eed_attempt (email_id, gen, attempt, verdict, counted, reply, recipient, ended_at, message_id)"
            " VALUES (:i, 0, 1, 'sent', 1, :said, :r, '2026-01-01', 'm1')", i=email_id, said=said, r=recipient.strip()
        )  # fmt: skip


def texts(world: World) -> Iterator[tuple[str, str, str]]:
    """Each text of the ledger, with its table and column."""
    for table in metadata.sorted_tables:
        columns = [column for column in table.columns if isinstance(column.type, String)]
        with world.database.engine.connect() as c:
            for row in c.execute(table.select().with_only_columns(*columns)) if columns else ():
                for name, value in row._mapping.items():
                    if value:
                        yield table.name, name, unicodedata.normalize("NFKC", str(value)).lower()


def names_anna(world: World, *, but: str = "") -> list[tuple[str, str, str]]:
    return [one for one in texts(world) if "sigrid" in one[2] and one[0] != but]


def erase(desk: Operations, address: str = ANNA, **request: Any) -> Any:
    return desk.persons.erase(EraseRequest(address, "her request", **request))


def rows(desk: Operations, address: str = ANNA) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for row in desk.persons.show(address).rows:
        found.setdefault(row.table, []).append(row.values)
    return found


# --- the map ---------------------------------------------------------------------------------------------------------


def test_every_column_of_every_table_is_classified() -> None:
    assert PERSONAL_DATA.keys() == metadata.tables.keys()
    for name, table in metadata.tables.items():
        known = PERSONAL_DATA[name]
        assert known.personal.keys() | known.other == {column.name for column in table.columns}, name
        assert not known.personal.keys() & known.other, name
        assert bool(known.found) == bool(known.personal), name


# --- show ------------------------------------------------------------------------------------------------------------


def test_everything_about_an_address_is_shown_in_any_spelling(world: World, desk: Operations) -> None:
    ids = world.add_job([*SPELLINGS, BOB])
    world.enlist()
    settle(world)
    TrackingLedger(world.database, world.source, TrackingSettings()).take([hard(ids[0]), hard(ids[4])])
    world.execute(
        "INSERT INTO eed_webhook (nonce, kind, email_id, gen, facts, occurred_at, state, waiting_since, due_at)"
        " SELECT 'n', 'email.bounced', email_id, gen, '{}', '2026-01-01', 'waiting', '2026-01-01', '2026-01-01'"
        " FROM eed_email"
    )
    for spelling in SPELLINGS:
        found = rows(desk, spelling)
        assert {row["email_id"] for row in found["eed_email"]} == set(ids[:4])
        for table in ("eed_attempt", "eed_webhook"):
            assert {row["email_id"] for row in found[table]} == set(ids[:4]), table
        assert [row["email_id"] for row in found["eed_event"]] == ids[:1]
        assert [row["address"] for row in found["eed_suppression"]] == [ANNA]
        assert [row["job_id"] for row in found["eed_job"]] == [1]
        assert desk.persons.show(spelling).suppressed
    assert not desk.persons.show("nobody@example.org").suppressed
    assert rows(desk, "nobody@example.org").keys() == {"eed_audit"}  # only the look before


def test_of_an_email_that_was_another_persons_only_that_part_is_shown(world: World, desk: Operations) -> None:
    (one,) = world.add_job([ANNA])
    world.enlist()
    settle(world, "failed")
    world.execute("UPDATE delivery_email SET recipient = :bob, status = 'pending'", bob=BOB)
    world.execute("UPDATE eed_email SET state = 'pending', gen = 1")
    world.claim(one, gen=1)
    assert world.scalar("SELECT address FROM eed_email") == BOB
    found = rows(desk)
    assert "eed_email" not in found
    assert [row["address"] for row in found["eed_former_address"]] == [ANNA]
    assert [row["recipient"] for row in found["eed_attempt"]] == [ANNA]
    assert "eed_attempt" not in rows(desk, BOB)
    world.execute("UPDATE eed_email SET state = 'failed'")
    assert erase(desk).refusal is None
    assert world.scalar("SELECT recipient FROM eed_email") == BOB
    assert world.scalar("SELECT recipient FROM eed_attempt") == HASH
    assert names_anna(world, but="eed_audit") == []
    assert len(rows(desk)["eed_attempt"]) == 1


def test_a_look_is_in_the_audit_without_the_address(world: World, desk: Operations) -> None:
    list(desk.persons.show(ANNA).rows)
    ((act, key),) = world.execute("SELECT act, object_key FROM eed_audit")
    assert (act, key) == ("person_show", HASH)


def test_without_a_key_the_audit_names_the_address_of_a_look(world: World, tmp_path: Path) -> None:
    desk = operations_over(world, tmp_path)
    assert desk.persons.show(f" {ANNA.upper()}").pseudonym is None
    assert world.execute("SELECT object_key FROM eed_audit") == [(ANNA,)]
    with pytest.raises(InvalidRequest):
        desk.persons.show("nobody")


# --- erase -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_after_an_erasure_no_text_of_the_ledger_names_her(world: World, desk: Operations, seed: int) -> None:
    """Any history of jobs, replies, events, entries, webhooks and corrections leaves nothing but the audit."""
    dice = random.Random(seed)
    tracking = TrackingLedger(world.database, world.source, TrackingSettings(suppress_hard_bounces=dice.choice((1, 5))))
    entries = SuppressionList(world.database)
    wanted: list[SuppressionEntry] = [SuppressionEntry(ANNA, "", "for sigrid.meyer", "operator")]
    wanted += [
        SuppressionEntry(ANNA, category, "for sigrid.meyer", "import") for category in dice.sample(["a", "b"], 1)
    ]
    for job_id in range(1, dice.randint(2, 5)):
        people = [
            dice.choice((*SPELLINGS, BOB, "sigrid.meyer@@x", "carla@example.org")) for _ in range(dice.randint(1, 4))
        ]
        ids = world.add_job(people, job_id=job_id, name=dice.choice(("statements", f"for {ANNA}")))
        world.enlist(job_id)
        settle(world, dice.choice(("sent", "failed", "cancelled", "suppressed")))
        tracking.take([hard(i, event_id=f"bounce-{i}") for i in dice.sample(ids, dice.randint(0, len(ids)))])
        world.execute("UPDATE eed_event SET detail = 'smtp; 550 sigrid.meyer is unknown' WHERE address = :a", a=ANNA)
        world.execute("UPDATE eed_job SET reason = :r WHERE job_id = :j", r=f"refused: <{ANNA}> unknown", j=job_id)
        world.execute(
            "INSERT INTO eed_webhook (nonce, kind, email_id, gen, facts, occurred_at, state, waiting_since, due_at,"
            " answer) SELECT 'n', 'email.bounced', email_id, gen, '{}', '2026-01-01', 'failed', '2026-01-01',"
            " '2026-01-01', 'no sigrid.meyer here' FROM eed_email WHERE address = :a AND job_id = :j", a=ANNA, j=job_id
        )  # fmt: skip
    entries.enter(wanted)
    world.execute(
        "INSERT INTO eed_domain_hold (channel, domain, times, reason, held_at, until_at)"
        " VALUES ('default', 'example.com', 1, :r, '2026-01-01', '2026-01-01'),"
        " ('letters', 'example.com', 1, :r, '2026-01-01', '2026-01-01')", r=f"550 <{ANNA}> is too busy"
    )  # fmt: skip
    named = {job for (job,) in world.execute("SELECT job_id FROM eed_job WHERE name LIKE 'for %' AND total > 1")}
    result = erase(desk, dice.choice(SPELLINGS))
    assert result.refusal is None and result.suppressed
    left = names_anna(world, but="eed_audit")
    # What is no address names nobody to us, and the name of a job of many is the job's.
    assert [
        one for one in left if "sigrid.meyer@@x" not in one[2] and (one[:2] != ("eed_job", "name") or not named)
    ] == []
    later = world.add_job([*SPELLINGS, "dora@example.org"], job_id=9)
    world.enlist(9)
    delivering(world, SECRET)
    world.claim(*later)
    assert [world.state(i) for i in later] == ["suppressed"] * 4 + ["sending"]
    assert erase(desk).counts.get("emails") == 4  # those of the later job
    assert not +erase(desk).counts


def test_the_act_names_the_hash_and_what_was_done(world: World, tmp_path: Path) -> None:
    world.add_job([ANNA])
    world.enlist()
    settle(world)
    from tests.operating import ANNA as CALLER  # the operator, whose name it is, too

    desk = operations_over(world, tmp_path, secrets={"EED_PRIVACY__SECRET": SECRET})
    assert CALLER.command
    desk.persons.erase(EraseRequest(ANNA, f"the letter of {ANNA}"))
    acts = world.execute("SELECT act, object_key, reason, counts, operation FROM eed_audit ORDER BY act_id")
    assert [(act, key) for act, key, *_ in acts] == [("person_erase", HASH)] * 2
    assert acts[0][2] == "the letter of ***@example.com"
    assert json.loads(acts[1][3]) == {"entries": 0, "emails": 1, "attempts": 1, "events": 0} or "emails" in acts[1][3]
    assert acts[0][4] == acts[1][4]
    view = desk.persons.show(HASH)
    assert len(view.erased_at) == 1 and not view.suppressed
    assert [row.table for row in view.rows].count("eed_email") == 1


@pytest.mark.parametrize("state", ["pending", "queued", "sending", "in_doubt"])
def test_what_is_not_settled_is_refused_and_named(world: World, desk: Operations, state: str) -> None:
    for job_id, count in ((1, 2), (2, 1)):
        world.add_job([ANNA] * count, job_id=job_id)
        world.enlist(job_id)
    settle(world)
    world.execute("UPDATE eed_email SET state = :s WHERE email_id = 2000", s=state)
    SuppressionList(world.database).enter([SuppressionEntry(ANNA, "", "asked", "operator")])
    with pytest.raises(WrongState, match=r"1 email to this address is not settled, of job 2\. Nothing was erased"):
        erase(desk)
    assert world.scalar("SELECT COUNT(*) FROM eed_audit WHERE act = 'person_erase'") == 0
    assert world.scalar("SELECT COUNT(*) FROM eed_email WHERE address = :a", a=ANNA) == 3


@pytest.mark.parametrize("state", ["pending", "queued", "sending", "in_doubt"])
def test_what_became_open_meanwhile_is_left(world: World, desk: Operations, state: str) -> None:
    world.add_job([ANNA, ANNA])
    world.enlist()
    settle(world)
    world.execute("UPDATE eed_email SET state = :s WHERE email_id = 1001", s=state)
    done = ErasingLedger(world.database, PSEUDONYMS, SERVICE).erase(ANNA, "her request")
    assert (done["emails"], done["attempts"]) == (1, 1)
    assert world.execute("SELECT address FROM eed_email ORDER BY email_id") == [(HASH,), (ANNA,)]
    assert world.scalar("SELECT recipient FROM eed_attempt WHERE email_id = 1001") == ANNA


def test_without_a_key_nothing_is_done(world: World, tmp_path: Path) -> None:
    world.add_job([ANNA])
    world.enlist()
    settle(world)
    with pytest.raises(OperationRefused, match=r"its key is not set\. Nothing was erased") as caught:
        erase(operations_over(world, tmp_path))
    assert caught.value.which == "privacy.secret"
    assert world.scalar("SELECT COUNT(*) FROM eed_audit") == 0


def test_a_broken_off_erasure_is_finished_by_the_next(
    world: World, desk: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add_job([ANNA] * 250)
    world.enlist()
    settle(world)

    class Broken(Exception):
        pass

    ledger = ErasingLedger(world.database, PSEUDONYMS, SERVICE)
    seen: list[int] = []

    def replace(c: Any, emails: Any, only: Any) -> Any:
        if len(seen) == 2:
            raise Broken
        seen.append(len(emails))
        return kept(c, emails, only)

    kept, ledger._replacement.replace = ledger._replacement.replace, replace  # type: ignore[method-assign]
    with pytest.raises(Broken):
        ledger.erase(ANNA, "her request")
    assert seen == [erasing_module.CHUNK] * 2
    assert world.scalar("SELECT COUNT(*) FROM eed_email WHERE address = :a", a=ANNA) == 50
    assert desk.persons.show(ANNA).erased_at == ()
    assert erase(desk).counts["emails"] == 50
    assert names_anna(world, but="eed_audit") == []


def test_entries_keep_their_category_and_end(world: World, desk: Operations) -> None:
    entries = SuppressionList(world.database)
    until = world.reporting.now().replace(microsecond=0, year=2090)
    entries.enter(
        [
            SuppressionEntry(ANNA, "news", "asked", "unsubscribe", expires_at=until),
            SuppressionEntry(BOB, "", "b", "bounce"),
        ]
    )
    erase(desk)
    found = {(e.address, e.category, e.reason, e.source, e.expires_at) for e in entries.entries(SuppressionFilter())}
    assert found == {(HASH, "news", "(erased)", "unsubscribe", until), (BOB, "", "b", "bounce", None)}
    entries.enter([SuppressionEntry(ANNA, "news", "again", "operator")])  # the longer one of two stays
    erase(desk)
    assert [(e.category, e.expires_at) for e in SuppressionList(world.database, pseudonyms=PSEUDONYMS).of(ANNA)] == [
        ("news", None)
    ]
    entries.enter([SuppressionEntry(ANNA, "news", "spam", "complaint")])
    erase(desk)
    assert [e.source for e in SuppressionList(world.database, pseudonyms=PSEUDONYMS).of(ANNA)] == ["complaint"]


def test_suppress_puts_the_hash_on_the_list(world: World, desk: Operations) -> None:
    assert erase(desk, suppress=True).suppressed
    assert world.execute("SELECT address, category, source FROM eed_suppression") == [(HASH, "", "operator")]
    assert not +erase(desk, suppress=True).counts


def test_remove_finds_the_hash_by_the_address(world: World, desk: Operations) -> None:
    desk.suppression.add(SuppressRequest((ANNA,), "asked"))
    erase(desk)
    assert [e.address for e in desk.suppression._entries.of(ANNA)] == [HASH]
    result = desk.suppression.remove(RemoveRequest((SPELLINGS[1],)))
    assert result.refusal is None and result.removed[0].gone == 1
    assert world.scalar("SELECT object_key FROM eed_audit ORDER BY act_id DESC LIMIT 1") == HASH
    assert not desk.persons.show(ANNA).suppressed


# --- the list of hashes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("category", "scope", "state"), [("", "", "suppressed"), ("news", "news", "suppressed"), ("a", "news", "sending")]
)
def test_a_claim_recognizes_an_erased_address(
    world: World, desk: Operations, category: str, scope: str, state: str
) -> None:
    SuppressionList(world.database).enter([SuppressionEntry(ANNA, scope, "asked", "operator")])
    erase(desk)
    (one,) = world.add_job([SPELLINGS[1]])
    world.enlist()
    world.execute("UPDATE eed_job SET category = :c", c=category)
    delivering(world, OTHER_SECRET, SECRET)
    world.claim(one)
    assert world.state(one) == state


def test_an_operator_may_send_despite_the_list(world: World, desk: Operations) -> None:
    erase(desk, suppress=True)
    (one,) = world.add_job([ANNA])
    world.enlist()
    world.execute("UPDATE eed_email SET despite_list = 1")
    delivering(world, SECRET)
    assert [email.email_id for email in world.claim(one).emails] == [one]


def test_an_entry_that_is_over_counts_no_more(world: World, desk: Operations) -> None:
    erase(desk, suppress=True)
    world.execute("UPDATE eed_suppression SET expires_at = '2001-01-01'")
    (one,) = world.add_job([ANNA])
    world.enlist()
    delivering(world, SECRET)
    assert [email.email_id for email in world.claim(one).emails] == [one]


def test_an_address_that_the_source_has_changed_to_an_erased_one_is_not_written_down(
    world: World, desk: Operations
) -> None:
    erase(desk, suppress=True)
    (one,) = world.add_job([BOB])
    world.enlist()
    world.execute("UPDATE delivery_email SET recipient = :a", a=SPELLINGS[1])
    delivering(world, SECRET)
    assert world.claim(one).emails == ()
    assert world.state(one) == "suppressed"
    assert names_anna(world) == []


def test_an_address_that_the_source_has_corrected_is_sent_to(world: World, desk: Operations) -> None:
    erase(desk, suppress=True)
    (one,) = world.add_job([ANNA])
    world.enlist()
    world.execute("UPDATE delivery_email SET recipient = :b", b=BOB)
    delivering(world, SECRET)
    assert [email.recipient for email in world.claim(one).emails] == [BOB]


@pytest.mark.parametrize("secrets", [(), (OTHER_SECRET,)], ids=["none", "another"])
def test_without_the_key_of_the_hashes_nothing_is_sent(
    world: World, desk: Operations, secrets: tuple[str, ...]
) -> None:
    erase(desk, suppress=True)
    (one,) = world.add_job([BOB])
    world.enlist()
    ledger = delivering(world, *secrets)
    with pytest.raises(DatabaseGone, match=r"has hashed addresses of the key [0-9a-f]{8}.*Nothing is sent"):
        world.claim(one)
    with pytest.raises(DatabaseGone):
        ledger.rehearse()
    assert world.state(one) == "pending"
    delivering(world, SECRET).rehearse()
    assert world.claim(one).emails


def test_an_erased_email_that_is_requeued_is_not_sent(world: World, desk: Operations) -> None:
    (one,) = world.add_job([ANNA])
    world.enlist()
    settle(world, "failed")
    erase(desk)
    world.execute("UPDATE eed_email SET state = 'pending', gen = 1")
    world.execute("UPDATE delivery_email SET status = 'pending'")
    assert world.claim(one, gen=1).emails == ()
    assert world.row(one)["state"] == "cancelled"
    assert world.row(one)["detail"] == "its recipient's data was erased, so it is not sent"
    assert names_anna(world, but="eed_audit") == []


def test_who_unsubscribes_by_an_old_email_is_recognized(world: World, desk: Operations) -> None:
    (one,) = world.add_job([ANNA])
    world.enlist()
    settle(world)
    erase(desk)
    UnsubscribeLedger(world.database).store(one, 0, "", "one click", world.reporting.now())
    assert world.execute("SELECT address, source FROM eed_suppression") == [(HASH, "unsubscribe")]
    (later,) = world.add_job([ANNA], job_id=2)
    world.enlist(2)
    delivering(world, SECRET)
    world.claim(later)
    assert world.state(later) == "suppressed"


def test_a_late_bounce_of_an_erased_email_suppresses_the_hash(world: World, desk: Operations) -> None:
    (one,) = world.add_job([ANNA])
    world.enlist()
    settle(world)
    erase(desk)
    TrackingLedger(world.database, world.source, TrackingSettings()).take([hard(one)])
    assert world.execute("SELECT address, source FROM eed_suppression") == [(HASH, "bounce")]
    assert desk.persons.show(ANNA).suppressed


def test_the_map_says_what_an_erasure_does(world: World, desk: Operations) -> None:
    """What the map says is removed or replaced, is."""
    ids = world.add_job([ANNA])
    world.enlist()
    settle(world)
    TrackingLedger(world.database, world.source, TrackingSettings()).take([hard(ids[0])])
    before = rows(desk)
    erase(desk)
    after = rows(desk)
    for table, found in before.items():
        for name, erasure in PERSONAL_DATA[table].personal.items():
            was, now = found[0][name], after[table][0][name]
            if erasure in (Erasure.KEPT, Erasure.KEPT_BY_LAW) and table != "eed_audit":
                assert now == was, (table, name)
            elif erasure is Erasure.PSEUDONYM and was:
                assert is_pseudonym(now), (table, name)
            elif erasure is Erasure.REMOVED and was:
                assert now in (None, "", "(erased)"), (table, name)


def test_older_acts_that_name_her_are_shown(world: World, desk: Operations) -> None:
    AuditLedger(world.database).record(Act(ActKind.SUPPRESSION_LIST, object=ActObject.ADDRESS, key=ANNA))
    assert canonical(SPELLINGS[2]) == ANNA
    assert [row["act"] for row in rows(desk, SPELLINGS[2])["eed_audit"]] == ["suppression_list"]
