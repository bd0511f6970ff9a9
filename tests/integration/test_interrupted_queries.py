"""A query that was interrupted half-way must not give the next one its answer.

PyMySQL#724: an exception between the sending of a query and the reading of its whole answer leaves the rest of the
answer in the socket. The connection does not notice. `Database.run` drops such a connection.
"""

import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest
from sqlalchemy import Connection, make_url, text

from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import Database
from tests.numbers import numbers

pytestmark = pytest.mark.both_databases

ROWS = f"SELECT seq, 'not yours' FROM {numbers(50)}"
CHANGE = "UPDATE t SET a = a + 1"
# Where PyMySQL is at that moment: before the first packet of the answer, among the columns, among the rows.
PLACES = ("_read_query_result", "_get_descriptions", "_read_rowdata_packet", "_read_row_from_packet")


class Interrupted(Exception):
    """As a signal's handler or a timeout might raise it."""


@pytest.fixture(params=[0, 3600], ids=["from the pool", "kept by the thread"])
def database(database_url: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    """With a single connection, which all get in turn."""
    engine = make_engine(make_url(database_url), connections=1)
    database = Database(engine, hold_seconds=request.param)
    database.run(lambda c: c.execute(text("CREATE TABLE t (a INT) ENGINE=InnoDB")))
    database.run(lambda c: c.execute(text("INSERT INTO t VALUES (1)")))
    yield database
    database.close()


def interrupted(place: str, error: BaseException, work: Callable[[], Any]) -> None:
    """Do `work`, and raise `error` in it where PyMySQL enters `place`: between two bytecodes, as signals do."""

    def trace(frame: FrameType, event: str, argument: Any) -> None:
        if frame.f_code.co_name == place and "pymysql" in frame.f_code.co_filename:
            sys.settrace(None)
            raise error

    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(None)


def own_id(c: Connection) -> int:
    return int(c.execute(text("SELECT CONNECTION_ID()")).scalar_one())


def statement(sql: str) -> Callable[[Connection], Any]:
    return lambda c: c.execute(text(sql))


@pytest.mark.parametrize("error", [Interrupted(), KeyboardInterrupt(), SystemExit(1)], ids=lambda e: type(e).__name__)
@pytest.mark.parametrize(
    ("sql", "place"), [(CHANGE, PLACES[0]), *((ROWS, place) for place in PLACES)], ids=lambda word: word.split()[0]
)
def test_pymysql_724_the_next_query_gets_its_own_answer(
    database: Database, sql: str, place: str, error: BaseException
) -> None:
    before = database.run(own_id)
    with pytest.raises(type(error)):
        interrupted(place, error, lambda: database.run(statement(sql)))
    answers = [database.run(lambda c: c.execute(text("SELECT 'mine', :n"), {"n": n}).all()) for n in range(5)]  # noqa: B023
    assert answers == [[("mine", n)] for n in range(5)]
    assert database.run(own_id) != before
    assert database.run(lambda c: c.execute(text("SELECT a FROM t")).scalar_one()) == 1  # nothing was committed


def test_pymysql_724_an_answer_that_cannot_be_read_to_its_end(database: Database) -> None:
    """The same without any signal: a value that cannot be decoded ends the reading in the midst of the rows."""

    def work(c: Connection) -> Any:
        c.execute(text("SET character_set_results = latin1"))
        return c.execute(text(f"SELECT seq, 'Zoë' FROM {numbers(50)}")).all()

    before = database.run(own_id)
    with pytest.raises(UnicodeDecodeError):
        database.run(work)
    answers = [database.run(lambda c: c.execute(text("SELECT 'mine', :n"), {"n": n}).all()) for n in range(5)]  # noqa: B023
    assert answers == [[("mine", n)] for n in range(5)]
    assert database.run(own_id) != before


def test_an_error_of_the_server_costs_no_connection(database: Database) -> None:
    """Its answer has been read to the end: thousands of duplicate keys must not mean thousands of connections."""
    before = database.run(own_id)
    with pytest.raises(Exception, match="no_such_table"):
        database.run(statement("SELECT * FROM no_such_table"))
    assert database.run(own_id) == before
