"""The ledger's side of manifests: which files were put, which job wants a manifest, and who may put it."""

from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Update

from eed_delivery.ledger import manifests as sql
from eed_delivery.ledger.channels.listing import ChannelLedger
from eed_delivery.ledger.holds.ledger import HoldLedger
from eed_delivery.ledger.manifests import ManifestFacts, ManifestLedger
from eed_delivery.ledger.operating import Selection
from eed_delivery.model import EmailState, HoldScope, HoldTarget
from tests.files import CHANNEL, fail, finish, finished_job, put_files
from tests.world import World

pytestmark = pytest.mark.both_databases

PAST, FUTURE = "2001-01-01 00:00:00.000000", "2999-01-01 00:00:00.000000"
SHA256 = "cd" * 32
DIGEST = bytes.fromhex(SHA256)
FACTS = ManifestFacts("1/manifest.json", SHA256, 2, 10)
HELD = {"token": 77, "lease_until": FUTURE, "not_before": None, "put_at": None, "sha256": DIGEST, "number": 1}
FREE = {**HELD, "lease_until": PAST, "not_before": PAST}
ONE = {"id": 1, "of_round": 1}
OURS = {**ONE, "our_token": 77}
DONE = {"its_path": "1/manifest.json", "its_files": 2, "its_unlisted": 0, "its_size": 10}

