"""The proxy that breaks the way to MariaDB does what it says, and nothing else."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pymysql
import pytest

from tests.servers.database_server import DatabaseServer
from tests.servers.mysql_proxy import DEADLOCK, LOCK_TIMEOUT, MySqlProxy

DATABASE = "mysql_proxy"
Connect = Callable[..., "pymysql.Connection[pymysql.cursors.Cursor]"]
GONE, GONE_AWAY = 2013, 2006  # found out while reading, or while writing


@pytest.fixture
def proxy(database_server: DatabaseServer) -> Iterator[MySqlProxy]:
    database_server.create_database(DATABASE)
    database_server.execute("CREATE TABLE t (a INT PRIMARY KEY, b LONGTEXT)", database=DATABASE)
    with MySqlProxy(database_server.port) as proxy:
        yield proxy
    database_server.drop_database(DATABASE)


@pytest.fixture
def connect(database_server: DatabaseServer) -> Iterator[Connect]:
    """Connects through a port; without one, past the proxy."""
    with ExitStack() as at_the_end:

        def connect(port: int = database_server.port, **options: Any) -> "pymysql.Connection[pymysql.cursors.Cursor]":
            connection = pymysql.connect(
                host="127.0.0.1",
                port=port,
                user=database_server.user,
                password=database_server.password,
                database=DATABASE,
                **options,
            )
            at_the_end.callback(lambda: connection.open and connection.close())
            return connection

        yield connect


def ask(connection: "pymysql.Connection[pymysql.cursors.Cursor]", statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def rows(connect: Connect) -> list[int]:
    """What is committed."""
    return [a for (a,) in ask(connect(autocommit=True), "SELECT a FROM t ORDER BY a")]


def code_of(caught: pytest.ExceptionInfo[pymysql.err.MySQLError]) -> int:
    return int(caught.value.args[0])


def test_a_commit_whose_answer_is_cut_off_has_gone_through(proxy: MySqlProxy, connect: Connect) -> None:
    proxy.cut_after_commit(1)
    client = connect(proxy.port)
    ask(client, "SELECT a FROM t")
    client.commit()  # nothing was changed: not worth a cut
    ask(client, "INSERT INTO t VALUES (1, 'x')")
    with pytest.raises(pymysql.err.OperationalError) as caught:
        client.commit()
    assert code_of(caught) == GONE
    assert rows(connect) == [1]
    assert proxy.counts["cut after commit"] == 1
    assert proxy.cuts == {"INSERT t": 1}
    client = connect(proxy.port)
    ask(client, "INSERT INTO t VALUES (2, 'x')")
    client.commit()
    assert rows(connect) == [1, 2]


def test_a_commit_that_is_cut_off_before_the_server_has_not_happened(proxy: MySqlProxy, connect: Connect) -> None:
    proxy.cut_after_commit(1, before=True)
    client = connect(proxy.port)
    ask(client, "INSERT INTO t VALUES (1, 'x')")
    with pytest.raises(pymysql.err.OperationalError) as caught:
        client.commit()
    assert code_of(caught) == GONE
    assert rows(connect) == []
    assert (proxy.counts["cut before commit"], proxy.counts["cut after commit"]) == (1, 0)


def test_the_first_of_each_kind_are_cut_for_certain(proxy: MySqlProxy, connect: Connect) -> None:
    proxy.cut_after_commit(0, each_first=1)
    for statement in ("INSERT INTO t VALUES (1, 'x')", "UPDATE t SET b = 'y'"):
        client = connect(proxy.port)
        ask(client, statement)
        with pytest.raises(pymysql.err.OperationalError):
            client.commit()
    client = connect(proxy.port)
    for statement in ("INSERT INTO t VALUES (2, 'x')", "UPDATE t SET b = 'z'", "UPDATE t SET b = 'z' WHERE a = 3"):
        ask(client, statement)
        client.commit()
    assert proxy.cuts == {"INSERT t": 1, "UPDATE t": 1}


def test_a_deadlock_undoes_the_transaction_and_a_lock_timeout_the_statement(
    proxy: MySqlProxy, connect: Connect
) -> None:
    client = connect(proxy.port)
    for code, expected in ((DEADLOCK, [3]), (LOCK_TIMEOUT, [3, 11, 13])):
        ask(client, f"INSERT INTO t VALUES ({len(expected) * 5 - 4}, 'x')")
        proxy.contend(1.0, [code])
        for statement in ("INSERT INTO t VALUES (99, 'x')", "UPDATE t SET b = ''", "SELECT a FROM t"):
            with pytest.raises(pymysql.err.OperationalError) as caught:
                ask(client, statement)
            assert code_of(caught) == code
        proxy.contend(0)
        assert client.open  # it goes on with the same connection
        ask(client, f"INSERT INTO t VALUES ({len(expected) * 5 - 2}, 'x')")
        client.commit()
        assert rows(connect) == expected
        assert proxy.counts[f"error {code}"] == 3


def test_errors_come_in_their_share_and_never_while_connecting(proxy: MySqlProxy, connect: Connect) -> None:
    proxy.contend(0.2)
    client = connect(proxy.port)
    ask(client, "SELECT VERSION()")
    assert not proxy.counts["error 1213"] + proxy.counts["error 1205"]
    seen = 0
    for _ in range(500):
        try:
            ask(client, "SELECT a FROM t")
        except pymysql.err.OperationalError:
            seen += 1
    assert seen == proxy.counts["error 1213"] + proxy.counts["error 1205"]
    assert 50 <= seen <= 150
    assert min(proxy.counts["error 1213"], proxy.counts["error 1205"]) >= 15


def test_during_a_partition_no_byte_passes_and_after_it_all_of_them(proxy: MySqlProxy, connect: Connect) -> None:
    client, patient = connect(proxy.port, read_timeout=1), connect(proxy.port)
    proxy.partition()
    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.append(ask(patient, "SELECT 'patience'")), daemon=True)
    waiting.start()
    ask_at_server = connect()
    with pytest.raises(pymysql.err.OperationalError) as caught:
        ask(client, "INSERT INTO t VALUES (1, 'x')")
    assert code_of(caught) == GONE
    with pytest.raises(pymysql.err.OperationalError):
        connect(proxy.port, read_timeout=1)  # the connection is taken, and nobody greets
    assert answers == []
    mine = "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE()"
    assert ask(ask_at_server, mine) == ((3,),)  # the server has not learnt that one of them has gone
    proxy.heal()
    waiting.join(30)
    assert answers == [(("patience",),)]
    assert ask(connect(proxy.port), "SELECT 'back'") == (("back",),)
    assert rows(connect) == []  # it was never committed


def test_refused_connections_are_welcome_again(proxy: MySqlProxy, connect: Connect) -> None:
    client = connect(proxy.port)
    ask(client, "INSERT INTO t VALUES (1, 'x')")
    proxy.refuse()
    with pytest.raises(pymysql.err.OperationalError) as caught:
        client.commit()
    assert code_of(caught) in (GONE, GONE_AWAY)
    with pytest.raises(pymysql.err.OperationalError) as caught:
        connect(proxy.port)
    assert code_of(caught) == 2003
    proxy.heal()
    assert ask(connect(proxy.port), "SELECT 'back'") == (("back",),)
    assert rows(connect) == []


def test_large_statements_and_answers_pass_unharmed(proxy: MySqlProxy, connect: Connect) -> None:
    text = "äöü€𝄞" * 200_000
    client = connect(proxy.port)
    with client.cursor() as cursor:
        cursor.execute("INSERT INTO t VALUES (1, %s)", (text,))
        cursor.executemany("INSERT INTO t VALUES (%s, %s)", [(n, "x") for n in range(2, 3000)])
    client.commit()
    assert ask(client, "SELECT b FROM t WHERE a = 1") == ((text,),)
    assert len(ask(client, "SELECT * FROM t")) == 2999
