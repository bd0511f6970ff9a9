"""The audit as a chain of hashes: nobody rewrites it unnoticed (G7)."""

import importlib.util
import json
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import Database
from eed_delivery.ledger import migrations
from eed_delivery.ledger.actor import Actor
from eed_delivery.ledger.acts import Act, ActKind, note
from eed_delivery.ledger.audit_chain import ChainLedger
from eed_delivery.ledger.duties import DutyLedger
from eed_delivery.sweeper.audit_head import AuditHeadLog
from tests.command_line import CommandLine
from tests.world import World

pytestmark = [pytest.mark.both_databases, pytest.mark.also_on_sqlite]

SCRIPT = Path(__file__).parents[2] / "docs" / "check_audit.py"
ANNA = Actor("anna", "cli", "host", "ann", "eed-delivery pause 1")
TEXTS = "command = NULL, object_key = NULL, reason = NULL, counts = NULL, state_before = NULL, state_after = NULL"
MANY = 2400
"""More than two pages of rows."""


def do(world: World, *keys: str, reason: str = "why") -> None:
    """Acts in one transaction."""

    def work(c: Any) -> None:
        for key in keys:
            note(c, ANNA, Act(ActKind.PAUSE, key=key, reason=reason, counts={"ü": 1}, after={"state": "paused"}))

    world.database.run(work)


def chained(world: World) -> ChainLedger:
    """Five acts of three transactions."""
    do(world, "1", "2")
    do(world, "3", reason="déjà vu \U0001f600 \\ \" ' \r\n \x00")
    do(world, "4", "5")
    return ChainLedger(world.database)


def exported(world: World, tmp_path: Path) -> Path:
    """The audit as `audit export` writes it."""
    path = tmp_path / "audit.jsonl"
    directory = Path(mkdtemp(dir=tmp_path))
    result = CommandLine(directory, world.url)("audit", "export")
    assert result.exit_code == 0, result.output
    path.write_text(result.stdout)
    return path


