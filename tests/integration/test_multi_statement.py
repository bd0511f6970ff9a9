"""Several statements in one request: all of them or none, with every value as it was given."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    BindParameter,
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    insert,
    make_url,
    tuple_,
    update,
)
from sqlalchemy.exc import DBAPIError

from eed_delivery.database.engine import make_engine
from eed_delivery.database.multi_statement import BoundStatement, execute
from eed_delivery.database.sql_function import picked
from eed_delivery.database.transactions import Database, is_contention
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.model import EmailState, Outcome, Verdict
from tests.examples import examples
from tests.servers.mysql_proxy import MySqlProxy
from tests.world import World

# SQLite takes one statement at a time.
pytestmark = [pytest.mark.both_databases, pytest.mark.also_on_sqlite]

LINES = Table(
    "lines", MetaData(), Column("id", Integer, primary_key=True, autoincrement=False), Column("words", String(500))
)
ADD = insert(LINES).values(id=bindparam("its_id"), words=bindparam("its_words"))
ODD = ["'; DROP TABLE lines; --", "\\", "%s", "%%", "\\'; --", ":a", "a\\\\'; --"]
CHANGE = update(LINES).where(LINES.c.id == bindparam("its_id")).values(words=bindparam("its_words"))

THESE = update(LINES).where(LINES.c.id.in_(bindparam("ids", expanding=True))).values(words=bindparam("its_words"))
AS_THEY_ARE = (
    update(LINES)
    .where(tuple_(LINES.c.id, LINES.c.words).in_(bindparam("pairs", expanding=True)))
    .values(words=bindparam("its_words"))
)

_IDS: BindParameter[Any] = bindparam("ids", expanding=True)
ITS_OWN = update(LINES).where(LINES.c.id.in_(_IDS)).values(
    words=picked(LINES.c.id, _IDS, bindparam("texts", expanding=True))
)  # fmt: skip


@pytest.fixture
def database(request: pytest.FixtureRequest, any_database_url: str) -> Database:
    made = Database(make_engine(make_url(any_database_url), connections=2, multi_statements=True))
    LINES.metadata.create_all(made.engine)
    request.addfinalizer(made.close)
    return made


def words(database: Database) -> dict[int, str]:
    return {row.id: row.words for row in database.run(lambda c: c.execute(LINES.select()).all())}


def add(number: int, text: str) -> BoundStatement:
    return BoundStatement(ADD, line(number, text))


def change(number: int, text: str, rows: int | None = 1) -> BoundStatement:
    return BoundStatement(CHANGE, line(number, text), rows=rows)


def all_matched(c: Connection, statements: Sequence[BoundStatement]) -> bool:
    return not any(result.missed for result in execute(c, statements))


def executed(database: Database, *statements: BoundStatement) -> bool:
    """As the ledger does it: where one statement misses, all are rolled back."""

    def work(c: Connection) -> bool:
        matched = all_matched(c, statements)
        if not matched:
            c.rollback()
        return matched

    return database.run(work)


def line(number: int, text: str) -> dict[str, object]:
    return {"its_id": number, "its_words": text}


def test_all_of_them_or_none(database: Database) -> None:
    assert executed(
        database,
        add(1, "a"),
        add(2, "b"),
        change(1, "c"),
    )
    assert words(database) == {1: "c", 2: "b"}
    assert not executed(
        database,
        change(1, "x"),
        change(9, "y"),
        change(2, "z"),
    )
    assert words(database) == {1: "c", 2: "b"}
    assert executed(database, change(1, "x"), change(9, "y", rows=None))
    assert words(database) == {1: "x", 2: "b"}
    assert executed(database, change(1, "z"), change(1, "z")), "the same twice is two"


def these(text: str, *numbers: int) -> BoundStatement:
    return BoundStatement(THESE, {"ids": list(numbers), "its_words": text}, rows=len(numbers))


def test_each_of_several_rows_has_to_be_there(database: Database) -> None:
    assert executed(database, *[add(n, "a") for n in range(5)])
    assert executed(database, these("b", 0, 1), these("b", 3), these("c", 4))
    assert words(database) == {0: "b", 1: "b", 2: "a", 3: "b", 4: "c"}
    for statements in ([these("x", 0, 9)], [these("x", 0), these("x", 9)], [these("x", 0, 9), these("x", 1, 2)]):
        assert not executed(database, *statements)
    assert words(database) == {0: "b", 1: "b", 2: "a", 3: "b", 4: "c"}
    assert executed(database, BoundStatement(THESE, {"ids": [1, 9], "its_words": "d"}, rows=None), these("d", 2))
    assert words(database) == {0: "b", 1: "d", 2: "d", 3: "b", 4: "c"}


def its_own(number: int, text: str | None, rows: int | None = 1, *, merges: bool = False) -> BoundStatement:
    return BoundStatement(ITS_OWN, {"ids": [number], "texts": [text]}, rows=rows, merges=merges)


def test_each_row_gets_the_value_that_is_its_own(database: Database) -> None:
    assert executed(database, *[add(n, "a") for n in range(20)])
    texts: dict[int, str | None] = {n: ODD[n % len(ODD)] + str(n) for n in range(20)} | {3: None, 4: ""}
    assert executed(database, *[its_own(n, texts[n]) for n in reversed(texts)])
    assert words(database) == texts
    several = {"ids": [7, 2, 5], "texts": ["seven", "two", "five"]}
    assert database.run(lambda c: c.execute(ITS_OWN, several).rowcount) == 3, "as SQLAlchemy fills it in"
    assert words(database) == texts | {7: "seven", 2: "two", 5: "five"}
    if database.dialect != "sqlite":  # which takes them one after the other
        assert not executed(database, its_own(1, "x"), its_own(1, "y")), "one row cannot have two"
        assert words(database)[1] == texts[1]


def test_rows_of_any_number_are_merged_where_this_is_asked_for(database_url: str) -> None:
    with overheard(database_url) as (database, asked):
        assert executed(database, add(1, "a"), add(2, "a"))
        merged = [its_own(n, f"b{n}", rows=None, merges=True) for n in (1, 9, 2)]
        assert executed(database, *merged, its_own(1, "c", rows=None), its_own(2, "c"))
        assert words(database) == {1: "c", 2: "c"}
    statements = [one for request in asked for one in request.split(";") if one.startswith("UPDATE")]
    assert ["(1,9,2)" in statement for statement in statements] == [True, False, False]


def test_pairs_belong_together(database: Database) -> None:
    assert executed(database, *[add(n, text) for n, text in enumerate(ODD)])
    pairs = [*enumerate(ODD), (0, ODD[1])]
    statements = [
        BoundStatement(AS_THEY_ARE, {"pairs": [pair], "its_words": "x"}, rows=pair in pairs[:-1]) for pair in pairs
    ]
    assert executed(database, *statements)
    assert set(words(database).values()) == {"x"}


def test_a_row_that_matched_counts_though_nothing_in_it_changed(database: Database, any_database_url: str) -> None:
    assert executed(database, add(1, "a"), change(1, "a"))
    plain = Database(make_engine(make_url(any_database_url), connections=1))
    LINES.metadata.create_all(plain.engine)
    plain.run(lambda c: c.execute(ADD, line(2, "b")))
    assert plain.run(lambda c: c.execute(CHANGE, line(2, "b")).rowcount) == 1
    plain.close()


@pytest.mark.parametrize("wrong", [0, 1, 2])
def test_an_error_of_any_of_them_is_the_errors_of_all(database: Database, wrong: int) -> None:
    executed(database, add(7, "there already"))
    statements = [add(n, "new") for n in (1, 2, 3)]
    statements[wrong] = add(7, "a second time")
    with pytest.raises(DBAPIError) as raised:
        executed(database, *statements)
    assert "new" not in str(raised.value), "values stay out of errors"
    assert words(database) == {7: "there already"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=examples(100))
@given(
    st.lists(st.text(max_size=100) | st.sampled_from(["'; DROP TABLE lines; --", "\\", "%s", "%%", "\\'; --", ":a"]))
)
def test_values_arrive_as_they_were_given(database: Database, texts: list[str]) -> None:
    texts = [text.replace("\0", "") for text in texts]
    database.run(lambda c: c.execute(LINES.delete()))
    executed(
        database,
        *[add(n, text) for n, text in enumerate(texts)] or [add(0, "")],
    )
    assert words(database) == dict(enumerate(texts or [""]))


def test_a_lock_that_is_not_to_be_had_in_the_middle_is_known_as_contention(database_url: str) -> None:
    database = Database(make_engine(make_url(database_url), connections=2, multi_statements=True))
    LINES.metadata.create_all(database.engine)
    executed(database, add(5, "free"))
    met: list[DBAPIError] = []
    with database.engine.connect() as holder:
        holder.execute(CHANGE, line(5, "held"))

        def work(c: Connection) -> bool:
            c.exec_driver_sql("SET SESSION innodb_lock_wait_timeout = 1")
            try:
                return all_matched(c, [add(1, "a"), change(5, "b")])
            except DBAPIError as error:
                met.append(error)
                holder.rollback()
                raise

        assert database.run(work)
    assert [is_contention(error) for error in met] == [True]
    assert words(database) == {1: "a", 5: "b"}
    database.close()


@contextmanager
def overheard(database_url: str) -> Iterator[tuple[Database, list[str]]]:
    """A database, and the requests that it gets."""
    with MySqlProxy(make_url(database_url).port or 0) as proxy:
        database = Database(make_engine(make_url(proxy.url(database_url)), connections=1, multi_statements=True))
        LINES.metadata.create_all(database.engine)
        asked: list[str] = []
        proxy.on_statement = asked.append
        yield database, asked
        database.close()


def test_it_is_one_request(database_url: str) -> None:
    with overheard(database_url) as (database, asked):
        executed(
            database,
            add(1, "a"),
            change(1, "b"),
            change(1, "c"),
        )
    assert [statement.split()[0] for statement in asked] == ["INSERT", "COMMIT"]


def test_neighbours_of_one_statement_are_one(database_url: str) -> None:
    statements = [add(n, f"a{n}") for n in range(4)]
    with overheard(database_url) as (database, asked):
        assert executed(database, *statements, these("b", 0), these("b", 1, 2), these("c", 3), add(4, "e"))
        assert words(database) == {0: "b", 1: "b", 2: "b", 3: "c", 4: "e"}
    inserts, first, second, insert = asked[0].split(";")
    assert [inserts.count("'a"), insert.count("'e'")] == [4, 1]
    assert ["(0,1,2)" in first, "(3)" in second] == [True, True]


def test_a_group_that_misses_leaves_nothing_of_a_stale_outcome(database_url: str) -> None:
    """G3: another has it by now. Neither an attempt nor the source's row may tell what the stale one says."""
    world = World(database_url)
    stale_id, next_id = world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    stale, following = world.claimed(stale_id), world.claimed(next_id)
    world.lapse(stale_id)
    world.claimed(stale_id)
    yes = Decision(EmailState.SENT, Outcome(Verdict.SENT, "250 ok", 250), counted=True)
    assert world.delivering.record_and_wire([(stale, yes, 1)], following, 60) is None
    assert (world.state(stale_id), world.source_status(stale_id)) == ("sending", "pending")
    assert world.scalar("SELECT COUNT(*) FROM eed_attempt") == 0
    world.close()


def test_a_job_that_is_resumed_between_a_claims_two_questions_goes_on(database_url: str) -> None:
    """The first says that nothing may go on, the second that nothing stands against it: it must not be left hanging."""
    with MySqlProxy(make_url(database_url).port or 0) as proxy:
        world, beside = World(proxy.url(database_url)), World(database_url)
        (one,) = beside.add_job()
        beside.enlist()
        beside.operating.pause(1, "lunch")

        def resume(statement: str) -> None:
            if "lease_left" in statement:
                beside.operating.resume(1)

        proxy.on_statement = resume
        claim = world.claim(one)
        assert ([email.email_id for email in claim.emails], claim.refusals) == ([one], ())
        assert claim.jobs[1].revision == beside.scalar("SELECT revision FROM eed_job")
        assert world.delivering.wire(claim.emails[0], 60) is None
        world.close()
        beside.close()
