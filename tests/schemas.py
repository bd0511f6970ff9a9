"""The schema of ledger and reference source, made once and then copied: a dozen migrations take longer than most tests.

    prepare(database)                                  # the schema, in a database of a test's own
    url = KeptDatabase(server, "kept").emptied()       # one database, for one test after the other

The first time in a process the migrations are run, as on a customer's database. What they have made is read back; later
databases get it in one request (MariaDB, MySQL) or as a copy of a file (SQLite).
"""

import re
import shutil
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Protocol

import pymysql
from pymysql.constants import CLIENT, ER
from sqlalchemy import URL, Engine, make_url

from eed_delivery.database.engine import make_engine
from eed_delivery.database.mysql_connection import MySqlConnection
from eed_delivery.database.transactions import Database
from eed_delivery.ledger import migrations
from eed_delivery.ledger.schema import VERSION_TABLE
from eed_delivery.source.reference import create_reference
from tests.timing import DATABASE_CREATION, spending

LOCK_WAIT_SECONDS = 20
_AUTO_INCREMENT = re.compile(r" AUTO_INCREMENT=\d+")


class DatabaseServer(Protocol):
    """What a server must offer here."""

    def create_database(self, name: str) -> str: ...


@dataclass(frozen=True)
class Schema:
    """What the migrations and the reference tables have made on one kind of server."""

    tables: dict[str, str]
    """Their CREATE statements by their names."""
    revision: str

    def statements(self) -> list[str]:
        return [*self.tables.values(), self.version_row()]

    def version_row(self) -> str:
        return f"INSERT INTO `{VERSION_TABLE}` VALUES ('{self.revision}')"


_schemas: dict[tuple[Any, ...], Schema] = {}


def prepare(database: Database) -> None:
    """Bring a database to this release's schema, with the reference tables."""
    with spending(DATABASE_CREATION):
        if database.dialect == "sqlite":
            _prepare_file(database)
        else:
            _prepare_on_server(database)


def _prepare_file(database: Database) -> None:
    path = database.engine.url.database
    if path and not Path(path).exists():
        shutil.copy(_sqlite_file(), path)
    else:
        _migrate(database)


@cache
def _sqlite_file() -> Path:
    path = Path(mkdtemp(prefix="eed-schema-")) / "empty.sqlite3"
    database = Database(make_engine(make_url(f"sqlite:///{path}"), connections=1))
    _migrate(database)
    database.close()
    return path


def _prepare_on_server(database: Database) -> None:
    with closing(_Session(database.engine.url)) as session:
        kind, tables = session.kind(), session.tables()
        known = _schemas.get(kind)
        if known is None or (tables and tables != known.tables):
            _migrate(database)
            if not tables:
                _schemas[kind] = Schema(session.tables(), session.revision())
        elif not tables:
            session.run(known.statements())


def _migrate(database: Database) -> None:
    migrations.upgrade(database.engine)
    database.run(create_reference)


class KeptDatabase:
    """A database that test after test has for itself: each finds the schema as it is first, and no rows.

    Where a test has left another schema, it is made anew.
    """

    def __init__(self, server: DatabaseServer, name: str) -> None:
        self._server = server
        self._name = name
        self._url = ""
        self._schema: Schema | None = None

    @cached_property
    def _engine(self) -> Engine:
        return make_engine(make_url(self._url), connections=20, multi_statements=True)

    def engine(self) -> Engine:
        """An engine with listeners of its own. All of them share the statements that are compiled already."""
        return self._engine.execution_options()

    def emptied(self) -> str:
        """Its URL. Sessions that the test before has left open are ended: they may hold locks, or still write."""
        with spending(DATABASE_CREATION):
            if self._schema is None or not self._empty(self._schema):
                self._schema = self._make()
        return self._url

    def _make(self) -> Schema:
        self._url = self._server.create_database(self._name)
        database = Database(make_engine(make_url(self._url), connections=1))
        _prepare_on_server(database)
        database.close()
        with closing(_Session(make_url(self._url))) as session:
            return Schema(session.tables(), session.revision())

    def _empty(self, schema: Schema) -> bool:
        try:
            session = _Session(make_url(self._url))
        except pymysql.err.OperationalError:  # the test before has dropped it
            return False
        with closing(session):
            session.end_others(self._name)
            found = session.creates()
            if _uncounted(found) != schema.tables or session.has_triggers():
                return False
            session.run([*_deletes(found), schema.version_row(), *_resets(found)])
        return True