def checked(*arguments: object) -> tuple[int, str]:
    """What the script of the documents says."""
    done = subprocess.run(
        [sys.executable, "-I", SCRIPT, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert not done.stderr
    return done.returncode, done.stdout


def test_acts_are_a_chain(world: World, tmp_path: Path) -> None:
    chain = chained(world)
    found = chain.check()
    assert (found.rows, found.problems, found.erased, found.outside) == (5, (), 0, 0)
    assert found.head == chain.head()
    path = exported(world, tmp_path)
    code, said = checked(path)
    assert code == 0, said
    assert "the chain of 6 rows holds. 1 heads agree with it" in said, "the export is an act, too"
    assert f"its head is 6:{chain.head().hash}" in said


TAMPERED: dict[str, tuple[str, ...]] = {
    "a text changed": ("UPDATE eed_audit SET reason = 'another' WHERE sequence = 2",),
    "a blank added": ("UPDATE eed_audit SET reason = CONCAT(reason, ' ') WHERE sequence = 2",),
    "another person": ("UPDATE eed_audit SET who = 'bob' WHERE sequence = 3",),
    "another time": ("UPDATE eed_audit SET at = '2001-01-01 00:00:00.000000' WHERE sequence = 3",),
    "a row deleted": ("DELETE FROM eed_audit WHERE sequence = 3",),
    "the first deleted": ("DELETE FROM eed_audit WHERE sequence = 1",),
    "the tail cut": ("DELETE FROM eed_audit WHERE sequence > 3",),
    "a row inserted": ("INSERT INTO eed_audit (act, who, at) VALUES ('pause', 'x', '2026-01-01 00:00:00.000000')",),
    "a row inserted further on": (
        "INSERT INTO eed_audit (act, who, at, sequence) VALUES ('pause', 'x', '2026-01-01 00:00:00.000000', 9)",
    ),
    "two rows exchanged": (
        "UPDATE eed_audit SET sequence = 99 WHERE sequence = 2",
        "UPDATE eed_audit SET sequence = 2 WHERE sequence = 3",
        "UPDATE eed_audit SET sequence = 3 WHERE sequence = 99",
    ),
    "texts erased without their salt": (f"UPDATE eed_audit SET {TEXTS} WHERE sequence = 2",),
    "a salt erased without its texts": ("UPDATE eed_audit SET salt = NULL WHERE sequence = 2",),
}


@pytest.mark.parametrize("statements", TAMPERED.values(), ids=TAMPERED)
def test_what_was_tampered_with_is_found(world: World, tmp_path: Path, statements: tuple[str, ...]) -> None:
    chain = chained(world)
    for statement in statements:
        if world.database.dialect == "sqlite":
            statement = statement.replace("CONCAT(reason, ' ')", "reason || ' '")
        assert world.execute(statement) >= 1
    assert chain.check().problems
    rows = [json.loads(line) for line in exported(world, tmp_path).read_text().splitlines()]
    without_head = tmp_path / "rows.jsonl"
    without_head.write_text("".join(json.dumps(row) + "\n" for row in rows))
    code, said = checked(without_head)
    assert code == 1, said


def test_a_chain_that_was_made_anew_is_found_by_the_log(world: World, tmp_path: Path) -> None:
    chain = chained(world)
    log = tmp_path / "service.log"
    head = chain.head()
    log.write_text(
        "not JSON, though audit_head { is in it\n"
        f"Nov 30 host eed[7]: {json.dumps({'event': 'audit_head', 'sequence': head.sequence, 'hash': head.hash})}\n"
    )
    path = exported(world, tmp_path)
    assert checked(path, "--log", log)[0] == 0
    world.execute("DELETE FROM eed_audit")
    world.execute("DELETE FROM eed_audit_head")
    chained(world)
    assert chain.check().problems == (), "it is a chain in itself"
    code, said = checked(exported(world, tmp_path), "--log", log)
    assert (code, said) == (1, "row 5 has another hash than the head that was logged\n")


def test_a_tail_that_was_cut_with_the_head_is_found_by_a_head(world: World, tmp_path: Path) -> None:
    chain = chained(world)
    head = f"{chain.head().sequence}:{chain.head().hash}"
    world.execute("DELETE FROM eed_audit WHERE sequence > 2")
    world.execute("DELETE FROM eed_audit_head")
    assert chain.check().problems == ()
    code, said = checked(exported(world, tmp_path), "--head", head)
    assert (code, said) == (1, "a head was logged at row 5, and there is no such row\n")


def test_texts_can_be_erased_and_the_chain_holds(world: World, tmp_path: Path) -> None:
    chain = chained(world)
    world.execute(f"UPDATE eed_audit SET salt = NULL, {TEXTS} WHERE sequence IN (2, 5)")
    found = chain.check()
    assert (found.problems, found.erased, found.rows) == ((), 2, 5)
    code, said = checked(exported(world, tmp_path))
    assert code == 0
    assert "2 of them without their texts" in said


def test_acts_of_many_at_once_make_one_chain(world: World) -> None:
    """Each thread locks rows of its own in another order than its neighbour, and notes before and between."""
    threads, times = 6, 12
    do(world, "0")
    world.execute("DELETE FROM eed_duty")
    for n in range(threads):
        world.execute(
            "INSERT INTO eed_duty (name, done_at) VALUES (:name, '2026-01-01 00:00:00.000000')", name=f"row {n}"
        )
    failed: list[BaseException] = []

    def acts(mine: int) -> None:
        database = Database(make_engine(make_url(world.url), connections=2))
        statement = text("UPDATE eed_duty SET done_at = '2026-01-02 00:00:00.000000' WHERE name = :name")

        def work(c: Any) -> None:
            note(c, ANNA, Act(ActKind.PAUSE, key=f"first {mine}"))
            c.execute(statement, {"name": f"row {mine}"})
            note(c, ANNA, Act(ActKind.RESUME, key=f"second {mine}"))

        try:
            for _ in range(times):
                database.once(work)  # without a retry: a deadlock fails the test
        except BaseException as error:
            failed.append(error)
        database.close()

    running = [threading.Thread(target=acts, args=(n,)) for n in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert failed == []
    found = ChainLedger(world.database).check()
    assert (found.rows, found.problems) == (1 + 2 * threads * times, ())


def test_a_transaction_that_fails_leaves_the_chain_as_it_was(world: World) -> None:
    chain = chained(world)
    before = chain.head()

    def work(c: Any) -> None:
        note(c, ANNA, Act(ActKind.PAUSE, key="6"))
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        world.database.run(work)
    assert chain.head() == before
    do(world, "6")
    assert chain.check().rows == 6
    assert chain.check().problems == ()


def test_no_second_row_follows_the_same_one(world: World) -> None:
    """A head that was set back, say by a restored backup of this one table."""
    chained(world)
    world.execute("UPDATE eed_audit_head SET sequence = 2")
    with pytest.raises(DBAPIError):
        do(world, "6")


def test_a_long_audit_is_walked_in_pages(world: World) -> None:
    do(world, *map(str, range(MANY)))
    found = ChainLedger(world.database).check()
    assert (found.rows, found.problems) == (MANY, ())


def test_rows_of_an_earlier_release_are_chained_in_their_order(any_database_url: str) -> None:
    engine = create_engine(any_database_url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0020")
        connection.execute(
            text("INSERT INTO eed_audit (act, who, at, reason, object_key) VALUES ('pause', :who, :at, :why, :who)"),
            [{"who": f"p{n}", "at": "2026-01-01 00:00:00.5", "why": "é" * (n % 9)} for n in range(MANY)],
        )
    migrations.upgrade(engine)
    migrations.upgrade(engine)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT who FROM eed_audit ORDER BY sequence")).scalars().all()
    assert rows == [f"p{n}" for n in range(MANY)]
    database = Database(engine)
    found = ChainLedger(database).check()
    assert (found.rows, found.problems, found.outside) == (MANY, (), 0)
    database.run(lambda c: note(c, ANNA, Act(ActKind.PAUSE, key="later")))
    assert ChainLedger(database).check().rows == MANY + 1
    database.close()


def test_one_host_logs_the_head_once_an_hour(world: World) -> None:
    chain = chained(world)
    world.execute("INSERT INTO eed_duty (name, done_at) VALUES ('another', '2001-01-01 00:00:00.000000')")
    hosts = [AuditHeadLog(chain, DutyLedger(world.database)) for _ in range(3)]
    with capture_logs() as logs:
        for host in hosts:
            host.step()
    (line,) = logs
    assert (line["event"], line["sequence"], line["hash"]) == ("audit_head", 5, chain.head().hash)
    world.execute("UPDATE eed_duty SET done_at = '2026-01-01 00:00:00.000000'")
    with capture_logs() as logs:
        for host in hosts:
            host.step()
    assert len(logs) == 1


def test_the_command_says_what_is_wrong(world: World, tmp_path: Path) -> None:
    eed = CommandLine(tmp_path, world.url)
    assert eed("audit", "check").exit_code == 0, "an audit without a row"
    chained(world)
    good = eed("audit", "check")
    assert good.exit_code == 0
    assert "the chain of 5 rows holds." in good.output
    world.execute("UPDATE eed_audit SET reason = 'another' WHERE sequence = 2")
    bad = eed("audit", "check", "--json")
    assert bad.exit_code == 1
    assert json.loads(bad.stdout)["problems"] == ["the texts of row 2 were changed"]
    assert eed("audit", "--person", "anna").exit_code == 0, "the list is still a command by itself"


def test_the_script_refuses_what_is_no_export(tmp_path: Path) -> None:
    for content in ("no JSON", "[1]", '{"sequence": 1, "texts_hash": "", "previous_hash": "", "hash": ""}', '{"a": 1}'):
        path = tmp_path / "file"
        path.write_text(content)
        assert checked(path)[0] == 1, content
    spec = importlib.util.spec_from_file_location("check_audit", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.main([str(tmp_path / "none")]) == 2
