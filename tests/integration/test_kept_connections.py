"""A worker's thread keeps its connection from one transaction to the next, and gives it up when it should."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event, make_url, text

from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import Database
from eed_delivery.errors import DatabaseGone

pytestmark = pytest.mark.both_databases

LONG = 3600.0


class Counted:
    """A database over two connections that counts how often the pool is asked for one."""

    def __init__(self, url: str) -> None:
        self.engine = make_engine(make_url(url), connections=2)
        self.asked = 0
        event.listen(self.engine, "checkout", self._count)

    def _count(self, *_: Any) -> None:
        self.asked += 1

    def held(self, hold_seconds: float, most_kept: int = 10) -> Database:
        return Database(self.engine, hold_seconds=hold_seconds, most_kept=most_kept)


@pytest.fixture
def counted(database_url: str) -> Iterator[Counted]:
    counted = Counted(database_url)
    yield counted
    counted.engine.dispose()


def own_id(c: Connection) -> int:
    return int(c.execute(text("SELECT CONNECTION_ID()")).scalar_one())


def test_a_thread_asks_the_pool_once(counted: Counted) -> None:
    database = counted.held(LONG)
    assert len({database.run(own_id) for _ in range(5)}) == 1
    assert counted.asked == 1


def test_when_its_time_is_over_it_asks_again(counted: Counted) -> None:
    database = counted.held(1e-9)
    for _ in range(5):
        database.run(own_id)
    assert counted.asked == 5


def test_each_thread_has_its_own(counted: Counted) -> None:
    database = counted.held(LONG)
    ids = [database.run(own_id)]
    thread = threading.Thread(target=lambda: ids.append(database.run(own_id)))
    thread.start()
    thread.join(60)
    assert len(set(ids)) == 2


def test_a_thread_that_has_ended_leaves_its_connection_to_the_next(counted: Counted) -> None:
    database = counted.held(LONG)
    ids: list[int] = []
    for _ in range(6):  # more threads than there are connections
        thread = threading.Thread(target=lambda: ids.append(database.run(own_id)))
        thread.start()
        thread.join(60)
    assert len(ids) == 6
    assert len(set(ids)) <= 2


def test_a_connection_that_the_server_has_ended_costs_one_more_try(counted: Counted) -> None:
    database, other = counted.held(LONG), counted.held(0)
    number = database.run(own_id)
    other.run(lambda c: c.execute(text(f"KILL {number}")))
    assert database.run(own_id) != number


def test_work_within_work_has_a_connection_of_its_own(counted: Counted) -> None:
    database = counted.held(LONG)
    assert database.run(lambda c: (own_id(c), database.run(own_id))[1] != own_id(c))


def test_work_that_fails_takes_nothing_along(counted: Counted) -> None:
    database = counted.held(LONG)
    database.run(lambda c: c.execute(text("CREATE TABLE t (a INT PRIMARY KEY) ENGINE=InnoDB")))

    def twice(c: Connection) -> None:
        c.execute(text("INSERT INTO t VALUES (1)"))
        raise ValueError("changed its mind")

    with pytest.raises(ValueError, match="changed its mind"):
        database.run(twice)
    assert database.run(lambda c: c.execute(text("SELECT COUNT(*) FROM t")).scalar_one()) == 0


def test_close_closes_what_this_thread_keeps(counted: Counted) -> None:
    database, other = counted.held(LONG), Database(make_engine(counted.engine.url, connections=1))
    number = database.run(own_id)
    database.close()
    alive = other.run(
        lambda c: c.execute(
            text("SELECT COUNT(*) FROM information_schema.processlist WHERE id = :n"), {"n": number}
        ).scalar_one()
    )
    other.close()
    assert alive == 0


def in_turn(database: Database, threads: int, *, let_go: bool) -> list[int]:
    """The connection of each thread, of which all live until the last one has had its own."""
    ids, over = list[int](), threading.Event()

    def work(had: threading.Event) -> None:
        ids.append(database.run(own_id))
        if let_go:
            database.let_go()
        had.set()
        over.wait()

    for _ in range(threads):
        had = threading.Event()
        threading.Thread(target=work, args=(had,), daemon=True).start()
        had.wait()
    over.set()
    return ids


def test_more_threads_than_may_keep_one_share_the_others(counted: Counted) -> None:
    ids = in_turn(counted.held(LONG, most_kept=1), 6, let_go=False)
    assert len(ids) == 6
    assert len(set(ids)) == 2, "the first thread keeps one, and the others take turns with the second"


def test_a_thread_that_ends_lets_go_of_its_connection(counted: Counted) -> None:
    assert len(set(in_turn(counted.held(LONG), 6, let_go=True))) == 1


def test_when_none_becomes_free_the_database_counts_as_gone(database_url: str) -> None:
    engine = make_engine(make_url(database_url), connections=1)
    engine.pool._timeout = 0.01  # type: ignore[attr-defined]
    database = Database(engine)
    with engine.connect(), engine.connect(), pytest.raises(DatabaseGone):
        database.run(own_id)
    database.ping()
    engine.dispose()
