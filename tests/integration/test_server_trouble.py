"""What MariaDB and MySQL say when they cannot go on, each in its own words: the work waits, and loses nothing."""

import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, make_url, text

from eed_delivery.database.engine import make_engine
from eed_delivery.database.transactions import Database
from eed_delivery.errors import DatabaseGone
from tests.servers.database_server import DatabaseServer, NewDatabaseServer
from tests.servers.ministack import MiniStack
from tests.servers.mysql import MySql
from tests.stack import Stack
from tests.waiting import until

pytestmark = pytest.mark.both_databases
COUNT = text("UPDATE t SET a = a + 1")


def plain_user(server: DatabaseServer, url: str) -> str:
    """The database as a user reaches it who has no special rights: what binds administrators too is rare."""
    address, password = make_url(url), secrets.token_urlsafe(16)
    name = f"plain_{secrets.token_hex(4)}"
    server.execute(
        f"CREATE USER '{name}'@'%' IDENTIFIED BY '{password}'",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON `{address.database}`.* TO '{name}'@'%'",
    )
    return address.set(username=name, password=password).render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def server(new_database_server: NewDatabaseServer) -> Iterator[DatabaseServer]:
    """One that nobody else has: what is set here is set for all of it."""
    with new_database_server() as server:
        yield server


@contextmanager
def counter(server: DatabaseServer, url: str | None = None) -> Iterator[Database]:
    """A row that is counted up, reached with a single connection by a user without special rights."""
    server.create_database("trouble")
    server.execute("CREATE TABLE t (a INT)", "INSERT INTO t VALUES (0)", database="trouble")
    url = url or plain_user(server, server.database("trouble"))
    database = Database(make_engine(make_url(url), connections=1))
    try:
        yield database
    finally:
        database.close()


def add_one(database: Database) -> int:
    return database.run(lambda c: c.execute(COUNT).rowcount)


def total(database: Database) -> int:
    return database.run(lambda c: int(c.execute(text("SELECT a FROM t")).scalar_one()))


def own_id(c: Connection) -> int:
    return int(c.execute(text("SELECT CONNECTION_ID()")).scalar_one())


@pytest.mark.parametrize(
    ("refusing", "taking"),
    [
        ("SET GLOBAL read_only = ON", "SET GLOBAL read_only = OFF"),
        ("SET GLOBAL super_read_only = ON", "SET GLOBAL read_only = OFF"),
        ("SET GLOBAL offline_mode = ON", "SET GLOBAL offline_mode = OFF"),
        ("ALTER USER {user} ACCOUNT LOCK", "ALTER USER {user} ACCOUNT UNLOCK"),
        ("ALTER USER {user} PASSWORD EXPIRE", "ALTER USER {user} IDENTIFIED BY '{password}'"),
    ],
)
def test_while_the_server_refuses_it_is_away_and_then_back(server: DatabaseServer, refusing: str, taking: str) -> None:
    if server.kind != "mysql" and ("super" in refusing or "offline" in refusing):
        pytest.skip("MySQL alone has it")
    with counter(server) as database:
        add_one(database)
        url = database.engine.url
        names = {"user": f"'{url.username}'@'%'", "password": url.password}
        server.execute(refusing.format(**names))
        try:
            if "USER" in refusing:  # which counts for those who come anew
                database.close()
            with pytest.raises(DatabaseGone):
                add_one(database)
        finally:
            server.execute(taking.format(**names))
        assert add_one(database) == 1
        assert total(database) == 2


def test_a_query_that_is_killed_is_tried_again(server: DatabaseServer) -> None:
    with counter(server) as database:
        before = database.run(own_id)
        with _held_row(server) as released, ThreadPoolExecutor(1) as pool:
            counted = pool.submit(add_one, database)
            until(lambda: _is_at_work(server, before))
            server.execute(f"KILL QUERY {before}")
            until(lambda: not _is_at_work(server, before))
            released.set()
            assert counted.result(30) == 1
        assert total(database) == 1


def test_a_connection_that_is_killed_is_replaced(server: DatabaseServer) -> None:
    with counter(server) as database:
        before = database.run(own_id)
        with _held_row(server) as released, ThreadPoolExecutor(1) as pool:
            counted = pool.submit(add_one, database)
            until(lambda: _is_at_work(server, before))
            server.execute(f"KILL CONNECTION {before}")
            released.set()
            assert counted.result(30) == 1
        assert database.run(own_id) != before
        assert total(database) == 1


