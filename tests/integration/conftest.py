"""A whole installation for one test, with the session's database and ministack beneath it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.schemas import KeptDatabase
from tests.servers.database_server import DatabaseServer
from tests.servers.ministack import MiniStack
from tests.servers.mysql_proxy import MySqlProxy
from tests.stack import Stack
from tests.world import World

NewStack = Callable[..., Stack]


@pytest.fixture
def new_stack(database_url: str, ministack: MiniStack, tmp_path: Path) -> Iterator[NewStack]:
    """Makes the test's installation: `new_stack({"worker.threads": 2}, max_receive_count=3)`."""
    with ExitStack() as at_the_end:

        def make(settings: dict[str, Any] | None = None, **options: Any) -> Stack:
            return at_the_end.enter_context(Stack(database_url, ministack, tmp_path / "stack", settings, **options))

        yield make


@pytest.fixture
def proxy(database_server: DatabaseServer) -> Iterator[MySqlProxy]:
    """A way to the database server that the test can hold, cut and listen to."""
    with MySqlProxy(database_server.port) as proxy:
        yield proxy


@pytest.fixture
def any_database_url(
    request: pytest.FixtureRequest, database_kind: str, sqlite_too: None, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """An empty database for this test alone, over each database in turn."""
    if database_kind == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('sqlite')}/x.sqlite3"
    return str(request.getfixturevalue("database_url"))


@pytest.fixture(scope="session")
def kept_database(database_server: DatabaseServer) -> KeptDatabase:
    """The server's database with ledger and source, which test after test gets emptied."""
    return KeptDatabase(database_server, "kept")


@pytest.fixture
def world(request: pytest.FixtureRequest, database_kind: str, sqlite_too: None, tmp_path: Path) -> Iterator[World]:
    """Source and ledger, empty, over each database in turn; a module may fill it, or have its own."""
    if database_kind == "sqlite":
        world = World(f"sqlite:///{tmp_path}/ledger.sqlite3")
    else:
        kept: KeptDatabase = request.getfixturevalue("kept_database")
        world = World(kept.emptied(), engine=kept.engine(), prepared=True)
    yield world
    world.close()


@pytest.fixture
def one(world: World) -> int:
    """An email that is enlisted and pending, in the world of the module that asks."""
    (email_id,) = world.add_job()
    world.enlist()
    return email_id
