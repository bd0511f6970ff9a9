"""The servers of the tests do what the other tests take for granted."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.servers import lambda_image, mariadb
from tests.servers.database_server import NewDatabaseServer
from tests.servers.ministack import MiniStack


@pytest.mark.both_databases
def test_it_is_durable_and_survives_a_kill(new_database_server: NewDatabaseServer) -> None:
    with new_database_server() as server:
        engine = sa.create_engine(server.create_database("d"))
        with engine.begin() as c:
            c.execute(sa.text("CREATE TABLE t (a INT)"))
            c.execute(sa.text("INSERT INTO t VALUES (7)"))
            durable = c.execute(sa.text("SELECT @@innodb_flush_log_at_trx_commit, @@sync_binlog, @@log_bin")).one()
        engine.dispose()
        server.kill()
        server.restart()
        with engine.connect() as c:
            rows = c.execute(sa.text("SELECT a FROM t")).scalars().all()
        engine.dispose()
    assert tuple(durable) == (1, 1, 1)
    assert rows == [7]
    assert not server.directory.exists()


@pytest.mark.parametrize(("required", "status"), [("", 0), ("1", 1)])
def test_a_machine_without_mysql_says_why_and_fails_only_where_it_must_have_it(
    tmp_path: Path, required: str, status: int
) -> None:
    """No apt on the PATH, and nothing in the cache; MariaDB is there."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for program in mariadb.binaries():
        (programs / Path(program).name).symlink_to(program)
    done = subprocess.run(
        [sys.executable, "-m", "tests.servers.install"],
        env={"PATH": str(programs), "XDG_CACHE_HOME": str(tmp_path), "TESTS_REQUIRE_MYSQL": required},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == status, done.stderr
    assert "this machine is no Debian" in done.stderr
    reason = (tmp_path / "eed-delivery-tests/mysql/not-to-be-had.txt").read_text()
    assert reason.startswith("this machine is no Debian")


def test_a_message_refused_too_often_lands_in_the_dead_letter_queue(ministack: MiniStack) -> None:
    sqs = ministack.client("sqs")
    queue, dead = ministack.make_queue("refused", max_receive_count=1, visibility_timeout=0)
    assert queue.startswith(ministack.endpoint_url)
    sqs.send_message(QueueUrl=queue, MessageBody="x", MessageGroupId="1")
    for _ in range(3):
        sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    assert [m["Body"] for m in sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=5)["Messages"]] == ["x"]


def test_packages_of_earlier_locks_are_removed_once_nobody_uses_them(tmp_path: Path) -> None:
    """Those of the same lock for another Python are kept, and so is what else is in the folder."""
    kept = ["aws-lambda-rie-1-x86_64", "lock", "packages-new-cpython-311-x86_64", "packages-new-cpython-312-x86_64"]
    for name in (*kept, "packages-old-cpython-311-x86_64", "packages-older-cpython-311-x86_64"):
        (tmp_path / name / "packages").mkdir(parents=True)
        os.utime(tmp_path / name, (1000, 1000))
    os.utime(tmp_path / "packages-old-cpython-311-x86_64", (3000, 3000))
    lambda_image.remove_others(tmp_path, "new", before=2000)
    assert sorted(one.name for one in tmp_path.iterdir()) == [*kept, "packages-old-cpython-311-x86_64"]
    lambda_image.remove_others(tmp_path, "new", before=4000)
    assert sorted(one.name for one in tmp_path.iterdir()) == kept
