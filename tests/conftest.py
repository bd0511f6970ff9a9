"""Fixtures for real servers. Each server is started once a session, and only if a test asks for it."""

import gc
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import settings

from tests.examples import DEV_EXAMPLES
from tests.servers.database_server import DatabaseServer, NewDatabaseServer
from tests.servers.databases import KINDS, RUNNING
from tests.servers.mariadb import MariaDb
from tests.servers.ministack import MiniStack
from tests.servers.mysql import MySql
from tests.servers.mysql_binaries import REQUIRED, NotToBeHad, new_data_directory

pytest_plugins = ["tests.timing"]

_numbers = itertools.count(1)
NEED_A_SERVER = {"database_server", "new_database_server", *KINDS}
QUICK_TIERS = {"unit", "contract"}

# Who looks at one example longer than another, on a machine with other work, has found nothing: no deadline.
settings.register_profile("ci", deadline=None)
settings.register_profile("dev", deadline=None, max_examples=DEV_EXAMPLES)
settings.load_profile("ci")  # --hypothesis-profile chooses another one


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=(*KINDS, "sqlite"),
        help="Run all tests on this database, on sqlite those that need no server. Default: MariaDB, some on more",
    )
    parser.addoption(
        "--quick",
        action="store_true",
        help="Run only the unit tests, the contract tests and the ledger's; without --database on SQLite",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "both_databases: runs on MariaDB and on MySQL")
    config.addinivalue_line("markers", "also_on_sqlite: runs on SQLite besides; others do with --database sqlite")
    if config.getoption("--quick") and config.getoption("--database") is None:
        config.option.database = "sqlite"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Which databases a test runs on."""
    if "database_kind" not in metafunc.fixturenames:
        return
    kinds = list(_servers_for(metafunc))
    if "sqlite_too" in metafunc.fixturenames and _is_on_sqlite_besides(metafunc):
        kinds.append("sqlite")
    if len(kinds) > 1:
        metafunc.parametrize("database_kind", kinds, indirect=True, scope="session")


def _is_on_sqlite_besides(metafunc: pytest.Metafunc) -> bool:
    chosen = metafunc.config.getoption("--database") is not None
    return not chosen and metafunc.definition.get_closest_marker("also_on_sqlite") is not None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what the options leave out."""
    kept = [item for item in items if _is_wanted(config, item)]
    if len(kept) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept


def pytest_collection_finish() -> None:
    """All tests are there from now on, with what they have imported. The garbage collector need not look through them
    again: each full collection would take it up to half a second, and some tests cause several. As in the service's own
    processes (`eed_delivery.app.preload`), few objects wait for it at all."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)


def _is_wanted(config: pytest.Config, item: pytest.Item) -> bool:
    uses = set(getattr(item, "fixturenames", ()))
    if config.getoption("--database") == "sqlite" and uses & NEED_A_SERVER:
        return False
    return not config.getoption("--quick") or _tier(item) in QUICK_TIERS or "sqlite_too" in uses


def _tier(item: pytest.Item) -> str:
    """`unit`, `contract`, `integration` or `faults`: the folder beside this file."""
    return item.path.relative_to(Path(__file__).parent).parts[0]


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
    """For fixtures that give a database: it may be SQLite, too, with --database sqlite or `also_on_sqlite`."""


@pytest.fixture(scope="session", autouse=True)
def no_settings_from_outside() -> Iterator[None]:
    """No test may reach a real AWS account, or pass because of a developer's settings."""
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
    yield from _running(MariaDb(in_memory=True))


@pytest.fixture(scope="session")
def mysql() -> Iterator[MySql]:
    """The session's MySQL, as `mariadb`. Where none can be had, its tests are skipped, and say why."""
    yield from _running(_new_mysql(in_memory=True))


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
    if database_kind == "sqlite":
        pytest.skip("needs a server, and --database is sqlite")
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