def _uncounted(creates: Mapping[str, str]) -> dict[str, str]:
    return {name: _AUTO_INCREMENT.sub("", create) for name, create in creates.items()}


def _deletes(creates: Mapping[str, str]) -> list[str]:
    return ["BEGIN", *(f"DELETE FROM `{table}`" for table in creates), "COMMIT"]


def _resets(creates: Mapping[str, str]) -> list[str]:
    """Statements that let each table begin to count at 1 again."""
    counted = (name for name, create in creates.items() if _AUTO_INCREMENT.search(create))
    return [f"ALTER TABLE `{name}` AUTO_INCREMENT = 1" for name in counted]


class _Session:
    """A connection that asks several things in one request."""

    def __init__(self, url: URL) -> None:
        self._connection = MySqlConnection(
            host=url.host or "",
            port=url.port or 0,
            user=url.username,
            password=url.password or "",
            database=url.database,
            charset="utf8mb4",
            autocommit=True,
            client_flag=CLIENT.MULTI_STATEMENTS,
            init_command=(
                f"SET SESSION foreign_key_checks = 0, lock_wait_timeout = {LOCK_WAIT_SECONDS}, "
                f"innodb_lock_wait_timeout = {LOCK_WAIT_SECONDS}"
            ),
        )

    def close(self) -> None:
        self._connection.close()

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall())

    def run(self, statements: Sequence[str]) -> list[list[tuple[Any, ...]]]:
        """All of them in one request; returns the rows of each."""
        if not statements:
            return []
        with self._connection.cursor() as cursor:
            cursor.execute(";\n".join(statements))
            found = [list(cursor.fetchall())]
            while cursor.nextset():
                found.append(list(cursor.fetchall()))
            return found

    def kind(self) -> tuple[Any, ...]:
        """What a CREATE TABLE may come out differently for."""
        return self.rows("SELECT VERSION(), @@collation_database, @@GLOBAL.sql_mode")[0]

    def creates(self) -> dict[str, str]:
        """The CREATE statement of each table and view, with the next number that it would give."""
        names = [str(row[0]) for row in self.rows("SHOW TABLES")]
        found = self.run([f"SHOW CREATE TABLE `{name}`" for name in names])
        return {name: str(rows[0][1]) for name, rows in zip(names, found, strict=True)}

    def tables(self) -> dict[str, str]:
        """The CREATE statement of each table and view."""
        return _uncounted(self.creates())

    def has_triggers(self) -> bool:
        return bool(self.rows("SHOW TRIGGERS"))

    def revision(self) -> str:
        return str(self.rows(f"SELECT version_num FROM `{VERSION_TABLE}`")[0][0])

    def end_others(self, database: str) -> None:
        """End every other session that uses this database, and wait until they are gone."""
        pause = threading.Event()
        for _ in range(LOCK_WAIT_SECONDS * 100):
            others = [row[0] for row in self.rows("SHOW PROCESSLIST") if row[3] == database and row[0] != self._own]
            for number in others:
                self._end(number)
            if not others:
                return
            pause.wait(0.01)
        raise RuntimeError(f"sessions that use {database} could not be ended: {others}")

    @property
    def _own(self) -> int:
        return int(self._connection.thread_id())

    def _end(self, number: int) -> None:
        try:
            self.rows(f"KILL {number}")
        except pymysql.err.MySQLError as error:
            if error.args[0] != ER.NO_SUCH_THREAD:  # it has ended meanwhile
                raise
