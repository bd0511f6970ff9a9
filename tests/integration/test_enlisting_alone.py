"""Enlisting at its edges: rows that are jobs of one email, rounds, leases, and rows that move on meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from eed_delivery.config import SourceSettings
from eed_delivery.ledger.publishing.enlisting import BLANK_AT_END, TWICE
from eed_delivery.model import EmailState
from tests.integration.test_comparing import SINGLE
from tests.integration.test_enlisting import (
    AGAIN,
    JOBS,
    MAILS,
    add,
    assert_equation,
    end,
    exact_text,
    finish,
    legacy,
    publish,
)
from tests.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Over SQLite, with three rows that are ready."""
    world = World(f"sqlite:///{tmp_path}/alone.sqlite3", SINGLE)
    world.execute("CREATE TABLE mq (id INTEGER PRIMARY KEY, sender, rcpt, subject, body, state INTEGER, err)")
    for n in (1, 2, 3):
        world.execute(f"INSERT INTO mq VALUES ({n}, 's@bank.example', 'c{n}@example.com', 'S', 'T', 1, '')")
    yield world
    world.close()


def test_they_are_enlisted_as_they_are_registered(world: World) -> None:
    """No publisher needs to lease them one by one."""
    jobs = world.registry.new_jobs(10)
    world.registry.register(jobs)
    assert world.execute("SELECT email_id, job_id, recipient, state FROM eed_email ORDER BY 1") == [
        (n, n, f"c{n}@example.com", "pending") for n in (1, 2, 3)
    ]
    assert world.execute("SELECT found, total, enlisted_at IS NOT NULL FROM eed_job") == [(1, 1, 1)] * 3
    world.registry.register(jobs)  # another publisher that saw the same rows
    assert world.execute("SELECT COUNT(*) FROM eed_email") == [(3,)]
    assert_equation(world)


def test_a_refusal_says_in_which_round_it_was(world: World) -> None:
    publish(world)
    for n in (1, 2, 3):
        end(world, n, EmailState.SENT)
    finish(world)
    for round_ in (1, 2):
        world.execute("UPDATE mq SET state = 1 WHERE id = 2")
        publish(world)
        finish(world)
        assert world.execute("SELECT source_key, round FROM eed_refusal ORDER BY refusal_id DESC LIMIT 1") == [
            ("2", round_)
        ]
    assert_equation(world)


@pytest.mark.parametrize("spoilt", ["lease_until = '2001-01-01 00:00:00.000000'", "enlisted_at = '2001-01-01'"])
def test_a_chunk_needs_a_lease_that_lasts_and_a_job_that_is_open(tmp_path: Path, spoilt: str) -> None:
    world = World(f"sqlite:///{tmp_path}/lease.sqlite3")
    world.add_job(["a@example.com"])
    world.registry.register(world.registry.new_jobs(10))
    (job,) = world.registry.lease(7, 60, 10, 0)
    world.execute(f"UPDATE eed_job SET {spoilt}")
    assert world.registry.enlist(job, 10, 60) == 0
    assert world.execute("SELECT COUNT(*) FROM eed_email") == [(0,)]
    world.close()


def test_a_known_row_that_moves_on_while_it_is_read_is_taken_back(tmp_path: Path) -> None:
    """A worker's word, or an operator's, that comes between the look-up and the change: nothing of the chunk stands."""
    world = World(f"sqlite:///{tmp_path}/moves.sqlite3", AGAIN)
    world.add_job(["a@example.com"])
    publish(world)
    end(world, 1000, EmailState.FAILED)
    finish(world)
    world.execute("UPDATE delivery_email SET status = 'pending'")
    world.execute("UPDATE delivery_job SET status = 'processing'")
    world.registry.register(world.registry.new_jobs(10))
    (job,) = world.registry.lease(7, 60, 10, 0)
    # To the statement it is as if another connection had changed the row since it was read.
    world.execute("CREATE TRIGGER unchanged BEFORE UPDATE OF job_id ON eed_email BEGIN SELECT RAISE(IGNORE); END")
    assert world.registry.enlist(job, 10, 60) == 0
    assert world.execute("SELECT gen, state FROM eed_email") == [(0, "failed")]
    assert world.execute("SELECT found, regenerated FROM eed_job") == [(1, 0)]
    world.close()


LATE = "INSERT INTO delivery_email (id, job_id, recipient, status) VALUES (7, 1, 'late@example.com', 'pending')"
UNREAD = {
    "the count of settled rows": ("not_enlisted", 0, ""),
    "the counts of a chunk": ("found", 0, ""),
    "the counts of a chunk that the database copies": ("found", 1, ""),
    "the counts of rows that came late": ("found", 3, LATE),
    "the end": ("enlisted_at", 3, ""),
}


@pytest.mark.parametrize(("column", "before", "statement"), UNREAD.values(), ids=UNREAD.keys())
def test_a_guarded_update_that_changes_nothing_takes_the_chunk_back(
    tmp_path: Path, column: str, before: int, statement: str
) -> None:
    world = World(f"sqlite:///{tmp_path}/guards.sqlite3")
    world.add_job(["a@example.com", "b@example.com", "c@example.com"])
    world.registry.register(world.registry.new_jobs(10))
    (job,) = world.registry.lease(7, 60, 10, 0)
    if before:
        assert world.registry.enlist(job, before, 60) == before
    if statement:
        world.execute(statement)
    world.execute(f"CREATE TRIGGER unread BEFORE UPDATE OF {column} ON eed_job BEGIN SELECT RAISE(IGNORE); END")
    with capture_logs() as told:
        assert world.registry.enlist(job, 10, 60) == 0
    assert [line["event"] for line in told] == ["enlisting_left_to_another"]
    assert world.execute("SELECT COUNT(*) FROM eed_email") == [(before,)]
    assert world.execute("SELECT found, total, enlisted_at FROM eed_job") == [(before, before, None)]
    world.close()


