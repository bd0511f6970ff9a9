"""The servers of the tests do what the other tests take for granted."""

import pytest
import sqlalchemy as sa

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


def test_a_message_refused_too_often_lands_in_the_dead_letter_queue(ministack: MiniStack) -> None:
    sqs = ministack.client("sqs")
    queue, dead = ministack.make_queue("refused", max_receive_count=1, visibility_timeout=0)
    assert queue.startswith(ministack.endpoint_url)
    sqs.send_message(QueueUrl=queue, MessageBody="x", MessageGroupId="1")
    for _ in range(3):
        sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    assert [m["Body"] for m in sqs.receive_message(QueueUrl=dead, WaitTimeSeconds=5)["Messages"]] == ["x"]