CASES: dict[str, tuple[Update, dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "TAKE": (sql.TAKE, {**ONE, "new_token": 5, "lease": 9}, FREE, {"lease_until": FUTURE, "not_before": FUTURE}),
    "RENEW": (sql.RENEW, {**OURS, "lease": 9}, HELD, {"token": 78, "lease_until": PAST}),
    "FREEZE": (sql.FREEZE, {**OURS, "digest": DIGEST}, HELD, {"token": 78, "lease_until": PAST}),
    "GRANT": (sql.GRANT, {**OURS, "lease": 9}, HELD, {"token": 78, "lease_until": PAST, "channel": "held"}),
    "RENUMBER": (
        sql.RENUMBER,
        {**OURS, "so_far": 1, "to_number": 9},
        HELD,
        {"token": 78, "lease_until": PAST, "number": 2},
    ),
    "PUT": (sql.PUT, {**ONE, "digest": DIGEST, **DONE}, HELD, {"sha256": b"\x00" * 32}),
    "LATER": (sql.LATER, {**OURS, "delay": 9, "why": "away"}, HELD, {"token": 78}),
}


@pytest.fixture
def ledger(world: World) -> ManifestLedger:
    return ManifestLedger(world.database)


@pytest.fixture
def ids(world: World) -> list[int]:
    return finished_job(world)


def rounds(world: World) -> list[tuple[int, int, int]]:
    return [tuple(row) for row in world.execute("SELECT job_id, round, number FROM eed_manifest ORDER BY 1, 2")]


def listed(world: World, ledger: ManifestLedger) -> list[str]:
    claim = ledger.claim(CHANNEL, 60)
    assert claim is not None
    return [file.path for file in ledger.files(claim)]


def requeue(world: World, job_id: int = 1) -> None:
    world.operating.requeue(Selection(EmailState.FAILED, jobs=(job_id,)))


# --- the conditions -----------------------------------------------------------------------------------------------


def test_every_update_has_a_case() -> None:
    updates = {name for name, one in vars(sql).items() if isinstance(one, Update) and not name.startswith("_")}
    assert updates == CASES.keys()


@pytest.mark.parametrize("name", CASES)
def test_a_statement_changes_the_manifest_it_is_about_and_no_other(world: World, name: str) -> None:
    statement, values, row, spoilers = CASES[name]
    HoldLedger(world.database).hold(HoldTarget(HoldScope.CHANNEL, "held"), "a test", None)
    for job_id, its_round in ((1, 1), (1, 2), (2, 1)):
        world.execute(
            "INSERT INTO eed_manifest (job_id, round, number, channel, wanted_at, tries)"
            " VALUES (:job, :round, 1, 'files', :at, 0)",
            job=job_id,
            round=its_round,
            at=PAST,
        )

    def fits(**spoiler: Any) -> int:
        columns = {"channel": "files", **row, **spoiler}
        world.execute(f"UPDATE eed_manifest SET {', '.join(f'{c} = :{c}' for c in columns)}", **columns)
        before = world.execute(others)
        changed = int(world.database.run(lambda c: c.execute(statement, values).rowcount))
        assert world.execute(others) == before
        return changed

    others = "SELECT * FROM eed_manifest WHERE NOT (job_id = 1 AND round = 1) ORDER BY job_id, round"
    assert fits() == 1
    assert fits(put_at=PAST) == 0
    for column, value in spoilers.items():
        assert fits(**{column: value}) == 0, f"it fits although its {column} is {value}"


# --- which files were put -----------------------------------------------------------------------------------------


def test_the_files_of_an_email_are_recorded_with_its_outcome_and_those_of_a_failed_one_are_not(world: World) -> None:
    first, second = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    put_files(world, first, "1/a.pdf", "1/b.pdf")
    fail(world, second)
    found = world.execute("SELECT email_id, gen, number, path, size, round FROM eed_file ORDER BY 1, 3")
    assert found == [(first, 0, 1, "1/a.pdf", 5, 1), (first, 0, 2, "1/b.pdf", 5, 1)]
    assert {bytes(digest).hex() for (digest,) in world.execute("SELECT sha256 FROM eed_file")} == {"ab" * 32}


def test_a_file_that_an_email_has_put_twice_is_listed_once(world: World, ledger: ManifestLedger) -> None:
    (one,) = world.add_job()
    world.enlist()
    put_files(world, one, "1/a.pdf", "1/b.pdf")
    world.execute("UPDATE eed_email SET state = 'failed'")
    requeue(world)
    put_files(world, one, "1/a.pdf", "1/c.pdf", gen=1)
    finish(world)
    assert listed(world, ledger) == ["1/a.pdf", "1/b.pdf", "1/c.pdf"]


@pytest.mark.parametrize("page", [1, 2, 3, 100])
def test_files_are_read_a_page_at_a_time_and_none_is_missed(world: World, page: int) -> None:
    ids = world.add_job([f"c{n}@example.com" for n in range(7)])
    world.enlist()
    for email_id in ids:
        put_files(world, email_id, *(f"{email_id}/{n}.pdf" for n in range(1, 4)))
    finish(world)
    ledger = ManifestLedger(world.database, page)
    assert listed(world, ledger) == [f"{email_id}/{n}.pdf" for email_id in ids for n in range(1, 4)]


# --- which job wants a manifest -----------------------------------------------------------------------------------


def test_a_job_wants_a_manifest_when_it_is_finished_and_only_where_its_channel_puts_some(world: World) -> None:
    finished_job(world)
    assert rounds(world) == [(1, 1, 1)]
    (one,) = world.add_job(job_id=2)
    world.enlist(2)
    put_files(world, one, "2/a.pdf")
    assert finish(world, 2, channels=["others"])
    assert rounds(world) == [(1, 1, 1)]


def test_an_empty_job_wants_one_and_a_failed_or_cancelled_one_without_files_does_not(world: World) -> None:
    (one,) = world.add_job()
    world.enlist()
    fail(world, one)
    assert finish(world)
    assert rounds(world) == [(1, 1, 1)]
    for job_id, state in ((2, "cancelled"), (3, "failed")):
        world.add_job([], job_id)
        world.enlist(job_id)
        world.execute("UPDATE eed_job SET state = :state WHERE job_id = :job", state=state, job=job_id)
        assert finish(world, job_id)
    assert rounds(world) == [(1, 1, 1)]


def test_a_cancelled_job_lists_what_it_has_put(world: World, ledger: ManifestLedger) -> None:
    one, _ = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    put_files(world, one, "1/a.pdf")
    world.operating.cancel(1, "a mistake")
    world.sweeping.end_leftovers()
    assert finish(world)
    assert listed(world, ledger) == ["1/a.pdf"]


def test_a_requeue_that_puts_more_wants_a_second_manifest_of_all_files(world: World, ledger: ManifestLedger) -> None:
    first, second = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    put_files(world, first, "1/a.pdf")
    fail(world, second)
    assert finish(world)
    requeue(world)
    fail(world, second, gen=1)
    assert finish(world)
    assert rounds(world) == [(1, 1, 1)], "no file was put since"
    requeue(world)
    put_files(world, second, "1/b.pdf", gen=2)
    assert finish(world)
    assert rounds(world) == [(1, 1, 1), (1, 2, 2)]
    assert listed(world, ledger) == ["1/a.pdf"], "the first one says what it said"
    assert listed(world, ledger) == ["1/a.pdf", "1/b.pdf"]


def test_a_round_by_another_channel_lists_what_that_one_has_put(world: World, ledger: ManifestLedger) -> None:
    first, second = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    put_files(world, first, "1/a.pdf")
    fail(world, second)
    assert finish(world)
    requeue(world)
    world.execute("UPDATE eed_job SET channel = 'others'")
    put_files(world, second, "1/b.pdf", gen=1, channel="others")
    assert finish(world, channels=["others"])
    assert listed(world, ledger) == ["1/a.pdf"]
    claim = ledger.claim("others", 60)
    assert claim is not None and [file.path for file in ledger.files(claim)] == ["1/b.pdf"]


# --- who may put it -----------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("ids")
def test_a_manifest_is_in_one_hand_at_a_time(world: World, ledger: ManifestLedger) -> None:
    claim = ledger.claim(CHANNEL, 60)
    assert claim is not None and (claim.job, claim.number, claim.sha256) == ("1", 1, None)
    assert ledger.claim(CHANNEL, 60) is None
    assert ledger.claim("others", 60) is None
    world.execute("UPDATE eed_manifest SET lease_until = :past", past=PAST)
    assert ledger.claim(CHANNEL, 60) is not None
    assert not ledger.freeze(claim, SHA256) and not ledger.grant(claim, 60)


@pytest.mark.usefixtures("ids")
@pytest.mark.parametrize("held", [HoldTarget(HoldScope.CHANNEL, CHANNEL), HoldTarget(HoldScope.ALL)])
def test_a_held_channel_puts_none(world: World, ledger: ManifestLedger, held: HoldTarget) -> None:
    holds = HoldLedger(world.database)
    claim = ledger.claim(CHANNEL, 60)
    assert claim is not None
    hold = holds.hold(held, "looked at", None)
    assert not ledger.grant(claim, 60)
    ledger.later(claim, "held", -1)
    assert ledger.claim(CHANNEL, 60) is None
    holds.release(hold.hold_id)
    assert ledger.claim(CHANNEL, 60) is not None


@pytest.mark.usefixtures("ids")
def test_what_was_put_is_noted_once_with_an_act(world: World, ledger: ManifestLedger) -> None:
    claim = ledger.claim(CHANNEL, 60)
    assert claim is not None and ledger.freeze(claim, SHA256)
    assert ledger.put(claim, FACTS)
    assert not ledger.put(claim, FACTS)
    assert world.execute("SELECT act, who, job_id FROM eed_audit WHERE act LIKE 'manifest%'") == [
        ("manifest_put", "service", 1)
    ]
    (manifest,) = ledger.of_job(1)
    assert (manifest.path, manifest.sha256, manifest.files, manifest.size) == ("1/manifest.json", SHA256, 2, 10)
    assert isinstance(manifest.put_at, datetime) and manifest.detail is None
    assert ledger.claim(CHANNEL, 60) is None


@pytest.mark.usefixtures("ids")
def test_what_could_not_be_put_waits_and_loses_nothing(world: World, ledger: ManifestLedger) -> None:
    for tries in range(3):
        claim = ledger.claim(CHANNEL, 60)
        assert claim is not None and claim.tries == tries
        ledger.later(claim, "the partner is away", -1)
    claim = ledger.claim(CHANNEL, 60)
    assert claim is not None
    ledger.later(claim, "the partner is away", 60)
    assert ledger.claim(CHANNEL, 60) is None
    (manifest,) = ledger.of_job(1)
    assert (manifest.put_at, manifest.tries, manifest.detail) == (None, 4, "the partner is away")


@pytest.mark.parametrize(("known", "wants"), [(["other"], [(1, 1, 1)]), ([CHANNEL, "other"], []), (None, [])])
def test_a_host_that_does_not_know_the_channel_finishes_a_job_with_its_manifest(
    world: World, known: list[str] | None, wants: list[tuple[int, int, int]]
) -> None:
    (only,) = world.add_job(["a@example.com"])
    world.enlist()
    put_files(world, only, "1/a.pdf")
    assert world.sweeping.finish(1, ["other"], known)
    assert rounds(world) == wants


@pytest.mark.usefixtures("ids")
def test_a_changed_one_gets_a_number_that_no_other_has(world: World, ledger: ManifestLedger) -> None:
    claim = ledger.claim(CHANNEL, 60)
    assert claim is not None and ledger.freeze(claim, SHA256)
    changed = ledger.renumber(claim)
    assert changed is not None and (changed.number, changed.sha256) == (2, None)
    assert ledger.renumber(claim) is None
    assert rounds(world) == [(1, 1, 2)]
    assert not ledger.put(claim, FACTS), "the former bytes are not the present ones"


@pytest.mark.usefixtures("ids")
def test_those_of_a_channel_that_puts_none_any_more_are_dropped(world: World, ledger: ManifestLedger) -> None:
    assert ledger.drop("others") == 0
    claim = ledger.claim(CHANNEL, 60)
    assert claim is not None and ledger.drop(CHANNEL) == 0, "it is in a hand"
    ledger.later(claim, "x", 0)
    assert ledger.drop(CHANNEL) == 1
    assert rounds(world) == []


def test_a_channel_with_an_outstanding_manifest_is_not_removed(world: World, ledger: ManifestLedger) -> None:
    channels = ChannelLedger(world.database)
    channels.create(CHANNEL, {"kind": "s3"})
    finished_job(world)
    assert channels.remove(CHANNEL).name == "IN_USE"
    claim = ledger.claim(CHANNEL, 60)
    assert claim is not None and ledger.freeze(claim, SHA256) and ledger.put(claim, FACTS)
    assert channels.remove(CHANNEL).name == "DONE"
