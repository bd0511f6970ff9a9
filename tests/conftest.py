"""Fixtures for real servers. Each server is started once a session, and only if a test asks for it."""

import itertools
import os
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from tests.servers.database_server import DatabaseServer, NewDatabaseServer
from tests.servers.databases import KINDS, RUNNING
from tests.servers.mariadb import MariaDb
from tests.servers.ministack import MiniStack
from tests.servers.mysql import MySql
from tests.servers.mysql_binaries import REQUIRED, NotToBeHad, new_data_directory

pytest_plugins = ["tests.timing"]

WITHOUT_FSYNC = ("--innodb-flush-log-at-trx-commit=0", "--sync-binlog=0")
"""For a server that no test kills, and whose files may be on a disk: a commit does not wait for it."""
_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=KINDS, help="all tests on this; else MariaDB, some on both")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "both_databases: runs on MariaDB and on MySQL")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Which databases a test runs on. What uses `sqlite_too` runs on SQLite besides."""
    if "database_kind" not in metafunc.fixturenames:
        return
    kinds = list(_servers_for(metafunc))
    if "sqlite_too" in metafunc.fixturenames:
        kinds.append("sqlite")
    if len(kinds) > 1:
        metafunc.parametrize("database_kind", kinds, indirect=True, scope="session")


def _servers_for(metafunc: pytest.Metafunc) -> tuple[str, ...]:
    chosen: str | None = metafunc.config.getoption("--database")
    if chosen is not None:
        return (chosen,)
    return KINDS if metafunc.definition.get_closest_marker("both_databases") else ("mariadb",)


@pytest.fixture(scope="session")
def database_kind(request: pytest.FixtureRequest) -> str:
    """`mariadb`, `mysql` or `sqlite`: what this test runs on."""
    return str(getattr(request, "param", None) or request.config.getoption("--database") or "mariadb")


@pytest.fixture(scope="session")
def sqlite_too() -> None:
    """For fixtures that give a database: their tests run on SQLite, too."""


@pytest.fixture(scope="session", autouse=True)
def no_settings_from_outside() -> Iterator[None]:
    """No test may reach somebody's AWS account, or pass because of somebody's settings."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "EED_"))]:
            patch.delenv(name)
        patch.delenv("CREDENTIALS_DIRECTORY", raising=False)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        yield


@pytest.fixture(autouse=True)
def plain_logs() -> None:
    """Where a test has not set up our own logs, everything is logged, whatever the test before has set up. An exception
    is written plainly: with every local variable of every frame, as structlog would by default, it takes seconds, and
    leases run out meanwhile."""
    structlog.reset_defaults()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(),
        ]
    )


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDb]:
    """The session's MariaDB. A test that kills or stops a server starts one of its own instead, which is durable."""
    yield from _running(MariaDb(WITHOUT_FSYNC, in_memory=True))


@pytest.fixture(scope="session")
def mysql() -> Iterator[MySql]:
    """The session's MySQL, as `mariadb`. Where none can be had, its tests are skipped, and say why."""
    yield from _running(_new_mysql(WITHOUT_FSYNC, in_memory=True))


def _new_mysql(*options: Any, **more: Any) -> MySql:
    try:
        new_data_directory()
    except NotToBeHad as reason:
        if os.environ.get(REQUIRED) == "1":
            raise
        pytest.skip(str(reason))
    return MySql(*options, **more)


def _running(server: Any) -> Iterator[Any]:
    if server.kind in RUNNING:
        yield RUNNING[server.kind]
        return
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def database_server(request: pytest.FixtureRequest, database_kind: str) -> DatabaseServer:
    """The session's MariaDB or MySQL, whichever this test runs on."""
    server: DatabaseServer = request.getfixturevalue(database_kind)
    return server


@pytest.fixture(scope="session")
def new_database_server(database_kind: str) -> NewDatabaseServer:
    """For a test that kills, stops or sets a server: one of its own, of the kind that it runs on."""
    return _new_mysql if database_kind == "mysql" else MariaDb


@pytest.fixture
def database_url(database_server: DatabaseServer) -> Iterator[str]:
    """An empty database on the server, for this test alone."""
    name = f"eed_{next(_numbers)}"
    yield database_server.create_database(name)
    database_server.drop_database(name)


@pytest.fixture(scope="session")
def ministack() -> Iterator[MiniStack]:
    """The session's SQS, SES and S3."""
    server = MiniStack()
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def queue_urls(ministack: MiniStack) -> tuple[str, str]:
    """A queue and its dead-letter queue, for this test alone."""
    return ministack.make_queue(f"eed-{next(_numbers)}")