def test_a_connection_that_was_idle_for_too_long_is_replaced(server: DatabaseServer) -> None:
    """MySQL says farewell before anybody has asked (error 4031); MariaDB says nothing."""
    with counter(server) as database:
        before = database.run(lambda c: (c.execute(text("SET SESSION wait_timeout = 1")), own_id(c))[1])
        until(lambda: not _is_there(server, before))
        assert add_one(database) == 1
        assert database.run(own_id) != before


def test_a_server_that_starts_again_is_found(server: DatabaseServer) -> None:
    """With caching_sha2_password, what it had cached of the password is gone."""
    with counter(server) as database:
        add_one(database)
        server.kill()
        with pytest.raises(DatabaseGone):
            add_one(database)
        server.restart()
        assert add_one(database) == 1
        assert total(database) == 2


@pytest.mark.timeout(300)
def test_read_only_amid_a_job_costs_nobody_an_attempt(
    server: DatabaseServer, ministack: MiniStack, tmp_path: Path
) -> None:
    """As in a failover of Aurora, after which the old writer is a reader."""
    url = server.create_database("amid")
    with Stack(url, ministack, tmp_path / "stack", service_url=plain_user(server, url)) as stack:
        stack.mail_up(seconds=0.02)
        stack.add_job([f"c{n}@example.com" for n in range(150)])
        service = stack.start("run")
        stack.wait_until(lambda: stack.counts()["sent"] >= 30, "thirty are sent")
        server.execute("SET GLOBAL read_only = ON")
        try:
            stack.wait_until(lambda: any("1290" in str(e.get("reason")) for e in service.log_events()), "it is said")
        finally:
            server.execute("SET GLOBAL read_only = OFF")
        stack.wait_finished(1)
        assert service.terminate() == 0
        stack.balance()
        assert set(stack.world.execute("SELECT attempts FROM eed_email")) == {(1,)}


# --- who may come in: MySQL's own way of passwords ---------------------------------------------------------------


def test_a_user_of_caching_sha2_password_comes_in_without_tls(mysql: MySql) -> None:
    """The driver encrypts the password with the server's key; once the server has cached it, a hash does. (With TLS:
    test_mysql_tls.) A password of other letters than latin1's is sent as it was set, in UTF-8."""
    password = secrets.token_urlsafe(40) + "'ü€\\"
    escaped = password.replace("\\", "\\\\").replace("'", "''")
    mysql.execute(
        "DROP USER IF EXISTS 'sha2'@'%'",
        f"CREATE USER 'sha2'@'%' IDENTIFIED WITH caching_sha2_password BY '{escaped}'",
    )
    url = make_url(mysql.url).set(username="sha2", password=password, database="")
    for _ in ("whole", "by the cache"):
        database = Database(make_engine(url, connections=1))
        assert database.run(lambda c: c.execute(text("SELECT CURRENT_USER()")).scalar_one()) == "sha2@%"
        database.close()
    mysql.execute("DROP USER 'sha2'@'%'")


@contextmanager
def _held_row(server: DatabaseServer) -> Iterator[threading.Event]:
    """Another transaction has the row until the event is set."""
    engine = make_engine(make_url(server.database("trouble")), connections=1)
    released = threading.Event()
    taken = threading.Event()

    def hold() -> None:
        with engine.begin() as c:
            c.execute(text("SELECT a FROM t FOR UPDATE")).all()
            taken.set()
            released.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(30)
    try:
        yield released
    finally:
        released.set()
        thread.join(30)
        engine.dispose()


def _processes(server: DatabaseServer) -> dict[int, str]:
    engine = make_engine(make_url(server.url).set(database="mysql"), connections=1)
    with engine.connect() as c:
        found = {int(row[0]): str(row[7] or "") for row in c.execute(text("SHOW FULL PROCESSLIST"))}
    engine.dispose()
    return found


def _is_there(server: DatabaseServer, connection_id: int) -> bool:
    return connection_id in _processes(server)


def _is_at_work(server: DatabaseServer, connection_id: int) -> bool:
    return _processes(server).get(connection_id, "").startswith("UPDATE")