def test_a_row_is_not_taken_over_from_a_job_that_cannot_be_counted_down(tmp_path: Path) -> None:
    world = World(f"sqlite:///{tmp_path}/over.sqlite3", AGAIN)
    world.add_job(["a@example.com"])
    publish(world)
    end(world, 1000, EmailState.FAILED)
    finish(world)
    world.add_job([], job_id=2)
    world.execute("UPDATE delivery_email SET job_id = 2, status = 'pending'")
    world.registry.register(world.registry.new_jobs(10))
    (job,) = world.registry.lease(7, 60, 10, 0)
    world.execute("CREATE TRIGGER unread BEFORE UPDATE OF moved ON eed_job BEGIN SELECT RAISE(IGNORE); END")
    assert world.registry.enlist(job, 10, 60) == 0
    assert world.execute("SELECT job_id, state FROM eed_email") == [(1, "failed")]
    world.close()


def test_rows_that_others_have_settled_are_counted_once(tmp_path: Path) -> None:
    world = World(f"sqlite:///{tmp_path}/settled.sqlite3")
    world.add_job(["a@example.com", "b@example.com", "c@example.com"])
    world.add_job(["d@example.com"], job_id=2)
    world.execute("UPDATE delivery_email SET status = 'sent' WHERE id IN (1001, 2000)")
    publish(world)
    assert world.execute("SELECT job_id, not_enlisted, total FROM eed_job ORDER BY 1") == [(1, 1, 2), (2, 1, 0)]
    world.close()


def test_a_view_that_has_a_row_twice_is_told_and_nobody_is_enlisted_twice(tmp_path: Path) -> None:
    doubled = SourceSettings.model_validate({"email": {"table": "doubled"}})
    world = World(f"sqlite:///{tmp_path}/doubled.sqlite3", doubled)
    world.execute("CREATE VIEW doubled AS SELECT * FROM delivery_email UNION ALL SELECT * FROM delivery_email")
    world.add_job(["a@example.com", "b@example.com"])
    publish(world, chunk=10)
    assert world.execute("SELECT email_id FROM eed_email ORDER BY 1") == [(1000,), (1001,)]
    assert world.execute("SELECT source_key, reason FROM eed_refusal ORDER BY 1") == [("1000", TWICE), ("1001", TWICE)]
    assert world.execute("SELECT found, total, refused FROM eed_job") == [(4, 2, 2)]
    world.close()


def test_a_job_whose_key_only_the_collation_takes_for_a_known_one_is_no_known_one(database_url: str) -> None:
    """`utf8mb4_bin`, which the ledger's keys have, does not compare a blank at the end."""
    world = World(database_url)
    nopad = exact_text(world)
    kinds = {"job_key": "string", "email_key": "string"}
    world = legacy(world, JOBS.format(nopad), MAILS.format(nopad, nopad), **kinds)
    add(world, "J1", "K1")
    publish(world)
    add(world, "J1 ", "K2")
    publish(world)
    assert dict(world.execute("SELECT id, status FROM jobs")) == {"J1": "processing", "J1 ": "failed"}
    assert world.execute("SELECT source_key FROM eed_refusal ORDER BY refusal_id") == [("K2",), (None,)]
    world.close()


def test_a_late_row_whose_key_only_the_collation_takes_for_a_known_one_is_no_known_one(database_url: str) -> None:
    world = World(database_url)
    nopad = exact_text(world)
    kinds = {"job_key": "string", "email_key": "string"}
    world = legacy(world, JOBS.format(nopad), MAILS.format(nopad, nopad), **kinds)
    add(world, "J1", "K1", "K2")
    world.registry.register(world.registry.new_jobs(10))
    (job,) = world.registry.lease(7, 60, 10, 0)
    assert world.registry.enlist(job, 10, 60) == 2
    world.execute("INSERT INTO mails VALUES ('K1 ', 'J1', 'c@example.com', 'pending', '')")  # behind the cursor
    while world.registry.enlist(job, 10, 60):
        pass
    assert world.execute("SELECT source_key, reason FROM eed_refusal") == [("K1 ", BLANK_AT_END)]
    assert_equation(world)
    world.close()


def test_a_row_of_no_job_at_all_is_not_refused_in_another_one(database_url: str) -> None:
    loose = "VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
    kinds = {"job_key": "string", "email_key": "string"}
    world = legacy(World(database_url), JOBS.format(loose), MAILS.format(loose, loose), **kinds)
    add(world, "J1", "K1")
    world.execute("INSERT INTO mails VALUES ('K7', 'elsewhere', 'c@example.com', 'pending', '')")
    world.execute("INSERT INTO mails VALUES ('K8', 'j1', 'd@example.com', 'pending', '')")
    publish(world)
    assert world.execute("SELECT source_key FROM eed_refusal") == [("K8",)]
    assert dict(world.execute("SELECT id, status FROM mails")) == {"K1": "pending", "K7": "pending", "K8": "failed"}
    world.close()
