"""The copies of the schema that other tests run on are what the migrations make, and each test finds them empty."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import Database
from eed_delivery.ledger import migrations, revision
from eed_delivery.ledger.schema import VERSION_TABLE
from eed_delivery.source.reference import create_reference
from tests.schemas import KeptDatabase
from tests.servers.mariadb import MariaDb
from tests.world import World


def opened(url: str) -> Database:
    return Database(make_engine(make_url(url), connections=2))


def migrated(url: str) -> Database:
    database = opened(url)
    migrations.upgrade(database.engine)
    database.run(create_reference)
    return database


def tables(database: Database) -> dict[str, str]:
    """Each table as the server would make it again."""
    show = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"
    if database.dialect != "sqlite":
        names = database.run(lambda c: c.exec_driver_sql("SHOW TABLES").scalars().all())
        return {n: database.run(lambda c, n=n: c.exec_driver_sql(f"SHOW CREATE TABLE `{n}`").one()[1]) for n in names}
    return {str(row.name): str(row.sql) for row in database.run(lambda c: c.exec_driver_sql(show).all())}


@pytest.fixture(scope="module")
def kept(mariadb: MariaDb) -> KeptDatabase:
    return KeptDatabase(mariadb, "kept_once")


def test_a_database_on_a_server_is_what_the_migrations_make(mariadb: MariaDb) -> None:
    first, copy = World(mariadb.create_database("first")), World(mariadb.create_database("copy"))
    whole = migrated(mariadb.create_database("migrated"))
    assert tables(copy.database) == tables(first.database) == tables(whole)
    assert copy.database.run(revision.current) == revision.head()
    for database in (first.database, copy.database, whole):
        database.close()


def test_a_file_is_what_the_migrations_make(tmp_path: Path) -> None:
    copy, whole = World(f"sqlite:///{tmp_path}/copy.sqlite3"), migrated(f"sqlite:///{tmp_path}/migrated.sqlite3")
    assert tables(copy.database) == tables(whole)
    assert copy.database.run(revision.current) == revision.head()
    copy.close()
    whole.close()


def rows(url: str) -> None:
    world = World(url)
    world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    world.close()


def a_lock(url: str) -> None:
    """A transaction that is open, and that neither who began it nor the server ends."""
    World(url).add_job()
    connection = create_engine(url).connect()
    connection.exec_driver_sql("UPDATE delivery_job SET name = 'held'")
    HELD.append(connection)


def a_column(url: str) -> None:
    opened(url).run(lambda c: c.exec_driver_sql("ALTER TABLE delivery_job DROP COLUMN category"))


def a_table(url: str) -> None:
    opened(url).run(lambda c: c.exec_driver_sql("CREATE TABLE mq (id INTEGER PRIMARY KEY)"))


def a_trigger(url: str) -> None:
    trigger = "CREATE TRIGGER no BEFORE INSERT ON eed_email FOR EACH ROW SIGNAL SQLSTATE '45000'"
    opened(url).run(lambda c: c.exec_driver_sql(trigger))


def an_older_revision(url: str) -> None:
    opened(url).run(lambda c: c.exec_driver_sql("UPDATE eed_alembic_version SET version_num = '0001'"))


def nothing_at_all(url: str) -> None:
    database = make_url(url).database
    opened(url).run(lambda c: c.exec_driver_sql(f"DROP DATABASE {database}"))


HELD: list[object] = []


@pytest.mark.parametrize("leave", [rows, a_lock, a_column, a_table, a_trigger, an_older_revision, nothing_at_all])
def test_whatever_a_test_leaves_the_next_one_finds_it_empty(kept: KeptDatabase, leave: Callable[[str], None]) -> None:
    before = opened(kept.emptied())
    wanted = tables(before)
    before.close()
    leave(kept.emptied())
    found = opened(kept.emptied())
    assert tables(found) == wanted  # the number that each table would give next, too
    assert found.run(revision.current) == revision.head()
    counts = {
        name: found.run(lambda c, n=name: c.exec_driver_sql(f"SELECT COUNT(*) FROM `{n}`").scalar()) for name in wanted
    }
    assert {name for name, count in counts.items() if count} == {VERSION_TABLE}
    assert found.run(lambda c: c.exec_driver_sql("SHOW TRIGGERS").all()) == []
    found.close()
