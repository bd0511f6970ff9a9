"""Answers are read by us and not by PyMySQL: they must be the same, whatever a column holds and however long it is."""

from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pymysql.constants import CLIENT
from sqlalchemy import make_url

from eed_delivery.database.mysql_answers import answers_to
from tests.examples import examples
from tests.numbers import numbers
from tests.servers.database_server import DatabaseServer
from tests.servers.mysql_proxy import MySqlProxy

pytestmark = pytest.mark.both_databases

EVERY_TYPE = """SELECT 7, -7, 18446744073709551615, 1.50, 1.5e0, NULL, '', 'grün €', x'00ff', b'101', TRUE,
 CAST('2026-11-23 14:00:00.123456' AS DATETIME(6)), DATE '2026-11-23', TIME '14:00:00', CAST('{"a": "ü"}' AS CHAR),
 JSON_OBJECT('a', 'ü'), CAST('ü' AS BINARY), TIMESTAMPDIFF(MICROSECOND, NOW(), NOW()) / 1000000, YEAR(NOW())"""
LENGTHS = [0, 1, 250, 251, 252, 253, 254, 255, 256, 65_535, 65_536, 70_000, 300_000]


def connect(url: str, read_timeout: float | None = None) -> "pymysql.Connection[Any]":
    at = make_url(url)
    return pymysql.connect(
        host=at.host or "", port=at.port or 0, user=at.username, password=at.password or "",
        database=at.database or None, charset="utf8mb4", read_timeout=read_timeout,
        client_flag=CLIENT.MULTI_STATEMENTS | CLIENT.FOUND_ROWS,
    )  # fmt: skip


@pytest.fixture(scope="module")
def connection(database_server: DatabaseServer) -> Iterator["pymysql.Connection[Any]"]:
    with connect(database_server.url) as made:
        yield made


def as_pymysql_reads(connection: "pymysql.Connection[Any]", statement: str) -> list[list[Any]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return [list(row) for row in cursor.fetchall()]


def test_every_type_is_what_pymysql_makes_of_it(connection: "pymysql.Connection[Any]") -> None:
    expected = as_pymysql_reads(connection, EVERY_TYPE)
    for _ in range(2):  # the second time its columns are known
        ((count, rows),) = answers_to(connection, EVERY_TYPE, 1)
        assert (count, rows, [type(v) for v in rows[0]]) == (1, expected, [type(v) for v in expected[0]])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(60))
@given(st.lists(st.lists(st.none() | st.sampled_from(LENGTHS) | st.integers(0, 300), min_size=3, max_size=3)))
@example([[70_000, None, 0], [None, None, None], [251, 65_535, 65_536]])
def test_rows_of_any_length_end_where_they_end(
    connection: "pymysql.Connection[Any]", lengths: list[list[int | None]]
) -> None:
    rows = [[None if n is None else "ü" * (n // 2) + "a" * (n % 2) for n in row] for row in lengths]
    cells = [", ".join("NULL" if value is None else f"'{value}'" for value in row) for row in rows]
    statement = " UNION ALL ".join(f"SELECT {row}" for row in cells) or "SELECT 1, 2, 3 FROM DUAL WHERE 1 = 0"
    assert answers_to(connection, f"{statement}; DO 0; SELECT 1", 3) == [(len(rows), rows), (0, []), (1, [[1]])]


@pytest.mark.parametrize("octets", [2**24 - 1 - 4, 2**24 - 4, 17_000_000])
def test_a_value_beyond_16_mb_comes_in_several_packets(database_server: DatabaseServer, octets: int) -> None:
    """Of the first length the packet is full, and an empty one follows; those that follow look like an error's."""
    database_server.execute("SET GLOBAL max_allowed_packet = 67108864")
    try:
        with connect(database_server.url) as connection:
            texts = f"SELECT REPEAT(x'ff', {octets}) UNION ALL SELECT 'c'; SELECT 1"
            answers = answers_to(connection, texts, 2)
    finally:
        database_server.execute("SET GLOBAL max_allowed_packet = 16777216")
    assert [(count, [len(row[0]) for row in rows]) for count, rows in answers[:1]] == [(2, [octets, 1])]
    assert (set(answers[0][1][0][0]), answers[1]) == ({0xFF}, (1, [[1]]))


def test_a_request_that_takes_longer_than_the_read_timeout_is_given_up(database_server: DatabaseServer) -> None:
    connection = connect(database_server.url, read_timeout=1)
    with pytest.raises(pymysql.err.OperationalError):
        answers_to(connection, "SELECT SLEEP(20)", 1)
    assert not connection.open


def test_an_error_amid_the_rows_is_an_error(connection: "pymysql.Connection[Any]") -> None:
    amid = f"SELECT seq, IF(seq < 40000, seq, (SELECT 1 UNION SELECT seq)) FROM {numbers(50_000)}"
    with pytest.raises(pymysql.err.OperationalError, match="more than 1 row"):
        answers_to(connection, f"{amid}; DO 0", 2)
    assert answers_to(connection, "SELECT 2", 1) == [(1, [[2]])]


def test_what_matched_is_counted_whether_or_not_it_changed(database_url: str) -> None:
    name = make_url(database_url).database
    texts = [
        f"CREATE TEMPORARY TABLE {name}.numbers (id INT AUTO_INCREMENT PRIMARY KEY, n INT) AUTO_INCREMENT = 100000",
        f"INSERT INTO {name}.numbers (n) SELECT 1 FROM {numbers(70_000)}",
        f"UPDATE {name}.numbers SET n = 1 WHERE id < 100300",
        f"DELETE FROM {name}.numbers WHERE id > 100300 LIMIT 250",
    ]
    with connect(database_url) as connection:
        assert [count for count, _ in answers_to(connection, ";".join(texts), 4)] == [0, 70_000, 300, 250]


def test_an_error_ends_the_answers(connection: "pymysql.Connection[Any]") -> None:
    with pytest.raises(pymysql.err.ProgrammingError):
        answers_to(connection, "DO 0; SELECT 1; SELECT * FROM mysql.nothing; DO 0", 4)
    assert answers_to(connection, "SELECT 2", 1) == [(1, [[2]])], "nothing of it is left behind"


def test_more_or_fewer_answers_than_statements_are_an_error(connection: "pymysql.Connection[Any]") -> None:
    for wrong in (1, 3):
        with pytest.raises(pymysql.err.InterfaceError):
            answers_to(connection, "SELECT 1; DO 0", wrong)
    assert as_pymysql_reads(connection, "SELECT 3") == [[3]]


def test_a_connection_that_ends_amid_its_answers_is_known_as_lost(database_server: DatabaseServer) -> None:
    with MySqlProxy(make_url(database_server.url).port or 0) as proxy:
        connection = connect(proxy.url(database_server.url))
        number: int = connection.thread_id()  # type: ignore[no-untyped-call]
        proxy.on_statement = lambda statement: database_server.execute(f"KILL {number}")
        with pytest.raises(pymysql.err.OperationalError):
            answers_to(connection, "SELECT 1; SELECT SLEEP(5)", 2)
        assert not connection.open
