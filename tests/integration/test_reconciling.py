"""`eed-delivery reconcile` and the daily sweep: what they find, what they put right, and what they leave alone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from eed_delivery.config import SourceSettings
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.acts import ActKind, ActLedger
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.publishing.ledger import PublishingLedger
from eed_delivery.ledger.reconciling.comparing import ComparingLedger
from eed_delivery.ledger.reconciling.ledger import ReconcilingLedger
from eed_delivery.model import EmailState
from eed_delivery.source import Source
from eed_delivery.source.comparing import SourceComparison
from eed_delivery.sweeper.reconciliation import Correction, Findings, Reconciler, ReconcileSweep
from tests.command_line import CommandLine
from tests.integration.test_enlisting import AGAIN, assert_equation, end, finish, publish, refusals, sums
from tests.world import World

HOUR = 3600.0
LATE = "INSERT INTO delivery_email (id, job_id, recipient, status) VALUES ({}, 1, 'late@example.com', 'pending')"


@pytest.fixture
def ids(world: World) -> list[int]:
    """A job of five that is finished: four sent, the last one failed."""
    ids = world.add_job([f"c{n}@example.com" for n in range(5)])
    world.enlist()
    for email_id in ids[:4]:
        end(world, email_id, EmailState.SENT)
    end(world, ids[4], EmailState.FAILED)
    finish(world)
    return ids


class Parts:
    """What compares and repairs over a world, under a mapping."""

    def __init__(self, world: World, settings: SourceSettings | None = None, database: Database | None = None) -> None:
        settings = settings or SourceSettings()
        database = database or world.database
        source, comparison = Source(settings), SourceComparison(settings)
        self.comparing = ComparingLedger(database, comparison, page=3)
        self.ledger = ReconcilingLedger(database, source, PublishingLedger(database, source))
        self.reconciler = Reconciler(self.comparing, self.ledger, comparison, source)

    def compare(self, *job_ids: int) -> Findings:
        findings = Findings(limit=100)
        self.reconciler.compare(job_ids or (1,), findings)
        return findings

    def repair(self, *job_ids: int) -> list[Correction]:
        return list(self.reconciler.repair(job_ids or (1,)))

    def sweep(self, every_seconds: float = 24 * HOUR) -> ReconcileSweep:
        return ReconcileSweep(self.reconciler, self.comparing, self.ledger, every_seconds)


@pytest.fixture
def parts(world: World) -> Parts:
    return Parts(world)


def reconciled(world: World, job_id: int = 1) -> Any:
    return world.scalar("SELECT differences FROM eed_job WHERE job_id = :id", id=job_id)


def acts(world: World) -> list[tuple[int | None, str]]:
    """What the audit has of repairs."""
    return [(act.count, act.reason or "") for act in ActLedger(world.database).of_job(1) if act.act is ActKind.REPAIR]


# --- repairs ----------------------------------------------------------------------------------------------------


def test_a_row_that_came_after_its_job_had_finished_is_enlisted_in_a_further_round(
    world: World, parts: Parts, ids: list[int]
) -> None:
    world.execute(LATE.format(7))
    world.execute(LATE.format(1007))
    assert parts.compare().counts == {"missing": 2}
    (told,) = parts.repair()
    assert told == Correction("1", None, True, "a further round has begun: 2 missing rows enlisted")
    assert acts(world) == [(None, "a further round, for rows that were added after it had finished")]
    assert (world.state(7), world.state(1007), world.state(1004)) == ("pending", "pending", "failed")
    assert sums(world) == {"found": 7, "total": 7, "moved": 0, "regenerated": 0, "refused": 0, "rounds": 1}
    assert world.scalar("SELECT status FROM delivery_job") == "processing"
    assert_equation(world)
    assert parts.compare().total == 0
    assert parts.repair() == []
    for email_id in (7, 1007):
        end(world, email_id, EmailState.SENT)
    finish(world)
    assert world.execute("SELECT state, finished_at IS NOT NULL FROM eed_job") == [("finished", 1)]
    assert world.scalar("SELECT status FROM delivery_job") == "finished"


def test_a_row_that_came_while_its_job_was_sent_is_enlisted_at_once(world: World, parts: Parts) -> None:
    world.add_job(["a@example.com"])
    world.enlist()
    world.execute(LATE.format(7))
    (told,) = parts.repair()
    assert told == Correction("1", None, True, "1 missing row enlisted")
    assert (world.state(7), sums(world)["rounds"]) == ("pending", 0)
    assert_equation(world)


def test_a_job_that_a_publisher_holds_is_left_to_it(world: World, parts: Parts, ids: list[int]) -> None:
    world.add_job(["x@example.com"], job_id=2)
    world.registry.register(world.registry.new_jobs(10))
    (held,) = world.registry.lease(new_token(), 60, 10, 0)
    while world.registry.enlist(held, 10, 60):
        pass
    world.execute(LATE.replace("1, 'late", "2, 'late").format(7))
    (told,) = parts.repair(2)
    assert told == Correction("2", None, True, "it is open for 1 missing row, and the publisher enlists them")
    assert world.execute("SELECT COUNT(*) FROM eed_email WHERE email_id = 7") == [(0,)]
    world.registry.let_go([held])
    publish(world)
    assert world.state(7) == "pending"
    assert_equation(world)


def test_a_missing_row_whose_key_cannot_be_kept_is_refused_by_name(world: World, parts: Parts, ids: list[int]) -> None:
    world.execute(LATE.format(-3))
    (told,) = parts.repair()
    assert told.what == "a further round has begun: 0 missing rows enlisted, 1 refused by name"
    assert [key for _, key, _ in refusals(world)] == ["-3"]
    assert_equation(world)
    assert parts.compare().total == 0


def test_rows_of_a_cancelled_job_end_like_it(world: World, parts: Parts) -> None:
    world.add_job(["a@example.com"])
    world.enlist()
    world.operating.cancel(1, "a test")
    world.sweeping.end_leftovers()
    finish(world)
    world.execute(LATE.format(7))
    parts.repair()
    world.sweeping.end_leftovers()
    finish(world)
    assert world.state(7) == "cancelled" == world.source_status(7)
    assert world.scalar("SELECT status FROM delivery_job") == "cancelled"


def test_what_was_sent_is_written_back_and_nothing_else_is(world: World, parts: Parts, ids: list[int]) -> None:
    for status in ("'pending'", "NULL"):
        world.execute(f"UPDATE delivery_email SET status = {status}, sent_at = NULL, message_id = NULL")
        told = parts.repair()
        assert [(one.email, one.done) for one in told] == [(str(i), True) for i in ids[:4]]
        assert [world.source_status(i) for i in ids[:4]] == ["sent"] * 4
        assert world.scalar("SELECT COUNT(*) FROM delivery_email WHERE sent_at IS NOT NULL") == 4
        assert parts.repair() == []
    assert acts(world) == [(8, 'the source said "not sent yet" of emails that were sent')]
    assert [(d.kind, d.email) for d in parts.compare().listed] == [("status", str(ids[4]))]
    assert world.state(ids[4]) == "failed"


def test_a_status_that_somebody_else_has_written_stays(world: World, parts: Parts, ids: list[int]) -> None:
    world.execute("UPDATE delivery_email SET status = 'cancelled' WHERE id = 1001")
    assert parts.compare().counts == {"status": 1}
    assert parts.repair() == []
    assert world.source_status(1001) == "cancelled"


def test_the_time_of_sending_is_written_back_and_not_the_time_of_the_repair(
    world: World, parts: Parts, ids: list[int]
) -> None:
    world.lapse(ids[0], 7200)
    world.execute("UPDATE delivery_email SET status = 'pending', sent_at = NULL WHERE id = :id", id=ids[0])
    parts.repair()
    now = "NOW(6)" if world.database.dialect == "mysql" else "strftime('%Y-%m-%d %H:%M:%f', 'now')"
    age = "TIMESTAMPDIFF(SECOND, sent_at, {})" if world.database.dialect == "mysql" else (
        "(julianday({}) - julianday(sent_at)) * 86400"
    )  # fmt: skip
    assert 7100 < float(world.scalar(f"SELECT {age.format(now)} FROM delivery_email WHERE id = 1000")) < 7400


def test_sums_that_a_former_release_left_wrong_are_counted_again(world: World, parts: Parts) -> None:
    """`4,990 of 3,990 emails have ended`: the rows of a chunk were committed, and their count was not."""
    ids = world.add_job([f"c{n}@example.com" for n in range(10)])
    world.enlist()
    world.execute("UPDATE eed_job SET total = 6, found = 6")
    for email_id in ids:
        end(world, email_id, EmailState.SENT)
    assert world.sweeping.finish(1) is False
    assert parts.compare().counts == {"counts": 2}
    assert [one.what for one in parts.repair()] == [
        "total was 6 and is 10, counted from its rows",
        "found was 6 and is 10, counted from its rows",
    ]
    assert acts(world) == [
        (None, "total was 6 and is 10, counted from its rows; found was 6 and is 10, counted from its rows")
    ]
    assert world.sweeping.finish(1) is True
    assert parts.repair() == []
    assert_equation(world)


def test_statuses_are_written_back_before_a_job_is_opened_for_what_is_missing(world: World, ids: list[int]) -> None:
    """Under "new_generation" a row that was sent and says "not sent yet" would be sent again."""
    parts = Parts(world, AGAIN)
    world.execute("UPDATE delivery_email SET status = 'pending'")
    world.execute(LATE.format(7))
    parts.repair()
    assert [world.state(i) for i in ids] == ["sent"] * 4 + ["failed"]
    assert world.state(7) == "pending"
    assert_equation(world)


def test_a_repair_never_sends_again_what_another_job_has_ended(world: World, ids: list[int]) -> None:
    world.add_job([], job_id=2)
    world.registry = PublishingLedger(world.database, Source(AGAIN))
    publish(world)
    finish(world)
    parts = Parts(world, AGAIN)
    world.execute("UPDATE delivery_email SET job_id = 2, status = 'pending' WHERE id = 1000")
    world.execute(LATE.replace("1, 'late", "2, 'late").format(7))
    assert parts.compare(2).counts == {"missing": 1, "moved_here": 1}
    (told,) = parts.repair(2)
    assert not told.done and "would send those again" in told.what
    assert (world.state(1000), world.execute("SELECT 1 FROM eed_email WHERE email_id = 7")) == ("sent", [])


def test_what_came_again_and_was_refused_by_name_is_no_difference(world: World, parts: Parts, ids: list[int]) -> None:
    world.add_job([], job_id=2)
    world.execute("UPDATE delivery_email SET status = 'pending' WHERE id = 1000")
    world.execute("UPDATE delivery_email SET status = 'pending', job_id = 2 WHERE id = 1001")
    world.execute("UPDATE delivery_job SET status = 'processing'")
    assert parts.compare(1).counts == {"status": 1, "moved": 1}
    publish(world)
    finish(world)
    assert {key for _, key, _ in refusals(world)} == {"1000", "1001"}
    assert world.source_status(1000) == "failed"
    assert parts.compare(1, 2).total == 0


# --- the sweep --------------------------------------------------------------------------------------------------


def run(sweep: ReconcileSweep, steps: int = 200) -> list[Any]:
    """Step until it has nothing more to do; what it has logged."""
    with capture_logs() as told:
        for _ in range(steps):
            if sweep.step() > 1:
                break
    return [line for line in told if line["event"] in ("job_reconciled", "source_differs", "reconcile_failed")]


def test_a_job_is_compared_once_after_it_has_finished(world: World, parts: Parts, ids: list[int]) -> None:
    assert reconciled(world) is None
    assert [line["event"] for line in run(parts.sweep())] == ["job_reconciled"]
    assert reconciled(world) == 0
    assert run(parts.sweep()) == []


def test_what_differs_is_stored_and_said_as_an_error_without_any_address(
    world: World, parts: Parts, ids: list[int]
) -> None:
    world.execute(LATE.format(7))
    world.execute("UPDATE delivery_email SET recipient = 'other@example.com' WHERE id = 1000")
    (line,) = run(parts.sweep())
    assert (line["event"], line["log_level"], line["job"], line["count"]) == ("source_differs", "error", "1", 2)
    assert line["kinds"] == {"recipient": 1, "missing": 1}
    assert line["emails"] == ["1000", "7"]
    assert "@" not in json.dumps(line)
    assert reconciled(world) == 2


def test_an_unfinished_job_is_compared_once_in_a_while(world: World, parts: Parts) -> None:
    world.add_job(["a@example.com"])
    world.enlist()
    assert run(parts.sweep(every_seconds=HOUR)) == []
    world.execute("UPDATE eed_job SET created_at = '2001-01-01 00:00:00.000000'")
    assert len(run(parts.sweep(every_seconds=HOUR))) == 1
    assert run(parts.sweep(every_seconds=HOUR)) == []
    world.execute("UPDATE eed_job SET reconciled_at = '2001-01-01 00:00:00.000000'")
    assert len(run(parts.sweep(every_seconds=HOUR))) == 1


def test_a_job_that_finished_long_ago_is_left_alone(world: World, parts: Parts, ids: list[int]) -> None:
    world.execute("UPDATE eed_job SET finished_at = '2001-01-01 00:00:00.000000'")
    assert run(parts.sweep()) == []


def test_a_job_that_finishes_again_is_compared_again(world: World, parts: Parts, ids: list[int]) -> None:
    run(parts.sweep())
    world.execute("UPDATE eed_job SET reconciled_at = '2001-01-01 00:00:00.000000'")
    assert len(run(parts.sweep())) == 1


def test_two_sweepers_never_compare_one_job_at_once(world: World, parts: Parts, ids: list[int]) -> None:
    one, other = parts.sweep(), parts.sweep()
    one.step()
    assert run(other) == []
    assert reconciled(world) is None
    assert [line["event"] for line in run(one)] == ["job_reconciled"]


def test_the_job_of_a_sweeper_that_died_is_taken_by_another(world: World, parts: Parts, ids: list[int]) -> None:
    dead = parts.sweep()
    dead.step()
    world.execute("UPDATE eed_job SET reconcile_until = '2001-01-01 00:00:00.000000'")
    assert len(run(parts.sweep())) == 1
    world.execute("UPDATE eed_job SET differences = 77")
    run(dead)
    assert reconciled(world) == 77, "the one whose lease has run out writes nothing"


def test_a_step_reads_one_page(world: World, parts: Parts, ids: list[int]) -> None:
    sweep = parts.sweep()
    steps = 0
    while reconciled(world) is None:
        assert sweep.step() < 1
        steps += 1
    assert steps > 5


def test_a_source_that_cannot_be_read_is_said_and_does_not_end_the_sweeper(
    world: World, parts: Parts, ids: list[int]
) -> None:
    world.execute("ALTER TABLE delivery_email RENAME COLUMN recipient TO elsewhere")
    assert [line["event"] for line in run(parts.sweep())] == ["reconcile_failed"]
    assert reconciled(world) is None


# --- the command ------------------------------------------------------------------------------------------------


@pytest.fixture
def eed(world: World, tmp_path: Path) -> Iterator[CommandLine]:
    yield CommandLine(tmp_path, world.url)


def test_the_command_lists_what_differs_and_ends_with_one(world: World, ids: list[int], eed: CommandLine) -> None:
    assert "source and ledger agree" in eed.good("reconcile", "1")
    world.execute(LATE.format(7))
    world.execute("DELETE FROM delivery_email WHERE id = 1002")
    result = eed("reconcile", "1")
    assert result.exit_code == 1
    assert "1 job with 5 emails compared" in result.stdout
    assert "missing" in result.stdout and "gone" in result.stdout and "1002" in result.stdout
    assert "eed-delivery reconcile 1 --repair enlists it." in result.stdout
    assert reconciled(world) == 2


def test_the_command_says_it_in_json(world: World, ids: list[int], eed: CommandLine) -> None:
    assert eed.json("reconcile", "1") == {
        "agrees": True, "jobs": 1, "emails": 5, "settled_elsewhere": 0, "count": 0, "counts": {}, "differences": []
    }  # fmt: skip
    world.execute("UPDATE delivery_email SET status = 'pending'")
    world.execute(LATE.format(7))
    found = json.loads(eed("reconcile", "--all", "--json", "--limit", "1").stdout)
    assert (found["agrees"], found["counts"], len(found["differences"])) == (False, {"missing": 1, "status": 5}, 1)
    assert found["differences"][0]["ledger"] == "failed"
    result = eed("reconcile", "--all", "--repair", "--json")
    repaired = json.loads(result.stdout)
    assert (result.exit_code, repaired["corrected"], repaired["counts"]) == (1, 5, {"status": 1})
    assert {one["email"] for one in repaired["corrections"]} == {"1000", "1001", "1002", "1003", None}


def test_a_repair_tells_of_each_correction_and_then_agrees(world: World, ids: list[int], eed: CommandLine) -> None:
    world.execute("UPDATE delivery_email SET status = 'pending' WHERE id = 1000")
    told = eed.good("reconcile", "1", "--repair")
    assert 'corrected: job 1, email 1000: it was sent: its status in the source is "sent" again' in told
    assert "1 corrected" in told and "source and ledger agree" in told
    assert "nothing could be corrected" in eed.good("reconcile", "1", "--repair")


def test_a_ready_job_that_no_publisher_takes_up_is_a_difference(world: World, eed: CommandLine) -> None:
    world.add_job(["a@example.com"], job_id=3)
    world.add_job(["a@example.com"], job_id=4, status="created")
    result = eed("reconcile", "--all", "--json")
    found = json.loads(result.stdout)
    assert (result.exit_code, [(d["kind"], d["job"]) for d in found["differences"]]) == (1, [("job_not_taken_up", "3")])


def test_a_call_must_say_which_jobs(eed: CommandLine) -> None:
    assert "Name a JOB" in eed.refused("reconcile", code=2)
    assert "Name a JOB" in eed.refused("reconcile", "1", "--all", code=2)
    assert "there is no job 1" in eed.refused("reconcile", "1")
